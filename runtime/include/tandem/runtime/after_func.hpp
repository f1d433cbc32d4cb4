// Calling a function when a context is over.
#pragma once
#include <concepts>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/after_call.hpp>
#include <tandem/runtime/spawn.hpp>

namespace tandem {

namespace detail {

/// The runtime that calls for `ctx` run on; null if that has stopped.   Errors: throws std::logic_error if there is none.
[[nodiscard]] std::shared_ptr<scheduler> runtime_for_call(const context& ctx);
/// False once what is queued on `s` never runs.
[[nodiscard]] bool still_runs(const scheduler& s) noexcept;
/// Puts `call` on the list of the scope that ends `ctx`, or launches it if `ctx` is over.
void call_at_end(const context& ctx, after_call& call) noexcept;

/// A task that was made but not started: so that nothing can fail when the context ends.
template <class R>
class prepared_call final : public after_call {
 public:
  prepared_call(std::shared_ptr<scheduler> where, task<R> body, std::source_location site)
      : home_(std::move(where)), body_(std::move(body)), made_(new spawned<R>(*home_, nullptr, "after_func", site)),
        handle_(made_) {}
  ~prepared_call() override {
    if (made_) made_->release();  // the task's own share
  }

  void launch() noexcept override {
    if (!still_runs(*home_)) return;
    std::exchange(made_, nullptr)->start(std::move(body_));
    handle_.detach();
  }

 private:
  std::shared_ptr<scheduler> home_;
  task<R> body_;
  spawned<R>* made_;
  join_handle<R> handle_;
};

template <class F>
task<void> call_once(F function) {
  function();
  co_return;
}

}  // namespace detail

/// The right to stop a call that after_func() arranged. Dropping it stops nothing.
///
/// Owns:    a share of the call and, through it, of the context.
/// Threads: use one handle from one thread at a time.
class after_handle {
 public:
  after_handle() = default;
  after_handle(after_handle&& other) noexcept
      : context_(std::move(other.context_)), call_(std::exchange(other.call_, nullptr)) {}
  after_handle& operator=(after_handle other) noexcept {
    std::swap(context_, other.context_);
    std::swap(call_, other.call_);
    return *this;
  }
  ~after_handle() {
    if (call_) call_->release();
  }

  /// Stops the call. True if this prevented it: then the function is destroyed and never runs. False if it was stopped
  /// before, or its context is over: then it was started, and may be running or may have ended; stop() does not wait.
  bool stop() noexcept;

  /// Not for users.
  after_handle(context ctx, detail::after_call& adopted) noexcept : context_(std::move(ctx)), call_(&adopted) {}

 private:
  context context_;
  detail::after_call* call_ = nullptr;
};

/// Calls `function()` once, in a background task of its own, when `ctx` is over; at once if it is already. `function`
/// gives nothing, or a task to be run. The task is under a context that never ends and has no values, so that it can
/// clean up: give the function what it needs. It is destroyed uncalled when stop() says so, when `ctx` is gone
/// without having been over, or if the runtime has stopped. Shutdown ends contexts first, and then waits for the
/// calls as for any task.
///
/// The function must not own `ctx` or a source of it, which would keep both of them for as long as `ctx` is not over.
///
/// Owns:    `function`, whether or not the handle is kept.
/// Threads: any. Runs on the runtime of `ctx`, or if that has none, on the caller's.
/// Errors:  throws std::bad_alloc, and std::logic_error if neither has one. Those of `function` are reported as those
///          of a task that nobody joins.
template <class F>
  requires std::invocable<F&> && (task_function<F&> || std::is_void_v<std::invoke_result_t<F&>>)
after_handle after_func(const context& ctx, F function,
                        std::source_location where = std::source_location::current()) {
  std::shared_ptr<detail::scheduler> runs_on = detail::runtime_for_call(ctx);
  if (!runs_on) return {};
  detail::after_call* call = nullptr;
  if constexpr (task_function<F&>) {
    using value = typename std::invoke_result_t<F&>::value_type;
    call = new detail::prepared_call<value>(std::move(runs_on), detail::keep_alive(std::move(function)), where);
  } else {
    call = new detail::prepared_call<void>(std::move(runs_on), detail::call_once(std::move(function)), where);
  }
  after_handle handle(ctx, *call);
  detail::call_at_end(ctx, *call);
  return handle;
}

}  // namespace tandem
