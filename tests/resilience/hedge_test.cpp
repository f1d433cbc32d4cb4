#include <tandem/resilience/hedge.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/errors/retry_after.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

constexpr call get{.method = "get", .idempotent = true};

std::uint64_t counted(const policy& p, std::string_view name) {
  for (const policy_counter& c : p.info().counters)
    if (c.name == name) return c.value;
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

// What the copies of calls do: by the number of the copy, how long it takes, and what comes of it.
struct script {
  struct part {
    duration takes{};
    error fails = {};
    bool throws = false;
  };
  std::vector<part> parts;
  std::vector<std::string> log = {};  // "0 begins a:1", "0 cancelled: another copy won"

  task<result<int>> operator()(const call& c) {
    const part& mine = parts.at(c.copy);
    const std::string who = std::to_string(c.copy);
    log.push_back(who + " begins" + (c.target.empty() ? "" : " ") + std::string(c.target));
    const auto slept = co_await sleep_for(mine.takes);
    if (!slept) {
      log.push_back(who + " ended: " + slept.error().message());
      co_return std::unexpected(slept.error());
    }
    if (mine.throws) throw std::runtime_error("copy " + who);
    if (mine.fails) co_return std::unexpected(mine.fails);
    log.push_back(who + " done");
    co_return static_cast<int>(c.copy);
  }
};
using lines = std::vector<std::string>;

// A function object by reference: policies are given copies of what they call.
auto run(const hedge& h, script& s, call c = get) {
  return with(h).run(c, [&s](const call& inner) { return s(inner); });
}

// Lets through only some targets, as breakers do.
class gate_state : public detail::policy_state {
 public:
  explicit gate_state(std::string open) : policy_state("gate", {}), lets_in(std::move(open)) {}
  [[nodiscard]] std::string settings() const override { return lets_in; }
  [[nodiscard]] std::string state() const override { return {}; }
  [[nodiscard]] std::vector<policy_counter> counters() const override { return {}; }
  const std::string lets_in;
};
class gate final : public policy {
 public:
  explicit gate(std::string open) : policy(std::make_shared<detail::listed<gate_state>>(std::move(open))) {}
  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    if (!admits(c)) co_return std::unexpected(error_of(errc::circuit_open));
    co_return co_await next(c);
  }
  [[nodiscard]] bool admits(const call& c) const noexcept {
    return state_as<gate_state>().lets_in.find(c.target) != std::string::npos;
  }
};

TEST(Hedge, SendsNothingMoreIfTheAnswerComesBeforeTheDelay) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{10ms - 1ns}, {0ms}}};
  EXPECT_EQ(sim.run(run(h, s)).value(), 0);
  EXPECT_EQ(s.log, (lines{"0 begins", "0 done"}));
  EXPECT_EQ(counted(h, "hedged"), 0U);
}

TEST(Hedge, TakesTheSecondCopyIfThatIsFasterAndCancelsTheFirst) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{1h}, {5ms}}};
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(run(h, s)).value(), 1);
  EXPECT_EQ(sim.now() - start, 15ms);
  EXPECT_EQ(s.log, (lines{"0 begins", "1 begins", "1 done", "0 ended: another copy won"}));
  EXPECT_EQ(counted(h, "hedged"), 1U);
  EXPECT_EQ(counted(h, "won"), 1U);
  EXPECT_EQ(counted(h, "wasted"), 0U);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Hedge, TakesTheFirstCopyIfThatIsFasterAfterAllAndCancelsTheSecond) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{12ms}, {5ms}}};
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(run(h, s)).value(), 0);
  EXPECT_EQ(sim.now() - start, 12ms);
  EXPECT_EQ(s.log, (lines{"0 begins", "1 begins", "0 done", "1 ended: another copy won"}));
  EXPECT_EQ(counted(h, "won"), 0U);
  EXPECT_EQ(counted(h, "wasted"), 1U);
}

TEST(Hedge, SendsOneCopyAfterTheOtherUpToTheMost) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .copies = 3});
  script s{{{1h}, {1h}, {4ms}, {}}};
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(run(h, s)).value(), 2);
  EXPECT_EQ(sim.now() - start, 24ms);
  EXPECT_EQ(s.log.size(), 6U);
  script all_slow{{{1s}, {1h}, {1h}}};
  EXPECT_EQ(sim.run(run(h, all_slow)).value(), 0) << "no fourth copy, which the script does not have";
}

