// How the stacks of errors come to name the task they were taken in.
#pragma once

namespace tandem::detail {

/// Tells the errors module about the tasks of all runtimes. The first call does it. Threads: any.
void install_task_walk() noexcept;

}  // namespace tandem::detail
