#include <tandem/resilience/breaker.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/resilience/timeout.hpp>
#include <tandem/runtime/runtime.hpp>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const call to_a{.method = "get", .target = "a:1"};
const call to_b{.method = "get", .target = "b:1"};

// Without jitter, and open after `n` failures in a row only.
breaker_options after_failures(std::uint32_t n) { return {.failures_in_a_row = n, .failure_rate = 0, .jitter = 0}; }

class BreakerTest : public ::testing::Test {
 protected:
  void fail_until_open(const breaker& b, const call& c) {
    for (int i = 0; i < 1000 && b.state_of(c) == circuit_state::closed; ++i) (void)call_through(sim, b, c, fails());
    ASSERT_EQ(b.state_of(c), circuit_state::open);
  }
  bool rejects(const breaker& b, const call& c) {
    const auto got = call_through(sim, b, c, works());
    return !got && got.error().code() == errc::circuit_open;
  }
  duration rejects_for(const breaker& b, const call& c) {
    const auto got = call_through(sim, b, c, works());
    if (got || got.error().code() != errc::circuit_open) return {};
    return retry_after_of(got.error()).value();
  }
  bool admits(const breaker& b, const call& c) {  // on the simulation's clock
    return sim.run([](const breaker& which, const call& what) -> task<bool> { co_return which.admits(what); }(b, c))
        .value();
  }

  sim_runtime sim;
};

TEST_F(BreakerTest, OpensAfterSoManyFailuresInARow) {
  const breaker b(after_failures(3));
  for (const auto& s : {fails(), fails(), works(), fails(), fails()}) (void)call_through(sim, b, to_a, s);
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed) << "one worked in between";
  EXPECT_TRUE(admits(b, to_a));
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open);
  EXPECT_FALSE(admits(b, to_a));
  const auto got = call_through(sim, b, to_a, works());
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), errc::circuit_open);
  EXPECT_EQ(got.error().message(), b.name() + ": open for a:1: circuit_open");
  EXPECT_EQ(retry_after_of(got.error()), 100ms);
  EXPECT_EQ(b.info().counters,
            (std::vector<policy_counter>{{"calls", 7}, {"rejected", 1}, {"failed", 5}, {"slow", 0}, {"opened", 1}}));
}

TEST_F(BreakerTest, ASuccessfulProbeClosesItAtTheEndOfTheIsolationTimeAndNotBefore) {
  const breaker b(after_failures(1));
  fail_until_open(b, to_a);
  sim.advance(100ms - 1ns);
  EXPECT_FALSE(admits(b, to_a));
  EXPECT_EQ(rejects_for(b, to_a), 1ms) << "rounded up";
  sim.advance(1ns);
  EXPECT_TRUE(admits(b, to_a));
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "asking is no probe";
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
}

TEST_F(BreakerTest, TheIsolationTimeDoublesUpToTheLongestAndIsResetAfterBeingClosedForLong) {
  auto options = after_failures(1);
  options.longest_isolation = 350ms;
  const breaker b(options);
  fail_until_open(b, to_a);
  std::vector<duration> times;
  for (int i = 0; i < 4; ++i) {
    times.push_back(rejects_for(b, to_a));
    sim.advance(times.back());
    EXPECT_EQ(call_through(sim, b, to_a, fails()).error().code(), errc::unavailable) << "a probe";
  }
  EXPECT_EQ(times, (std::vector<duration>{100ms, 200ms, 350ms, 350ms}));

  sim.advance(350ms);
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  sim.advance(1min - 1ns);
  fail_until_open(b, to_a);
  EXPECT_EQ(rejects_for(b, to_a), 350ms) << "it was not closed for long enough";
  sim.advance(350ms);
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  sim.advance(1min);
  fail_until_open(b, to_a);
  EXPECT_EQ(rejects_for(b, to_a), 100ms);
}

TEST_F(BreakerTest, JitterShortensTheIsolationTimeByUpToItsShare) {
  auto options = after_failures(1);
  options.isolation = 1s;
  options.jitter = 0.5;
  const breaker b(options);
  duration least = 1h;
  duration most{};
  for (int i = 0; i < 100; ++i) {
    const call c{.target = "a:1", .attempt = 1};
    const breaker one(options);
    fail_until_open(one, c);
    const duration wait = rejects_for(one, c);
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  EXPECT_GE(least, 500ms);
  EXPECT_LT(least, 600ms);
  EXPECT_LE(most, 1s);
  EXPECT_GT(most, 900ms);
}

TEST_F(BreakerTest, AWindowOfFewCallsIsNoLongerThanThat) {
  const breaker b({.failures_in_a_row = 0, .failure_rate = 0.6, .window_calls = 5, .least_calls = 5});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(call_through(sim, b, to_a, works()).has_value());
  (void)call_through(sim, b, to_a, fails());
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed) << "two of the last five";
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "three of the last five";
}

