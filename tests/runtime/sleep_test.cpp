#include <tandem/runtime/sleep.hpp>

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

TEST(Sleep, EndsAtItsTimeNotBefore) {
  sim_runtime sim;
  auto handle = sim.spawn([]() -> task<result<void>> { co_return co_await sleep_for(10ms); });
  sim.advance(10ms - 1ns);
  ASSERT_FALSE(handle.done());
  sim.advance(1ns);
  ASSERT_TRUE(handle.done());
  EXPECT_TRUE(sim.get(handle).has_value());
}

TEST(Sleep, ATimeInThePastEndsAtOnce) {
  sim_runtime sim;
  const auto start = sim.now();
  EXPECT_TRUE(sim.run([]() -> task<result<void>> { co_return co_await sleep_for(-5s); }).has_value());
  EXPECT_EQ(sim.now(), start);
}

TEST(Sleep, AnEndlessOneEndsOnlyByItsContext) {
  sim_runtime sim;
  auto endless = []() -> task<result<void>> { co_return co_await sleep_until(no_deadline); };
  EXPECT_EQ(sim.run(with_timeout(1s, endless())).error().code(), errc::deadline_exceeded);
}

TEST(Sleep, AdvancingByMoreThanTheClockHoldsRunsToTheLastDeadline) {
  sim_runtime sim;
  const time_point start = sim.now();
  auto far = sim.spawn([]() -> task<result<void>> { co_return co_await sleep_for(1000h); });
  auto never = sim.spawn([]() -> task<result<void>> { co_return co_await sleep_for(duration::max()); });
  sim.advance(duration::max());
  EXPECT_TRUE(far.done());
  EXPECT_FALSE(never.done());
  EXPECT_EQ(sim.now(), start + 1000h);
  sim.advance(duration::min());  // never backwards
  EXPECT_EQ(sim.now(), start + 1000h);
}

TEST(Sleep, DeadlinesNeverOverflow) {
  constexpr time_point day = time_point(24h);
  EXPECT_EQ(deadline_after(day, duration::max()), no_deadline);
  EXPECT_EQ(deadline_after(day, duration::min()), day + duration::min());
  EXPECT_EQ(deadline_after(time_point(-24h), duration::min()), time_point::min());
  EXPECT_EQ(deadline_after(no_deadline, 1ns), no_deadline);
  EXPECT_EQ(deadline_after(time_point::min(), -1ns), time_point::min());
  EXPECT_EQ(deadline_after(day, -1ns), day - 1ns);
}

// Against the obvious model: whatever the order of arming and cancelling, the rest fires in order of deadline.
TEST(Sleep, ManyOfThemEndInOrderOfTheirDeadlines) {
  sim_runtime sim;
  std::mt19937 random(sim.seed());
  std::vector<duration> ended;
  std::vector<cancel_source> sources;
  std::vector<join_handle<void>> handles;
  int expected = 0;
  for (int i = 0; i < 2'000; ++i) {
    const duration d = std::chrono::microseconds(random() % 100'000);
    sources.emplace_back(sim.root_context());
    handles.push_back(sim.spawn(
        [d, &ended]() -> task<> {
          const auto slept = co_await sleep_for(d);
          if (slept) ended.push_back(d);
        },
        sources.back().context()));
  }
  sim.run_until_idle();
  for (auto& s : sources) {
    if (random() % 3 == 0) {
      s.cancel();
    } else {
      ++expected;
    }
  }
  sim.advance(1s);
  EXPECT_EQ(static_cast<int>(ended.size()), expected);
  EXPECT_TRUE(std::is_sorted(ended.begin(), ended.end()));
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Yield, LetsOtherTasksRunFirst) {
  sim_runtime sim;
  std::vector<int> order;
  auto first = sim.spawn([&]() -> task<> {
    order.push_back(1);
    co_await yield();
    order.push_back(3);
  });
  auto second = sim.spawn([&]() -> task<> {
    order.push_back(2);
    co_return;
  });
  sim.run_until_idle();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  (void)sim.get(first);
  (void)sim.get(second);
}

}  // namespace
}  // namespace tandem