TEST(Hedge, WaitsForALoserThatIgnoresCancel) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  const time_point start = sim.now();
  const auto got = sim.run(with(h).run(get, [](const call& c) -> task<result<int>> {
    if (c.copy == 0) (void)co_await without_cancel([] -> task<result<void>> { co_return co_await sleep_for(1s); }());
    co_return static_cast<int>(c.copy);
  }));
  EXPECT_EQ(got.value(), 1) << "the first success, though another came while it waited";
  EXPECT_EQ(sim.now() - start, 1s);
}

TEST(Hedge, DoesNotReplaceACopyThatFails) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{5ms, error_of(errc::unavailable)}, {}}};
  EXPECT_EQ(sim.run(run(h, s)).error().code(), errc::unavailable);
  EXPECT_EQ(s.log, (lines{"0 begins"}));
}

TEST(Hedge, TakesTheFirstSuccessNotTheFirstOutcome) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script first_fails{{{12ms, error_of(errc::unavailable)}, {5ms}}};
  EXPECT_EQ(sim.run(run(h, first_fails)).value(), 1);
  script second_fails{{{20ms}, {5ms, error_of(errc::unavailable)}}};
  EXPECT_EQ(sim.run(run(h, second_fails)).value(), 0);
}

TEST(Hedge, JoinsTheErrorsIfAllCopiesFailed) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{20ms, error_of(errc::unavailable)}, {5ms, error_of(errc::not_found)}}};
  const auto got = sim.run(run(h, s));
  EXPECT_EQ(got.error().code(), errc::unavailable) << "the first copy's first";
  EXPECT_TRUE(got.error().is(errc::not_found));
}

TEST(Hedge, HedgesOnlyWhatIsIdempotent) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{1s}, {}}};
  EXPECT_EQ(sim.run(run(h, s, {.method = "post"})).value(), 0);
  EXPECT_EQ(counted(h, "suppressed_not_idempotent"), 1U);
  script quick{{{1ms}, {}}};
  EXPECT_EQ(sim.run(run(h, quick, {.method = "post"})).value(), 0);
  EXPECT_EQ(counted(h, "suppressed_not_idempotent"), 1U) << "it would not have been hedged in any case";
}

TEST(Hedge, LearnsTheDelayFromWhatTookLongOfLate) {
  sim_runtime sim;
  const hedge h({.quantile = 0.9, .warm_up = 20});
  for (int i = 1; i <= 20; ++i) {
    script s{{{std::chrono::milliseconds(i)}}};
    ASSERT_EQ(sim.run(run(h, s)).value(), 0);
  }
  EXPECT_EQ(counted(h, "suppressed_warm_up"), 20U);
  script slow{{{1h}, {}}};
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(run(h, slow)).value(), 1);
  EXPECT_NEAR(static_cast<double>((sim.now() - start).count()), 18e6, 1e6);
  EXPECT_EQ(counted(h, "suppressed_warm_up"), 20U);
}

TEST(Hedge, TheLiveDelayHasAFloor) {
  sim_runtime sim;
  const hedge h({.floor = 5ms, .warm_up = 1});
  script quick{{{10us}}};
  ASSERT_TRUE(sim.run(run(h, quick)).has_value());
  sim.advance(100ms);  // the delay is computed anew no more often
  script slow{{{1h}, {}}};
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(run(h, slow)).value(), 1);
  EXPECT_EQ(sim.now() - start, 5ms);
}

// Else hedging would hide what is slow: one call in ten takes 50 to 150 ms, so the p95 is 100 ms; and must stay there,
// though those above it are hedged, and then take no longer than that.
TEST(Hedge, WhatLostKeepsItsPlaceAmongTheSlowOnes) {
  sim_runtime sim;
  const hedge h({.quantile = 0.95, .warm_up = 100, .budget = retry_budget({.share = 1, .most = 1000})});
  for (int i = 0; i < 1500; ++i) {
    const bool is_slow = i % 10 == 0;
    script s{{{is_slow ? 50ms + i / 10 * 37 % 100 * 1ms : 2ms}, {2ms}}};
    ASSERT_TRUE(sim.run(run(h, s)).has_value());
  }
  EXPECT_GT(counted(h, "hedged"), 40U);
  script slow{{{1h}, {}}};
  const time_point start = sim.now();
  (void)sim.run(run(h, slow));
  EXPECT_NEAR(static_cast<double>((sim.now() - start).count()), 100e6, 10e6);
}

