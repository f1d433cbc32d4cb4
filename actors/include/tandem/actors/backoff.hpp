// backoff: how long to wait before the next try, when tries may go on failing.
//
//   backoff pause({.first = 100ms, .most = 10s});
//   while (!co_await connect()) co_await sleep_for(pause.next());
#pragma once
#include <chrono>
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

struct backoff_options {
  duration first = {};                       ///< The first delay. Zero: no delay is ever made. Not less than zero.
  duration most = std::chrono::seconds(30);  ///< No delay is longer. At least `first`.
  double factor = 2;                         ///< Each delay is that much longer than the one before. At least 1.
  /// The share of a delay that is drawn at random, from 0 to 1: a delay d becomes one from (1 - jitter) * d to d. So
  /// that those who failed together do not come back together.
  double jitter = 0.5;
  /// What ran for that long without failing starts over with `first`. Zero or less: never.
  duration stable_after = std::chrono::seconds(60);
  /// Of the random numbers. Zero: of the system's, but in a simulation of the simulation's, so that it repeats.
  std::uint64_t seed = 0;
};

/// The delays of one thing that is tried again and again.
///
/// Threads: one at a time. A value: a copy goes on as the original would.
class backoff {
 public:
  /// No delays.
  backoff() = default;
  /// `seed` is used if the options have none.
  explicit backoff(const backoff_options& options, std::uint64_t seed = 1) noexcept;

  /// The delay before the next try.
  [[nodiscard]] duration next() noexcept;
  /// Starts over, unless what ran for `lasted` was too short to count.
  void ran_for(duration lasted) noexcept;

 private:
  [[nodiscard]] double draw() noexcept;  // from 0 to 1

  backoff_options options_;
  double delay_ = 0;  // of the next try, in nanoseconds, without jitter
  std::uint64_t random_ = 1;
};

namespace detail {
/// Errors: errc::invalid_argument.
[[nodiscard]] result<void> check(const backoff_options& options);
}  // namespace detail

}  // namespace tandem::actors
