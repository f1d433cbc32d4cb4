// Letting time pass. yield(), which lets other tasks pass, is in this_task.hpp.
#pragma once
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

namespace detail {

class [[nodiscard]] sleep_operation : public awaitable_base {
 public:
  explicit sleep_operation(time_point until) noexcept : until_(until) {}

  bool await_ready() const noexcept { return false; }
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
    static const wait_kind kind{"a time to come", &completion_wait::cancel, nullptr, &completion_wait::leave};
    return wait_.start(suspend_here(self, *this), nullptr, until_, kind);
  }
  result<void> await_resume() {
    if (wait_.finish() == completion_wait::ended::context) return fail(context_error(current_task()));
    return {};
  }

 private:
  time_point until_;
  completion_wait wait_;
};

}  // namespace detail

/// Waits until `when` on the runtime's clock.
/// Suspends: always, for a `when` in the past only until the worker looks at its timers.
/// Errors:   errc::cancelled, errc::deadline_exceeded.
[[nodiscard]] inline auto sleep_until(time_point when) noexcept { return detail::sleep_operation(when); }

/// Waits for `d`; see sleep_until().
[[nodiscard]] inline auto sleep_for(duration d) noexcept { return detail::sleep_operation(deadline_in(d)); }

}  // namespace tandem
