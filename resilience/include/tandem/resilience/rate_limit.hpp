// rate_limit and pacing: so many calls in so much time.
//
//   with(rate_limit({.per_second = 100, .burst = 20}))                  // what is too much is rejected
//   with(rate_limit({.per_second = 100, .burst = 20, .max_wait = 1s}))  // or waits
//   with(pacing(100, 1s))                                               // one each 10 ms, however they come
#pragma once
#include <atomic>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct rate_limit_options {
  double per_second = 100;   ///< From one in a day to 10^6. The time between two calls is rounded to whole nanoseconds.
  std::uint32_t burst = 10;  ///< So many at once after a pause; at least 1.
  duration max_wait = {};    ///< A call that would have to wait for longer is rejected at once. Zero: none waits.
  std::string name = {};
};

namespace detail {

/// The generic cell rate algorithm: one number, the time at which the bucket is full again if no more calls come.
class rate_state : public policy_state {
 public:
  rate_state(const char* kind, rate_limit_options options);

  /// When the call is let in, and what the bucket was then: to give the place back.
  struct place {
    bool taken = false;
    duration wait{};
    time_point::rep full_before = 0;
    time_point::rep full_after = 0;
  };
  [[nodiscard]] place take(time_point at) noexcept;
  /// By who does not use it. It is lost if somebody came after.
  void give_back(const place& p) noexcept;
  [[nodiscard]] bool admits() const noexcept;
  [[nodiscard]] error refusal_of(const place& p);

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  [[nodiscard]] time_point::rep sane(time_point::rep full_at, time_point::rep at) const noexcept;

  const rate_limit_options options_;
  const time_point::rep each_;    // nanoseconds between two calls
  const time_point::rep within_;  // how much later than now the bucket of one who is let in at once may be full
  // All relaxed: numbers that publish nothing.
  std::atomic<time_point::rep> full_at_{0};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> waited_{0};
  std::atomic<std::uint64_t> rejected_{0};
};

}  // namespace detail

/// A token bucket: within any time t it lets `burst` + t * per_second calls in at most.
///
/// Order:    who waits goes in the order of coming.
/// Suspends: for max_wait at most. Who would not get its turn before its context's deadline is rejected at once.
/// Cancel:   who leaves while it waits has not called; its place is lost if somebody came after.
/// Errors:   errc::overloaded, with the time until its turn would be as retry_after; errc::cancelled,
///           errc::deadline_exceeded while it waits.
/// A clock that goes back leaves one call in the bucket, and does no more harm.
class rate_limit final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit rate_limit(rate_limit_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    auto& mine = state_as<detail::rate_state>();
    const time_point at = now();
    const auto place = mine.take(at);
    if (!place.taken) [[unlikely]]
      co_return std::unexpected(mine.refusal_of(place));
    if (place.wait > duration::zero()) {
      if (auto slept = co_await sleep_until(at + place.wait); !slept) {
        mine.give_back(place);
        co_return std::unexpected(std::move(slept).error());
      }
    }
    co_return co_await next(c);
  }

  /// True if a call would be let in now, without waiting.
  [[nodiscard]] bool admits(const call&) const noexcept { return state_as<detail::rate_state>().admits(); }

 private:
  friend rate_limit pacing(double, duration, std::string);
  rate_limit(const char* kind, rate_limit_options options);
};

/// A leaky bucket: calls leave at an even rate, however they come; each waits for its turn, for `max_wait` at most. It
/// is a rate_limit with a burst of 1.
/// Errors: throws std::invalid_argument.
[[nodiscard]] rate_limit pacing(double per_second, duration max_wait, std::string name = {});

}  // namespace tandem::resilience
