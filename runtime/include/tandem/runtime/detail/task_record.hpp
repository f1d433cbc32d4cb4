// The root record of a spawned task: what the scheduler, contexts and channels know about it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/completion_base.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/task_origin.hpp>
#include <tandem/runtime/detail/wait_node.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::detail {

struct context_state;
struct promise_base;

/// The membership of a task in the list of waits of a scope that can end. Lives where the task was put under that
/// scope, because most tasks are under none.
struct scope_link {
  context_state* state = nullptr;
  task_record* task = nullptr;
  scope_link* previous = nullptr;  // guarded by the scope's lock, as are the rest
  scope_link* next = nullptr;
  bool linked = false;
};

/// One per spawned task, shared by all coroutines it awaits; the end of the outermost one completes it.
///
/// Its size counts: with one more word a million tasks cost eight megabytes more. So the memory of the wait is that of
/// the exception and of the outcome too, which come when the wait is over.
///
/// (R1) While the task runs, its fields belong to the worker that runs it.
/// (R2) Between suspension and make_ready(), they belong to whoever wins the right to wake it; `waits_for` and
///      `what` are then constant, so that a canceller may use them under the context's lock.
/// (R3) origin(), is_background() and `waits_for` may be read by any thread in visit_tasks(): they are atomic, and what
///      they stand for is constant. `waits_for` is set from begin_wait() to end_wait(), so a task that was woken but
///      does not run yet still shows what it waited for.
class task_record : public completion_base, public wait_node {
 public:
  task_record(scheduler& s, origin_id made_by) noexcept;

