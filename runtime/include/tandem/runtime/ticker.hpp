// A ticker: a tick every period, on a grid that does not drift.
#pragma once
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/tick_source.hpp>
#include <tandem/runtime/tick.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

namespace detail {

class [[nodiscard]] ticker_wait : public awaitable_base, public tick_wait {
 public:
  using tick_wait::tick_wait;
  result<tick> await_resume() { return finish(); }
};

}  // namespace detail

/// Ticks at start + period, start + 2 * period and so on, however late a tick is received.
///
/// At most one tick is kept for a slow reader, the latest; the ones before it are dropped and counted in tick::missed:
/// with a period of 10 ms, a reader that comes 35 ms after the start gets the tick of 30 ms with missed == 2, at once.
///
/// Threads: every member may be called from any thread; at most one task waits at a time. Neither moved nor copied.
///          A ticker that is used on a runtime must not be used after that runtime's end.
class ticker {
 public:
  /// Starts now.   Errors: throws std::invalid_argument for a period of zero or less.
  explicit ticker(duration period) { reset(period); }

  /// Waits for the next tick.
  /// Suspends: unless one is due.
  /// Cancel:   safe; on error no tick was taken.
  /// Errors:   errc::cancelled, errc::deadline_exceeded; errc::failed_precondition if another task waits already.
  ///           Throws std::bad_alloc if the wait cannot be kept; the ticker goes on.
  [[nodiscard]] auto next() noexcept { return detail::ticker_wait(source_); }

  /// No tick is received after this, not even one that is due; next() waits until reset() and beyond. False: it was
  /// stopped already.
  bool stop() noexcept { return source_.stop(); }

  /// Starts anew, now: the grid begins here, and no tick of before is received. False: it was stopped.
  /// Errors: throws std::invalid_argument for a period of zero or less, and nothing changes; throws std::bad_alloc if
  ///         somebody waits and the wait cannot be kept, and the ticker is stopped then.
  bool reset(duration period);

  /// Not for users.
  [[nodiscard]] detail::tick_source& source() noexcept { return source_; }

 private:
  detail::tick_source source_;
};

}  // namespace tandem
