#include <tandem/resilience/retry.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/retry_after.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

constexpr call idempotent{.idempotent = true};

// Pauses of 100ms, 200ms, 400ms …
retry_options exact(std::uint32_t attempts) {
  return {.attempts = attempts, .backoff = {.initial = 100ms, .max = 1h, .jitter = 0}};
}

std::map<std::string_view, std::uint64_t> counters(const policy& p) {
  std::map<std::string_view, std::uint64_t> all;
  for (const policy_counter& c : p.info().counters) all[c.name] = c.value;
  return all;
}

// Fails with one error after the other, and then no more.
class target {
 public:
  explicit target(std::vector<error> errors, duration takes = {}) : errors_(std::move(errors)), takes_(takes) {}

  result<std::uint32_t> call_through(sim_runtime& sim, const retry& policy, call c = idempotent) {
    start_ = sim.now();
    return sim.run(with(policy).run(c, [this](const call& seen) { return answer(seen); }));
  }
  /// When the attempts began.
  std::vector<duration> began;

 private:
  task<result<std::uint32_t>> answer(call seen) {
    began.push_back(now() - start_);
    const std::size_t at = began.size() - 1;
    if (takes_ > 0s) (void)co_await sleep_for(takes_);
    if (at < errors_.size()) co_return fail(errors_[at]);
    co_return seen.attempt;
  }

  std::vector<error> errors_;
  duration takes_;
  time_point start_;
};

std::vector<error> unavailable(std::size_t times) { return {times, error_of(errc::unavailable)}; }

TEST(Retry, TriesAgainAfterPausesThatGrow) {
  sim_runtime sim;
  const retry policy(exact(4));
  target t(unavailable(3));
  EXPECT_EQ(t.call_through(sim, policy).value(), 4U) << "the function sees which attempt it is";
  EXPECT_EQ(t.began, (std::vector<duration>{0ms, 100ms, 300ms, 700ms}));
  EXPECT_EQ(counters(policy)["retries"], 3U);
  EXPECT_EQ(counters(policy)["recovered"], 1U);
}

TEST(Retry, DoesNothingAboutSuccess) {
  sim_runtime sim;
  const retry policy(exact(4));
  target t({});
  EXPECT_EQ(t.call_through(sim, policy).value(), 1U);
  EXPECT_EQ(policy.info().counters,
            (std::vector<policy_counter>{{"calls", 1}, {"retries", 0}, {"recovered", 0}, {"exhausted", 0},
                                         {"refused_by_budget", 0}, {"stopped_by_deadline", 0}}));
}

TEST(Retry, TheLastErrorJoinsThoseOfTheAttempts) {
  sim_runtime sim;
  const retry policy(exact(3));
  target t({make_error(errc::unavailable, "no route"), make_error(errc::aborted, "lost a race"),
            make_error(errc::overloaded, "queue full")},
           10ms);
  const auto got = t.call_through(sim, policy);
  EXPECT_EQ(got.error().message(),
            "gave up after 3 attempts: [attempt 1 after 10ms: no route; attempt 2 after 120ms: lost a race; "
            "attempt 3 after 130ms: queue full]");
  EXPECT_EQ(got.error().code(), errc::overloaded) << "that of the last attempt";
  EXPECT_TRUE(got.error().is(errc::unavailable));
  EXPECT_EQ(counters(policy)["exhausted"], 1U);
}

TEST(Retry, OfManyErrorsItKeepsTheFirstAndTheLast) {
  sim_runtime sim;
  auto o = exact(1000);
  o.backoff = {};
  target t(unavailable(1000));
  const auto got = t.call_through(sim, retry(o));
  EXPECT_EQ(t.began.size(), 1000U);
  const layer_view outermost = got.error().first_layer();
  EXPECT_EQ(outermost.message(), "gave up after 1000 attempts (992 left out)");
  std::vector<std::string> kept;
  for (const error& e : outermost.next().causes()) kept.emplace_back(e.first_layer().message());
  EXPECT_EQ(kept, (std::vector<std::string>{"attempt 1 after 0ns", "attempt 2 after 0ns", "attempt 3 after 0ns",
                                            "attempt 996 after 0ns", "attempt 997 after 0ns", "attempt 998 after 0ns",
                                            "attempt 999 after 0ns", "attempt 1000 after 0ns"}));
}

