// Whether anybody but its owner uses a context: its owner may let go of it then, and nobody will miss its end.
#include <tandem/runtime/detail/context_watch.hpp>

#include <optional>

#include <gtest/gtest.h>

#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using detail::is_used_by_nobody_else;
using testing::sim_runtime;

struct fixture {
  sim_runtime sim;
  const cancel_source own{sim.root_context()};
  [[nodiscard]] bool is_unused() const { return is_used_by_nobody_else(own.context()); }
};

TEST(ContextUse, AFreshOneIsUsedByNobodyElse) {
  const fixture f;
  EXPECT_TRUE(f.is_unused());
  f.own.cancel();
  EXPECT_TRUE(f.is_unused());
}

TEST(ContextUse, NoContextIsNobodysOwn) { EXPECT_FALSE(is_used_by_nobody_else(context())); }

TEST(ContextUse, ACopyUsesIt) {
  const fixture f;
  std::optional<context> copy(f.own.context());
  EXPECT_FALSE(f.is_unused());
  copy.reset();
  EXPECT_TRUE(f.is_unused());
}

TEST(ContextUse, AContextBelowUsesIt) {
  const fixture f;
  std::optional<cancel_source> below(f.own.context());
  EXPECT_FALSE(f.is_unused());
  below.reset();
  EXPECT_TRUE(f.is_unused());
}

TEST(ContextUse, AValueBelowUsesIt) {
  static const context_key<int> key{"number"};
  const fixture f;
  std::optional<context> below(with_value(f.own.context(), key, 1));
  EXPECT_FALSE(f.is_unused());
  below.reset();
  EXPECT_TRUE(f.is_unused());
}

task<> nap() { (void)co_await sleep_for(1s); }

TEST(ContextUse, ATaskUnderItUsesIt) {
  fixture f;
  f.sim.spawn(nap(), spawn_options("sleeper", f.own.context())).detach();
  f.sim.run_until_idle();
  EXPECT_FALSE(f.is_unused());
  f.sim.advance(1s);
  EXPECT_TRUE(f.is_unused());
}

TEST(ContextUse, ACallAtItsEndUsesItUntilItIsStopped) {
  fixture f;
  int calls = 0;
  {
    after_handle call = after_func(f.own.context(), [&calls] { ++calls; });
    EXPECT_TRUE(call.stop());
  }
  EXPECT_TRUE(f.is_unused());
  after_func(f.own.context(), [&calls] { ++calls; });  // its handle, and with that its share, is gone
  EXPECT_FALSE(f.is_unused());
  f.own.cancel();
  f.sim.run_until_idle();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(f.is_unused());
}

TEST(ContextUse, WhoIsToldOfItsEndUsesItWithoutAShare) {
  const fixture f;
  detail::context_watch watch([](detail::context_watch&) noexcept {});
  ASSERT_TRUE(watch_end(f.own.context(), watch));
  EXPECT_FALSE(f.is_unused());
  unwatch_end(f.own.context(), watch);
  EXPECT_TRUE(f.is_unused());
}

}  // namespace
}  // namespace tandem
