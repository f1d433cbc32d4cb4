#include <tandem/runtime/ticker.hpp>

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

template <class F>
void in_task(sim_runtime& sim, F body) {
  ASSERT_TRUE(sim.run([&body]() -> task<> { co_await body(); }).has_value());
}

TEST(Ticker, TicksOncePerPeriod) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    ticker t(10ms);
    for (int i = 1; i <= 3; ++i) {
      const result<tick> ticked = co_await t.next();
      EXPECT_EQ(ticked.value(), (tick{start + i * 10ms, 0}));
      EXPECT_EQ(now(), start + i * 10ms);
    }
  });
}

TEST(Ticker, ASlowReaderGetsTheLatestTickAndTheNumberOfTheOthers) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    ticker t(10ms);
    (void)co_await sleep_for(35ms);
    const result<tick> late = co_await t.next();
    EXPECT_EQ(late.value(), (tick{start + 30ms, 2}));
    EXPECT_EQ(now(), start + 35ms);
    const result<tick> next = co_await t.next();
    EXPECT_EQ(next.value(), (tick{start + 40ms, 0}));
    EXPECT_EQ(now(), start + 40ms);  // on the grid, not 10 ms after the late one
  });
}

TEST(Ticker, DoesNotDrift) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    ticker t(7ms);
    for (int i = 0; i < 1'000; ++i) {
      (void)co_await t.next();
      (void)co_await sleep_for(duration(i % 6) * 1'000'000);
    }
    const result<tick> last = co_await t.next();
    EXPECT_EQ(last.value().when, start + 1'001 * 7ms);
  });
}

TEST(Ticker, NoTickOfBeforeIsReceivedAfterResetOrStop) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    ticker t(10ms);
    (void)co_await sleep_for(25ms);
    EXPECT_TRUE(t.reset(100ms));
    const time_point start = now();
    const result<tick> ticked = co_await t.next();
    EXPECT_EQ(ticked.value(), (tick{start + 100ms, 0}));
    (void)co_await sleep_for(150ms);
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    auto wait = [&]() -> task<result<tick>> { co_return co_await t.next(); };
    const result<tick> none = co_await with_timeout(1h, wait());
    EXPECT_EQ(none.error().code(), errc::deadline_exceeded);
    EXPECT_FALSE(t.reset(1ms));
    EXPECT_TRUE((co_await t.next()).has_value());
  });
}

TEST(Ticker, ResetReachesATaskThatWaits) {
  sim_runtime sim;
  in_task(sim, [&]() -> task<> {
    ticker t(1h);
    auto waiting = sim.spawn([](ticker& from) -> task<result<tick>> { co_return co_await from.next(); }(t));
    (void)co_await sleep_for(1ms);
    t.reset(2ms);
    const time_point start = now();
    const auto ticked = co_await waiting.join();
    EXPECT_EQ(ticked.value(), (tick{start + 2ms, 0}));
  });
}

TEST(Ticker, ACancelledWaitHasNotTakenATick) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    const time_point start = now();
    ticker t(10ms);
    auto wait = [&]() -> task<result<tick>> { co_return co_await t.next(); };
    const result<tick> none = co_await with_timeout(10ms - 1ns, wait());
    EXPECT_FALSE(none.has_value());
    const result<tick> first = co_await t.next();
    EXPECT_EQ(first.value(), (tick{start + 10ms, 0}));
  });
}

TEST(Ticker, APeriodOfNothingIsABugAndAnEndlessOneNeverTicks) {
  sim_runtime sim;
  EXPECT_THROW(ticker(0ns), std::invalid_argument);
  EXPECT_THROW(ticker(-1s), std::invalid_argument);
  in_task(sim, []() -> task<> {
    ticker t(1ms);
    EXPECT_THROW(t.reset(0ns), std::invalid_argument);
    EXPECT_TRUE((co_await t.next()).has_value());  // nothing changed
    t.reset(duration::max());
    auto wait = [&]() -> task<result<tick>> { co_return co_await t.next(); };
    EXPECT_FALSE((co_await with_timeout(1000h, wait())).has_value());
  });
}

}  // namespace
}  // namespace tandem
