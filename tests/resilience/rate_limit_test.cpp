#include <tandem/resilience/rate_limit.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

int let_in_at_once(sim_runtime& sim, const rate_limit& r) {
  int n = 0;
  while (n < 1000 && call_through(sim, r, {}, works())) ++n;
  return n;
}

TEST(RateLimit, LetsABurstInAndThenTheRate) {
  sim_runtime sim;
  const rate_limit r({.per_second = 100, .burst = 5});
  EXPECT_EQ(let_in_at_once(sim, r), 5);
  sim.advance(10ms - 1ns);
  EXPECT_EQ(let_in_at_once(sim, r), 0);
  sim.advance(1ns);
  EXPECT_EQ(let_in_at_once(sim, r), 1);
  sim.advance(30ms);
  EXPECT_EQ(let_in_at_once(sim, r), 3);
  sim.advance(1h);
  EXPECT_EQ(let_in_at_once(sim, r), 5) << "no more than the burst is saved up";
}

TEST(RateLimit, RejectsWithTheTimeUntilTheNextTurn) {
  sim_runtime sim;
  const rate_limit r({.per_second = 100, .burst = 1, .name = "r"});
  EXPECT_TRUE(call_through(sim, r, {}, works()).has_value());
  sim.advance(4ms);
  const auto got = call_through(sim, r, {}, works());
  EXPECT_EQ(got.error().code(), errc::overloaded);
  EXPECT_EQ(got.error().message(), "r: too many calls in too little time: overloaded");
  EXPECT_EQ(retry_after_of(got.error()), 6ms);
  EXPECT_EQ(r.info().state, "1 of 2 calls rejected, 0 waited");
}

TEST(RateLimit, WaitsForUpToTheMostThatItMay) {
  sim_runtime sim;
  const rate_limit r({.per_second = 100, .burst = 2, .max_wait = 30ms});
  const time_point start = sim.now();
  std::vector<duration> at;
  std::vector<join_handle<result<int>>> all;
  for (int i = 0; i < 6; ++i)
    all.push_back(sim.spawn(with(r).run([&] {
      at.push_back(sim.now() - start);
      return play(works());
    })));
  sim.run_to_end();
  EXPECT_EQ(at, (std::vector<duration>{0ms, 0ms, 10ms, 20ms, 30ms}));
  EXPECT_EQ(sim.get(all.back()).error().code(), errc::overloaded) << "it would have been 40 ms";
}

TEST(RateLimit, RejectsAtOnceWhoseDeadlineComesBeforeItsTurn) {
  sim_runtime sim;
  const rate_limit r({.per_second = 1, .burst = 1, .max_wait = 1h});
  EXPECT_TRUE(call_through(sim, r, {}, works()).has_value());
  const time_point start = sim.now();
  const auto got = sim.run(with_timeout(1s, with(r).run([] { return play(works()); })));
  EXPECT_EQ(got.error().code(), errc::overloaded);
  EXPECT_EQ(sim.now(), start);
}

TEST(RateLimit, WhoLeavesWhileItWaitsGivesItsPlaceBackIfItWasTheLast) {
  sim_runtime sim;
  const rate_limit r({.per_second = 1, .burst = 1, .max_wait = 2s});
  EXPECT_TRUE(call_through(sim, r, {}, works()).has_value());
  int called = 0;
  const cancel_source stop(sim.root_context());
  auto waits = sim.spawn(with_context(stop.context(), with(r).run([&] {
    ++called;
    return play(works());
  })));
  sim.run_until_idle();
  stop.cancel();
  EXPECT_EQ(sim.wait(waits).error().code(), errc::cancelled);
  EXPECT_EQ(called, 0);
  sim.advance(1s);
  const time_point start = sim.now();
  EXPECT_TRUE(call_through(sim, r, {}, works()).has_value());
  EXPECT_EQ(sim.now(), start);
}

TEST(RateLimit, AClockThatWentBackLeavesOneCall) {
  sim_runtime sim;
  const rate_limit r({.per_second = 10, .burst = 3});
  sim.advance(24h);
  EXPECT_EQ(let_in_at_once(sim, r), 3);
  sim_runtime earlier;
  EXPECT_EQ(let_in_at_once(earlier, r), 1);
  earlier.advance(300ms);
  EXPECT_EQ(let_in_at_once(earlier, r), 3);
}

TEST(RateLimit, AnExceptionPassesThrough) {
  sim_runtime sim;
  const rate_limit r({.per_second = 10, .burst = 1});
  const auto got = sim.run(with(r).run([] -> task<result<int>> {
    throw std::runtime_error("no");
    co_return 1;
  }));
  EXPECT_NE(got.error().message().find("no"), std::string::npos);
  EXPECT_EQ(let_in_at_once(sim, r), 0) << "it was a call";
}

TEST(RateLimit, TellsWhetherItWouldLetACallInAtOnce) {
  sim_runtime sim;
  const rate_limit r({.per_second = 10, .burst = 1, .max_wait = 1s});
  const auto admits = [&] {
    return sim.run([](rate_limit which) -> task<bool> { co_return which.admits({}); }(r)).value();
  };
  EXPECT_TRUE(admits());
  EXPECT_TRUE(call_through(sim, r, {}, works()).has_value());
  EXPECT_FALSE(admits());
  sim.advance(100ms);
  EXPECT_TRUE(admits());
}

TEST(Pacing, CallsLeaveAtAnEvenRateInTheirOrder) {
  sim_runtime sim;
  const rate_limit p = pacing(100, 1s, "p");
  const time_point start = sim.now();
  std::vector<duration> at;
  std::vector<join_handle<result<int>>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(sim.spawn(with(p).run([&] {
      at.push_back(sim.now() - start);
      return play(works(1h));
    })));
  sim.run_to_end();
  EXPECT_EQ(at, (std::vector<duration>{0ms, 10ms, 20ms, 30ms}));
  EXPECT_EQ(to_string(p), "pacing(100/s, wait up to 1s)");
}

TEST(RateLimit, RefusesNonsense) {
  EXPECT_THROW(rate_limit({.per_second = 0}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.per_second = -1}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.per_second = NAN}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.per_second = 1e7}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.burst = 0}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.per_second = 1e-4, .burst = 1'000'000'000}), std::invalid_argument);
  EXPECT_THROW(rate_limit({.max_wait = -1ns}), std::invalid_argument);
  EXPECT_THROW((void)pacing(1, duration::max()), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::resilience
