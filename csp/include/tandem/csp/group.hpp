// A group of tasks that succeed or fail together: start them with go(), join them all with wait().
#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/group_state.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

namespace detail {
/// What go() takes besides tasks: a function that gives a task<void> or a task<result<void>>.
template <class F>
concept group_function = task_function<F&> && group_outcome<typename std::invoke_result_t<F&>::value_type>;
}  // namespace detail

/// Tasks that run under one context of their own, a child of the context the group was made in. The first of them that
/// fails, by an error or an exception, ends that context with its error as the cause; wait() gives that error.
///
/// ```
/// group g;
/// for (auto& url : urls) g.go([&url]() -> task<result<void>> { … });
/// result<void> all = co_await g.wait();
/// ```
/// Bodies are task<void>, task<result<void>>, or functions that give one. go() returns at once and is never awaited.
///
/// A body whose turn comes when the group's context is over never runs; it is destroyed, and wait() fails.
///
/// Owns:    the context, and the tasks until wait() has returned. After it no body and no capture of one exists any more.
///          Destroying a group whose tasks still run cancels them but cannot wait for them: they go on until they
///          notice, so they must not refer to the scope the group was in; shutdown still finds them. An error that
///          wait() did not give out is then printed to stderr, unless it only says that the context was over. Where an
///          exception or an early return may skip wait(), use with_group(), which never does.
/// Threads: go(), try_go(), set_limit() and cancel() may be called by any task of the runtime, the group's own included;
///          wait() by one at a time. Made and used by tasks only.
class group {
 public:
  /// Errors: throws std::bad_alloc.
  explicit group(std::source_location where = std::source_location::current())
      : state_(new detail::group_state(where)) {}
  group(const group&) = delete;
  group& operator=(const group&) = delete;
  ~group() { state_->abandon(); }

  /// Starts a body. With the limit reached it is queued, and started in order when others end.
  /// Errors: throws std::bad_alloc; the body does not run then.
  template <detail::group_outcome R>
  void go(task<R> body, const char* name = "group task",
          std::source_location where = std::source_location::current()) {
    state_->start_or_queue({detail::run_in_group(share(), std::move(body)), name, where});
  }
  template <detail::group_function F>
  void go(F body, const char* name = "group task", std::source_location where = std::source_location::current()) {
    state_->start_or_queue({detail::call_in_group(share(), std::move(body)), name, where});
  }

  /// Starts a body unless the limit is reached; then `body` is left untouched. True if it was taken.
  template <detail::group_outcome R>
  [[nodiscard]] bool try_go(task<R>&& body, const char* name = "group task",
                            std::source_location where = std::source_location::current()) {
    return try_start([&] { return detail::run_in_group(share(), std::move(body)); }, name, where);
  }
  template <class F>
    requires detail::group_function<std::remove_cvref_t<F>>
  [[nodiscard]] bool try_go(F&& body, const char* name = "group task",
                            std::source_location where = std::source_location::current()) {
    return try_start(
        [&] { return detail::call_in_group<std::remove_cvref_t<F>>(share(), std::forward<F>(body)); }, name, where);
  }

  /// From now on at most `n` bodies run at a time; those that run already are not stopped. Default: no limit.
  /// Errors: throws std::invalid_argument if `n` is 0.
  void set_limit(std::size_t n) {
    if (n == 0) throw std::invalid_argument("a group needs room for at least one task");
    state_->set_limit(n);
  }

  /// Ends the group's context as if a body had failed with `cause`; without one, with errc::cancelled.
  void cancel(error cause = error_of(errc::cancelled)) noexcept { state_->fail_with(std::move(cause)); }

  /// Waits until every body has ended and gives the first error. The group can be used again if there was none.
  ///
  /// Suspends: until nothing runs or is queued.
  /// Cancel:   the end of the caller's context ends the group's context too; wait() still waits for the bodies, and so
  ///           takes as long as they need to notice.
  /// Errors:   the first body's that failed (an exception arrives as from_exception() makes it), or cancel()'s cause, or
  ///           errc::cancelled, errc::deadline_exceeded if the caller's context was over first.
  [[nodiscard]] task<result<void>> wait();

  /// What the bodies run under.
  [[nodiscard]] const tandem::context& context() const noexcept { return state_->context(); }

  /// Not for users.
  [[nodiscard]] detail::group_share share() const noexcept { return detail::group_share(*state_); }

 private:
  template <class T>
  friend class collect;

  template <class Make>
  bool try_start(Make make, const char* name, std::source_location where) {
    if (!state_->try_reserve()) return false;
    try {
      state_->start({make(), name, where});
    } catch (...) {
      state_->ended({});  // gives the slot back
      throw;
    }
    return true;
  }

  detail::group_state* const state_;  // this group's share
};

/// Runs `body(g)` with a group g and waits for the group, however `body` ends: its error or exception fails the group.
/// So the group's tasks may refer to whatever outlives this call. `body` gives a task<void> or a task<result<void>>.
///
/// ```
/// co_return co_await with_group([&](group& g) -> task<> { g.go(read(in, tx)); g.go(write(out, rx)); co_return; });
/// ```
/// With g++ 12, name a function that captures by value before the expression that awaits this.
///
/// Suspends, Cancel, Errors: as group::wait().
template <class F>
  requires task_function<F&, group&> && detail::group_outcome<typename std::invoke_result_t<F&, group&>::value_type>
[[nodiscard]] task<result<void>> with_group(F body) {
  group g;
  try {
    if constexpr (std::same_as<std::invoke_result_t<F&, group&>, task<void>>) {
      co_await body(g);
    } else if (auto ended = co_await body(g); !ended) {
      g.cancel(std::move(ended).error());
    }
  } catch (...) {
    g.cancel(from_exception(std::current_exception()));
  }
  co_return co_await g.wait();
}

}  // namespace tandem::csp
