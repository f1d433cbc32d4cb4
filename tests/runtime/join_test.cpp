#include <tandem/runtime/spawn.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

task<result<void>> nap(duration d) { co_return co_await sleep_for(d); }
task<int> seven_after(duration d) {
  (void)co_await sleep_for(d);
  co_return 7;
}

// What a value needs to be counted: each one that exists is in `alive`.
struct counted {
  explicit counted(int& n) : alive(&n) { ++*alive; }
  counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
  counted& operator=(counted&&) = delete;
  ~counted() { --*alive; }
  int* alive;
};

TEST(Join, ASecondOneIsRefused) {
  sim_runtime sim;
  auto body = []() -> task<> {
    auto handle = spawn(seven_after(1s));
    EXPECT_EQ((co_await handle.join()).value(), 7);
    EXPECT_FALSE(handle);
    EXPECT_TRUE(handle.done());
    const auto again = co_await handle.join();
    EXPECT_EQ(again.error().code(), errc::failed_precondition);
    EXPECT_NE(again.error().message().find("empty"), std::string::npos);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(Join, OfAHandleThatNeverHadATaskIsRefused) {
  sim_runtime sim;
  auto body = []() -> task<> {
    join_handle<int> none;
    EXPECT_TRUE(none.done());
    EXPECT_FALSE(none.cancel());
    none.detach();
    EXPECT_EQ((co_await none.join()).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.join_for(1s)).error().code(), errc::failed_precondition);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(Join, OfOneselfIsRefusedInsteadOfWaitingForEver) {
  sim_runtime sim;
  join_handle<errc> self;
  self = sim.spawn([&self]() -> task<errc> {
    const auto joined = co_await self.join();
    co_return joined ? errc::unknown : joined.error().code();
  });
  sim.run_until_idle();
  ASSERT_TRUE(self.done());
  EXPECT_EQ(sim.get(self).value(), errc::failed_precondition);
}

TEST(Join, ByTwoTasksAtOnceIsRefusedToTheSecond) {
  sim_runtime sim;
  auto slow = sim.spawn(seven_after(1s));
  auto join = [](join_handle<int>& h) -> task<result<int>> { co_return co_await h.join(); };
  auto first = sim.spawn(join(slow));
  sim.run_until_idle();
  auto second = sim.spawn(join(slow));
  sim.run_until_idle();
  ASSERT_FALSE(first.done());
  ASSERT_TRUE(second.done());
  EXPECT_EQ(sim.get(second).error().code(), errc::failed_precondition);
  sim.advance(1s);
  EXPECT_EQ(sim.get(first).value(), 7);
}

TEST(Join, CancelledAtTheSuspensionLosesNothing) {
  sim_runtime sim;
  int alive = 0;
  auto slow = sim.spawn([&alive]() -> task<counted> {
    (void)co_await sleep_for(1s);
    co_return counted(alive);
  });
  const cancel_source source(sim.root_context());
  auto joiner = sim.spawn([&slow]() -> task<errc> { co_return (co_await slow.join()).error().code(); },
                          source.context());
  sim.run_until_idle();
  ASSERT_FALSE(joiner.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(joiner).value(), errc::cancelled);
  EXPECT_TRUE(slow);  // still joinable
  sim.advance(1s);
  EXPECT_EQ(alive, 1);
  (void)sim.get(slow);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

// The end of the task, the limit and the cancel at the same moment: whichever wins, the result is there or can be had.
TEST(Join, WhateverEndsItFirstTheResultIsTakenOnce) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    sim_runtime sim(seed);
    int alive = 0;
    auto slow = sim.spawn([&alive]() -> task<counted> {
      (void)co_await sleep_for(1s);
      co_return counted(alive);
    });
    const cancel_source source(sim.root_context(), sim.now() + 1s);
    auto joiner = sim.spawn(
        [&slow]() -> task<bool> {
          const auto joined = co_await slow.join_for(1s);
          co_return joined.has_value();
        },
        source.context());
    sim.run_until_idle();
    ASSERT_FALSE(joiner.done());
    sim.advance(1s);
    const bool joined = sim.get(joiner).value();
    EXPECT_EQ(joined, !slow) << seed;
    if (!joined) (void)sim.get(slow);
    EXPECT_EQ(alive, 0);
  }
}

TEST(JoinCancel, EndsTheTaskAndWhatItStartedWithTheCause) {
  sim_runtime sim;
  auto parent = []() -> task<result<void>> {
    auto child = spawn(nap(1h));
    auto waited = co_await child.join();
    EXPECT_TRUE(waited.error().is(errc::overloaded));
    co_return waited;
  };
  auto handle = sim.spawn(parent(), spawn_options::cancellable("parent"));
  auto bystander = sim.spawn(nap(1h));
  sim.run_until_idle();
  ASSERT_FALSE(handle.done());
  EXPECT_TRUE(handle.cancel(make_error(errc::overloaded, "too much to do")));
  EXPECT_FALSE(handle.cancel(make_error(errc::unavailable, "too late")));
  sim.run_until_idle();
  ASSERT_TRUE(handle.done());
  const auto outcome = sim.get(handle);
  EXPECT_EQ(outcome.error().code(), errc::cancelled);
  EXPECT_TRUE(outcome.error().is(errc::overloaded));
  EXPECT_FALSE(outcome.error().is(errc::unavailable));
  EXPECT_FALSE(bystander.done());
  EXPECT_EQ(sim.live_tasks(), 1U);
}

TEST(JoinCancel, ChangesNothingOnceTheTaskHasEnded) {
  sim_runtime sim;
  auto handle = sim.spawn(seven_after(1s), spawn_options::cancellable());
  sim.advance(1s);
  EXPECT_FALSE(handle.cancel());
  EXPECT_EQ(sim.get(handle).value(), 7);
}

TEST(JoinCancel, IsRefusedForATaskWithoutAContextOfItsOwn) {
  sim_runtime sim;
  auto handle = sim.spawn(seven_after(1s));
  EXPECT_THROW(handle.cancel(), std::logic_error);
  sim.advance(1s);
  EXPECT_EQ(sim.get(handle).value(), 7);
}

TEST(JoinCancel, IsBelowTheGivenContext) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  spawn_options options = spawn_options::cancellable();
  options.context = source.context();
  auto handle = sim.spawn(nap(1h), options);
  sim.run_until_idle();
  source.cancel(make_error(errc::unavailable, "the parent went"));
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(handle).error().is(errc::unavailable));
}

