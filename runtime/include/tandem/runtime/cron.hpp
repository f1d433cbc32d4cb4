// Repeating at points of the wall clock: every full hour, every quarter. (Crontab expressions: tandem/cron.)
#pragma once
#include <cstdint>
#include <functional>
#include <optional>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/wall_clock.hpp>

namespace tandem {

/// A point of a schedule that has come.
struct cron_point {
  wall_time when;
  std::uint64_t missed = 0;  ///< Points before it that came and were not received.

  bool operator==(const cron_point&) const = default;
};

/// A wall clock schedule, received point by point: `while (auto point = co_await hourly.next()) clean_up();`
///
/// | what happened since the last point      | next() gives                                                        |
/// |-----------------------------------------|---------------------------------------------------------------------|
/// | nothing is due yet                      | the next point, when it comes                                       |
/// | points came: the reader was slow, or    | the latest of them, at once; those before it are counted in         |
/// | the clock was set forward               | `missed`                                                            |
/// | the clock was set back by up to 3 hours | the point after the last one: no point comes twice                  |
/// | the clock was set back further          | the first point from the new time on                                |
///
/// So a clock that jumps neither floods the reader nor makes it skip its work.
///
/// Owns:    its schedule only. Between two calls of next() it costs nothing; cancelling the context ends the wait.
/// Threads: one task at a time.
class cron {
 public:
  /// The first point after `from`; nothing if there is none. Must not throw, and answers alike for the same `from`.
  using schedule = std::function<std::optional<wall_time>(wall_time from)>;

  /// The points start, start + every, start + 2 * every … A `start` in the past moves forward: the first point is the
  /// first one that is not past when next() is called for the first time.
  /// Errors: throws std::invalid_argument for an `every` of zero or less.
  cron(wall_time start, duration every);

  /// The points of `points`; the first one is the first that is not past when next() is called for the first time.
  /// More than 10,000 missed at once are counted as 10,000.
  explicit cron(schedule points) : points_(std::move(points)) {}

  /// Waits for the next point. A clock that was set is noticed within wall_clock_recheck.
  /// Suspends: unless a point is due.
  /// Cancel:   safe; on error no point was taken.
  /// Errors:   errc::cancelled, errc::deadline_exceeded; errc::out_of_range if the schedule has no more points.
  [[nodiscard]] task<result<cron_point>> next();

 private:
  [[nodiscard]] std::optional<wall_time> after(wall_time from) const;
  [[nodiscard]] cron_point catch_up(wall_time first, wall_time now) const;

  schedule points_;          // empty: the grid
  wall_time start_{};
  duration every_{};
  std::optional<wall_time> from_;  // points up to here are done with; nothing before the first call
};

}  // namespace tandem
