// The runtime: the workers every task, channel and actor of a program runs on. Start here: make one in main().
#pragma once
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace asio {
class io_context;
}

namespace tandem {

struct runtime_options {
  /// Worker threads, at most 1024. 0: what TANDEM_WORKERS says; if that is unset, empty, or (as stderr is told) no
  /// number from 1 to 1024, the CPUs this process may use: affinity mask, and cgroup quota of version 1 or 2, rounded
  /// up.
  unsigned workers = 0;
  /// Most threads of the blocking pool, at least 1; it starts none before the first run_blocking().
  unsigned blocking_threads = 512;
  /// How long the destructor waits for tasks to end. Less than zero is zero.
  duration shutdown_limit = std::chrono::seconds(10);
  /// A task that holds its worker for longer than this is reported, once, with its stack: it keeps all others of that
  /// worker waiting. Found within another half of the limit. The report says whether it computes (it has had a CPU for
  /// that long) or blocks the thread, as in a read() or on a mutex; time in which the machine had no CPU for the thread
  /// counts for neither. The stack is taken by SIGURG on the worker's thread, which may end a poll() or the like there
  /// with EINTR. Zero or less: no watchdog, and no thread for it. Less than 2 ms may be found later than said.
  duration held_limit = std::chrono::milliseconds(100);
  /// Makes block_on() throw `deadlock` when every task waits, no timer is armed, no blocking call runs and nobody waits
  /// for io with use_task: then only a thread of your own could wake one, and with this you promise that none will: no
  /// thread outside of this runtime, and no other handler on io(), holds an end of a channel, cancels a context or
  /// spawns. A runtime that hosts actors never finds a deadlock.
  bool detect_deadlock = false;
  /// Prints a line on the state of the scheduler this often: workers, those asleep, queues, tasks, timers, blocking
  /// calls. For that a thread is started. Zero: as TANDEM_TRACE=sched=MILLISECONDS says, else never.
  duration trace_every = {};
  /// Where the reports of held workers and the trace go; called on a thread of the runtime, one call at a time.
  /// Default: stderr.
  std::function<void(const std::string&)> report = {};
  /// Whether reads, writes and syncs of files go by io_uring, where the kernel has it and lets the process use it: then
  /// a thread of the runtime's own takes what it completes, from the first of them on. Otherwise they go by the
  /// blocking pool.
  bool io_uring = true;
};

/// Thrown by runtime::block_on() when no task can ever run again; what() tells which tasks there were and what each
/// waited for. They have been cancelled, and so has the runtime's root context.
class deadlock : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[nodiscard]] std::shared_ptr<scheduler> start_scheduler(const runtime_options& options);
/// Waits on the calling thread, which must be no worker, until `what` is ready or `s` has been shut down.
/// Errors: throws deadlock if that is to be detected.
void block_until_ready(scheduler& s, completion_base& what);

/// What block_on() waits for. Shared with the task, which may go on when a deadlock has ended the wait.
template <class T>
struct blocked_outcome {
  std::optional<T> value;
  std::exception_ptr exception;
};
template <>
struct blocked_outcome<void> {
  std::exception_ptr exception;
};

[[noreturn]] void task_did_not_end();

template <class T>
task<void> capture_outcome(task<T> body, std::shared_ptr<blocked_outcome<T>> outcome) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(body).unlisted();
    } else {
      outcome->value.emplace(co_await std::move(body).unlisted());
    }
  } catch (...) {
    outcome->exception = std::current_exception();
  }
}
}  // namespace detail

/// Owns the workers and everything that runs on them.
///
/// A program may have several, and a task may make another one: they share nothing, their tasks exchange values through
/// channels and join each other. A thread is a worker of one of them at most; so a task that makes a runtime reaches it
/// by spawn(), not by block_on(), and holds its own worker while it shuts it down.
///
/// A child of fork() has only the thread that forked. A runtime that had threads then is dead in it: its destructor
/// does nothing, and any other use of it, as making another one, aborts with advice; so does a task or a call of
/// run_blocking() that forks, when it waits or ends in the child. So fork before the first runtime is made or after the
/// last one is shut down, or only to exec.
///
/// Threads: every member may be called from any thread, except where said otherwise.
class runtime {
 public:
  /// Starts the workers. The first runtime of a process calls report_kind_collisions().
  /// Errors: throws std::invalid_argument for more than 1024 workers, and std::system_error if not all threads can be
  ///         started; then none is left.
  explicit runtime(const runtime_options& options = {});