TEST(Hedge, StaysWithinItsBudget) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .budget = retry_budget({.share = 0.1, .most = 1})});
  for (int i = 0; i < 100; ++i) {
    script s{{{20ms}, {1ms}}};
    ASSERT_TRUE(sim.run(run(h, s)).has_value());
  }
  EXPECT_NEAR(static_cast<double>(counted(h, "hedged")), 10, 1);
  EXPECT_EQ(counted(h, "hedged") + counted(h, "suppressed_budget"), 100U);
}

TEST(Hedge, CountsACallOnceInABudgetThatItSharesWithRetry) {
  sim_runtime sim;
  const retry_budget shared;
  const retry again({.budget = shared});
  const hedge twice({.delay = 1h, .budget = shared});
  auto fails_once = [](const call& c) -> task<result<int>> {
    if (c.attempt == 1) co_return std::unexpected(error_of(errc::unavailable));
    co_return 1;
  };
  ASSERT_TRUE(sim.run(with(again, twice).run(get, fails_once)).has_value());
  EXPECT_EQ(counted(shared, "calls"), 1U);
  ASSERT_TRUE(sim.run(with(twice, again).run(get, fails_once)).has_value());
  EXPECT_EQ(counted(shared, "calls"), 2U);
  EXPECT_EQ(counted(shared, "spent"), 2U);
}

TEST(Hedge, MayBeAroundAnother) {
  sim_runtime sim;
  const hedge outer({.delay = 10ms});
  const hedge inner;  // warms up, so it hedges nothing
  int begun = 0;
  const auto got = sim.run(with(outer, inner).run(get, [&begun]() -> task<result<int>> {
    const int which = begun++;
    const auto slept = co_await sleep_for(which == 0 ? 1h : 5ms);
    if (!slept) co_return std::unexpected(slept.error());
    co_return which;
  }));
  EXPECT_EQ(got.value(), 1);
  EXPECT_EQ(counted(outer, "won"), 1U);
  EXPECT_EQ(counted(inner, "hedged"), 0U);
  EXPECT_EQ(counted(inner, "won") + counted(inner, "wasted"), 0U) << "what is a copy to the outer one is a call to it";
}

TEST(Hedge, HedgesEachCopyOfAnotherAroundIt) {
  sim_runtime sim;
  const retry_budget plenty({.share = 1});
  const hedge outer({.delay = 10ms, .budget = plenty});
  const hedge inner({.delay = 1ms, .budget = plenty});
  int begun = 0;
  const auto got = sim.run(with(outer, inner).run(get, [&begun]() -> task<result<int>> {
    const int which = begun++;
    const auto slept = co_await sleep_for(which < 3 ? 1h : 5ms);
    if (!slept) co_return std::unexpected(slept.error());
    co_return which;
  }));
  EXPECT_EQ(got.value(), 3);
  EXPECT_EQ(counted(outer, "hedged"), 1U);
  EXPECT_EQ(counted(inner, "hedged"), 2U);
}

TEST(Hedge, IsSuppressedWhileTooManyCopiesFail) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .max_failure_rate = 0.2});
  for (int i = 0; i < 14; ++i) {
    script fine{{{1ms}}};
    ASSERT_TRUE(sim.run(run(h, fine)).has_value());
  }
  for (int i = 0; i < 6; ++i) {
    script bad{{{1ms, error_of(errc::internal)}}};
    ASSERT_FALSE(sim.run(run(h, bad)).has_value());
  }
  script slow{{{20ms}, {}}};
  EXPECT_EQ(sim.run(run(h, slow)).value(), 0);
  EXPECT_EQ(counted(h, "suppressed_failure_rate"), 1U);
}

TEST(Hedge, DoesNotTakeWhatTheCallerDidForAFailure) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .max_failure_rate = 0});
  for (int i = 0; i < 30; ++i) {
    script endless{{{1h}}};
    auto got = sim.run(with_timeout(5ms, run(h, endless)));
    ASSERT_EQ(got.error().code(), errc::deadline_exceeded);
    script wrong{{{1ms, error_of(errc::invalid_argument)}}};
    ASSERT_FALSE(sim.run(run(h, wrong)).has_value());
  }
  script slow{{{20ms}, {}}};
  EXPECT_EQ(sim.run(run(h, slow)).value(), 1);
}

