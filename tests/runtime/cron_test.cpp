#include <tandem/runtime/cron.hpp>

#include <stdexcept>

#include <gtest/gtest.h>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const wall_time noon = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + 12h;

TEST(Cron, FollowsItsGrid) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  cron hourly(noon + 30min, 1h);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sim.run(hourly.next()).value(), (cron_point{noon + 30min + i * 1h, 0}));
    EXPECT_EQ(sim.wall_now(), noon + 30min + i * 1h);
  }
}

TEST(Cron, AStartInThePastIsAlignedForward) {
  sim_runtime sim;
  sim.set_wall_clock(noon + 7min);
  cron quarterly(noon - 24h * 365, 15min);
  EXPECT_EQ(sim.run(quarterly.next()).value(), (cron_point{noon + 15min, 0}));
  sim.set_wall_clock(noon);
  cron now_is_a_point(wall_time(), 1h);  // noon is a full hour
  EXPECT_EQ(sim.run(now_is_a_point.next()).value(), (cron_point{noon, 0}));
}

TEST(Cron, ASlowReaderGetsTheLatestPointAndTheNumberOfTheOthers) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  cron every_minute(noon, 1min);
  EXPECT_EQ(sim.run(every_minute.next()).value().when, noon);
  sim.advance(3min + 30s);
  EXPECT_EQ(sim.run(every_minute.next()).value(), (cron_point{noon + 3min, 2}));
  EXPECT_EQ(sim.wall_now(), noon + 3min + 30s);
  EXPECT_EQ(sim.run(every_minute.next()).value(), (cron_point{noon + 4min, 0}));
}

TEST(Cron, AClockSetForwardGivesOnePointNotAFlood) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  cron hourly(noon, 1h);
  (void)sim.run(hourly.next());
  auto waiting = sim.spawn(hourly.next());
  sim.advance(1min);
  ASSERT_FALSE(waiting.done());
  sim.set_wall_clock(noon + 72h + 5min);
  sim.advance(wall_clock_recheck);
  ASSERT_TRUE(waiting.done());
  EXPECT_EQ(sim.get(waiting).value(), (cron_point{noon + 72h, 71}));
  EXPECT_EQ(sim.run(hourly.next()).value(), (cron_point{noon + 73h, 0}));
}

TEST(Cron, AClockSetBackALittleRepeatsNothing) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  cron every_minute(noon, 1min);
  (void)sim.run(every_minute.next());
  sim.set_wall_clock(noon - 2h);
  EXPECT_EQ(sim.run(every_minute.next()).value(), (cron_point{noon + 1min, 0}));
}

TEST(Cron, AClockThatWasPlainWrongStartsTheScheduleAnew) {
  sim_runtime sim;
  sim.set_wall_clock(noon + 24h * 365);
  cron every_minute(noon, 1min);
  (void)sim.run(every_minute.next());
  auto waiting = sim.spawn(every_minute.next());
  sim.run_until_idle();
  sim.set_wall_clock(noon + 30s);
  sim.advance(31s);
  ASSERT_TRUE(waiting.done());
  EXPECT_EQ(sim.get(waiting).value(), (cron_point{noon + 1min, 0}));
}

TEST(Cron, CancellationEndsTheWaitAndTakesNoPoint) {
  sim_runtime sim;
  sim.set_wall_clock(noon + 1s);
  cron hourly(noon, 1h);
  EXPECT_EQ(sim.run(with_timeout(1min, hourly.next())).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.run(hourly.next()).value(), (cron_point{noon + 1h, 0}));
}

TEST(Cron, AScheduleOfOnesOwnMayEnd) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  const wall_time only = noon + 1min;
  cron once([only](wall_time from) { return from < only ? std::optional(only) : std::nullopt; });
  EXPECT_EQ(sim.run(once.next()).value(), (cron_point{only, 0}));
  EXPECT_EQ(sim.run(once.next()).error().code(), errc::out_of_range);
}

TEST(Cron, ManyMissedPointsOfOnesOwnScheduleEndAtTheLatest) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  const cron::schedule seconds = [](wall_time from) -> std::optional<wall_time> {
    return std::chrono::floor<std::chrono::seconds>(from) + 1s;
  };
  cron every_second(seconds);
  (void)sim.run(every_second.next());
  sim.set_wall_clock(noon + 24h * 20'000 + 500ms);
  EXPECT_EQ(sim.run(every_second.next()).value(), (cron_point{noon + 24h * 20'000, 10'000}));
}

TEST(Cron, TheEdgesOfTimeAreDefined) {
  sim_runtime sim;
  EXPECT_THROW(cron(noon, 0s), std::invalid_argument);
  EXPECT_THROW(cron(noon, -1s), std::invalid_argument);
  sim.set_wall_clock(noon);
  cron from_the_beginning(wall_time::min(), 1h);
  EXPECT_TRUE(sim.run(from_the_beginning.next()).has_value());
  sim.set_wall_clock(noon);
  cron never_again(noon, duration::max());
  EXPECT_EQ(sim.run(never_again.next()).value().when, noon);
  EXPECT_EQ(sim.run(never_again.next()).error().code(), errc::out_of_range);
}

TEST(Cron, OneThatIsAlwaysBehindLetsOthersRunAndEndsWithItsContext) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  int points = 0, others = 0;
  const cancel_source source(sim.root_context());
  auto behind = sim.spawn(
      [&]() -> task<error> {
        cron every(wall_now() - 1h, 1ms);
        for (;;) {
          const auto point = co_await every.next();
          if (!point) co_return point.error();
          ++points;
          sim.set_wall_clock(sim.wall_now() + 2ms);  // the work for a point takes longer than the interval
        }
      },
      source.context());
  auto other = sim.spawn([&]() -> task<> {
    for (; others < 10; ++others) co_await yield();
    source.cancel();
  });
  sim.run_until_idle();
  EXPECT_EQ(others, 10);
  EXPECT_TRUE(other.done());
  ASSERT_TRUE(behind.done()) << points;
  EXPECT_EQ(sim.get(behind).value().code(), errc::cancelled);
}

}  // namespace
}  // namespace tandem
