#include <tandem/runtime/after_func.hpp>

#include <atomic>
#include <memory>
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

TEST(AfterFunc, CallsOnceWhenTheContextIsOverAndNotBefore) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  int calls = 0;
  after_func(source.context(), [&calls] { ++calls; });
  sim.run_until_idle();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(sim.live_tasks(), 0U);  // it is no task before its time
  source.cancel();
  EXPECT_EQ(calls, 0);  // not on the canceller's stack
  sim.run_until_idle();
  EXPECT_EQ(calls, 1);
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(calls, 1);
}

TEST(AfterFunc, CallsAtOnceIfTheContextIsOverAlready) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  source.cancel();
  int calls = 0;
  auto body = [&]() -> task<bool> {
    auto handle = after_func(source.context(), [&calls] { ++calls; });
    co_await this_task::yield();
    co_return handle.stop();
  };
  EXPECT_FALSE(sim.run(body).value());
  EXPECT_EQ(calls, 1);
}

TEST(AfterFunc, CallsWhenAnAncestorOrADeadlineEndsIt) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  const cancel_source middle(top.context(), sim.now() + 2s);
  const cancel_source timed(top.context(), sim.now() + 1s);
  static constexpr context_key<int> any("any");
  std::vector<int> calls;
  after_func(with_value(middle.context(), any, 1), [&calls] { calls.push_back(1); });
  after_func(timed.context(), [&calls] { calls.push_back(2); });
  sim.advance(1s - 1ns);
  EXPECT_TRUE(calls.empty());
  sim.advance(1ns);
  EXPECT_EQ(calls, (std::vector<int>{2}));
  top.cancel();
  sim.run_until_idle();
  EXPECT_EQ(calls, (std::vector<int>{2, 1}));
}

TEST(AfterFunc, StopSaysWhetherItPreventedTheCall) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  int calls = 0;
  auto stopped = after_func(source.context(), [&calls] { ++calls; });
  auto late = after_func(source.context(), [&calls] { calls += 10; });
  EXPECT_TRUE(stopped.stop());
  EXPECT_FALSE(stopped.stop());
  source.cancel();
  EXPECT_FALSE(late.stop());  // started, though it has not run yet
  sim.run_until_idle();
  EXPECT_EQ(calls, 10);
  after_handle none;
  EXPECT_FALSE(none.stop());
}

TEST(AfterFunc, DestroysTheFunctionThatNeverRuns) {
  sim_runtime sim;
  auto kept = std::make_shared<int>(1);
  {
    const cancel_source source(sim.root_context());
    auto handle = after_func(source.context(), [kept] {});
    EXPECT_EQ(kept.use_count(), 2);
    EXPECT_TRUE(handle.stop());
    EXPECT_EQ(kept.use_count(), 1);
    after_func(source.context(), [kept] {});
    EXPECT_EQ(kept.use_count(), 2);
  }
  EXPECT_EQ(kept.use_count(), 1);  // its context is gone without having been over
}

TEST(AfterFunc, OfAContextThatNeverEndsIsOnlyHeld) {
  sim_runtime sim;
  auto kept = std::make_shared<int>(1);
  auto body = [](std::shared_ptr<int> held) -> task<bool> {
    auto handle = after_func(context(), [held] {});
    co_return handle.stop();
  };
  EXPECT_TRUE(sim.run(body(kept)).value());
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(AfterFunc, MayBeATaskThatWaitsThoughTheContextIsOver) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  bool cleaned = false;
  after_func(source.context(), [&cleaned]() -> task<> {
    cleaned = (co_await sleep_for(1s)).has_value();
  });
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.live_tasks(), 1U);
  sim.advance(1s);
  EXPECT_TRUE(cleaned);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(AfterFunc, RunsDuringShutdownWhichWaitsForIt) {
  std::atomic<int> calls{0};
  static constexpr context_key<int> any("any");
  runtime rt({.workers = 2});
  for (int i = 0; i < 100; ++i) after_func(with_value(rt.root_context(), any, i), [&calls] { ++calls; });
  EXPECT_TRUE(rt.shutdown(30s).has_value());
  EXPECT_EQ(calls.load(), 100);
}

TEST(AfterFunc, DoesNotRunOnceTheRuntimeHasStopped) {
  auto kept = std::make_shared<int>(1);
  const cancel_source outside;
  {
    runtime rt({.workers = 1});
    auto body = [](const cancel_source& source, std::shared_ptr<int> held) -> task<> {
      after_func(source.context(), [held] { ++*held; });
      co_return;
    };
    rt.block_on(body(outside, kept));
  }
  EXPECT_EQ(kept.use_count(), 2);
  outside.cancel();
  EXPECT_EQ(*kept, 1);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(AfterFunc, OfAContextWhoseRuntimeHasStoppedIsDestroyedUncalled) {
  const auto argument = std::make_shared<int>(1);
  runtime rt({.workers = 1});
  const cancel_source before(rt.root_context());
  ASSERT_TRUE(rt.shutdown(10s).has_value());
  const cancel_source after(rt.root_context());
  for (const context& over : {rt.root_context(), before.context(), after.context()}) {
    ASSERT_TRUE(over.is_over());
    auto handle = after_func(over, [argument] { ADD_FAILURE(); });
    EXPECT_FALSE(handle.stop());
    EXPECT_EQ(argument.use_count(), 1);
  }
}

TEST(AfterFunc, WithNoRuntimeInSightIsRefusedWithAdvice) {
  const cancel_source outside;
  EXPECT_THROW(after_func(outside.context(), [] {}), std::logic_error);
}

TEST(AfterFuncStress, StopRacesWithTheEndAndExactlyOneWins) {
  runtime rt({.workers = 2});
  auto body = []() -> task<int> {
    std::atomic<int> called{0};
    int prevented = 0;
    for (int i = 0; i < 2'000; ++i) {
      const cancel_source source;
      auto handle = after_func(source.context(), [&called] { ++called; });
      auto canceller = run_blocking([&source] { source.cancel(); });
      if (handle.stop()) ++prevented;
      (void)co_await canceller.join();
    }
    while (called.load() + prevented < 2'000) co_await this_task::yield();
    co_return called.load() + prevented;
  };
  EXPECT_EQ(rt.block_on(body()), 2'000);
}

}  // namespace
}  // namespace tandem
