// The chain of a task's coroutines, from the one that runs or waits to the one it was spawned with.
#pragma once
#include <concepts>

#include <tandem/runtime/detail/promise.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::detail {

void runs_nothing() noexcept;

/// Calls `visit` with the place where each coroutine of `task` awaits, innermost first, until it says false. The
/// innermost one has no such place while it is `running`; unlisted ones are left out.
/// Threads: the task's own, or any while nothing runs.
template <std::predicate<const void*> F>
void visit_awaits(const task_record& task, bool running, F visit) noexcept {
  const promise_base* at = task.innermost;
  if (at && running) at = awaiter_of(*at);
  for (; at; at = awaiter_of(*at))
    if (at->await_site && !visit(at->await_site)) return;
}

/// Tells the errors module about the tasks of all runtimes, so that the stacks of errors name the task they were taken
/// in. The first call does it. Threads: any.
void install_task_walk() noexcept;

}  // namespace tandem::detail
