// What the running task can ask about itself.
#pragma once
#include <concepts>
#include <coroutine>
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

namespace detail {

class [[nodiscard]] yield_operation : public awaitable_base {
 public:
  bool await_ready() const noexcept { return false; }
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] void await_suspend(std::coroutine_handle<P> self) const noexcept {
    yield_to_all(suspend_here(self, *this));
  }
  void await_resume() const noexcept {}
};

}  // namespace detail

namespace this_task {

/// The name the task was spawned or detached with; "" outside of tasks.
[[nodiscard]] const char* name() noexcept;

/// A number that no other task of this process has or had; 0 outside of tasks.
[[nodiscard]] std::uint64_t id() noexcept;

/// True if the task's context is over: for loops that compute and do not wait.
[[nodiscard]] bool cancelled() noexcept;

/// Why the task should stop: errc::cancelled or errc::deadline_exceeded with the cause attached, once its context is
/// over; success until then, and outside of tasks.
/// ```
/// for (auto& part : parts) {
///   if (auto go_on = this_task::check(); !go_on) co_return fail(go_on.error());
///   crunch(part);
///   co_await this_task::yield();
/// }
/// ```
[[nodiscard]] result<void> check();

/// Goes to the back of the worker's queue. Never fails and does not look at the context.
/// Suspends: always, until the tasks that were ready on this worker have had a turn.
[[nodiscard]] inline auto yield() noexcept { return detail::yield_operation(); }

}  // namespace this_task

using this_task::yield;

}  // namespace tandem