TEST(Hedge, IsSuppressedWhileTooManyCopiesAreInFlight) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .max_inflight = 1});
  script a{{{20ms}, {}}};
  script b{{{20ms}, {}}};
  auto first = sim.spawn(run(h, a));
  auto second = sim.spawn(run(h, b));
  EXPECT_EQ(sim.wait(first).value(), 0);
  EXPECT_EQ(sim.wait(second).value(), 0);
  EXPECT_EQ(counted(h, "suppressed_load"), 2U);
  script alone{{{20ms}, {}}};
  EXPECT_EQ(sim.run(run(h, alone)).value(), 1) << "one is not too many, and those have ended";
}

TEST(Hedge, SendsEachCopyToAnotherTarget) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .copies = 3, .targets = {"a", "b", "c"}, .budget = retry_budget({.most = 100})});
  for (int i = 0; i < 20; ++i) {
    script s{{{1h}, {1h}, {1ms}}};
    ASSERT_EQ(sim.run(run(h, s)).value(), 2);
    lines asked;
    for (const std::string& line : s.log)
      if (line.find("begins") != std::string::npos) asked.push_back(line.substr(line.size() - 1));
    std::ranges::sort(asked);
    ASSERT_EQ(asked, (lines{"a", "b", "c"}));
  }
}

TEST(Hedge, IsSuppressedIfNoTargetIsLeft) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .targets = {"a"}});
  script s{{{20ms}, {}}};
  EXPECT_EQ(sim.run(run(h, s)).value(), 0);
  EXPECT_EQ(s.log.front(), "0 begins a");
  EXPECT_EQ(counted(h, "suppressed_no_other_target"), 1U);
}

TEST(Hedge, PrefersTheTargetWithFewerCopiesInFlight) {
  for (std::uint32_t seed = 1; seed <= 5; ++seed) {
    sim_runtime sim(seed);
    const hedge h({.delay = 1h, .targets = {"a", "b"}});
    std::map<std::string, int> in_flight;
    auto hold = [&](const call& c) -> task<result<void>> {
      ++in_flight[std::string(c.target)];
      co_return co_await sleep_for(1s);
    };
    std::vector<join_handle<result<void>>> calls;
    for (int i = 0; i < 200; ++i) calls.push_back(sim.spawn(with(h).run(get, hold)));
    sim.run_until_idle();
    EXPECT_EQ(in_flight["a"], 100);
    EXPECT_EQ(in_flight["b"], 100);
    for (auto& each : calls) EXPECT_TRUE(sim.wait(each).has_value());
  }
}

TEST(Hedge, AsksNobodyWhomThePoliciesInsideWouldReject) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .targets = {"a", "b", "c"}});
  for (int i = 0; i < 20; ++i) {
    script s{{{20ms}, {5ms}}};
    const auto all = with(h, gate("b"));
    EXPECT_EQ(sim.run(all.run(get, [&s](const call& c) { return s(c); })).value(), 0);
    ASSERT_EQ(s.log, (lines{"0 begins b", "0 done"}));
  }
  EXPECT_EQ(counted(h, "suppressed_no_other_target"), 20U);
}

TEST(Hedge, LetsThePoliciesInsideAnswerIfTheyAdmitNobody) {
  sim_runtime sim;
  const hedge h({.delay = 10ms, .targets = {"a", "b"}});
  script s{{{1ms}}};
  const auto all = with(h, gate(""));
  EXPECT_EQ(sim.run(all.run(get, [&s](const call& c) { return s(c); })).error().code(), errc::circuit_open);
  EXPECT_TRUE(s.log.empty());
}

TEST(Hedge, LeavesATargetAloneForAsLongAsItAskedFor) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script pushes_back{{{1ms, with_retry_after(error_of(errc::resource_exhausted), 1s)}}};
  ASSERT_FALSE(sim.run(run(h, pushes_back)).has_value());
  sim.advance(1s - 10ms - 1ns);
  script slow{{{20ms}, {}}};
  EXPECT_EQ(sim.run(run(h, slow)).value(), 0) << "a nanosecond too early";
  EXPECT_EQ(counted(h, "suppressed_pushback"), 1U);
  EXPECT_EQ(sim.run(run(h, slow)).value(), 1);
}

TEST(Hedge, TheCallersCancelEndsAllCopies) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script s{{{1h}, {1h}}};
  auto got = sim.run(with_timeout(50ms, run(h, s)));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(got.error().message(), "deadline_exceeded") << "once, not for each copy";
  EXPECT_EQ(s.log.size(), 4U);
  EXPECT_EQ(sim.live_tasks(), 0U);
  script before{{{1h}, {1h}}};
  got = sim.run(with_timeout(5ms, run(h, before)));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(before.log.size(), 2U);
}

