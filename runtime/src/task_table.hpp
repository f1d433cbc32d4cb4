// All live tasks of the process, for those who report, count or cancel them. Costs a task no lock and no list.
#pragma once
#include <functional>

#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::detail {

/// The memory of records is their table: it never serves anything else, and a byte of each tells whether a task is there.
///
/// (L1) A record is constructed before list(), which releases that, and stays until unlist() has returned.
/// (L2) unlist() clears the byte and passes the visitors' gate (visit_gate): a task that a visitor sees listed stays
///      until he has left.
class task_table {
 public:
  /// From now on visit() finds `task`.
  static void list(task_record& task) noexcept;
  /// From now on it does not. When it returns, no visitor has `task` any more.
  static void unlist(task_record& task) noexcept;

  /// True once for each task: the caller is to report it. Also from a signal handler on the thread that runs `task`.
  [[nodiscard]] static bool first_report(task_record& task) noexcept;

  /// Calls `visitor` for each task of `s`; in a simulation, in the order of their spawning. Tasks that come or go meanwhile may be missing. What the
  /// visitor calls must not wait for a task to end. Threads: any, but no visitor.
  static void visit(const scheduler& s, const std::function<void(task_record&)>& visitor);

 private:
  static constexpr std::uint8_t listed = 1, reported = 2;
};

}  // namespace tandem::detail
