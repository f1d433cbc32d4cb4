// A task as the operations of sync and csp see it, played by a fiber that is also the worker it runs on. A scope is
// played by a lock, as the runtime's is one.
#pragma once
#include <coroutine>

#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

#include "parker.hpp"
#include "world.hpp"

namespace tandem::model {

// Time stands still, unless a scenario says that it passes quickly: then it goes on by this much with every look.
inline duration clock_step{};
inline time_point clock_now_is{};

struct fake_task final : detail::task_record {
  fake_task() : task_record(*reinterpret_cast<detail::scheduler*>(alignof(std::max_align_t)), 0) {}
  [[nodiscard]] void* place() noexcept override { return room(); }

  // Before anything that asks which task runs here; no other thread takes a step between that and the answer.
  void run_here() noexcept {
    as_worker.current = this;
    as_worker.slice = 1'000;
    detail::tls_worker = &as_worker;
  }

  /// What `co_await operation` does.
  template <class Operation>
  auto await(Operation&& operation) {
    run_here();
    if (!operation.await_ready()) {
      run_here();
      coroutine.record = this;
      if (operation.await_suspend(std::coroutine_handle<detail::promise_base>::from_promise(coroutine))) {
        do {
          sleeper.park(no_deadline);
        } while (!goes_on());
      }
    }
    run_here();
    return operation.await_resume();
  }

  /// Ends its context.
  void cancel();

  detail::worker_base as_worker;
  detail::promise_base coroutine;
  detail::parker sleeper;
  detail::sync::mutex scope;
  detail::sync::atomic<bool> over{false};
  bool listed = false;  // guarded by scope
};

/// For the start of a scenario: tasks that are made ready go on, and time stands still.
void prepare_fake_tasks();

}  // namespace tandem::model