std::string thrown_by(sim_runtime& sim, task<result<int>> what) {
  auto body = [](task<result<int>> inner) -> task<std::string> {
    try {
      (void)co_await std::move(inner);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  return sim.run(body(std::move(what))).value();
}

TEST(Hedge, AnExceptionOfACopyEndsTheCall) {
  sim_runtime sim;
  const hedge h({.delay = 10ms});
  script first{{{20ms, {}, true}, {1h}}};
  EXPECT_EQ(thrown_by(sim, run(h, first)), "copy 0");
  EXPECT_EQ(first.log.back(), "1 ended: another copy won");
  script second{{{1h}, {5ms, {}, true}}};
  EXPECT_EQ(thrown_by(sim, run(h, second)), "copy 1");
  script early{{{1ms, {}, true}, {}}};
  EXPECT_EQ(thrown_by(sim, run(h, early)), "copy 0");
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_EQ(h.info().state, "0 in flight; 3 calls, 2 hedges sent, 0 of them won");
}

TEST(Hedge, TellsWhatItIs) {
  EXPECT_EQ(to_string(hedge()), "hedge(after p95, at least 1ms, 2 copies)");
  EXPECT_EQ(to_string(hedge({.delay = 10ms, .copies = 3, .targets = {"a", "b", "c"}})),
            "hedge(after 10ms, 3 copies, 3 targets)");
}

TEST(Hedge, RefusesNonsense) {
  EXPECT_THROW(hedge({.delay = 0ms}), std::invalid_argument);
  EXPECT_THROW(hedge({.delay = -1ms}), std::invalid_argument);
  EXPECT_THROW(hedge({.quantile = 0}), std::invalid_argument);
  EXPECT_THROW(hedge({.quantile = 1}), std::invalid_argument);
  EXPECT_THROW(hedge({.floor = 0ms}), std::invalid_argument);
  EXPECT_THROW(hedge({.window = 0ms}), std::invalid_argument);
  EXPECT_THROW(hedge({.window = -1s}), std::invalid_argument);
  EXPECT_THROW(hedge({.copies = 1}), std::invalid_argument);
  EXPECT_THROW(hedge({.copies = 9}), std::invalid_argument);
  EXPECT_THROW(hedge({.targets = {"a", "a"}}), std::invalid_argument);
  EXPECT_THROW(hedge({.targets = {""}}), std::invalid_argument);
  EXPECT_THROW(hedge({.max_failure_rate = -0.1}), std::invalid_argument);
}

// The delay passes at about the moment when the answer comes, on several workers: whoever starts the copy meets whoever
// ends the call.
TEST(Hedge, AnswersOnceWhateverTheTimerAndTheAnswerDoAtTheSameTime) {
  runtime workers({.workers = 4});
  const hedge h({.delay = 200us, .copies = 3, .targets = {"a", "b", "c", "d"},
                 .budget = retry_budget({.share = 1, .most = 100000})});
  std::atomic<int> running{0};
  auto caller = [&](int seed) -> task<int> {
    int right = 0;
    for (int i = 0; i < 300; ++i) {
      const std::string expected = std::to_string(seed) + "/" + std::to_string(i);
      const duration takes = 150us + (seed * 7 + i) % 11 * 10us;
      auto answer = [&running, expected, takes](const call& c) -> task<result<std::string>> {
        ++running;
        const auto slept = co_await sleep_for(c.copy == 1 ? 20us : takes);
        --running;
        if (!slept) co_return std::unexpected(slept.error());
        co_return expected;
      };
      const auto got = co_await with(h).run(get, std::move(answer));
      if (got && *got == expected) ++right;
    }
    co_return right;
  };
  std::vector<join_handle<int>> callers;
  for (int i = 0; i < 16; ++i) callers.push_back(workers.spawn(caller(i)));
  for (auto& each : callers) {
    EXPECT_EQ(workers.block_on([](join_handle<int>& handle) -> task<int> {
      const auto right = co_await handle.join();
      co_return right ? *right : -1;
    }(each)), 300);
  }
  EXPECT_EQ(running.load(), 0) << "losers were waited for";
  EXPECT_GT(counted(h, "hedged"), 0U);
  EXPECT_EQ(counted(h, "hedged"), counted(h, "won") + counted(h, "wasted"));
  EXPECT_EQ(h.info().state.substr(0, 12), "0 in flight;");
}

}  // namespace
}  // namespace tandem::resilience
