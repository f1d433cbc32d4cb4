// Counts what is under way, and lets tasks wait until nothing is.
#pragma once
#include <cstddef>

#include <tandem/sync/detail/gate.hpp>

namespace tandem::sync {

namespace detail {
struct wait_group_name {
  static constexpr const char* awaited = "a wait group";
};
}  // namespace detail

/// As Go's WaitGroup: add() before something begins, done() when it has ended, wait() until the count is zero. To wait
/// for tasks that may fail, use csp::group.
/// ```
/// wait_group under_way;
/// for (auto& part : parts) {
///   under_way.add();
///   spawn(crunch(part, under_way)).disown();  // calls under_way.done()
/// }
/// co_await or_return(under_way.wait());
/// ```
/// It may be used again after wait(). A wait that has ended succeeds, even if add() comes before the task runs.
///
/// Threads: wait…() by tasks, the rest by any thread. Neither moved nor copied.
/// Destroying it while a task waits for it is reported on stderr and aborts.
class wait_group : public detail::gate<detail::wait_group_name> {
 public:
  /// Open.
  constexpr wait_group() noexcept : gate(true) {}

  /// More is under way; less for a negative `n`.
  /// Errors: throws std::logic_error, and changes nothing, if the count would become negative or overflow.
  void add(std::ptrdiff_t n = 1);
  /// add(-1).
  void done() { add(-1); }

  /// At some moment during the call.
  [[nodiscard]] std::ptrdiff_t count() noexcept;

 private:
  std::ptrdiff_t count_ = 0;  // guarded by lock_
};

}  // namespace tandem::sync
