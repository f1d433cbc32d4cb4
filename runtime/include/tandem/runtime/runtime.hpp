// The runtime: the workers every task, channel and actor of a program runs on. Start here: make one in main().
#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

struct runtime_options {
  /// Worker threads. 0: TANDEM_WORKERS if set, else the CPUs this process may use (affinity and cgroup quota).
  unsigned workers = 0;
  /// Most threads of the blocking pool; it starts none before the first run_blocking().
  unsigned blocking_threads = 512;
  /// How long the destructor waits for tasks to end.
  duration shutdown_limit = std::chrono::seconds(10);
};

namespace detail {
[[nodiscard]] std::shared_ptr<scheduler> start_scheduler(const runtime_options& options);
/// Waits on the calling thread, which must be no worker.
void block_until_ready(completion_base& what) noexcept;

template <class T>
task<void> capture_outcome(task<T> body, std::optional<T>& value, std::exception_ptr& exception) {
  try {
    value.emplace(co_await std::move(body).unlisted());
  } catch (...) {
    exception = std::current_exception();
  }
}
inline task<void> capture_outcome(task<void> body, std::exception_ptr& exception) {
  try {
    co_await std::move(body).unlisted();
  } catch (...) {
    exception = std::current_exception();
  }
}
}  // namespace detail

/// Owns the workers and everything that runs on them.
///
/// Threads: every member may be called from any thread, except where said otherwise.
class runtime {
 public:
  /// Starts the workers.   Errors: throws std::system_error if no thread can be started.
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
  /// Errors: throws std::logic_error on a worker's thread, which must not block, and after shutdown().
  template <class T>
  T block_on(task<T> body, const spawn_options& options = {"main"},
             std::source_location where = std::source_location::current()) {
    check_may_block();
    std::exception_ptr exception;
    if constexpr (std::is_void_v<T>) {
      auto handle = spawn(detail::capture_outcome(std::move(body), exception), options, where);
      detail::block_until_ready(*handle.target().get());
      if (exception) std::rethrow_exception(exception);
    } else {
      std::optional<T> value;
      auto handle = spawn(detail::capture_outcome(std::move(body), value, exception), options, where);
      detail::block_until_ready(*handle.target().get());
      if (exception) std::rethrow_exception(exception);
      return std::move(*value);
    }
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

  /// Not for users.
  [[nodiscard]] detail::scheduler& core() const noexcept { return *core_; }

 private:
  void check_may_block() const;

  std::shared_ptr<detail::scheduler> core_;
  duration shutdown_limit_;
};

}  // namespace tandem
