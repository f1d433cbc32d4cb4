#include <tandem/runtime/wall_clock.hpp>

#include <gtest/gtest.h>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const wall_time noon = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + 12h;

TEST(WallClock, GoesOnWithTheVirtualClockAndCanBeSet) {
  sim_runtime sim;
  EXPECT_EQ(sim.wall_now(), std::chrono::sys_days(std::chrono::year(2000) / 1 / 1));
  const time_point steady = sim.now();
  sim.set_wall_clock(noon);
  EXPECT_EQ(sim.now(), steady);
  sim.advance(90min);
  EXPECT_EQ(sim.wall_now(), noon + 90min);
  EXPECT_EQ(sim.run([]() -> task<wall_time> { co_return wall_now(); }).value(), noon + 90min);
}

TEST(WallClock, OutsideOfARuntimeItIsTheSystems) {
  const wall_time before = std::chrono::system_clock::now();
  EXPECT_GE(wall_now(), before);
}

TEST(At, EndsAtItsTimeNotBefore) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  auto waiting = sim.spawn(at(noon + 90min));
  sim.advance(90min - 1ns);
  ASSERT_FALSE(waiting.done());
  sim.advance(1ns);
  ASSERT_TRUE(waiting.done());
  EXPECT_TRUE(sim.get(waiting).has_value());
}

TEST(At, ATimeInThePastEndsAtOnce) {
  sim_runtime sim;
  const time_point start = sim.now();
  for (const wall_time when : {sim.wall_now(), sim.wall_now() - 1h, wall_time::min()})
    EXPECT_TRUE(sim.run(at(when)).has_value());
  EXPECT_EQ(sim.now(), start);
}

TEST(At, AClockSetForwardIsNoticedWithinTheRecheck) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  auto waiting = sim.spawn(at(noon + 24h));
  sim.advance(10min);
  sim.set_wall_clock(noon + 25h);
  sim.advance(wall_clock_recheck);
  EXPECT_TRUE(waiting.done());
}

TEST(At, AClockSetBackMakesItWaitLonger) {
  sim_runtime sim;
  sim.set_wall_clock(noon);
  auto waiting = sim.spawn(at(noon + 1h));
  sim.advance(59min);
  sim.set_wall_clock(noon);
  sim.advance(1h - 1ns);
  ASSERT_FALSE(waiting.done());
  sim.advance(1ns);
  EXPECT_TRUE(waiting.done());
}

TEST(At, ATimeBeyondAllClocksEndsByItsContext) {
  sim_runtime sim;
  EXPECT_EQ(sim.run(with_timeout(1min, at(wall_time::max()))).error().code(), errc::deadline_exceeded);
  sim.set_wall_clock(wall_time(-1h));  // a clock before 1970 must not overflow either
  EXPECT_EQ(sim.run(with_timeout(1min, at(wall_time::max()))).error().code(), errc::deadline_exceeded);
}

}  // namespace
}  // namespace tandem
