#include <tandem/runtime/timer.hpp>

#include <optional>

#include <gtest/gtest.h>

#include <tandem/runtime/after.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

// A task that waits for one tick of `t`.
join_handle<result<void>> wait_for(sim_runtime& sim, timer& t) {
  return sim.spawn([](timer& from) -> task<result<void>> { co_return co_await from.wait(); }(t));
}

// A timer whose clock is the simulation's.
void in_task(sim_runtime& sim, auto body) {
  ASSERT_TRUE(sim.run([&body]() -> task<> { co_await body(); }).has_value());
}

TEST(Timer, IsDueAtItsTimeNotBefore) {
  sim_runtime sim;
  timer t(sim.now() + 10ms);
  auto waiting = wait_for(sim, t);
  sim.advance(10ms - 1ns);
  ASSERT_FALSE(waiting.done());
  sim.advance(1ns);
  ASSERT_TRUE(waiting.done());
  EXPECT_TRUE(sim.get(waiting).has_value());
}

TEST(Timer, GivesItsTickOnce) {
  sim_runtime sim;
  timer t(sim.now() + 1ms);
  sim.advance(5ms);
  auto first = wait_for(sim, t);
  sim.run_until_idle();
  EXPECT_TRUE(first.done());  // it was due before anybody waited
  auto second = wait_for(sim, t);
  sim.advance(1h);
  EXPECT_FALSE(second.done());
  (void)sim.get(first);
}

TEST(Timer, StopSaysWhetherItWasActive) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    timer t;
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(1ms));
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(1ms));
    EXPECT_TRUE(t.reset(2ms));
    EXPECT_TRUE((co_await t.wait()).has_value());
    EXPECT_FALSE(t.stop());  // received
  });
}

TEST(Timer, NoTickOfBeforeIsReceivedAfterStop) {
  sim_runtime sim;
  timer t(sim.now() + 1ms);
  sim.advance(2ms);        // due, and nobody came
  EXPECT_TRUE(t.stop());
  auto waiting = wait_for(sim, t);
  sim.advance(1h);
  EXPECT_FALSE(waiting.done());
}

TEST(Timer, NoTickOfBeforeIsReceivedAfterReset) {
  sim_runtime sim;
  timer t(sim.now() + 1ms);
  sim.advance(2ms);
  EXPECT_TRUE(t.reset(sim.now() + 10ms));
  auto waiting = wait_for(sim, t);
  sim.advance(10ms - 1ns);
  ASSERT_FALSE(waiting.done());
  sim.advance(1ns);
  EXPECT_TRUE(waiting.done());
}

TEST(Timer, StopAndResetReachATaskThatWaits) {
  sim_runtime sim;
  timer t(sim.now() + 10ms);
  auto waiting = wait_for(sim, t);
  sim.run_until_idle();
  EXPECT_TRUE(t.stop());
  sim.advance(1h);
  ASSERT_FALSE(waiting.done());
  EXPECT_FALSE(t.reset(sim.now() + 5ms));
  sim.advance(5ms - 1ns);
  ASSERT_FALSE(waiting.done());
  EXPECT_TRUE(t.reset(sim.now() + 1ms));
  sim.advance(1ms - 1ns);
  ASSERT_FALSE(waiting.done());
  sim.advance(1ns);
  EXPECT_TRUE(waiting.done());
}

TEST(Timer, ACancelledWaitHasNotTakenTheTick) {
  sim_runtime sim;
  timer t(sim.now() + 10ms);
  in_task(sim, [&]() -> task<> {
    auto wait = [&]() -> task<result<void>> { co_return co_await t.wait(); };
    const result<void> ended = co_await with_timeout(1ms, wait());
    EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
    EXPECT_TRUE((co_await t.wait()).has_value());
  });
}

TEST(Timer, AContextThatIsOverEndsTheWaitAtOnce) {
  sim_runtime sim;
  timer t(sim.now() + 10ms);
  const cancel_source source(sim.root_context());
  source.cancel();
  auto waiting = sim.spawn([&]() -> task<result<void>> { co_return co_await t.wait(); }, source.context());
  sim.run_until_idle();
  ASSERT_TRUE(waiting.done());
  EXPECT_EQ(sim.get(waiting).error().code(), errc::cancelled);
  EXPECT_TRUE(t.stop());
}

TEST(Timer, ASecondTaskMayNotWaitToo) {
  sim_runtime sim;
  timer t(sim.now() + 10ms);
  auto first = wait_for(sim, t);
  auto second = wait_for(sim, t);
  sim.run_until_idle();
  ASSERT_FALSE(first.done());
  ASSERT_TRUE(second.done());
  EXPECT_EQ(sim.get(second).error().code(), errc::failed_precondition);
  sim.advance(10ms);
  EXPECT_TRUE(first.done());
}

TEST(Timer, ZeroNegativeAndEndlessDurationsAreDefined) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    for (const duration in : {0ns, -1ns, duration(-5h), duration::min()}) {
      timer t(in);
      EXPECT_TRUE((co_await t.wait()).has_value());
    }
    EXPECT_EQ(now(), start);
    timer endless(duration::max());
    auto wait = [&]() -> task<result<void>> { co_return co_await endless.wait(); };
    const result<void> ended = co_await with_timeout(1000h, wait());
    EXPECT_FALSE(ended.has_value());
    EXPECT_TRUE(endless.stop());
  });
}

TEST(Timer, ALoopOverATimerThatIsAlwaysDueLetsOthersRun) {
  sim_runtime sim;
  bool other_ran = false;
  auto loop = sim.spawn([&]() -> task<> {
    timer t;
    while (!other_ran) {
      t.reset(0ns);
      (void)co_await t.wait();
    }
  });
  auto other = sim.spawn([&]() -> task<> {
    other_ran = true;
    co_return;
  });
  sim.run_until_idle();
  EXPECT_TRUE(loop.done());
}

TEST(Timer, CanBeMadeBeforeTheRuntimeAndResetFromOutside) {
  timer t(1h);
  {
    sim_runtime sim;
    t.reset(sim.now() + 1ms);
    auto waiting = wait_for(sim, t);
    sim.advance(1ms);
    EXPECT_TRUE(waiting.done());
  }
}

TEST(After, IsAMomentThatSeveralWaitsShare) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    const after late(10ms);
    EXPECT_FALSE(late.has_come());
    (void)co_await sleep_for(4ms);
    EXPECT_TRUE((co_await late).has_value());
    EXPECT_EQ(now(), start + 10ms);
    EXPECT_TRUE((co_await late).has_value());
    EXPECT_EQ(now(), start + 10ms);
    EXPECT_TRUE(late.has_come());
    EXPECT_EQ(after(duration::max()).when(), no_deadline);
    EXPECT_TRUE(after(duration::min()).has_come());
  });
}

}  // namespace
}  // namespace tandem
