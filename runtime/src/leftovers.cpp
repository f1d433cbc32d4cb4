// What is left of a scheduler whose workers have ended.
//
// (Z2) The youngest task goes first: it may refer to what those have that spawned it, who wait for it. A larger number
//      is younger, see next_task_id().
// (Z3) Other threads may still spawn, and wake who waits here: they publish a task and put its item into a queue later.
//      So a task is destroyed only after its item was seen, of which there is exactly one for a task that can run. One
//      that waits is cancelled before: then either we have put it there, or who was faster will.
#include <algorithm>
#include <functional>
#include <thread>
#include <vector>

#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/promise.hpp>

#include "acting_worker.hpp"
#include "scheduler.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

// An actor's handler goes with its actor. A wait that cannot be left keeps pointers into the frame.
bool can_be_destroyed(const task_record& task) noexcept {
  const wait_kind* const kind = task.waits_for.load(std::memory_order_relaxed);
  return task.is_spawned() && (!kind || kind->leave);
}

}  // namespace

void scheduler::drain_queues() noexcept {
  const auto take = [this](queue_item item) {
    void* const what = reinterpret_cast<void*>(item & ~item_kind);
    switch (item & item_kind) {
      case foreign_item:
        if (host.discard) host.discard(host.host, item);
        break;
      case task_item:
        static_cast<task_record*>(what)->item_seen = true;  // Z3
        break;
      case join_item:
        static_cast<completion_wait*>(what)->task().item_seen = true;
        break;
      default:
        break;
    }
  };
  for (auto& w : workers_) {
    while (const queue_item item = w->next.take()) take(item);
    while (const queue_item item = w->ring.pop()) take(item);
  }
  for (const queue_item item : hands_.drain_injected()) take(item);
}

void scheduler::await_item_of(const task_record& task) noexcept {
  for (;;) {
    drain_queues();
    if (task.item_seen) return;
    std::this_thread::yield();  // whoever is about to queue it does nothing else meanwhile
  }
}

// Frame by frame, from the inside out as when they end: nothing of a frame owns the one that it awaits.
void scheduler::destroy(task_record& task) noexcept {
  set_running(*tls_worker, &task);  // its destructors are run as by the task itself
  const wait_kind* const kind = task.waits_for.load(std::memory_order_relaxed);
  const bool others_wake = !kind || (kind->cancel && !kind->ended_by_workers_only);
  if (kind && others_wake) kind->cancel(task);
  if (others_wake) await_item_of(task);
  if (kind) kind->leave(task);
  promise_base* at = task.innermost;
  while (promise_base* const awaiter = awaiter_of(*at)) {
    task.innermost = awaiter;
    std::coroutine_handle<promise_base>::from_promise(*at).destroy();
    at = awaiter;
  }
  task.innermost = nullptr;
  at->hook()->end(*at);  // spawned<T>, which finds that the task was destroyed
}

void scheduler::destroy_tasks() {
  std::vector<task_record*> doomed;
  task_table::visit(*this, [&doomed](task_record& task) {
    if (can_be_destroyed(task)) doomed.push_back(&task);
  });
  std::ranges::sort(doomed, std::greater(), &task_record::id);  // Z2
  worker& w = *workers_.front();
  const acting_worker here(w);
  w.destroys_tasks = true;
  for (task_record* const t : doomed) destroy(*t);
  w.destroys_tasks = false;
  drain_queues();
}

}  // namespace tandem::detail
