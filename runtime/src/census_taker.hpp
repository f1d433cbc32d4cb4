// Groups tasks that look the same, while nothing may be allocated.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::detail {

/// Puts down one task after the other. It does so under the locks of the tables that keep them in memory, so all it
/// needs is allocated before, and a group copies what may go with its tasks.
class census_taker {
 public:
  /// `running`: what each worker runs. `stopped`: no task runs, so that what is behind a wait may be read. `known`: ids of
  /// tasks that do not count, sorted.
  census_taker(std::vector<const task_record*> running, bool stopped, const std::vector<std::uint64_t>& known);

  /// As add_task(); `actor` is null for a spawned task.
  void add(const task_record& task, const wait_kind* waits_for, const char* actor) noexcept;

  /// All that was added.
  void move_to(task_census& out);

 private:
  void add_to_group(const task_group& like, const char* name) noexcept;

  const std::vector<const task_record*> running_;
  const bool stopped_;
  const std::vector<std::uint64_t>& known_;
  std::size_t tasks_ = 0;
  std::vector<task_group> groups_;
  std::vector<std::uint16_t> slots_;  // index into groups_ plus one; open addressing, at most half full
};

}  // namespace tandem::detail
