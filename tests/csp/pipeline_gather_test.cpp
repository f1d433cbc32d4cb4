// Stages that gather values, or look at the time.
#include <tandem/csp/pipeline.hpp>

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using numbers = std::vector<int>;

/// A value, the first of them and each other after its own pause.
template <class T = int>
pipeline<T> after_pauses(std::vector<std::pair<milliseconds, T>> values) {
  return generate([values = std::move(values), i = std::size_t{0}]() mutable -> task<result<std::optional<T>>> {
    if (i == values.size()) co_return std::nullopt;
    TANDEM_CO_TRY(co_await sleep_for(values[i].first));
    co_return std::move(values[i++].second);
  });
}

/// What a pipeline gives, each with the time since the start.
template <class T>
struct arrivals {
  std::vector<T> values;
  std::vector<duration> at;
};
template <class T>
arrivals<T> run(sim_runtime& sim, pipeline<T> stages) {
  arrivals<T> seen;
  const time_point start = sim.now();
  auto note = [&](T value) {
    seen.values.push_back(std::move(value));
    seen.at.push_back(now() - start);
  };
  EXPECT_TRUE(sim.run(std::move(stages).for_each(note).run()).has_value());
  EXPECT_EQ(sim.live_tasks(), 0u);
  return seen;
}

constexpr milliseconds ms(int n) { return milliseconds(n); }

TEST(PipelineBatch, GathersUpToNAndKeepsTheRest) {
  sim_runtime sim;
  EXPECT_EQ(run(sim, from(numbers{1, 2, 3, 4, 5, 6, 7}).batch(3)).values,
            (std::vector<numbers>{{1, 2, 3}, {4, 5, 6}, {7}}));
  EXPECT_EQ(run(sim, from(numbers{1, 2, 3, 4}).batch(2)).values, (std::vector<numbers>{{1, 2}, {3, 4}}));
  EXPECT_TRUE(run(sim, from(numbers{}).batch(2, ms(1))).values.empty());
}

TEST(PipelineBatch, IsGivenOnWhenItsTimeHasPassedSinceItsFirstValue) {
  sim_runtime sim;
  const auto seen = run(
      sim, after_pauses<>({{ms(5), 1}, {ms(4), 2}, {ms(7), 3}, {ms(1), 4}, {ms(1), 5}, {ms(20), 6}}).batch(3, ms(10)));
  EXPECT_EQ(seen.values, (std::vector<numbers>{{1, 2}, {3, 4, 5}, {6}}));
  EXPECT_EQ(seen.at, (std::vector<duration>{ms(15), ms(18), ms(38)}));
}

TEST(PipelineBatch, TakesTheValueThatComesANanosecondBeforeItsTime) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  std::vector<numbers> seen;
  auto running = sim.spawn(from(rx).batch(10, ms(10)).for_each([&](numbers b) { seen.push_back(std::move(b)); }).run());
  ASSERT_TRUE(tx.try_send(1).has_value());
  sim.run_until_idle();
  sim.advance(ms(10) - nanoseconds(1));
  EXPECT_TRUE(seen.empty());
  ASSERT_TRUE(tx.try_send(2).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(seen.empty());
  sim.advance(nanoseconds(1));
  EXPECT_EQ(seen, (std::vector<numbers>{{1, 2}}));
  tx = {};
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
  EXPECT_EQ(seen.size(), 1u);
}

TEST(PipelineBatch, WithoutTimeTakesWhatIsThere) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(5);
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(tx.try_send(i).has_value());
  std::vector<numbers> seen;
  auto note = [&](numbers b) { seen.push_back(std::move(b)); };
  auto running = sim.spawn(from(rx).batch(3, duration(0)).for_each(note).run());
  sim.run_until_idle();
  EXPECT_EQ(seen, (std::vector<numbers>{{1, 2, 3}, {4, 5}}));
  tx.close();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
}

TEST(PipelineBatch, CarriesWhatCanOnlyBeMoved) {
  sim_runtime sim;
  std::vector<std::unique_ptr<int>> owned;
  for (int i = 0; i < 5; ++i) owned.push_back(std::make_unique<int>(i));
  const auto seen = run(sim, from(std::move(owned)).batch(2, ms(1)));
  ASSERT_EQ(seen.values.size(), 3u);
  EXPECT_EQ(*seen.values[2][0], 4);
}