TEST(JoinCancel, FromAnotherThreadRacesWithTheEndAndLosesNeither) {
  runtime rt({.workers = 2});
  auto body = []() -> task<int> {
    int ended = 0;
    for (int i = 0; i < 500; ++i) {
      auto one = spawn(nap(std::chrono::microseconds(i % 20)), spawn_options::cancellable());
      auto canceller = spawn([&one]() -> task<> {
        co_await this_task::yield();
        one.cancel();
      });
      (void)co_await canceller.join();
      (void)co_await one.join();
      ++ended;
    }
    co_return ended;
  };
  EXPECT_EQ(rt.block_on(body()), 500);
}

TEST(Background, IsNamedInTheReportOfShutdown) {
  runtime rt({.workers = 1});
  std::atomic<bool> release{false};
  auto stubborn = [](std::atomic<bool>& until) -> task<> {
    while (!until.load()) co_await this_task::yield();
  };
  rt.spawn(stubborn(release)).detach("log writer");
  { auto dropped = rt.spawn(stubborn(release), "forgotten"); }
  auto held = rt.spawn(stubborn(release), "held");
  const auto outcome = rt.shutdown(50ms);
  release = true;
  ASSERT_FALSE(outcome.has_value());
  const std::string said = outcome.error().message();
  EXPECT_NE(said.find("log writer in the background"), std::string::npos) << said;
  EXPECT_NE(said.find("forgotten in the background"), std::string::npos) << said;
  EXPECT_NE(said.find("held ("), std::string::npos) << said;
}

TEST(Background, IsNamedWhenASimulationIsStuck) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto endless = []() -> task<> { (void)co_await sleep_until(no_deadline); };
  sim.spawn(endless(), source.context()).detach("ticker");
  auto stuck = sim.run(endless());
  ASSERT_FALSE(stuck.has_value());
  EXPECT_NE(stuck.error().message().find("ticker in the background"), std::string::npos) << stuck.error().message();
}

TEST(Background, ADetachedTaskOfAnEndedHandleIsJustLetGo) {
  sim_runtime sim;
  auto handle = sim.spawn(seven_after(0s));
  sim.run_to_end();
  ASSERT_TRUE(handle.done());
  handle.detach("never seen");
  EXPECT_FALSE(handle);
}

TEST(Background, AFailureIsReportedUnlessItOnlySaysThatTheContextIsOver) {
  sim_runtime sim;
  ::testing::internal::CaptureStderr();
  const cancel_source source(sim.root_context());
  sim.spawn(nap(1h), source.context()).detach("cancelled one");
  auto failing = []() -> task<result<void>> { co_return fail(errc::data_loss, "bits fell over"); };
  sim.spawn(failing()).detach("failing one");
  sim.run_until_idle();
  source.cancel();
  sim.run_until_idle();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("failing one"), std::string::npos) << said;
  EXPECT_NE(said.find("bits fell over"), std::string::npos) << said;
  EXPECT_EQ(said.find("cancelled one"), std::string::npos) << said;
}

// (A handle dropped inside of the task it is of.)
TEST(Background, ATaskMayDropItsOwnHandle) {
  sim_runtime sim;
  bool ended = false;
  auto self = std::make_unique<join_handle<void>>();
  *self = sim.spawn([&]() -> task<> {
    self.reset();
    co_await this_task::yield();
    ended = true;
  });
  sim.run_until_idle();
  EXPECT_TRUE(ended);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

}  // namespace
}  // namespace tandem
