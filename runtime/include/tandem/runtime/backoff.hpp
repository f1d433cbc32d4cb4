// backoff: how long to wait before the next try, when tries may go on failing.
//
//   backoff pause({.initial = 100ms, .max = 10s});
//   while (!co_await connect()) co_await sleep_for(pause.next());
#pragma once
#include <chrono>
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

/// How delays grow from one try to the next.
enum class backoff_growth : std::uint8_t {
  exponential,  ///< Each is `factor` times the one before.
  linear,       ///< Each is longer by `initial`.
  /// Each is drawn at random, from `initial` to `factor` times the one drawn before; 3 is usual. This is Brooker's
  /// decorrelated jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015), but with `max` for the range
  /// that is drawn from, so that those who reach it do not meet there.
  decorrelated,
};

struct backoff_options {
  duration initial = {};                    ///< The first delay. Zero: no delay is ever made. Not less than zero.
  duration max = std::chrono::seconds(30);  ///< No delay is longer. At least `initial`.
  backoff_growth growth = backoff_growth::exponential;
  double factor = 2;  ///< At least 1. Of no account if growth is linear.
  /// The share of a delay that is drawn at random, from 0 to 1: a delay d becomes one from (1 - jitter) * d to d. So
  /// that those who failed together do not come back together. 0 is none; 0.5 and 1 are Brooker's equal and full
  /// jitter. Of no account if growth is decorrelated.
  double jitter = 0.5;
  /// What ran for that long without failing starts over with `initial`. Zero or less: never.
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
  /// Errors: throws std::invalid_argument.
  explicit backoff(const backoff_options& options, std::uint64_t seed = 1);

  /// The delay before the next try.
  [[nodiscard]] duration next() noexcept;
  /// Starts over, unless what ran for `lasted` was too short to count.
  void ran_for(duration lasted) noexcept;

 private:
  [[nodiscard]] double grown() const noexcept;
  [[nodiscard]] double draw() noexcept;  // from 0 to 1

  backoff_options options_;
  double delay_ = 0;  // in nanoseconds: of the next try, without jitter; if decorrelated, the one drawn last
  std::uint64_t random_ = 1;
};

namespace detail {
/// Errors: errc::invalid_argument.
[[nodiscard]] result<void> check_backoff(const backoff_options& options);
}  // namespace detail

}  // namespace tandem