TEST(Retry, PassesOnAFirstErrorThatIsNotToBeTriedAgainAsItIs) {
  sim_runtime sim;
  const error wrong = make_error(errc::not_found, "no such page");
  target t({wrong});
  EXPECT_EQ(t.call_through(sim, retry(exact(3))).error().first_layer(), wrong.first_layer());
  EXPECT_EQ(t.began.size(), 1U);
}

TEST(Retry, ALaterErrorThatIsNotToBeTriedAgainEndsIt) {
  sim_runtime sim;
  target t({error_of(errc::unavailable), error_of(errc::permission_denied)});
  const auto got = t.call_through(sim, retry(exact(5)));
  EXPECT_EQ(got.error().message(),
            "the last error is not to be tried again: [attempt 1 after 0ns: unavailable; attempt 2 after 100ms: "
            "permission_denied]");
  EXPECT_EQ(got.error().code(), errc::permission_denied);
}

TEST(Retry, WhatIsNotIdempotentIsTriedAgainOnlyAfterErrorsThatSayItHadNoEffect) {
  for (const auto& [code, attempts] : std::map<errc, std::size_t>{{errc::overloaded, 2},
                                                                 {errc::circuit_open, 2},
                                                                 {errc::aborted, 2},
                                                                 {errc::would_block, 2},
                                                                 {errc::unavailable, 1},
                                                                 {errc::timed_out, 1},
                                                                 {errc::resource_exhausted, 1}}) {
    for (const bool harmless : {false, true}) {
      sim_runtime sim;
      target t({error_of(code)});
      (void)t.call_through(sim, retry(exact(3)), {.idempotent = harmless});
      EXPECT_EQ(t.began.size(), harmless ? 2 : attempts) << to_string(code);
    }
  }
}

TEST(Retry, TheUserMaySayWhatIsTriedAgain) {
  sim_runtime sim;
  auto o = exact(4);
  o.retriable = [](const error& e) {
    return e.code() == errc::internal ? tandem::retry::after_backoff : tandem::retry::fix_request;
  };
  target t({error_of(errc::internal), error_of(errc::internal), error_of(errc::unavailable)});
  EXPECT_EQ(t.call_through(sim, retry(o)).error().code(), errc::unavailable);
  EXPECT_EQ(t.began, (std::vector<duration>{0ms, 100ms, 300ms}));
}

TEST(Retry, WhatLostARaceIsTriedAgainAtOnce) {
  sim_runtime sim;
  target t({error_of(errc::aborted), error_of(errc::unavailable), error_of(errc::aborted)});
  EXPECT_TRUE(t.call_through(sim, retry(exact(4))).has_value());
  EXPECT_EQ(t.began, (std::vector<duration>{0ms, 0ms, 100ms, 100ms}));
}

TEST(Retry, APushbackIsAddedToThePause) {
  sim_runtime sim;
  target t({with_retry_after(error_of(errc::overloaded), 2s), with_retry_after(error_of(errc::aborted), 3s),
            error_of(errc::unavailable)});
  EXPECT_TRUE(t.call_through(sim, retry(exact(4))).has_value());
  EXPECT_EQ(t.began, (std::vector<duration>{0ms, 2100ms, 5100ms, 5300ms}));
}

TEST(Retry, StopsBeforeAPauseThatWouldPassTheDeadline) {
  for (const auto& [limit, attempts] : std::map<duration, std::size_t>{{300ms, 2}, {300ms + 1ns, 3}}) {
    sim_runtime sim;
    const retry policy(exact(5));
    const time_point start = sim.now();
    std::vector<duration> began;
    auto fails = [&]() -> task<result<int>> {
      began.push_back(now() - start);
      co_return fail(errc::unavailable);
    };
    const auto got = sim.run(with_timeout(limit, with(policy).run(idempotent, std::ref(fails))));
    EXPECT_EQ(began.size(), attempts);
    EXPECT_EQ(sim.now() - start, began.back()) << "it did not wait in vain";
    EXPECT_EQ(got.error().code(), errc::unavailable);
    EXPECT_EQ(got.error().first_layer().message(),
              attempts == 2 ? "the next pause, of 200ms, would pass the deadline"
                            : "the next pause, of 400ms, would pass the deadline");
    EXPECT_EQ(counters(policy)["stopped_by_deadline"], 1U);
  }
}

