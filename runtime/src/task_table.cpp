#include "task_table.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "block_heap.hpp"
#include "scheduler.hpp"
#include "visit_gate.hpp"

namespace tandem::detail {
namespace {

struct record_bins {
  static constinit thread_local block_bins current;
};
constinit thread_local block_bins record_bins::current;

using record_heap = block_heap<record_bins>;

constinit visit_gate gate;

}  // namespace

void* record_allocate(std::size_t bytes) { return record_heap::allocate(bytes); }
void record_free(void* memory, std::size_t bytes) noexcept { record_heap::free(memory, bytes); }

void task_table::list(task_record& task) noexcept {
  std::atomic_ref(task.listing_).store(listed, std::memory_order_release);  // L1
}

void task_table::unlist(task_record& task) noexcept {
  // Release: whoever sees it cleared may sum up what the task did before.
  std::atomic_ref(task.listing_).store(0, std::memory_order_release);
  gate.leave();  // L2
}

bool task_table::first_report(task_record& task) noexcept {
  return !(std::atomic_ref(task.listing_).fetch_or(reported, std::memory_order_relaxed) & reported);
}

void task_table::visit(const scheduler& s, const std::function<void(task_record&)>& visitor) {
  if (s.live_tasks() == 0) return;
  const auto look_through = [&s](const record_heap::region& r, const auto& found) {
    for (std::size_t at = 0; at < r.bytes; at += r.block) {
      // There may be no record yet, or no more; the byte is there all the same.
      auto* const task = reinterpret_cast<task_record*>(r.begin + at);
      const bool there = std::atomic_ref(task->listing_).load(std::memory_order_acquire) & listed;  // L1
      if (there && task->owner == &s) found(*task);
    }
  };
  if (s.manual()) {  // its tasks run in an order that must not depend on addresses
    const std::lock_guard visit_in_progress(gate);  // L2
    std::vector<task_record*> all;
    for (const record_heap::region& r : record_heap::regions())
      look_through(r, [&all](task_record& task) { all.push_back(&task); });
    std::ranges::sort(all, {}, &task_record::id);
    for (task_record* const task : all) visitor(*task);
  } else {
    for (const record_heap::region& r : record_heap::regions()) {
      const std::lock_guard visit_in_progress(gate);  // for one region, because ends of tasks of all runtimes wait
      look_through(r, visitor);
    }
  }
}

}  // namespace tandem::detail
