#include <tandem/cron/schedule.hpp>

#include <gtest/gtest.h>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const wall_time new_year = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);

TEST(CronSchedule, RunsByTheWallClockOfItsZone) {
  sim_runtime sim;
  sim.set_wall_clock(new_year);
  cron mornings = make_cron("0 9 * * MON-FRI", "Europe/Berlin").value();  // the 1st is a Monday
  for (int day = 0; day < 5; ++day) {
    EXPECT_EQ(sim.run(mornings.next()).value(), (cron_point{new_year + day * 24h + 8h, 0}));
    EXPECT_EQ(sim.wall_now(), new_year + day * 24h + 8h);
  }
  EXPECT_EQ(sim.run(mornings.next()).value(), (cron_point{new_year + 7 * 24h + 8h, 0}));
}

TEST(CronSchedule, ASlowReaderGetsTheLatestMoment) {
  sim_runtime sim;
  sim.set_wall_clock(new_year);
  cron quarters = make_cron("*/15 * * * *", "UTC").value();
  EXPECT_EQ(sim.run(quarters.next()).value(), (cron_point{new_year, 0}));
  sim.set_wall_clock(new_year + 65min);
  EXPECT_EQ(sim.run(quarters.next()).value(), (cron_point{new_year + 60min, 3}));
}

TEST(CronSchedule, CancellationStopsIt) {
  sim_runtime sim;
  cron yearly = make_cron("@yearly", "UTC").value();
  (void)sim.run(yearly.next());
  EXPECT_EQ(sim.run(with_timeout(1h, yearly.next())).error().code(), errc::deadline_exceeded);
}

TEST(CronSchedule, SaysWhichPartIsWrong) {
  EXPECT_EQ(make_cron("0 9 * *", "UTC").error().code(), errc::invalid_argument);
  EXPECT_EQ(make_cron("0 9 * * *", "Nowhere").error().code(), errc::not_found);
}

}  // namespace
}  // namespace tandem
