#include <tandem/csp/select.hpp>

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

TEST(SelectDone, IsChosenWhenTheContextEndsAndYieldsWhy) {
  sim_runtime sim;
  const cancel_source session(sim.root_context());
  auto [tx, rx] = make_channel<int>(0);
  error why;
  auto body = [&, &rx = rx]() -> task<> {
    auto chosen = co_await select(on_recv(rx), on_done(session.context()));
    EXPECT_EQ(chosen->index(), 1U);
    why = std::get<1>(*chosen);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  session.cancel(make_error(errc::aborted, "logged out"));
  sim.run_until_idle();
  ASSERT_TRUE(selecting.done());
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted)) << why;
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);  // the losing arm no longer counts
}

TEST(SelectDone, OfAContextThatIsOverIsReady) {
  sim_runtime sim;
  const cancel_source session(sim.root_context());
  session.cancel();
  auto body = [&]() -> task<> {
    auto chosen = co_await select(on_done(session.context()), otherwise());
    EXPECT_EQ(chosen->index(), 0U);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(SelectDone, FiresAtTheDeadlineAndNotBefore) {
  sim_runtime sim;
  const cancel_source session(sim.root_context(), sim.now() + 5ms);
  auto body = [&]() -> task<errc> {
    auto chosen = co_await select(on_done(session.context()));
    co_return std::get<0>(*chosen).code();
  };
  auto selecting = sim.spawn(body);
  sim.advance(5ms - 1ns);
  ASSERT_FALSE(selecting.done());
  sim.advance(1ns);
  ASSERT_TRUE(selecting.done());
  EXPECT_EQ(sim.get(selecting).value(), errc::deadline_exceeded);
}

TEST(SelectDone, OfAnAncestorsEndHasItsReason) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  const cancel_source middle(top.context());
  const cancel_source bottom(middle.context());
  auto body = [&]() -> task<error> {
    auto chosen = co_await select(on_done(bottom.context()));
    co_return std::get<0>(*chosen);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  top.cancel(make_error(errc::unavailable, "all of you"));
  sim.run_until_idle();
  ASSERT_TRUE(selecting.done());
  EXPECT_TRUE(sim.get(selecting).value().is(errc::unavailable));
}

TEST(SelectDone, OfSeveralContextsTheFirstToEndIsChosenAndTheOthersAreLeft) {
  sim_runtime sim;
  const cancel_source a(sim.root_context());
  const cancel_source b(sim.root_context());
  auto body = [&]() -> task<std::size_t> {
    auto chosen = co_await select(on_done(a.context()), on_done(b.context()), on_done(b.context()));
    co_return chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  b.cancel();
  sim.run_until_idle();
  ASSERT_TRUE(selecting.done());
  const auto index = sim.get(selecting).value();
  EXPECT_TRUE(index == 1 || index == 2) << index;
  a.cancel();  // the arm that lost is not told: its frame is gone
  sim.run_until_idle();
}

TEST(SelectDone, ThatLosesIsNeverTold) {
  sim_runtime sim;
  const cancel_source session(sim.root_context());
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&, &rx = rx]() -> task<int> {
    auto chosen = co_await select(on_done(session.context()), on_recv(rx));
    co_return *std::get<1>(*chosen);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(7).has_value());
  session.cancel();  // between the decision and the task's turn
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).value(), 7);
}

TEST(SelectDone, OfAContextThatNeverEndsIsNeverChosen) {
  sim_runtime sim;
  auto body = []() -> task<std::size_t> {
    auto chosen = co_await select(on_done(context()), on_done(without_cancel(this_task::context())), on_timeout(1h));
    co_return chosen->index();
  };
  EXPECT_EQ(sim.run(body).value(), 2U);
}

TEST(SelectDone, KeepsTheContextWhoseSourceIsGone) {
  sim_runtime sim;
  auto body = []() -> task<std::size_t> {
    auto chosen = co_await select(on_done(cancel_source(this_task::context()).context()), on_timeout(1h));
    co_return chosen->index();
  };
  EXPECT_EQ(sim.run(body).value(), 1U);
}

TEST(SelectDone, TheCallersOwnEndIsTheSelectsEnd) {
  sim_runtime sim;
  const cancel_source own(sim.root_context());
  auto body = []() -> task<errc> {
    auto chosen = co_await select(on_done(this_task::context()));
    co_return chosen ? errc::unknown : chosen.error().code();
  };
  auto selecting = sim.spawn(body, own.context());
  sim.run_until_idle();
  own.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).value(), errc::cancelled);
}

TEST(SelectDone, OfARuntimesRootEndsWithItsShutdown) {
  error why;
  {
    runtime rt({.workers = 1});
    auto body = [](context root, error& out) -> task<> {
      auto chosen = co_await select(on_done(std::move(root)));
      out = std::get<0>(*chosen);
    };
    // Under no context of its own that shutdown could end: it is the arm that does.
    rt.spawn(body(rt.root_context(), why), spawn_options(without_cancel(rt.root_context()))).detach();
    EXPECT_TRUE(rt.shutdown(10s).has_value());
  }
  EXPECT_EQ(why.code(), errc::cancelled);
}

// A thousand watchers of one context take many short turns of its lock.
TEST(SelectDone, ReachesAThousandSelectsOfOneContext) {
  sim_runtime sim;
  const cancel_source session(sim.root_context());
  int ended = 0;
  auto body = [](context what, int& count) -> task<> {
    (void)co_await select(on_done(what), on_done(std::move(what)));
    ++count;
  };
  for (int i = 0; i < 1000; ++i) sim.spawn(body(session.context(), ended)).detach();
  sim.run_until_idle();
  ASSERT_EQ(ended, 0);
  session.cancel();
  sim.run_until_idle();
  EXPECT_EQ(ended, 1000);
}

// The end of the context, a value, and the end of the select's own context, on several workers.
TEST(SelectDoneStress, EndsRaceWithValuesAndWithTheSelectsOwnEnd) {
  runtime rt({.workers = 4});
  auto choose = [](receiver<int> from, context session) -> task<int> {
    auto chosen = co_await select(on_recv(from), on_done(session), on_done(std::move(session)));
    co_return !chosen ? 0 : chosen->index() == 0 ? *std::get<0>(*chosen) : 0;
  };
  auto body = [&choose]() -> task<> {
    for (int round = 0; round < 2'000 / stress_divisor; ++round) {
      const cancel_source session;
      const cancel_source own;
      auto [tx, rx] = make_channel<int>(1);
      auto chooser = spawn(choose(rx, session.context()), own.context());
      auto end = [](cancel_source which) -> task<> {
        which.cancel();
        co_return;
      };
      auto first = spawn(end(session));
      auto second = spawn(end(own));
      const bool sent = tx.try_send(1).has_value();
      const auto taken = co_await chooser.join();
      EXPECT_TRUE(sent);
      EXPECT_EQ(static_cast<std::size_t>(*taken) + rx.size(), 1U);
      (void)co_await first.join();
      (void)co_await second.join();
    }
  };
  rt.block_on(body());
}

}  // namespace
}  // namespace tandem::csp
