// However a select over a vector, or over the ends of contexts, is cut short: nothing is taken, and nothing is left.
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/any_arm.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;

using token = std::shared_ptr<int>;  // its use_count() tells whether all that held it is gone
using outcome = std::variant<result<token>, result<void>, error, timed_out, result<tick>>;

struct world {
  explicit world(const token& held) {
    for (int i = 0; i < 70; ++i) {
      auto [tx, rx] = make_channel<token>(0);
      arms.emplace_back(on_recv(rx));
      out.push_back(std::move(tx));
    }
    arms.emplace_back(on_send(blocked.first, held));
    arms.emplace_back(on_send(blocked.first, token(held)));
    arms.emplace_back(on_done(session.context()));
    arms.emplace_back(on_tick(often));
    arms.emplace_back(on_timeout(2h));
  }
  const cancel_source session;
  ticker often{2h};
  std::pair<sender<token>, receiver<token>> blocked = make_channel<token>(0);
  std::vector<sender<token>> out;
  std::vector<any_arm<outcome>> arms;
};

task<error> select_of_a_vector(token held) {
  world w(held);
  auto chosen = co_await select(w.arms);
  EXPECT_FALSE(chosen.has_value());
  for (auto& tx : w.out) EXPECT_EQ(tx.try_send(held).error(), errc::would_block);  // nobody waits there any more
  EXPECT_EQ(w.blocked.second.try_recv().error(), errc::would_block);
  EXPECT_EQ(held.use_count(), 4);  // the test's, ours, and those of the two arms that send it
  co_return chosen ? error() : chosen.error();
}

task<error> select_of_contexts(token) {
  const cancel_source a;
  const cancel_source b;
  auto chosen = co_await select(on_done(a.context()), on_done(b.context()), on_done(this_task::context()));
  EXPECT_FALSE(chosen.has_value());
  co_return chosen ? error() : chosen.error();
}

struct cut_short {
  const char* name;
  task<error> (*body)(token held);
};

class SelectCutShort : public ::testing::TestWithParam<cut_short> {};

TEST_P(SelectCutShort, ByACancelWhileItWaits) {
  testing::sim_runtime sim;
  const auto held = std::make_shared<int>(1);
  const cancel_source source(sim.root_context());
  auto selecting = sim.spawn(GetParam().body(held), source.context());
  sim.advance(1h);
  ASSERT_FALSE(selecting.done());
  source.cancel(make_error(errc::aborted, "not needed"));
  sim.run_until_idle();
  ASSERT_TRUE(selecting.done());
  const error why = sim.get(selecting).value();
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(tandem::detail::armed_timers(sim.core()), 0U);
}

TEST_P(SelectCutShort, AtTheDeadlineNotBefore) {
  testing::sim_runtime sim;
  const auto held = std::make_shared<int>(1);
  const cancel_source source(sim.root_context(), sim.now() + 1h);
  auto selecting = sim.spawn(GetParam().body(held), source.context());
  sim.advance(1h - 1ns);
  ASSERT_FALSE(selecting.done());
  sim.advance(1ns);
  ASSERT_TRUE(selecting.done());
  EXPECT_EQ(sim.get(selecting).value().code(), errc::deadline_exceeded);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_P(SelectCutShort, ByAShutdownThatDestroysItsTask) {
  const auto held = std::make_shared<int>(1);
  std::latch begun(1);
  auto body = [](std::latch& l, token t) -> task<> {
    l.count_down();
    (void)co_await GetParam().body(std::move(t));
    ADD_FAILURE() << "it went on";
  };
  runtime rt({.workers = 2});
  rt.spawn(without_cancel(body(begun, held)), "stubborn").detach();
  begun.wait();
  EXPECT_FALSE(rt.shutdown(30ms).has_value());
  EXPECT_EQ(rt.live_tasks(), 0U);
  EXPECT_EQ(held.use_count(), 1);
}

INSTANTIATE_TEST_SUITE_P(Waits, SelectCutShort,
                         ::testing::Values(cut_short{"vector", select_of_a_vector},
                                           cut_short{"contexts", select_of_contexts}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace tandem::csp
