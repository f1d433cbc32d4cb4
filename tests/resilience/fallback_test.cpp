#include <tandem/resilience/fallback.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

task<result<int>> fails_with(errc code) { co_return fail(code); }

TEST(Fallback, IsGivenForFailuresOfTheTargetAndOpenCircuits) {
  sim_runtime sim;
  const fallback<int> seven(7);
  for (const errc code : {errc::unavailable, errc::timed_out, errc::overloaded, errc::internal, errc::circuit_open})
    EXPECT_EQ(sim.run(with(seven).run([&] { return fails_with(code); })).value(), 7) << to_string(code);
  for (const errc code : {errc::not_found, errc::permission_denied, errc::cancelled})
    EXPECT_EQ(sim.run(with(seven).run([&] { return fails_with(code); })).error().code(), code);
  EXPECT_EQ(seven.info().counters, (std::vector<policy_counter>{{"calls", 8}, {"used", 5}, {"failed", 0}}));
  EXPECT_EQ(seven.info().state, "used for 5 of 8 calls");
}

TEST(Fallback, LeavesSuccessAlone) {
  sim_runtime sim;
  EXPECT_EQ(sim.run(with(fallback<int>(7)).run([]() -> task<int> { co_return 1; })).value(), 1);
}

TEST(Fallback, MayBeAFunctionOfTheError) {
  sim_runtime sim;
  const fallback<std::string> told([](const error& e) -> task<result<std::string>> {
    (void)co_await sleep_for(1ms);
    co_return "instead of " + e.message();
  });
  const auto got = sim.run(with(told).run([]() -> task<result<std::string>> { co_return fail(errc::unavailable); }));
  EXPECT_EQ(got.value(), "instead of unavailable");
  EXPECT_EQ(to_string(told), "fallback(a function)");
  EXPECT_EQ(to_string(fallback<int>(7)), "fallback(a value)");
}

TEST(Fallback, MayBeNothing) {
  sim_runtime sim;
  int told = 0;
  const fallback<void> ignore([&](const error&) -> task<result<void>> {
    ++told;
    co_return result<void>();
  });
  EXPECT_TRUE(sim.run(with(ignore).run([]() -> task<result<void>> { co_return fail(errc::internal); })).has_value());
  EXPECT_EQ(told, 1);
}

TEST(Fallback, TheUserMaySayForWhichErrors) {
  sim_runtime sim;
  const fallback<int> zero(0, {.when = [](const error& e) { return e.code() == errc::not_found; }});
  EXPECT_EQ(sim.run(with(zero).run([] { return fails_with(errc::not_found); })).value(), 0);
  EXPECT_EQ(sim.run(with(zero).run([] { return fails_with(errc::internal); })).error().code(), errc::internal);
}

TEST(Fallback, IsForTheTimeLimitOfAPolicyInsideAndNotForTheCallersDeadline) {
  sim_runtime sim;
  const auto limited = with(fallback<int>(7), timeout(100ms));
  auto slow = []() -> task<result<int>> {
    if (const auto slept = co_await sleep_for(1h); !slept) co_return fail(slept.error());
    co_return 1;
  };
  EXPECT_EQ(sim.run(limited.run(slow)).value(), 7);
  EXPECT_EQ(sim.run(with_timeout(50ms, limited.run(slow))).error().code(), errc::deadline_exceeded);
  const cancel_source source(sim.root_context());
  auto running = sim.spawn(with_context(source.context(), with(fallback<int>(7, {.when = [](const error&) {
                                                            return true;
                                                          }})).run(slow)));
  sim.run_until_idle();
  source.cancel();
  EXPECT_EQ(sim.wait(running).error().code(), errc::cancelled);
}

TEST(Fallback, IsForFailuresOfTheTargetEvenAfterTheCallersDeadline) {
  sim_runtime sim;
  auto late = []() -> task<result<int>> {
    (void)co_await sleep_for(1h);
    co_return fail(errc::unavailable);
  };
  EXPECT_EQ(sim.run(with_timeout(50ms, with(fallback<int>(7)).run(late))).value(), 7);
}

TEST(Fallback, ThatFailsGivesItsErrorBehindTheFirst) {
  sim_runtime sim;
  const fallback<int> worse([](const error&) { return fails_with(errc::not_found); });
  const auto got = sim.run(with(worse).run([] { return fails_with(errc::unavailable); }));
  EXPECT_EQ(got.error().message(), "[unavailable; the fallback failed too: not_found]");
  EXPECT_EQ(got.error().code(), errc::unavailable);
  EXPECT_EQ(worse.info().counters.back(), (policy_counter{"failed", 1}));
}

TEST(Fallback, WhatItThrowsIsPassedOn) {
  sim_runtime sim;
  const fallback<int> throws([](const error&) -> task<result<int>> {
    throw std::runtime_error("no copy");
    co_return 1;
  });
  auto body = [](task<result<int>> what) -> task<std::string> {
    try {
      (void)co_await std::move(what);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(sim.run(body(with(throws).run([] { return fails_with(errc::unavailable); }))).value(), "no copy");
}

TEST(Fallback, RefusesAnEmptyFunction) {
  EXPECT_THROW(fallback<int>(fallback<int>::function()), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::resilience
