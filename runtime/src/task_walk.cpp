#include "task_walk.hpp"

#include <tandem/errors/stack.hpp>
#include <tandem/runtime/detail/worker.hpp>

// From the linker: the bounds of the section that TANDEM_DETAIL_RUNS_TASKS puts functions in.
extern "C" const char __start_tandem_runs_tasks[];
extern "C" const char __stop_tandem_runs_tasks[];

namespace tandem::detail {

// The section must be there in a program that never spawns a task, too.
[[gnu::used]] TANDEM_DETAIL_RUNS_TASKS void runs_nothing() noexcept {}

namespace {

void walk_running_task(task_trace& out) noexcept {
  const worker_base* const worker = tls_worker;
  if (!worker || !worker->current) return;
  const task_record& task = *worker->current;
  out.task_name = task.name();
  out.spawn_site = task.origin().site;
  out.scheduler_begin = __start_tandem_runs_tasks;
  out.scheduler_end = __stop_tandem_runs_tasks;
  if (out.awaiters.empty()) return;
  visit_awaits(task, true, [&out](const void* site) {
    out.awaiters[out.awaiter_count++] = site;
    return out.awaiter_count < out.awaiters.size();
  });
}

}  // namespace

void install_task_walk() noexcept {
  [[maybe_unused]] static const bool installed = (set_task_walk(&walk_running_task), true);
}

}  // namespace tandem::detail