TEST_F(BreakerTest, StatesInUseDoNotKeepOthersFromBeingForgotten) {
  constexpr int in_use = 200;
  auto options = after_failures(1);
  options.most_states = 16;
  const breaker b(options);
  const auto all = with(b);
  const auto kept = [&] {
    const std::string text = b.info().state;  // "3 of 4 closed, 0 rejected"
    return std::stoi(text.substr(text.find(" of ") + 4));
  };
  const auto call_others = [&](const char* which, int n) {
    for (int i = 0; i < n; ++i) {
      const std::string target = which + std::to_string(i);
      ASSERT_TRUE(call_through(sim, b, {.target = target}, works()).has_value());
    }
  };
  std::vector<std::string> targets;
  for (int i = 0; i < in_use; ++i) targets.push_back("long " + std::to_string(i));
  std::vector<join_handle<result<int>>> running;
  for (const std::string& t : targets)
    running.push_back(sim.spawn(all.run({.target = t}, [] { return play(works(1h)); })));
  sim.run_until_idle();
  ASSERT_EQ(kept(), in_use);
  call_others("short ", 3000);
  EXPECT_LE(kept(), in_use + 16);
  for (auto& one : running) EXPECT_TRUE(sim.wait(one).has_value());
  call_others("later ", 3000);
  EXPECT_LE(kept(), 32) << "the many were for the calls that were under way";
}

TEST_F(BreakerTest, HalfOpenLetsFewProbesInAtOnceAndWantsSuccessesInARow) {
  auto options = after_failures(1);
  options.probes = 2;
  options.successes = 3;
  const breaker b(options);
  fail_until_open(b, to_a);
  sim.advance(100ms);
  const auto all = with(b);
  const auto probe = [] { return play(works(50ms)); };
  auto first = sim.spawn(all.run(to_a, probe));
  auto second = sim.spawn(all.run(to_a, probe));
  sim.run_until_idle();
  EXPECT_EQ(b.state_of(to_a), circuit_state::half_open);
  EXPECT_FALSE(admits(b, to_a));
  EXPECT_EQ(rejects_for(b, to_a), 100ms) << "no more than the isolation time after the last probe";
  EXPECT_TRUE(sim.wait(first).has_value());
  EXPECT_TRUE(sim.wait(second).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::half_open) << "two of three";
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
}

TEST_F(BreakerTest, AProbeThatNeverEndsKeepsOthersOutForOneIsolationTime) {
  const breaker b(after_failures(1));
  fail_until_open(b, to_a);
  sim.advance(100ms);
  auto hangs = sim.spawn(with(b).run(to_a, [] { return play(works(10h)); }));
  sim.run_until_idle();
  EXPECT_TRUE(rejects(b, to_a));
  sim.advance(100ms);
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  hangs.detach();
}

TEST_F(BreakerTest, AProbeThatIsGivenUpMakesRoomForTheNext) {
  const breaker b(after_failures(1));
  fail_until_open(b, to_a);
  sim.advance(100ms);
  EXPECT_FALSE(sim.run(with_timeout(1ms, with(b).run(to_a, [] { return play(works(1h)); }))).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::half_open) << "says nothing of the target";
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
}

TEST_F(BreakerTest, WhatBeganBeforeTheLastChangeIsIgnored) {
  const breaker b(after_failures(2));
  const auto all = with(b);
  auto late_failure = sim.spawn(all.run(to_a, [] { return play(fails(1s)); }));
  auto late_success = sim.spawn(all.run(to_a, [] { return play(works(1s)); }));
  sim.run_until_idle();
  fail_until_open(b, to_a);
  sim.advance(990ms);
  auto probe = sim.spawn(all.run(to_a, [] { return play(works(1s)); }));
  sim.run_until_idle();
  ASSERT_EQ(b.state_of(to_a), circuit_state::half_open);
  EXPECT_FALSE(sim.wait(late_failure).has_value());
  EXPECT_TRUE(sim.wait(late_success).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::half_open) << "neither closed nor opened it";
  EXPECT_TRUE(sim.wait(probe).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
}

TEST_F(BreakerTest, OpensAtAFailureRateOfTheLastTime) {
  const breaker b({.failures_in_a_row = 0, .failure_rate = 0.5, .window = 10s, .least_calls = 4});
  for (int i = 0; i < 10; ++i) (void)call_through(sim, b, to_a, works());
  sim.advance(9s);
  for (int i = 0; i < 9; ++i) (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed) << "9 of 19";
  sim.advance(2s);  // the ten that worked are over
  (void)call_through(sim, b, to_a, works());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed) << "a success opens nothing";
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "10 of 11";
}