TEST(Retry, NoAttemptBeginsAfterTheTotal) {
  for (const auto& [total, attempts] : std::map<duration, std::size_t>{{300ms - 1ns, 2}, {300ms, 3}}) {
    sim_runtime sim;
    auto o = exact(5);
    o.total = total;
    target t(unavailable(5));
    const auto got = t.call_through(sim, retry(o));
    EXPECT_EQ(t.began.size(), attempts);
    EXPECT_NE(got.error().message().find("would pass the total of 300ms"), std::string::npos);
  }
}

TEST(Retry, AClockThatJumpedEndsItByTheTotal) {
  sim_runtime sim;
  auto o = exact(5);
  o.total = 1min;
  target t(unavailable(5), 1h);
  EXPECT_EQ(t.call_through(sim, retry(o)).error().code(), errc::unavailable);
  EXPECT_EQ(t.began.size(), 1U) << "what ran over the total is not ended, but it is the last";
}

TEST(Retry, TakesAttemptsFromTheBudget) {
  sim_runtime sim;
  auto o = exact(5);
  o.budget = retry_budget({.share = 1, .most = 2});
  const retry policy(o);
  target t(unavailable(5));
  const auto got = t.call_through(sim, policy);
  EXPECT_EQ(t.began.size(), 3U);
  EXPECT_EQ(got.error().first_layer().message(), "the budget for retries is spent");
  EXPECT_EQ(got.error().code(), errc::unavailable);
  EXPECT_EQ(counters(policy)["refused_by_budget"], 1U);

  target fine({});
  EXPECT_TRUE(fine.call_through(sim, policy).has_value());
  EXPECT_EQ(o.budget->left(), 1) << "a call adds its share";
  EXPECT_TRUE(fine.call_through(sim, policy, {.idempotent = true, .copy = 1}).has_value());
  EXPECT_EQ(o.budget->left(), 1) << "a hedge is not a call that was asked for";
}

TEST(Retry, ACancelEndsAPause) {
  sim_runtime sim;
  const retry policy(exact(3));
  const cancel_source source(sim.root_context());
  auto call_it = with(policy).run(idempotent, []() -> task<result<int>> { co_return fail(errc::unavailable); });
  auto running = sim.spawn(with_context(source.context(), std::move(call_it)));
  sim.advance(50ms);
  ASSERT_FALSE(running.done());
  source.cancel(make_error(errc::closed, "window closed"));
  const auto got = sim.wait(running);
  EXPECT_EQ(got.error().code(), errc::cancelled);
  EXPECT_EQ(got.error().message().substr(0, 80),
            "the context ended before attempt 2: [attempt 1 after 0ns: unavailable; cancelled");
  EXPECT_EQ(counters(policy)["retries"], 0U);
}

TEST(Retry, AnAttemptThatIsNotMadeCostsTheBudgetNothing) {
  sim_runtime sim;
  const retry_budget budget({.share = 0, .most = 2});
  auto options = exact(3);
  options.budget = budget;
  const retry policy(options);
  for (int i = 0; i < 5; ++i) {
    const cancel_source source(sim.root_context());
    auto call_it = with(policy).run(idempotent, []() -> task<result<int>> { co_return fail(errc::unavailable); });
    auto running = sim.spawn(with_context(source.context(), std::move(call_it)));
    sim.advance(50ms);
    ASSERT_FALSE(running.done());
    source.cancel();
    ASSERT_EQ(sim.wait(running).error().code(), errc::cancelled);
  }
  EXPECT_EQ(budget.left(), 2);
  EXPECT_EQ(counters(budget)["spent"], 0U);
  EXPECT_EQ(counters(budget)["refused"], 0U);
}

TEST(Retry, WhatNeverReturnsIsEndedByItsContextAndNotTriedAgain) {
  sim_runtime sim;
  int calls = 0;
  auto hangs = [&]() -> task<result<void>> {
    ++calls;
    co_return co_await sleep_until(no_deadline);
  };
  const auto got = sim.run(with_timeout(1s, with(retry(exact(3))).run(idempotent, std::ref(hangs))));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(calls, 1);
}

