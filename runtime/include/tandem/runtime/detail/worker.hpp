// The part of a worker that inlined operations need: which task runs here, and how much of its slice is left.
#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>

#include <tandem/runtime/detail/job.hpp>

namespace tandem::detail {

class scheduler;
class task_record;

/// Written and read by the worker's own thread only; `current` is written by set_running(), and its value (not what it
/// points to) may be read by any thread.
struct worker_base {
  scheduler* owner = nullptr;
  task_record* current = nullptr;  // the task being run; null between tasks and while a foreign runnable runs
  unsigned index = 0;
  int slice = 0;  // operations left before the running task must let others run
  bool destroys_tasks = false;  // what ends here has not come to its end: see scheduler::destroy_tasks()
  std::uint32_t coarse_ms = 0;  // the kernel's coarse clock, in milliseconds, as of some tens of tasks ago
  std::uint32_t random = 1;  // xorshift state, seeded by the simulation; for fair choices, not for secrets
};

/// Relaxed: other threads want a report, and look for the task in the table of live ones.
inline void set_running(worker_base& worker, task_record* task) noexcept {
  std::atomic_ref(worker.current).store(task, std::memory_order_relaxed);
}

/// The worker whose thread this is; null on other threads.
extern constinit thread_local worker_base* tls_worker;

/// For functions that run tasks or handlers: stacks end there, as they and their callers are the scheduler's.
/// The linker knows where the section begins and ends. Not for templates and inline functions, which have sections of
/// their own.
#define TANDEM_DETAIL_RUNS_TASKS [[gnu::noinline, gnu::section("tandem_runs_tasks")]]

/// what.resume(), which would be a call of its own without optimisation, and then a line of every stack.
[[gnu::always_inline]] inline void resume_directly(std::coroutine_handle<> what) noexcept {
  __builtin_coro_resume(what.address());
}

/// A task may do this many ready operations before it goes to the back of the queue.
inline constexpr int slice_length = 256;

/// The next number of the calling worker's generator (Marsaglia's xorshift32).
[[nodiscard]] inline std::uint32_t next_random() noexcept {
  std::uint32_t x = tls_worker->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return tls_worker->random = x;
}

/// Spends one operation of the running task's slice. False: the slice is used up, yield when the operation is done.
[[nodiscard]] inline bool spend_slice() noexcept { return --tls_worker->slice > 0; }

/// False from the operation on that used up the running task's slice.
[[nodiscard]] inline bool slice_left() noexcept { return tls_worker->slice > 0; }

/// The scheduler the calling thread belongs to, or null.
[[nodiscard]] inline scheduler* current_scheduler() noexcept { return tls_worker ? tls_worker->owner : nullptr; }

[[noreturn]] void not_on_a_worker(const char* what);

/// The same for `what`, which needs one.   Errors: throws std::logic_error if there is none.
[[nodiscard]] inline scheduler& scheduler_of_caller(const char* what) {
  if (!tls_worker) [[unlikely]] not_on_a_worker(what);
  return *tls_worker->owner;
}

/// Puts `item` into a run queue of `s`: the calling worker's if it belongs to `s` (then it runs soon, on the same
/// worker), the injection queue otherwise. Threads: any.
void submit(scheduler& s, queue_item item) noexcept;

/// Puts `item` at the back of the calling worker's queue. No thief is woken for it.
void queue_behind_others(queue_item item) noexcept;

/// Installs the host for foreign runnables. At most one per scheduler; installing it again changes nothing.
/// Threads: calls are serialised by the caller, and the first is over before the first foreign item is submitted.
void set_foreign_host(scheduler& s, foreign_host host) noexcept;

/// The number of workers of `s`.
[[nodiscard]] unsigned worker_count(const scheduler& s) noexcept;

/// True once shutdown has begun: what is submitted from now on may never run.
[[nodiscard]] bool is_stopping(const scheduler& s) noexcept;

}  // namespace tandem::detail
