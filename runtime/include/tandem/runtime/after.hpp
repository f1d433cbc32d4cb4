// after: a moment in the future that can be waited for more than once, alone or in a select.
#pragma once
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

/// A moment, fixed when it is made. `co_await after(1s)` is sleep_for(1s); a named one is a limit that several waits
/// share:
///
/// ```
/// const after late(1s);
/// for (;;) {
///   auto chosen = co_await select(on_recv(lines), on_timeout(late));  // one second for all lines
///   …
/// ```
/// Owns:    nothing. There is nothing to stop: a moment nobody waits for costs nothing.
/// Threads: a value like any other.
class after {
 public:
  /// `in` from now. Zero or less: it has come already; too long for the clock: it never comes.
  explicit after(duration in) noexcept : when_(deadline_in(in)) {}

  /// Waits until the moment has come: sleep_until(when()), with its contract.
  [[nodiscard]] auto operator co_await() const noexcept { return sleep_until(when_); }

  [[nodiscard]] time_point when() const noexcept { return when_; }
  [[nodiscard]] bool has_come() const noexcept { return when_ <= now(); }

 private:
  time_point when_;
};

}  // namespace tandem
