// How long a wait for a wall time may sleep.
#pragma once
#include <tandem/runtime/wall_clock.hpp>

namespace tandem::detail {

/// Until `when`, which is not before `now`, but for at most wall_clock_recheck. Without overflow, whatever the two are.
[[nodiscard]] constexpr duration until_recheck(wall_time now, wall_time when) noexcept {
  const bool far = when >= wall_time::min() + wall_clock_recheck && now < when - wall_clock_recheck;
  return far ? wall_clock_recheck : when - now;
}

}  // namespace tandem::detail
