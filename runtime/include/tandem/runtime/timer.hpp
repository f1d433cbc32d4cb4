// A timer: one tick at a later time, which can be stopped or moved until it is received.
#pragma once
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/tick_source.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

namespace detail {

class [[nodiscard]] timer_wait : public awaitable_base, public tick_wait {
 public:
  using tick_wait::tick_wait;
  result<void> await_resume() {
    const result<tick> ended = finish();
    if (!ended) return fail(ended.error());
    return {};
  }
};

}  // namespace detail

/// | state    | wait()                         | stop()                | reset()              |
/// |----------|--------------------------------|-----------------------|----------------------|
/// | stopped  | waits until reset() and beyond | false                 | false; armed         |
/// | armed    | waits, then as due             | true; stopped         | true; armed anew     |
/// | due      | gives the tick; now stopped    | true; the tick is gone | true; the tick is gone |
///
/// So, as in Go since 1.23, no tick of before is received after stop() or reset(), and nothing needs to be drained.
///
/// Owns:    nothing of the runtime. A timer nobody waits for costs the runtime nothing, armed or not.
/// Threads: every member may be called from any thread; at most one task waits at a time. Neither moved nor copied.
///          A timer that is used on a runtime must not be used after that runtime's end.
class timer {
 public:
  /// Stopped.
  timer() noexcept = default;
  /// Due after `in`; zero or less: at once. A duration too long for the clock is never due, and yet active.
  explicit timer(duration in) noexcept : source_(in, duration::zero()) {}
  explicit timer(time_point when) { reset(when); }

  /// Waits for the tick, and takes it.
  /// Suspends: unless the tick is due when it looks.
  /// Cancel:   safe; on error the tick was not taken.
  /// Errors:   errc::cancelled, errc::deadline_exceeded; errc::failed_precondition if another task waits already.
  ///           Throws std::bad_alloc if the wait cannot be kept; the timer is as it was.
  [[nodiscard]] auto wait() noexcept { return detail::timer_wait(source_); }

  /// True if the timer was active: armed, or due and not received. False: the tick was received, or it was stopped.
  bool stop() noexcept { return source_.stop(); }

  /// Arms it anew, to be due `in` from now. True if it was active. A task that waits goes on to wait for the new time.
  /// Errors: throws std::bad_alloc if somebody waits and the wait cannot be kept; the timer is stopped then.
  bool reset(duration in) { return reset(deadline_after(source_.clock_now(), in)); }
  bool reset(time_point when) { return source_.restart(when, duration::zero()); }

  /// Not for users.
  [[nodiscard]] detail::tick_source& source() noexcept { return source_; }

 private:
  detail::tick_source source_;
};

}  // namespace tandem
