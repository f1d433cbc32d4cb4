#include <tandem/resilience/throttle.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>

#include <gtest/gtest.h>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const call to_a{.target = "a:1"};

bool admits(sim_runtime& sim, const throttle& t, const call& c) {
  return sim.run([](const throttle& which, const call& what) -> task<bool> { co_return which.admits(what); }(t, c))
      .value();
}

// A call each millisecond, every `nth` of which works; gives how many reached the target.
int reached_of(sim_runtime& sim, const throttle& t, int calls, int nth) {
  int reached = 0;
  for (int i = 0; i < calls; ++i) {
    sim.advance(1ms);
    (void)sim.run(with(t).run(to_a, [&] { return play(++reached % nth == 0 ? works() : fails()); }));
  }
  return reached;
}

TEST(Throttle, LetsEverythingThroughWhileCallsWork) {
  sim_runtime sim;
  const throttle t;
  EXPECT_EQ(reached_of(sim, t, 1000, 1), 1000);
  EXPECT_TRUE(admits(sim, t, to_a));
  EXPECT_EQ(t.info().state, "0 of 1000 calls rejected");
}

TEST(Throttle, LetsAboutKTimesThroughWhatIsAccepted) {
  sim_runtime sim;
  // A target that accepts 100 each second and rejects the rest, and is called 1000 times a second.
  const throttle t({.k = 2});
  int reached = 0;
  for (int second = 0; second < 60; ++second) {
    if (second == 30) reached = 0;
    int accepted = 0;
    for (int i = 0; i < 1000; ++i) {
      sim.advance(1ms);
      (void)sim.run(with(t).run(to_a, [&] {
        ++reached;
        return play(accepted++ < 100 ? works() : fails());
      }));
    }
  }
  EXPECT_NEAR(reached, 30 * 200, 30 * 20);
  EXPECT_FALSE(admits(sim, t, to_a));
  EXPECT_TRUE(admits(sim, t, {.target = "b:1"})) << "targets are kept apart";
}

TEST(Throttle, RejectsNoMoreThanTheMostThatItMay) {
  sim_runtime sim;
  const throttle t({.most_rejected = 0.75});
  (void)reached_of(sim, t, 10'000, 1'000'000);
  EXPECT_NEAR(reached_of(sim, t, 10'000, 1'000'000), 2500, 250);
}

TEST(Throttle, RecoversOnceCallsWorkAgain) {
  sim_runtime sim;
  const throttle t;
  (void)reached_of(sim, t, 20'000, 1'000'000);
  (void)reached_of(sim, t, 60'000, 1);
  EXPECT_EQ(reached_of(sim, t, 1000, 1), 1000);
}

TEST(Throttle, SaysWhenToComeBack) {
  sim_runtime sim;
  const throttle t({.name = "t"});
  (void)reached_of(sim, t, 1000, 1'000'000);
  result<int> got = 1;
  while (got || got.error().code() != errc::overloaded) got = call_through(sim, t, to_a, fails());
  EXPECT_EQ(got.error().message(), "t: too many calls fail: overloaded");
  EXPECT_EQ(retry_after_of(got.error()), 1s);
}

TEST(Throttle, WhatTheCallersGaveUpCountsAsAccepted) {
  sim_runtime sim;
  const throttle t;
  for (int i = 0; i < 100; ++i) (void)call_through(sim, t, to_a, {error_of(errc::cancelled)});
  EXPECT_TRUE(admits(sim, t, to_a));
}

TEST(Throttle, AnExceptionIsAFailure) {
  sim_runtime sim;
  const throttle t;
  for (int i = 0; i < 10; ++i)
    (void)sim.run(with(t).run(to_a, [] -> task<result<int>> {
      throw std::runtime_error("no");
      co_return 1;
    }));
  EXPECT_FALSE(admits(sim, t, to_a));
}

TEST(Throttle, AClockThatJumpsAWholeWindowForgetsIt) {
  const throttle t;
  {
    sim_runtime sim;
    sim.advance(1h);
    (void)reached_of(sim, t, 1000, 1'000'000);
    EXPECT_FALSE(admits(sim, t, to_a));
    sim.advance(24h);
    EXPECT_TRUE(admits(sim, t, to_a));
    (void)reached_of(sim, t, 1000, 1'000'000);
    EXPECT_FALSE(admits(sim, t, to_a));
  }
  sim_runtime earlier;
  EXPECT_TRUE(admits(earlier, t, to_a));
}

TEST(Throttle, RefusesNonsense) {
  EXPECT_THROW(throttle({.k = 0.9}), std::invalid_argument);
  EXPECT_THROW(throttle({.k = NAN}), std::invalid_argument);
  EXPECT_THROW(throttle({.most_rejected = 1.1}), std::invalid_argument);
  EXPECT_THROW(throttle({.most_rejected = NAN}), std::invalid_argument);
  EXPECT_THROW(throttle({.window = 0s}), std::invalid_argument);
  EXPECT_THROW(throttle({.window = -1s}), std::invalid_argument);
  EXPECT_THROW(throttle({.most_states = 0}), std::invalid_argument);
  EXPECT_EQ(throttle().info().settings, "k 1.5 over 10s, per target");
}

}  // namespace
}  // namespace tandem::resilience