  static void* operator new(std::size_t bytes) { return record_allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { record_free(memory, bytes); }

  /// Runs until the task suspends or ends, if goes_on(); the record may be gone then. On a worker.
  virtual void run() noexcept;
  /// What run() begins with. False: the task waits on, and may run elsewhere already.
  [[nodiscard]] bool goes_on() noexcept { return !looks || waits_for.load(std::memory_order_relaxed)->look(*this); }
  [[nodiscard]] virtual const char* name() const noexcept { return origin().name; }
  [[nodiscard]] task_record* completing_task() noexcept final { return this; }
  /// Called by begin_wait() if it `announces`: an actor is in the table of tasks only while it waits. The context must
  /// not be deferred afterwards.
  virtual void about_to_wait() noexcept {}
  /// Of a task whose context is deferred: calls set_context(). Most actors never need one of their own. It may take
  /// locks, so what calls context() holds none.
  virtual void make_context() noexcept {}
  /// False for what is in the table of tasks too, but was not made by spawn().
  [[nodiscard]] virtual bool is_spawned() const noexcept { return true; }

  [[nodiscard]] const task_origin& origin() const noexcept {
    return origin_of(origin_.load(std::memory_order_relaxed) & ~background_bit);
  }

  /// Nobody will join it.
  [[nodiscard]] bool is_background() const noexcept {
    return origin_.load(std::memory_order_relaxed) & background_bit;
  }
  /// Lets the task run on in the background; with a name, reports call it that. Threads: any that has a share.
  void let_go(const char* name) noexcept;

  [[nodiscard]] context_state* context() noexcept {
    if (defers_context()) [[unlikely]] make_context();
    return enlists() ? link().state : reinterpret_cast<context_state*>(context_);
  }
  /// True if waits enlist with the context's scope, which takes its lock: not under a channel's lock then.
  [[nodiscard]] bool enlists() const noexcept { return context_ & (enlists_bit | on_demand); }
  [[nodiscard]] scope_link& link() const noexcept { return *reinterpret_cast<scope_link*>(context_ & ~enlists_bit); }
  /// From here on the task is under a context that make_context() puts it under when one is asked for.
  void defer_context() noexcept { context_ = on_demand; }
  [[nodiscard]] bool defers_context() const noexcept { return context_ == on_demand; }

  /// Puts the task under `state`, which the caller keeps alive. `membership` is used if `state` has a scope that ends,
  /// and must then stay until the task is under another context. Gives what restore_context() takes.
  std::uintptr_t set_context(context_state* state, scope_link& membership) noexcept;
  void restore_context(std::uintptr_t before) noexcept { context_ = before; }

  /// An exception on its way from the coroutine that ended by it to the one that awaits that (R1).
  void hold_exception(std::exception_ptr thrown) noexcept {
    new (&exception) std::exception_ptr(std::move(thrown));
    threw = true;
  }
  [[noreturn]] void rethrow();

  // The task's own, while it runs (R1).
  bool threw : 1 = false;          // `exception` holds one
  bool enlisted : 1 = false;       // the wait in progress is, or was, on the list of its scope
  bool waited : 1 = false;         // the plain operation in progress began to wait
  bool holds_lock : 1 = false;     // … and holds its channel's lock, until it has linked the node
  bool item_seen : 1 = false;      // shutdown found its item in a queue
  bool looks : 1 = false;          // made ready, it may have to wait on: see wait_kind::look (R2)
  bool announces : 1 = false;      // about_to_wait() is to be called

 private:
  bool counts_context_ : 1 = false;
  std::atomic<origin_id> origin_;  // with background_bit; relaxed: for reports, which may come before or after a change
  std::uintptr_t context_ = 0;  // a context_state, or with the bit a scope_link that has one, or on_demand

 public:
  promise_base* innermost = nullptr;  // the innermost coroutine, which runs or is to be resumed (R1)
  scheduler* const owner;
  std::atomic<const wait_kind*> waits_for{nullptr};  // relaxed: others want a report, or run while the task does not
  const std::uint64_t id;

 protected:
  ~task_record() override = default;

  /// Takes a share of the context the task starts under; a runtime's root needs no counting, as it outlives its tasks.
  /// Errors: throws std::bad_alloc.
  void hold_context(context_state* inherited);
  /// Gives the share back. The task has ended, or never ran, so it is under that context. Once is enough, twice
  /// harmless.
  void leave_context() noexcept;

  /// Room for an outcome: the node's, because a task that has ended does not wait.
  static constexpr std::size_t room_bytes = 3 * sizeof(void*);
  [[nodiscard]] void* room() noexcept { return static_cast<wait_node*>(this); }

 private:
  friend class task_table;
  static constexpr std::uintptr_t enlists_bit = 1;
  static constexpr std::uintptr_t on_demand = 2;
  static constexpr origin_id background_bit = origin_id{1} << 31;
};

/// An entry of a run queue that resumes `task`.
[[nodiscard]] inline queue_item item_of(task_record& task) noexcept {
  return reinterpret_cast<queue_item>(&task) | task_item;
}

/// The task that waits as `node`.
[[nodiscard]] inline task_record& task_of(wait_node& node) noexcept { return static_cast<task_record&>(node); }

/// The task running on this worker. The caller must be one.
[[nodiscard]] inline task_record& current_task() noexcept { return *tls_worker->current; }

/// Makes a suspended task runnable: next on the calling worker, or through the injection queue from other threads.
/// Threads: any; exactly one caller per suspension.
void make_ready(task_record& task) noexcept;

/// make_ready(), or for a new task, but behind those that are ready on the calling worker: what is made ready so, one
/// after the other, runs in that order.
void schedule_behind_others(task_record& task) noexcept;

/// Puts the running task at the back of its worker's queue. It must suspend right after.
void yield_to_others(task_record& task) noexcept;

/// yield_to_others(), behind what did not fit into that queue too.
void yield_to_all(task_record& task) noexcept;

/// Announces that `task` is about to wait, what for, and how to end that wait: `kind.cancel` may be called once, on any
/// thread, until end_wait(). False: the context is over already; the task must not wait. end_wait() must follow in both
/// cases.
[[nodiscard]] bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept;

/// After the wait: when it returns, `kind.cancel` has either run completely or will not run.
void end_wait(task_record& task) noexcept;

/// True if the task's context is over.
[[nodiscard]] bool context_over(task_record& task) noexcept;

/// Why the task's context is over: errc::cancelled or errc::deadline_exceeded with the cause attached.
[[nodiscard]] error context_error(task_record& task);

}  // namespace tandem::detail
