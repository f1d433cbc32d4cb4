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

/// now() + `d`, without overflow: a huge duration gives no_deadline.
[[nodiscard]] inline time_point deadline_in(duration d) noexcept {
  const time_point start = now();
  return d >= no_deadline - start ? no_deadline : start + d;
}

}  // namespace tandem
