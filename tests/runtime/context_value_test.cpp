#include <tandem/runtime/context.hpp>

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

constexpr context_key<std::string> user("name");
constexpr context_key<std::string> other("name");  // the same type and name, yet another key
constexpr context_key<int> level("level");

TEST(ContextValue, IsFoundUnderItsKeyOnly) {
  const context ctx = with_value(context(), user, "ada");
  ASSERT_NE(ctx.value(user), nullptr);
  EXPECT_EQ(*ctx.value(user), "ada");
  EXPECT_EQ(ctx.value(other), nullptr);
  EXPECT_EQ(ctx.value(level), nullptr);
  EXPECT_EQ(context().value(user), nullptr);
}

TEST(ContextValue, TheInnermostHidesTheOthersAndLeavesThemAsTheyWere) {
  const context outer = with_value(with_value(context(), level, 1), user, "ada");
  const context inner = with_value(outer, level, 2);
  EXPECT_EQ(*inner.value(level), 2);
  EXPECT_EQ(*inner.value(user), "ada");
  EXPECT_EQ(*outer.value(level), 1);
}

TEST(ContextValue, TravelsThroughScopesSpawnsAndAwaits) {
  sim_runtime sim;
  auto leaf = []() -> task<int> {
    const int* const found = this_task::context().value(level);
    co_return found ? *found : -1;
  };
  auto body = [leaf]() -> task<int> {
    auto spawned = spawn(with_timeout(1s, leaf()));
    const auto seen = co_await spawned.join();
    const int here = co_await leaf();
    co_return seen.value() * 10 + here;
  };
  EXPECT_EQ(sim.run(with_value(level, 7, with_timeout(1h, body()))).value(), 77);
  EXPECT_EQ(sim.run(leaf()).value(), -1);
}

TEST(ContextValue, EndsWithItsParentAndHasItsDeadline) {
  sim_runtime sim;
  const cancel_source source(sim.root_context(), sim.now() + 1s);
  const context ctx = with_value(source.context(), level, 1);
  EXPECT_EQ(ctx.deadline(), sim.now() + 1s);
  auto nap = []() -> task<result<void>> { co_return co_await sleep_for(1h); };
  auto handle = sim.spawn(nap(), ctx);
  const cancel_source below(ctx);
  sim.run_until_idle();
  ASSERT_FALSE(handle.done());
  source.cancel(make_error(errc::unavailable, "gone"));
  EXPECT_TRUE(ctx.is_over() && below.context().is_over());
  EXPECT_TRUE(ctx.why().is(errc::unavailable));
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(handle).error().is(errc::unavailable));
}

TEST(ContextValue, LivesAsLongAsAContextThatCanSeeIt) {
  auto kept = std::make_shared<int>(1);
  static constexpr context_key<std::shared_ptr<int>> pointer("pointer");
  context ctx = with_value(context(), pointer, kept);
  {
    const cancel_source below(ctx);
    ctx = context();
    EXPECT_EQ(kept.use_count(), 2);
    EXPECT_EQ(*below.context().value(pointer), kept);
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(ContextValue, AChainOfAMillionIsSearchedAndFreedWithoutRecursion) {
  context ctx = with_value(context(), user, "at the top");
  for (int i = 0; i < 1'000'000; ++i) ctx = with_value(ctx, level, i);
  EXPECT_EQ(*ctx.value(level), 999'999);
  EXPECT_EQ(*ctx.value(user), "at the top");
  ctx = context();
}

TEST(WithoutCancel, KeepsTheValuesAndDropsTheEndAndTheDeadline) {
  sim_runtime sim;
  const cancel_source source(with_value(sim.root_context(), level, 3), sim.now() + 1s);
  const context free = without_cancel(source.context());
  source.cancel();
  EXPECT_TRUE(source.context().is_over());
  EXPECT_FALSE(free.is_over());
  EXPECT_FALSE(free.why());
  EXPECT_EQ(free.deadline(), no_deadline);
  EXPECT_EQ(*free.value(level), 3);
  EXPECT_FALSE(without_cancel(context()).is_over());
}

TEST(WithoutCancel, LetsATaskCleanUpAfterItsEndAndNoLonger) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  bool cleaned = false;
  bool over_again = false;
  auto clean = [](bool& done) -> task<> { done = (co_await sleep_for(1s)).has_value(); };
  auto body = [&]() -> task<> {
    (void)co_await sleep_for(1h);
    co_await without_cancel(clean(cleaned));
    over_again = this_task::cancelled();
  };
  auto handle = sim.spawn(body(), source.context());
  sim.run_until_idle();
  source.cancel();
  sim.advance(1s);
  ASSERT_TRUE(handle.done());
  EXPECT_TRUE(cleaned && over_again);
  (void)sim.get(handle);
}

TEST(WithoutCancel, MayHaveADeadlineOfItsOwn) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  source.cancel();
  auto nap = []() -> task<result<void>> { co_return co_await sleep_for(1h); };
  const auto start = sim.now();
  auto handle = sim.spawn(without_cancel(with_timeout(2s, nap())), source.context());
  sim.run_to_end();
  EXPECT_EQ(sim.get(handle).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.now() - start, 2s);
}

}  // namespace
}  // namespace tandem