TEST_F(BreakerTest, OpensAtAFailureRateOfTheLastCalls) {
  const breaker b({.failures_in_a_row = 0, .failure_rate = 0.5, .window_calls = 10, .least_calls = 10});
  for (int i = 0; i < 9; ++i) (void)call_through(sim, b, to_a, works());
  for (int i = 0; i < 4; ++i) (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed) << "4 of the last 10";
  sim.advance(24h);
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "5 of the last 10, whenever that was";
}

TEST_F(BreakerTest, RatesOfFewCallsMeanNothing) {
  const breaker b({.failures_in_a_row = 0, .failure_rate = 0.01, .least_calls = 20});
  for (int i = 0; i < 19; ++i) (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open);
}

TEST_F(BreakerTest, OpensAtARateOfSlowCallsEvenIfTheCallersGaveThemUp) {
  const breaker b({.failures_in_a_row = 0, .failure_rate = 0, .slow_rate = 0.5, .slow = 100ms, .least_calls = 4});
  (void)call_through(sim, b, to_a, works(100ms));
  (void)call_through(sim, b, to_a, works(100ms));
  (void)call_through(sim, b, to_a, works(101ms));
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  EXPECT_FALSE(sim.run(with_timeout(200ms, with(b).run(to_a, [] { return play(works(1h)); }))).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open);
  EXPECT_EQ(counter(b, "slow"), 2U);
  sim.advance(100ms);
  (void)call_through(sim, b, to_a, works(101ms));
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "a slow probe is none that succeeded";
}

TEST_F(BreakerTest, WhatTheCallerGaveUpIsNoFailure) {
  const breaker b(after_failures(1));
  EXPECT_EQ(sim.run(with_timeout(1s, with(b).run(to_a, [] { return play(works(1h)); }))).error().code(),
            errc::deadline_exceeded);
  EXPECT_EQ(call_through(sim, b, to_a, {error_of(errc::cancelled)}).error().code(), errc::cancelled);
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  EXPECT_EQ(call_through(sim, with(b, timeout(1s)), to_a, works(1h)).error().code(), errc::timed_out);
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "but a timeout inside is";
}

TEST_F(BreakerTest, ATargetThatAnswersNoIsWellUnlessItIsToldOtherwise) {
  const breaker b(after_failures(1));
  auto options = after_failures(1);
  options.is_failure = [](const error& e) { return e.is(errc::not_found); };
  const breaker stricter(options);
  (void)call_through(sim, with(b, stricter), to_a, {error_of(errc::not_found)});
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  EXPECT_EQ(stricter.state_of(to_a), circuit_state::open);
}

