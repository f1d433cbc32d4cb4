#include <tandem/resilience/detail/latency_histogram.hpp>

#include <chrono>
#include <initializer_list>

#include <gtest/gtest.h>

namespace tandem::resilience::detail {
namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

TEST(LatencyHistogram, GivesAQuantileWithinFourPercent) {
  for (const duration scale : std::initializer_list<duration>{20us, 1ms, 100ms, 700ms}) {
    latency_histogram h(0.95, 10s, 1);
    for (int i = 1; i <= 1000; ++i) h.record(scale * i / 10, start);
    const duration exact = scale * 95;
    const auto got = h.quantile(start);
    ASSERT_TRUE(got.has_value());
    EXPECT_NEAR(static_cast<double>(got->count()) / static_cast<double>(exact.count()), 1, 0.04) << scale.count();
  }
}

TEST(LatencyHistogram, SaysNothingBeforeItKnowsEnough) {
  latency_histogram h(0.5, 10s, 3);
  h.record(1ms, start);
  h.record(1ms, start);
  EXPECT_FALSE(h.quantile(start).has_value());
  h.record(1ms, start);
  EXPECT_TRUE(h.quantile(start + 100ms).has_value());
}

TEST(LatencyHistogram, ComputesTheQuantileOnceInAHundredMilliseconds) {
  latency_histogram h(0.5, 10s, 1);
  h.record(1ms, start);
  const auto before = h.quantile(start);
  for (int i = 0; i < 5000; ++i) h.record(1s, start);
  EXPECT_EQ(h.quantile(start + 100ms - 1ns), before);
  EXPECT_GT(h.quantile(start + 100ms), 900ms);
}

TEST(LatencyHistogram, ForgetsWhatIsOlderThanTwoWindows) {
  latency_histogram h(0.5, 10s, 1);
  h.record(1s, start);
  h.record(1ms, start + 10s);
  h.record(1ms, start + 10s);
  EXPECT_LT(h.quantile(start + 10s), 2ms);
  h.record(1s, start + 15s);
  EXPECT_LT(h.quantile(start + 20s - 1ns), 2ms) << "the median of 1 s, 1 ms, 1 ms, 1 s";
  EXPECT_FALSE(h.quantile(start + 1h).has_value());
}

TEST(LatencyHistogram, ForgetsTheOlderHalfAndKeepsTheYounger) {
  latency_histogram h(0.5, 10s, 1);
  for (int i = 0; i < 10; ++i) h.record(1s, start);
  h.record(1ms, start + 10s);
  EXPECT_GT(h.quantile(start + 10s), 900ms);
  h.record(1ms, start + 20s);
  EXPECT_LT(h.quantile(start + 20s), 2ms);
}

TEST(LatencyHistogram, SurvivesAClockThatGoesBack) {
  latency_histogram h(0.5, 10s, 1);
  h.record(1s, start);
  h.record(-5s, start - 5s);
  EXPECT_LT(h.quantile(start - 5s), 2ms) << "less than nothing is the shortest, and of two the lower is the median";
  for (int i = 0; i < 10; ++i) h.record(1s, start);
  h.record(3ms, start - 30min);
  EXPECT_NEAR(static_cast<double>(h.quantile(start - 30min)->count()), 3e6, 1e5) << "a jump: it begins anew";
  h.record(7ms, start - 30min + 10s);
  EXPECT_NEAR(static_cast<double>(h.quantile(start - 30min + 10s)->count()), 3e6, 1e5) << "and time goes on from there";
}

TEST(LatencyHistogram, CountsWhatIsTooShortOrTooLongAsTheShortestOrLongest) {
  latency_histogram low(0.5, 10s, 1);
  low.record(0ns, start);
  EXPECT_LT(low.quantile(start), 1100ns);
  latency_histogram high(0.5, 10s, 1);
  high.record(duration::max(), start);
  EXPECT_GT(high.quantile(start), 130s);
}

TEST(LatencyHistogram, TellsTheShareOfFailuresOnceThereIsEnoughToTell) {
  latency_histogram h(0.5, 10s, 1);
  h.record_failure(start);
  for (int i = 0; i < 8; ++i) h.record(1ms, start);
  EXPECT_EQ(h.failure_rate(10), 0);
  h.record_failure(start);
  EXPECT_DOUBLE_EQ(h.failure_rate(10), 0.2);
  h.record(1ms, start + 10s);
  h.record(1ms, start + 20s);
  EXPECT_EQ(h.failure_rate(1), 0) << "failures are forgotten too";
}

}  // namespace
}  // namespace tandem::resilience::detail