TEST(PipelineWindow, SlidesByAStepAndGivesWholeWindowsOnly) {
  sim_runtime sim;
  const numbers seven{1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(run(sim, from(seven).window(3, 1)).values,
            (std::vector<numbers>{{1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5, 6}, {5, 6, 7}}));
  EXPECT_EQ(run(sim, from(seven).window(3, 2)).values, (std::vector<numbers>{{1, 2, 3}, {3, 4, 5}, {5, 6, 7}}));
  EXPECT_EQ(run(sim, from(seven).window(3, 3)).values, (std::vector<numbers>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(run(sim, from(seven).window(2, 4)).values, (std::vector<numbers>{{1, 2}, {5, 6}}));
}

TEST(PipelineWindow, OfTimeHoldsWhatCameInItEvenNothing) {
  sim_runtime sim;
  const auto seen =
      run(sim, after_pauses<>({{ms(1), 1}, {ms(8), 2}, {ms(2), 3}, {ms(15), 4}, {ms(5), 5}}).window(ms(10)));
  EXPECT_EQ(seen.values, (std::vector<numbers>{{1, 2}, {3}, {4}, {5}}));
  EXPECT_EQ(seen.at, (std::vector<duration>{ms(10), ms(20), ms(30), ms(31)}));
  const auto sparse = run(sim, after_pauses<>({{ms(1), 1}, {ms(30), 2}}).window(ms(10)));
  EXPECT_EQ(sparse.values, (std::vector<numbers>{{1}, {}, {}, {2}}));
}

TEST(PipelineWindow, OfTimeSlides) {
  sim_runtime sim;
  const auto seen = run(sim, after_pauses<>({{ms(1), 1}, {ms(5), 2}, {ms(6), 3}, {ms(4), 4}}).window(ms(10), ms(5)));
  // Ends at 5, 10, 15, 20 (cut short at 16): the values came at 1, 6, 12, 16.
  EXPECT_EQ(seen.values, (std::vector<numbers>{{1}, {1, 2}, {2, 3}, {3, 4}}));
}

TEST(PipelineWindow, LeavesOutWindowsThatEndWhileOneCannotBeHandedOn) {
  sim_runtime sim;
  std::vector<numbers> seen;
  auto slow = [&](numbers w) -> task<> {
    seen.push_back(std::move(w));
    (void)co_await sleep_for(ms(1000));
  };
  std::vector<std::pair<milliseconds, int>> values;
  for (int i = 0; i < 300; ++i) values.emplace_back(ms(10), i);
  auto stages = after_pauses<>(std::move(values)).window(ms(10)).for_each(slow);
  ASSERT_TRUE(sim.run(std::move(stages).run()).has_value());
  std::size_t total = 0;
  for (const numbers& w : seen) total += w.size();
  EXPECT_EQ(total, 300u);  // values are not left out
}

TEST(PipelineDistinct, DropsWhatIsAmongTheLastRemembered) {
  sim_runtime sim;
  EXPECT_EQ(run(sim, from(numbers{1, 1, 2, 2, 1, 3, 3, 2}).distinct(1)).values, (numbers{1, 2, 1, 3, 2}));
  EXPECT_EQ(run(sim, from(numbers{1, 2, 1, 2, 3, 1, 2}).distinct(2)).values, (numbers{1, 2, 3, 1, 2}));
  EXPECT_EQ(run(sim, from(numbers{1, 2, 1, 2, 3, 1, 2}).distinct(100)).values, (numbers{1, 2, 3}));
}

TEST(PipelineDistinct, PassesOnWhatDoesNotEqualItselfAndForgetsTheOthersInTurn) {
  sim_runtime sim;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const auto seen = run(sim, from(std::vector<double>{nan, 1, nan, 1, 2, nan, 2, 1}).distinct(1)).values;
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_TRUE(std::isnan(seen[0]) && std::isnan(seen[2]) && std::isnan(seen[4]));
  EXPECT_EQ((std::vector<double>{seen[1], seen[3], seen[5]}), (std::vector<double>{1, 2, 1}));
}

TEST(PipelineDistinct, ComparesByKey) {
  sim_runtime sim;
  auto length = [](const std::string& s) { return s.size(); };
  EXPECT_EQ(run(sim, from(std::vector<std::string>{"a", "b", "cc", "d", "ee", "fff"}).distinct(10, length)).values,
            (std::vector<std::string>{"a", "cc", "fff"}));
}

TEST(PipelineThrottle, LetsABurstThroughAndThenKeepsToTheRate) {
  sim_runtime sim;
  const auto seen = run(sim, from(numbers{1, 2, 3, 4, 5, 6}).throttle(rate(100), 3));
  EXPECT_EQ(seen.values, (numbers{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(seen.at, (std::vector<duration>{ms(0), ms(0), ms(0), ms(10), ms(20), ms(30)}));
}

TEST(PipelineThrottle, LinesThatShareABucketShareTheRate) {
  sim_runtime sim;
  const auto bucket = std::make_shared<token_bucket>(rate(100), 1);
  auto a = from(numbers{1, 2, 3}).throttle(bucket);
  auto b = from(numbers{1, 2, 3}).throttle(bucket);
  const auto seen = run(sim, merge(std::move(a), std::move(b)));
  EXPECT_EQ(seen.at, (std::vector<duration>{ms(0), ms(10), ms(20), ms(30), ms(40), ms(50)}));
}

TEST(PipelinePace, KeepsAnIntervalBetweenValuesAndDoesNotCatchUp) {
  sim_runtime sim;
  const auto seen = run(sim, after_pauses<>({{ms(0), 1}, {ms(1), 2}, {ms(50), 3}, {ms(0), 4}}).pace(ms(10)));
  EXPECT_EQ(seen.at, (std::vector<duration>{ms(0), ms(10), ms(51), ms(61)}));
}

TEST(PipelineGather, NumbersThatMakeNoSenseAreRefused) {
  EXPECT_THROW((void)from(numbers{}).batch(0), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).window(0, 1), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).window(1, 0), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).window(ms(0)), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).window(ms(1), ms(-1)), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).distinct(0), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).throttle(rate(1), 0), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).throttle(nullptr), std::invalid_argument);
  EXPECT_THROW((void)from(numbers{}).pace(ms(0)), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::csp
