#include <tandem/runtime/backoff.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using namespace std::chrono_literals;

std::vector<duration> take(backoff& pause, int n) {
  std::vector<duration> seen;
  for (int i = 0; i < n; ++i) seen.push_back(pause.next());
  return seen;
}

TEST(Backoff, GrowsByItsFactorUpToTheMax) {
  backoff pause({.initial = 100ms, .max = 1s, .jitter = 0});
  EXPECT_EQ(take(pause, 6), (std::vector<duration>{100ms, 200ms, 400ms, 800ms, 1s, 1s}));
}

TEST(Backoff, GrowsByItsInitialDelayIfLinear) {
  backoff pause({.initial = 100ms, .max = 350ms, .growth = backoff_growth::linear, .jitter = 0});
  EXPECT_EQ(take(pause, 5), (std::vector<duration>{100ms, 200ms, 300ms, 350ms, 350ms}));
}

TEST(Backoff, IsNoneByDefault) {
  backoff pause((backoff_options()));
  EXPECT_EQ(take(pause, 2), (std::vector<duration>{0s, 0s}));
}

void expect_spread_over(backoff_options o, duration least, duration greatest) {
  backoff pause(o, 7);
  std::vector<duration> seen = take(pause, 1000);
  std::ranges::sort(seen);
  const duration near = (greatest - least) / 50;
  EXPECT_GE(seen.front(), least);
  EXPECT_LE(seen.back(), greatest);
  EXPECT_LT(seen.front(), least + near);
  EXPECT_GT(seen.back(), greatest - near);
  EXPECT_LT(seen[500] - seen[0], 6 * (greatest - least) / 10) << "evenly";
  EXPECT_GT(seen[500] - seen[0], 4 * (greatest - least) / 10);
}

TEST(Backoff, JitterTakesOffUpToItsShareAndSpreads) {
  expect_spread_over({.initial = 1s, .max = 1s, .jitter = 0.5}, 500ms, 1s);
  expect_spread_over({.initial = 1s, .max = 1s, .jitter = 1}, 0s, 1s);
  expect_spread_over({.initial = 1s, .max = 1s, .growth = backoff_growth::linear, .jitter = 0.2}, 800ms, 1s);
}

TEST(Backoff, DecorrelatedIsDrawnFromTheInitialDelayToTheFactorOfTheOneBefore) {
  const backoff_options o{.initial = 100ms, .max = 1h, .growth = backoff_growth::decorrelated, .factor = 3};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    backoff pause(o, seed);
    duration before = 100ms;
    for (const duration d : take(pause, 20)) {
      ASSERT_GE(d, 100ms);
      ASSERT_LE(d, std::min<duration>(3 * before + 1ns, 1h));
      before = d;
    }
  }
  // However large the factor is, the max is the end of the range, and not where all meet.
  expect_spread_over({.initial = 100ms, .max = 1s, .growth = backoff_growth::decorrelated, .factor = 10}, 100ms, 1s);
}

TEST(Backoff, RepeatsForASeedAndDiffersBetweenSeeds) {
  const backoff_options o{.initial = 1s, .max = 1h, .jitter = 1};
  backoff a(o, 1), b(o, 1), c(o, 2);
  const duration first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
}

TEST(Backoff, StartsOverAfterAStableTime) {
  backoff pause({.initial = 1s, .max = 1h, .jitter = 0, .stable_after = 10s});
  (void)take(pause, 2);
  pause.ran_for(10s - 1ns);
  EXPECT_EQ(pause.next(), 4s);
  pause.ran_for(10s);
  EXPECT_EQ(pause.next(), 1s);
}

TEST(Backoff, DoesNotOverflow) {
  for (const auto growth : {backoff_growth::exponential, backoff_growth::linear, backoff_growth::decorrelated}) {
    backoff pause({.initial = duration::max() / 2, .max = duration::max(), .growth = growth, .jitter = 0});
    for (const duration d : take(pause, 100)) EXPECT_GT(d, 0s);
  }
}

TEST(Backoff, RefusesNonsense) {
  EXPECT_THROW(backoff({.initial = -1ns}), std::invalid_argument);
  EXPECT_THROW(backoff({.initial = 2s, .max = 1s}), std::invalid_argument);
  EXPECT_THROW(backoff({.factor = 0.9}), std::invalid_argument);
  EXPECT_THROW(backoff({.factor = NAN}), std::invalid_argument);
  EXPECT_THROW(backoff({.jitter = -0.1}), std::invalid_argument);
  EXPECT_THROW(backoff({.jitter = 1.1}), std::invalid_argument);
}

}  // namespace
}  // namespace tandem
