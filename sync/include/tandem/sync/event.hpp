// Something that happens, and that many may wait for.
#pragma once
#include <tandem/sync/detail/gate.hpp>

namespace tandem::sync {

namespace detail {
struct event_name {
  static constexpr const char* awaited = "an event";
};
}  // namespace detail

/// | state | wait()                | set()                        | reset()     |
/// |-------|-----------------------|------------------------------|-------------|
/// | reset | waits                 | true; all who wait go on; set | false       |
/// | set   | goes on at once       | false                        | true; reset |
///
/// A wait that set() has ended succeeds, even if reset() comes before the task runs.
///
/// Threads: wait…() by tasks, the rest by any thread. Neither moved nor copied.
/// Destroying it while a task waits for it is reported on stderr and aborts.
class event : public detail::gate<detail::event_name> {
 public:
  /// `set`: it has happened already.
  constexpr explicit event(bool set = false) noexcept : gate(set) {}

  /// True if it was reset.
  bool set() noexcept {
    detail::wake_list woken;
    lock_.lock();
    const bool was_reset = !open_;
    if (was_reset) open(woken);
    lock_.unlock();
    woken.wake();
    return was_reset;
  }

  /// True if it was set.
  bool reset() noexcept {
    lock_.lock();
    const bool was_set = open_;
    open_ = false;
    lock_.unlock();
    return was_set;
  }

  [[nodiscard]] bool is_set() noexcept { return try_wait(); }
};

}  // namespace tandem::sync