TEST_F(BreakerTest, AnExceptionIsAFailureAndLeavesAlsoAProbe) {
  const breaker b(after_failures(1));
  const auto thrown = [&] {
    return sim.run(with(b).run(to_a, [] -> task<result<int>> {
      throw std::runtime_error("no");
      co_return 1;
    }));
  };
  EXPECT_FALSE(thrown().has_value());
  ASSERT_EQ(b.state_of(to_a), circuit_state::open);
  sim.advance(100ms);
  EXPECT_FALSE(thrown().has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "the probe failed";
  EXPECT_EQ(counter(b, "opened"), 2U);
}

TEST_F(BreakerTest, ATaskThatIsDestroyedGivesNoOutcome) {
  const breaker b(after_failures(1));
  {
    runtime rt({.workers = 1});
    bool began = false;
    const auto hangs = [&] {
      began = true;
      return without_cancel(play(works(1h)));
    };
    auto destroyed = rt.spawn(with(b).run(to_a, hangs));
    rt.block_on([]() -> task<> { co_await yield(); }());
    EXPECT_FALSE(rt.shutdown(1ms).has_value());
    EXPECT_TRUE(began);
    destroyed.detach();
  }
  EXPECT_EQ(counter(b, "failed"), 0U);
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
}

TEST_F(BreakerTest, KeepsTargetsOrMethodsApartAsItIsTold) {
  const call put_a{.method = "put", .target = "a:1"};
  const auto opened_by_a_get_of_a = [&](state_per per) {
    auto options = after_failures(1);
    options.per = per;
    const breaker b(options);
    fail_until_open(b, to_a);
    return std::vector<bool>{b.state_of(to_b) == circuit_state::open, b.state_of(put_a) == circuit_state::open};
  };
  EXPECT_EQ(opened_by_a_get_of_a(state_per::policy), (std::vector<bool>{true, true}));
  EXPECT_EQ(opened_by_a_get_of_a(state_per::target), (std::vector<bool>{false, true}));
  EXPECT_EQ(opened_by_a_get_of_a(state_per::method), (std::vector<bool>{true, false}));
  EXPECT_EQ(opened_by_a_get_of_a(state_per::target_and_method), (std::vector<bool>{false, false}));
}

TEST_F(BreakerTest, WhileAllTargetsAreOpenEachGetsAProbeInEachFirstIsolationTime) {
  const breaker b(after_failures(1));
  (void)call_through(sim, b, to_b, works());
  fail_until_open(b, to_a);
  for (const duration wait : {100ms, 200ms, 400ms}) {
    sim.advance(wait);
    EXPECT_EQ(call_through(sim, b, to_a, fails()).error().code(), errc::unavailable);
  }
  EXPECT_EQ(rejects_for(b, to_a), 800ms) << "b is closed";
  fail_until_open(b, to_b);
  EXPECT_EQ(rejects_for(b, to_a), 100ms);
  int let_through = 0;
  for (int i = 0; i < 100; ++i) {
    sim.advance(10ms);
    if (!rejects(b, to_a)) ++let_through;
    if (b.state_of(to_a) == circuit_state::closed) fail_until_open(b, to_a);
  }
  EXPECT_EQ(let_through, 10) << "in a second";
}

TEST_F(BreakerTest, WhatFailedTogetherWithAllOthersIsNotIsolatedTheLongerForIt) {
  const breaker b(after_failures(1));
  fail_until_open(b, to_a);
  fail_until_open(b, to_b);
  for (int i = 0; i < 10; ++i) {
    sim.advance(100ms);
    EXPECT_EQ(call_through(sim, b, to_a, fails()).error().code(), errc::unavailable);
    EXPECT_EQ(call_through(sim, b, to_b, fails()).error().code(), errc::unavailable);
  }
  sim.advance(100ms);
  EXPECT_TRUE(call_through(sim, b, to_a, works()).has_value());
  EXPECT_EQ(b.state_of(to_a), circuit_state::closed);
  EXPECT_TRUE(call_through(sim, b, to_b, works()).has_value()) << "though a is closed by now";
}

TEST_F(BreakerTest, KeepsAboutAsManyStatesAsItMayAndForgetsClosedOnesFirst) {
  auto options = after_failures(1);
  options.most_states = 64;
  const breaker b(options);
  (void)call_through(sim, b, to_b, works());
  fail_until_open(b, to_a);
  for (int i = 0; i < 300; ++i) {
    const std::string target = std::to_string(i);
    EXPECT_TRUE(call_through(sim, b, {.target = target}, works()).has_value());
  }
  EXPECT_EQ(b.info().state, "63 of 64 closed, 0 rejected");
  EXPECT_TRUE(rejects(b, to_a));
}

TEST_F(BreakerTest, AStateThatIsUsedAgainAndAgainIsNotForgotten) {
  auto options = after_failures(2);
  options.most_states = 64;
  const breaker b(options);
  (void)call_through(sim, b, to_a, fails());
  for (int i = 0; i < 300; ++i) {
    const std::string target = std::to_string(i);
    (void)call_through(sim, b, {.target = target}, works());
    (void)call_through(sim, b, to_a, {error_of(errc::cancelled)});
  }
  (void)call_through(sim, b, to_a, fails());
  EXPECT_EQ(b.state_of(to_a), circuit_state::open) << "the second failure in a row";
}

TEST_F(BreakerTest, AStateThatIsInUseIsNotForgotten) {
  auto options = after_failures(1);
  options.most_states = 1;
  const breaker b(options);
  std::vector<std::string> targets;
  for (int i = 0; i < 100; ++i) targets.push_back(std::to_string(i));
  std::vector<join_handle<result<int>>> all;
  const auto around = with(b);
  for (const std::string& t : targets)
    all.push_back(sim.spawn(around.run({.target = t}, [] { return play(fails(1s)); })));
  sim.advance(1s);
  EXPECT_EQ(b.info().state, "0 of 100 closed, 0 rejected");
  for (auto& one : all) EXPECT_FALSE(sim.get(one).has_value());
}

TEST_F(BreakerTest, TellsOfEachChangeAndWhy) {
  std::vector<std::string> told;
  auto options = after_failures(2);
  options.on_change = [&](const breaker_change& c) {
    told.push_back(std::string(to_string(c.from)) + " to " + std::string(to_string(c.to)) + " for " +
                   std::string(c.method) + " of " + std::string(c.target) + ": " + std::string(c.why));
  };
  const breaker b(options);
  fail_until_open(b, to_a);
  sim.advance(100ms);
  (void)call_through(sim, b, to_a, fails());
  sim.advance(200ms);
  (void)call_through(sim, b, to_a, works());
  EXPECT_EQ(told, (std::vector<std::string>{"closed to open for get of a:1: 2 failures in a row",
                                            "open to half open for get of a:1: the isolation time is over",
                                            "half open to open for get of a:1: a probe failed",
                                            "open to half open for get of a:1: the isolation time is over",
                                            "half open to closed for get of a:1: the probes succeeded"}));
}

TEST_F(BreakerTest, CanBeForced) {
  const breaker b(after_failures(1));
  b.force_open();
  EXPECT_EQ(rejects_for(b, to_a), 30s);
  EXPECT_FALSE(admits(b, to_a));
  EXPECT_EQ(b.state_of(to_a), circuit_state::open);
  EXPECT_EQ(b.info().state, "forced open");
  b.automatic();
  fail_until_open(b, to_a);
  b.force_closed();
  EXPECT_TRUE(admits(b, to_a));
  EXPECT_EQ(call_through(sim, b, to_a, fails()).error().code(), errc::unavailable);
  b.automatic();
  EXPECT_TRUE(rejects(b, to_a)) << "what it was";
}

TEST_F(BreakerTest, AClockThatWentBackStartsTheIsolationTimeAnew) {
  const breaker b(after_failures(1));
  sim.advance(24h);
  fail_until_open(b, to_a);
  sim_runtime earlier;
  EXPECT_EQ(retry_after_of(call_through(earlier, b, to_a, works()).error()), 100ms);
  earlier.advance(100ms);
  EXPECT_TRUE(call_through(earlier, b, to_a, works()).has_value());
}

TEST_F(BreakerTest, PrintsWhatItIs) {
  EXPECT_EQ(breaker().info().settings, "5 failures in a row or 50% failed in 10s, open for 100ms to 30s, per target");
  EXPECT_EQ(breaker({.failures_in_a_row = 0,
                     .failure_rate = 0,
                     .slow_rate = 0.25,
                     .slow = 1s,
                     .window_calls = 100,
                     .per = state_per::policy})
                .info()
                .settings,
            "25% over 1s in 100 calls, open for 100ms to 30s");
  EXPECT_EQ(breaker({.per = state_per::policy}).info().state, "closed, 0 rejected");
}

TEST_F(BreakerTest, RefusesNonsense) {
  EXPECT_THROW(breaker({.failures_in_a_row = 0, .failure_rate = 0}), std::invalid_argument);
  EXPECT_THROW(breaker({.failure_rate = NAN}), std::invalid_argument);
  EXPECT_THROW(breaker({.slow_rate = 0.5}), std::invalid_argument);
  EXPECT_THROW(breaker({.slow_rate = 0.5, .slow = -1s}), std::invalid_argument);
  EXPECT_THROW(breaker({.window = 0s}), std::invalid_argument);
  EXPECT_THROW(breaker({.window_calls = 10, .least_calls = 11}), std::invalid_argument);
  EXPECT_THROW(breaker({.least_calls = 0}), std::invalid_argument);
  EXPECT_THROW(breaker({.isolation = 0s}), std::invalid_argument);
  EXPECT_THROW(breaker({.isolation = 2s, .longest_isolation = 1s}), std::invalid_argument);
  EXPECT_THROW(breaker({.reset_after = -1s}), std::invalid_argument);
  EXPECT_THROW(breaker({.jitter = 1}), std::invalid_argument);
  EXPECT_THROW(breaker({.probes = 0}), std::invalid_argument);
  EXPECT_THROW(breaker({.successes = 0}), std::invalid_argument);
  EXPECT_THROW(breaker({.most_states = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::resilience