TEST(Retry, WhatIgnoresCancelIsWaitedForAndNotTriedAgain) {
  sim_runtime sim;
  int calls = 0;
  auto ignores = [&]() -> task<result<void>> {
    ++calls;
    (void)co_await without_cancel([]() -> task<result<void>> { co_return co_await sleep_for(1h); }());
    co_return fail(errc::unavailable);
  };
  const time_point start = sim.now();
  const auto got = sim.run(with_timeout(1s, with(retry(exact(3))).run(idempotent, std::ref(ignores))));
  EXPECT_EQ(got.error().message(), "unavailable");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(sim.now() - start, 1h);
}

TEST(Retry, AnExceptionIsNotTriedAgain) {
  sim_runtime sim;
  int calls = 0;
  auto throws = [&]() -> task<result<int>> {
    if (++calls == 2) throw std::runtime_error("no");
    co_return fail(errc::unavailable);
  };
  auto body = [](task<result<int>> what) -> task<std::string> {
    try {
      (void)co_await std::move(what);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(sim.run(body(with(retry(exact(3))).run(idempotent, std::ref(throws)))).value(), "no");
  EXPECT_EQ(calls, 2);
}

TEST(Retry, CallsThatFailTogetherDoNotComeBackTogether) {
  const auto second_attempts = [](std::uint32_t seed) {
    sim_runtime sim(seed);
    const retry policy({.attempts = 2});
    std::vector<duration> all;
    for (int i = 0; i < 10; ++i) {
      target t(unavailable(1));
      (void)t.call_through(sim, policy);
      all.push_back(t.began.back());
    }
    return all;
  };
  const auto all = second_attempts(1);
  EXPECT_GT(std::set<duration>(all.begin(), all.end()).size(), 8U);
  EXPECT_EQ(all, second_attempts(1)) << "a simulation repeats";
  EXPECT_NE(all, second_attempts(2));
}

TEST(Retry, PrintsItsSettings) {
  auto o = exact(4);
  o.total = 2s;
  o.budget = retry_budget({.name = "shared"});
  EXPECT_EQ(to_string(retry(o)), "retry(4 attempts, pauses 100ms to 3600s, within 2s, budget shared)");
  EXPECT_EQ(retry({.name = "mine"}).info().state, "0 retries of 0 calls, 0 recovered");
}

TEST(Retry, RefusesNonsense) {
  EXPECT_THROW(retry({.attempts = 0}), std::invalid_argument);
  EXPECT_THROW(retry({.total = -1ns}), std::invalid_argument);
  EXPECT_THROW(retry({.backoff = {.initial = -1ns}}), std::invalid_argument);
  EXPECT_THROW(retry({.backoff = {.seed = 1}}), std::invalid_argument);
}

TEST(Retry, MayBeSharedBetweenThreads) {
  runtime rt({.workers = 4});
  const retry policy({.attempts = 3, .backoff = {}, .budget = retry_budget({.share = 1, .most = 100})});
  constexpr int tasks = 8;
  constexpr int calls = 500;
  auto caller = [](retry shared) -> task<std::uint64_t> {
    std::uint64_t recovered = 0;
    for (int n = 0; n < calls; ++n) {
      const auto got = co_await with(shared).run(idempotent, [](const call& c) -> task<result<int>> {
        if (c.attempt == 1) co_return fail(errc::unavailable);
        co_return 1;
      });
      recovered += got.has_value();
    }
    co_return recovered;
  };
  auto all_callers = [&]() -> task<std::uint64_t> {
    std::vector<join_handle<std::uint64_t>> running;
    for (int i = 0; i < tasks; ++i) running.push_back(spawn(caller(policy)));
    std::uint64_t recovered = 0;
    for (auto& one : running) {
      const auto some = co_await one.join();
      recovered += some.value();
    }
    co_return recovered;
  };
  const std::uint64_t recovered = rt.block_on(all_callers());
  auto all = counters(policy);
  EXPECT_EQ(all["calls"], static_cast<std::uint64_t>(tasks * calls));
  EXPECT_EQ(all["recovered"], recovered);
  EXPECT_EQ(all["recovered"] + all["refused_by_budget"], all["calls"]);
}

}  // namespace
}  // namespace tandem::resilience
