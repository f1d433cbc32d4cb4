// The wall clock: what people call the time. It may be set back and forth while tasks wait for it.
#pragma once
#include <chrono>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

/// A point in time in UTC, as std::chrono::system_clock counts it.
using wall_time = std::chrono::sys_time<duration>;

/// Now on the wall clock of the runtime the caller runs on (a simulation has its own); elsewhere, on the system's.
[[nodiscard]] wall_time wall_now() noexcept;

/// A wait for a wall time looks at the clock at least this often: that late it notices that the clock was set.
inline constexpr duration wall_clock_recheck = std::chrono::seconds(1);

/// Waits until the wall clock shows `when` or more.
///
/// If the clock is set back while it waits, it waits for longer; if it is set forward past `when`, it ends within
/// wall_clock_recheck. It costs one wake-up per wall_clock_recheck. For intervals use sleep_for(), which no clock
/// adjustment touches.
/// Suspends: always, as sleep_until() does; a `when` in the past ends as soon as the worker looks at its timers.
/// Errors:   errc::cancelled, errc::deadline_exceeded.
[[nodiscard]] task<result<void>> at(wall_time when);

}  // namespace tandem
