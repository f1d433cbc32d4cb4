// retry: calls that failed are tried again, after pauses that grow.
//
//   const auto again = with(retry({.attempts = 4, .budget = shared}), timeout(200ms));
//   again.run({.idempotent = true}, fetch)
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/retry_advice.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/runtime/backoff.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem::resilience {

struct retry_options {
  std::uint32_t attempts = 3;  ///< How often at most it is tried, the first time included. At least 1.
  /// The pauses between attempts; each call has its own row of them, so there must be no seed. Who gives some of these
  /// options gives all: what is left out is as in backoff_options, where `initial` is zero and `jitter` a half.
  backoff_options backoff = {.initial = std::chrono::milliseconds(50), .max = std::chrono::seconds(5), .jitter = 1};
  /// No attempt begins later than that after the first. It ends none that runs: timeout() around it does. Zero: no
  /// limit but the context's. Not less than zero.
  duration total = {};
  std::optional<retry_budget> budget = {};  ///< What attempts but the first are taken from. None: no such bound.
  /// What to do about an error: retry::now and retry::after_backoff try again. Default: retry_advice().
  std::function<tandem::retry(const error&)> retriable = {};
  std::string name = {};
};

/// Whether `e` says that the call had no effect, so that doing it again is doing it once: overloaded, circuit_open and
/// would_block, for it was not begun, and aborted, for it was undone. Not unavailable, which is also said when the
/// answer was lost, nor resource_exhausted, which may come half-way.
[[nodiscard]] bool had_no_effect(const error& e) noexcept;

namespace detail {

class retry_state : public policy_state {
 public:
  explicit retry_state(retry_options options);

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class retry_course;

  const retry_options options_;
  // All relaxed: numbers for reports.
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> retries_{0};
  std::atomic<std::uint64_t> recovered_{0};
  std::atomic<std::uint64_t> exhausted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> out_of_time_{0};
};

/// One call, from its first attempt to its outcome.
class retry_course {
 public:
  retry_course(retry_state& state, const call& c) noexcept;

  /// What the next attempt is called with.
  [[nodiscard]] const call& attempt() const noexcept { return call_; }
  void succeeded() noexcept;
  /// True if there is to be another attempt, after pause(); otherwise verdict() says why not.
  [[nodiscard]] bool goes_on_after(error e);
  [[nodiscard]] duration pause() const noexcept { return pause_; }
  /// After the pause.
  void next() noexcept;
  /// The context ended in the pause.
  void end_in_pause(error why);
  /// What is given to the caller.
  [[nodiscard]] error verdict() && noexcept { return std::move(verdict_); }

 private:
  void plan_pause(tandem::retry advice, const error& e);
  /// Why there is to be no attempt after the pause; empty: there is.
  [[nodiscard]] std::string obstacle();
  void keep(error e);
  void give_up(const std::string& why, errc code);

  retry_state& state_;
  call call_;
  const time_point start_;
  duration pause_{};
  std::optional<backoff> backoff_;
  std::vector<error> errors_;  // the first and the last ones
  std::uint32_t left_out_ = 0;
  error verdict_;
};

}  // namespace detail

/// Tries again what failed, if that makes sense: the error says so, the call is idempotent or the error says that it
/// had_no_effect(), an attempt and the budget are left, and neither the context's deadline nor options.total would pass
/// in the pause. Who was called may ask for a longer pause (with_retry_after()): that is added to the one of the
/// backoff, so that those who were told the same do not come back together.
///
/// An exception is not tried again, nor is anything once the caller's context is over. A clock that jumps makes pauses
/// and the total shorter or longer, and nothing else.
///
/// Suspends: for the pauses, and while others run, before an attempt without one.
/// Cancel:   a pause ends with the context.
/// Errors:   an error of the first attempt that is not to be tried again, as it is. Otherwise those of the attempts,
///           joined, each with its number and when it came; of more than 8 the first 3 and the last 5. The outermost
///           message says why it ends here, the code is that of the last attempt, or of the context if it ended in a
///           pause.
class retry final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit retry(retry_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    detail::retry_course course(state_as<detail::retry_state>(), c);
    for (;;) {
      result<T> outcome = co_await next(course.attempt());
      if (outcome) [[likely]] {
        course.succeeded();
        co_return outcome;
      }
      if (!course.goes_on_after(std::move(outcome).error())) break;
      const result<void> paused = co_await sleep_for(course.pause());
      if (!paused) {
        course.end_in_pause(paused.error());
        break;
      }
      course.next();
    }
    co_return fail(std::move(course).verdict());
  }
};

}  // namespace tandem::resilience
