// The root record of a spawned task: what the scheduler, contexts and channels know about it.
#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::detail {

struct context_state;
struct promise_base;

/// A task's place in a channel's list of waiters. Lives in the task's record for a plain send or receive (a chain of
/// tasks waits in one place at a time), in the select for an arm.
///
/// Everything but `linked` is written by the waiting task before it links the node, and then belongs to the holder of
/// the channel's lock. `linked` is written under that lock; a stale false read outside of it is impossible (see csp).
struct wait_node {
  wait_node* previous = nullptr;
  wait_node* next = nullptr;
  task_record* task = nullptr;
  selection* select = nullptr;  // null: a plain operation, which the lock alone decides
  void* value = nullptr;        // where to take the value from, or put it
  std::uint32_t arm = 0;
  std::uint8_t outcome = 0;  // what ended the wait; its meaning is the channel's
  bool linked = false;
};

/// What a task can wait for: one static object for each kind of operation. Waiting costs nothing more for it, and a
/// report can tell who waits for what.
struct wait_kind {
  const char* name;                            ///< Completes "waiting for …". A literal.
  void (*cancel)(task_record& task) noexcept;  ///< Ends the wait early; null if only what is waited for ends it.
  /// Where that was made; null if it has no such place. Called only while `task` waits and nothing runs.
  std::source_location (*origin)(const task_record& task) noexcept = nullptr;
  /// Gives up a wait that somebody has ended, of a task that will not run again: nobody refers to the operation then.
  /// Called while no task of the runtime runs. Null: such a task must stay in memory.
  void (*leave)(task_record& task) noexcept = nullptr;
};

/// One per spawned task, shared by all coroutines it awaits.
///
/// (R1) While the task runs, its fields belong to the worker that runs it.
/// (R2) Between suspension and make_ready(), they belong to whoever wins the right to wake it; `waits_for` and
///      `operation` are then constant, so that a canceller may use them under the context's lock.
/// (R3) `name`, `background`, `site` and `waits_for` may be read by any thread that holds the lock of the task's live
///      shard: they are atomic or constant, and what they point to is constant. `waits_for` is set from begin_wait() to
///      end_wait(), so a task that was woken but does not run yet still shows what it waited for.
struct task_record : job {
  task_record(scheduler& s, context_state* inherited, const char* task_name, std::source_location spawn_site) noexcept;
  task_record(const task_record&) = delete;
  task_record& operator=(const task_record&) = delete;

  std::coroutine_handle<> resume_point;  // the innermost suspended coroutine
  promise_base* innermost = nullptr;     // the innermost coroutine, suspended or not, for stacks (R1)
  scheduler* owner;
  context_state* context;  // borrowed from the enclosing scope, or the share of hold_context()

  // The wait in progress (R2).
  std::atomic<const wait_kind*> waits_for{nullptr};  // relaxed: others want a report, or run while the task does not
  void* operation = nullptr;
  wait_node node;

  // Membership in the list of waits of the context's scope; guarded by its lock.
  task_record* wait_previous = nullptr;
  task_record* wait_next = nullptr;

  // Membership in the scheduler's list of live tasks; guarded by the shard's lock.
  task_record* live_previous = nullptr;
  task_record* live_next = nullptr;
  unsigned live_shard = 0;

  bool wait_linked = false;               // as wait_next
  bool enlisted = false;                  // the wait in progress is, or was, on that list; written by the task itself
  bool counts_context = false;            // see hold_context()
  bool held_reported = false;             // the watchdog told about it; touched by the thread that runs the task
  std::atomic<bool> background{false};    // nobody will join it; written by whoever let go, read by reports
  std::atomic<const char*> name;          // changed by join_handle::detach(), read by reports; always a literal
  const std::source_location site;
  const std::uint64_t id;

 protected:
  ~task_record() = default;
  /// Takes a share of the context the task starts under; a runtime's root needs no counting, as it outlives its tasks.
  void hold_context() noexcept;
  /// Gives the share back. The task has ended, or never ran, so it is under that context. Once is enough, twice harmless.
  void leave_context() noexcept;
};

/// The task running on this worker. The caller must be one.
[[nodiscard]] inline task_record& current_task() noexcept { return *tls_worker->current; }

/// Makes a suspended task runnable: next on the calling worker, or through the injection queue from other threads.
/// Threads: any; exactly one caller per suspension.
void make_ready(task_record& task) noexcept;

/// Puts the running task at the back of its worker's queue. It must suspend right after.
void yield_to_others(task_record& task) noexcept;

/// Lets go of `task`, which runs on in the background; with a name, reports call it that.
inline void let_go(task_record& task, const char* name) noexcept {
  // relaxed: both are for reports, which may come before or after.
  if (name) task.name.store(name, std::memory_order_relaxed);
  task.background.store(true, std::memory_order_relaxed);
}

/// Announces that `task` is about to wait, what for, and how to end that wait: `kind.cancel` may be called once, on any
/// thread, until end_wait(). False: the context is over already; the task must not wait. end_wait() must follow in both
/// cases.
[[nodiscard]] bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept;

/// After the wait: when it returns, `kind.cancel` has either run completely or will not run.
void end_wait(task_record& task) noexcept;

/// True if begin_wait() takes a lock for this task's context; then it must not be called under a channel's lock.
[[nodiscard]] bool context_enlists(const task_record& task) noexcept;

/// True if the task's context is over.
[[nodiscard]] bool context_over(const task_record& task) noexcept;

/// Why the task's context is over: errc::cancelled or errc::deadline_exceeded with the cause attached.
[[nodiscard]] error context_error(const task_record& task);

}  // namespace tandem::detail
