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

namespace tandem {

struct runtime_options {
  /// Worker threads, at most 1024. 0: what TANDEM_WORKERS says; if that is unset, empty, or (as stderr is told) no number
  /// from 1 to 1024, the CPUs this process may use: affinity mask, and cgroup quota of version 1 or 2, rounded up.
  unsigned workers = 0;
  /// Most threads of the blocking pool, at least 1; it starts none before the first run_blocking().
  unsigned blocking_threads = 512;
  /// How long the destructor waits for tasks to end. Less than zero is zero.
  duration shutdown_limit = std::chrono::seconds(10);
  /// A task that holds its worker for longer than this is reported, once, with its stack: it keeps all others of that
  /// worker waiting. Found within another half of the limit. The stack is taken by SIGURG on the worker's thread, which
  /// may end a poll() or the like there with EINTR. Zero: no watchdog, and no thread for it.
  duration held_limit = std::chrono::milliseconds(100);
  /// Makes block_on() throw `deadlock` when every task waits, no timer is armed and no blocking call runs: then only a
  /// thread of your own could wake one, and with this you promise that none will: no thread outside of this runtime
  /// holds an end of a channel, cancels a context or spawns. A runtime that hosts actors never finds a deadlock.
  bool detect_deadlock = false;
  /// Where the reports of held workers go; called on a thread of the runtime, one call at a time. Default: stderr.
  std::function<void(const std::string&)> report = {};
};

/// Thrown by runtime::block_on() when no task can ever run again; what() tells which tasks there were and what each
/// waited for. They have been cancelled, and so has the runtime's root context.
class deadlock : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[nodiscard]] std::shared_ptr<scheduler> start_scheduler(const runtime_options& options);
/// Waits on the calling thread, which must be no worker.   Errors: throws deadlock if that is to be detected.
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
/// Threads: every member may be called from any thread, except where said otherwise.
class runtime {
 public:
  /// Starts the workers. The first runtime of a process calls report_kind_collisions().
  /// Errors: throws std::invalid_argument for more than 1024 workers, and std::system_error if not all threads can be
  ///         started; then none is left.
  explicit runtime(const runtime_options& options = {});

  /// shutdown() with the limit of the options, if that was not done before; what it could not end goes to stderr.
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// spawn() for callers outside of tasks; the default context is root_context().
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
  /// Errors: throws std::logic_error on a worker's thread, which must not block, and after shutdown(); throws
  ///         deadlock, see runtime_options::detect_deadlock.
  template <class T>
  T block_on(task<T> body, const spawn_options& options = {"main"},
             std::source_location where = std::source_location::current()) {
    check_may_block();
    const auto outcome = std::make_shared<detail::blocked_outcome<T>>();
    auto handle = spawn(detail::capture_outcome(std::move(body), outcome), options, where);
    detail::block_until_ready(*core_, *handle.target().get());
    if (outcome->exception) std::rethrow_exception(outcome->exception);
    if constexpr (!std::is_void_v<T>) return std::move(*outcome->value);
  }

  /// The context tasks run under unless told otherwise; shutdown() cancels it.
  [[nodiscard]] context root_context() const noexcept;

  /// Cancels the root context, waits for every task to end, then stops the workers. After it nothing runs any more.
  /// Tasks that are still alive at `limit` are named in the error and stay suspended for good; a task that never
  /// suspends keeps its thread. A second call does nothing and succeeds.
  /// Errors: errc::deadline_exceeded with the names and spawn sites of what was left. Not to be called by a task.
  result<void> shutdown(duration limit);

  [[nodiscard]] unsigned worker_count() const noexcept;

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
