#include <tandem/runtime/task.hpp>

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using testing::sim_runtime;

task<int> three() { co_return 3; }
task<int> sum_of(int depth) {
  if (depth == 0) co_return 0;
  co_return depth + co_await sum_of(depth - 1);
}
task<int> throwing() {
  throw std::runtime_error("boom");
  co_return 0;
}

TEST(Task, IsLazyAndDestroysItsArgumentsIfItNeverRuns) {
  auto alive = std::make_shared<int>(1);
  {
    bool ran = false;
    auto body = [](std::shared_ptr<int>, bool& r) -> task<> {
      r = true;
      co_return;
    }(alive, ran);
    EXPECT_FALSE(ran);
    EXPECT_EQ(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Task, GivesItsValueToTheAwaiter) {
  sim_runtime sim;
  EXPECT_EQ(sim.run(sum_of(100)).value(), 5050);
}

TEST(Task, AwaitingTasksThatCompleteAtOnceDoesNotGrowTheStack) {
  sim_runtime sim;
  auto loop = []() -> task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await three();
    co_return sum;
  };
  EXPECT_EQ(sim.run(loop()).value(), 3'000'000);
}

TEST(Task, PassesExceptionsToTheAwaiter) {
  sim_runtime sim;
  auto body = []() -> task<std::string> {
    try {
      co_await throwing();
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing thrown";
  };
  EXPECT_EQ(sim.run(body()).value(), "boom");
}

TEST(Join, TurnsAnEscapedExceptionIntoAnError) {
  sim_runtime sim;
  auto handle = sim.spawn(throwing());
  sim.run_until_idle();
  const auto outcome = sim.get(handle);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(outcome.error().message().find("boom"), std::string::npos) << outcome.error().message();
}

TEST(Join, FlattensATaskOfResult) {
  sim_runtime sim;
  auto body = []() -> task<result<int>> { co_return fail(errc::not_found, "no such thing"); };
  auto handle = sim.spawn(body());
  sim.run_until_idle();
  const result<int> outcome = sim.get(handle);
  EXPECT_EQ(outcome.error().code(), errc::not_found);
}

TEST(Join, WaitsUntilTheTaskHasEnded) {
  sim_runtime sim;
  auto slow = sim.spawn([]() -> task<int> {
    (void)co_await sleep_for(std::chrono::seconds(1));
    co_return 7;
  });
  auto joiner = sim.spawn([&]() -> task<result<int>> { co_return co_await slow.join(); });
  sim.run_until_idle();
  ASSERT_FALSE(joiner.done());
  sim.advance(std::chrono::seconds(1));
  EXPECT_EQ(sim.get(joiner).value(), 7);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Join, GivesUpAtItsLimitAndMayBeRepeated) {
  sim_runtime sim;
  auto slow = sim.spawn([]() -> task<int> {
    (void)co_await sleep_for(std::chrono::seconds(2));
    co_return 7;
  });
  auto joiner = sim.spawn([&]() -> task<result<int>> {
    auto first = co_await slow.join_for(std::chrono::seconds(1));
    EXPECT_EQ(first.error().code(), errc::timed_out);
    co_return co_await slow.join();
  });
  sim.advance(std::chrono::seconds(2));
  EXPECT_EQ(sim.get(joiner).value(), 7);
}

TEST(Join, LeavesWhenTheJoinersContextIsCancelledAndTheTaskRunsOn) {
  sim_runtime sim;
  auto slow = sim.spawn([]() -> task<int> {
    (void)co_await sleep_for(std::chrono::seconds(2));
    co_return 7;
  });
  const cancel_source source(sim.root_context());
  auto joiner = sim.spawn([&]() -> task<result<int>> { co_return co_await slow.join(); }, source.context());
  sim.run_until_idle();
  ASSERT_FALSE(joiner.done());
  source.cancel(make_error(errc::unavailable, "no longer wanted"));
  sim.run_until_idle();
  const auto left = sim.get(joiner);
  EXPECT_EQ(left.error().code(), errc::cancelled);
  EXPECT_TRUE(is(left.error(), errc::unavailable));
  sim.advance(std::chrono::seconds(2));
  EXPECT_EQ(sim.get(slow).value(), 7);
}

TEST(Spawn, KeepsACapturingLambdaAlive) {
  sim_runtime sim;
  auto handle = [&] {
    auto text = std::make_unique<std::string>("kept");
    return sim.spawn([text = std::move(text)]() -> task<std::string> {
      co_await yield();
      co_return *text;
    });
  }();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(handle).value(), "kept");
}

TEST(SpawnDeathTest, AnExceptionThatNobodyJoinsAborts) {
  EXPECT_DEATH(
      {
        sim_runtime sim;
        sim.spawn(throwing()).detach();
        sim.run_until_idle();
      },
      "ended by an exception.*boom");
}

TEST(Runtime, BlockOnGivesTheValueAndThrowsWhatTheTaskThrew) {
  runtime rt({.workers = 2});
  EXPECT_EQ(rt.block_on(sum_of(10)), 55);
  EXPECT_THROW(rt.block_on(throwing()), std::runtime_error);
}

TEST(Runtime, BlockOnIsRefusedOnAWorker) {
  runtime rt({.workers = 1});
  auto nested = [](runtime& r) -> task<bool> {
    try {
      r.block_on(three());
    } catch (const std::logic_error&) {
      co_return true;
    }
    co_return false;
  };
  EXPECT_TRUE(rt.block_on(nested(rt)));
}

}  // namespace
}  // namespace tandem
