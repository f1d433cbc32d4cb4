// Running a piece of a task under another context: a tighter deadline, one that can be cancelled, one with a value.
// The task is under its own context again when the piece has ended, or was left by an exception.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

namespace detail {

/// Puts the running task under another context while it lives. Used inside a coroutine, so entry and exit nest.
class context_swap {
 public:
  explicit context_swap(context_state* state) noexcept
      : task_(current_task()), outer_(task_.set_context(state, membership_)) {}
  ~context_swap() { task_.restore_context(outer_); }
  context_swap(const context_swap&) = delete;
  context_swap& operator=(const context_swap&) = delete;

 private:
  task_record& task_;
  scope_link membership_;
  std::uintptr_t outer_;
};

}  // namespace detail

/// `body`, run under `ctx` instead of the caller's context.
template <class T>
task<T> with_context(context ctx, task<T> body) {
  const detail::context_swap inside(ctx.state());
  co_return co_await std::move(body);
}

/// `body`, whose waits end with errc::deadline_exceeded once `when` has passed.
template <class T>
task<T> with_deadline(time_point when, task<T> body) {
  const cancel_source source(this_task::context(), when);
  const detail::context_swap inside(source.context().state());
  co_return co_await std::move(body);
}

/// `body`, whose waits end with errc::deadline_exceeded after `limit`, counted from the moment the task starts.
template <class T>
task<T> with_timeout(duration limit, task<T> body) {
  const cancel_source source(this_task::context(), deadline_in(limit));
  const detail::context_swap inside(source.context().state());
  co_return co_await std::move(body);
}

/// `body`, run under the caller's context with `value` under `key`.
template <class K, class T>
task<T> with_value(const context_key<K>& key, std::type_identity_t<K> value, task<T> body) {
  const context inner = with_value(this_task::context(), key, std::move(value));
  const detail::context_swap inside(inner.state());
  co_return co_await std::move(body);
}

/// `body`, run to its end even if the caller's context is over: for cleaning up. It keeps the values.
template <class T>
task<T> without_cancel(task<T> body) {
  const context inner = without_cancel(this_task::context());
  const detail::context_swap inside(inner.state());
  co_return co_await std::move(body);
}

}  // namespace tandem
