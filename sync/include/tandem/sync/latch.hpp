// A counter that goes down to zero once, and that tasks wait for.
#pragma once
#include <cstddef>

#include <tandem/sync/detail/gate.hpp>

namespace tandem::sync {

namespace detail {
struct latch_name {
  static constexpr const char* awaited = "a latch";
};
}  // namespace detail

/// Open for good once it has been counted down to zero. For a counter that goes up as well, see wait_group.
///
/// Threads: wait…() by tasks, the rest by any thread. Neither moved nor copied.
/// Destroying it while a task waits for it is reported on stderr and aborts.
class latch : public detail::gate<detail::latch_name> {
 public:
  /// Zero: open from the start.   Errors: throws std::invalid_argument for less.
  explicit latch(std::ptrdiff_t count);

  /// Errors: throws std::logic_error, and changes nothing, for less than zero or more than are left.
  void count_down(std::ptrdiff_t n = 1);

  /// At some moment during the call.
  [[nodiscard]] std::ptrdiff_t count() noexcept;

 private:
  std::ptrdiff_t count_;  // guarded by lock_
};

}  // namespace tandem::sync
