// The runtime's notions of time: intervals and deadlines live on the steady clock, in nanoseconds.
#pragma once
#include <chrono>

namespace tandem {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// A deadline that never comes.
inline constexpr time_point no_deadline = time_point::max();

/// Now on the clock of the runtime the caller runs on; outside of one, now on the steady clock.
[[nodiscard]] time_point now() noexcept;

/// `start` + `d`, without overflow: too late gives no_deadline, too early time_point::min().
[[nodiscard]] constexpr time_point deadline_after(time_point start, duration d) noexcept {
  const duration since = start.time_since_epoch();
  if (d > duration::zero() && since > duration::max() - d) return no_deadline;
  if (d < duration::zero() && since < duration::min() - d) return time_point::min();
  return start + d;
}

/// now() + `d`, without overflow: a huge duration gives no_deadline.
[[nodiscard]] inline time_point deadline_in(duration d) noexcept { return deadline_after(now(), d); }

}  // namespace tandem