  /// shutdown() with the limit of the options, if that was not done before; what it could not end goes to stderr.
  /// On a thread of the runtime's own it reports that on stderr and aborts: it would wait for itself.
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// spawn() for callers outside of tasks; the default context is root_context(). Once shutdown has begun, only tasks
  /// of this runtime still start others: whatever anybody else spawns is destroyed, and its handle gives
  /// errc::cancelled.
  template <class T>
  join_handle<T> spawn(task<T> body, const spawn_options& options = {},
                       std::source_location where = std::source_location::current()) {
    return detail::spawn_on(*core_, std::move(body), options, where);
  }
  template <class F>
    requires task_function<F&>
  auto spawn(F function, const spawn_options& options = {},
             std::source_location where = std::source_location::current()) {
    return spawn(detail::keep_alive(std::move(function)), options, where);
  }

  /// Runs `body` as a task and blocks the calling thread until it has ended; gives its value, or throws what it threw.
  /// Errors: throws std::logic_error on a worker's thread, whichever runtime's, which must not block, and after
  ///         shutdown(), which also ends the wait for a task that it could not end; throws deadlock, see
  ///         runtime_options::detect_deadlock.
  template <class T>
  T block_on(task<T> body, const spawn_options& options = {"main"},
             std::source_location where = std::source_location::current()) {
    check_may_block();
    const auto core = core_;  // the caller may be the last to learn that the runtime goes
    const auto outcome = std::make_shared<detail::blocked_outcome<T>>();
    auto handle = spawn(detail::capture_outcome(std::move(body), outcome), options, where);
    detail::block_until_ready(*core, *handle.target().get());
    if (!handle.done() || !handle.target().take()) detail::task_did_not_end();
    if (outcome->exception) std::rethrow_exception(outcome->exception);
    if constexpr (!std::is_void_v<T>) return std::move(*outcome->value);
  }

  /// The context tasks run under unless told otherwise; shutdown() cancels it.
  [[nodiscard]] context root_context() const noexcept;

  /// Cancels the root context, waits for every task and every run_blocking() to end, then stops the threads. After it
  /// nothing runs any more. Meanwhile tasks may still spawn others. Takes at most some seconds longer than `limit`, but
  /// for the destructors of what it has to destroy.
  ///
  /// What has not ended at `limit` is named in the error:
  ///
  /// | it is                             | and then                                                                 |
  /// |-----------------------------------|--------------------------------------------------------------------------|
  /// | a task that waits or could run    | it is destroyed; its join gives errc::cancelled                          |
  /// | a task that never suspends        | it keeps its thread. Nothing is destroyed, as it may refer to anything:  |
  /// |                                   | tasks stay suspended, and in memory, for good                            |
  /// | a call of run_blocking()          | the same, unless it ends within a second                                 |
  /// | an operation on a file            | it is cancelled if it can be; then as a call of run_blocking()           |
  /// | an actor's handler                | it stays suspended: shut the actor system down first                     |
  ///
  /// Destroying a task destroys its frames on the calling thread, the innermost first, without running on: its locals'
  /// destructors may use channels, handles and contexts, and what they spawn is refused. The youngest task goes first,
  /// so that references to what those have that spawned it hold. An exception that leaves such a destructor ends the
  /// program.
  ///
  /// Threads: any but the runtime's own. A call while another goes on, or after one, waits for that one for up to its
  ///          own `limit`, does nothing else, and gives the same outcome.
  /// Errors:  errc::deadline_exceeded with the names and spawn sites of what was left, or if another call still goes
  ///          on; errc::failed_precondition, and nothing happens, if a task, a call of run_blocking() or
  ///          runtime_options::report calls it, which it would wait for.
  result<void> shutdown(duration limit);

  [[nodiscard]] unsigned worker_count() const noexcept;

  /// For sockets, signals and other objects of Asio: see tandem/runtime/asio.hpp. The workers run its handlers, one at
  /// a time, on no thread of its own; made at the first call, and there for as long as the runtime. Objects made for it
  /// must be gone before the runtime is. Do not run, stop or restart it.
  /// Errors: throws std::system_error if there are not four descriptors left for it.
  [[nodiscard]] asio::io_context& io();

  /// Tasks that were spawned and have not ended.
  [[nodiscard]] std::size_t live_tasks() const noexcept;

  /// What the live tasks are doing, as text: tandem::dump_tasks() in task_dump.hpp tells more, for this runtime alone.
  [[nodiscard]] std::string dump_tasks() const;

  /// Not for users.
  [[nodiscard]] detail::scheduler& core() const noexcept { return *core_; }

 private:
  void check_may_block() const;

  std::shared_ptr<detail::scheduler> core_;
  duration shutdown_limit_;
};

}  // namespace tandem
