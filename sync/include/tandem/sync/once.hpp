// What must be done once, however many tasks come to need it.
#pragma once
#include <atomic>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/mutex.hpp>

namespace tandem::sync {

namespace detail {

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

template <class T>
struct outcome_of_call {
  using type = tandem::detail::plain_value_t<T>;
};
template <class T>
struct outcome_of_call<task<T>> {
  using type = tandem::detail::plain_value_t<T>;
};

/// T, for a function that gives T, result<T>, task<T> or task<result<T>>.
template <class F>
using call_value_t = typename outcome_of_call<std::invoke_result_t<F&>>::type;

/// Calls `f`; what it throws becomes an error.
template <class F>
task<result<call_value_t<F>>> call_caught(F& f) {
  using given = std::invoke_result_t<F&>;
  try {
    if constexpr (is_task<given>) {
      if constexpr (std::is_void_v<typename given::value_type>) {
        co_await f();
        co_return result<void>();
      } else {
        co_return co_await f();
      }
    } else if constexpr (std::is_void_v<given>) {
      f();
      co_return result<void>();
    } else {
      co_return f();
    }
  } catch (...) {
    co_return fail(from_exception(std::current_exception()));
  }
}

/// mutex::lock(), lock_for() or lock_until().
[[nodiscard]] inline auto lock_within(mutex& m) noexcept { return m.lock(); }
[[nodiscard]] inline auto lock_within(mutex& m, duration limit) noexcept { return m.lock_for(limit); }
[[nodiscard]] inline auto lock_within(mutex& m, time_point when) noexcept { return m.lock_until(when); }

/// True if `outcome` only says that the calling task's context is over.
[[nodiscard]] bool says_context_over(const error& outcome) noexcept;

}  // namespace detail

/// The value that a function gives when it is called for the first time; later callers get the same.
/// ```
/// static once_value<config> settings;
/// auto c = co_await or_return(settings.get(load_config));  // const config*
/// ```
/// | state   | get(f)                                                              | get_if()  |
/// |---------|---------------------------------------------------------------------|-----------|
/// | fresh   | calls f; running                                                    | null      |
/// | running | waits, then as it has become                                        | null      |
/// | done    | the value, or the error that f ended with: f is not called again    | the value, null after an error |
///
/// An exception is such an error too: all callers see it. But if f ended with an error because the context of the one
/// caller that ran it was over, it is as if that one had not come: the next caller runs its own f.
///
/// Owns:    the value, from then on for its whole life.
/// Threads: get() by tasks, the rest by any thread. A task that comes back to it from inside of f waits for itself.
/// Memory:  what f did is visible to all who get its outcome.
template <class T>
class once_value {
 public:
  once_value() = default;
  once_value(const once_value&) = delete;
  once_value& operator=(const once_value&) = delete;

  /// `f` gives T, result<T>, task<T> or task<result<T>>. Not in the expression with co_await, if it is a lambda with
  /// captures: name it first.
  /// Suspends: while another call of a function is under way.
  /// Cancel:   safe: who waits leaves, the call goes on.
  /// Errors:   those of the call; errc::cancelled, errc::deadline_exceeded.
  template <class F>
    requires std::is_same_v<detail::call_value_t<F>, T>
  [[nodiscard]] task<result<const T*>> get(F f) {
    return get_within(std::move(f));
  }
  /// get(), which waits for another call for at most `limit`; a call of its own takes as long as it takes.
  /// Errors: those of get(), and errc::timed_out.
  template <class F>
    requires std::is_same_v<detail::call_value_t<F>, T>
  [[nodiscard]] task<result<const T*>> get_for(duration limit, F f) {
    return get_within(std::move(f), limit);
  }
  /// get_for(), until `when` on the runtime's clock.
  template <class F>
    requires std::is_same_v<detail::call_value_t<F>, T>
  [[nodiscard]] task<result<const T*>> get_until(time_point when, F f) {
    return get_within(std::move(f), when);
  }

  /// The value, if there is one yet: the form that never waits, and never calls anything.
  [[nodiscard]] const T* get_if() const noexcept { return is_done() && *outcome_ ? &**outcome_ : nullptr; }
  /// Acquire: pairs with the release in get().
  [[nodiscard]] bool is_done() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  template <class F, class... L>
  task<result<const T*>> get_within(F f, L... limit) {
    if (!is_done()) {
      const auto running = co_await detail::lock_within(mutex_, limit...);
      if (!running) co_return fail(running.error());
      if (!is_done()) {
        result<T> outcome = co_await detail::call_caught(f);
        if (!outcome && detail::says_context_over(outcome.error())) co_return fail(outcome.error());
        outcome_.emplace(std::move(outcome));
        done_.store(true, std::memory_order_release);  // publishes outcome_
      }
    }
    if (!outcome_->has_value()) co_return fail(outcome_->error());
    co_return &**outcome_;
  }

  mutex mutex_;  // held by the task that runs the function
  std::atomic<bool> done_{false};
  std::optional<result<T>> outcome_;  // written once, before done_
};

/// once_value for a function without a value. See there for states, errors, exceptions and cancels.
class once {
 public:
  once() = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  /// `f` gives nothing, result<void>, task<> or task<result<void>>. As once_value::get().
  template <class F>
    requires std::is_void_v<detail::call_value_t<F>>
  [[nodiscard]] task<result<void>> call(F f) {
    return call_within(std::move(f));
  }
  /// As once_value::get_for() and get_until().
  template <class F>
    requires std::is_void_v<detail::call_value_t<F>>
  [[nodiscard]] task<result<void>> call_for(duration limit, F f) {
    return call_within(std::move(f), limit);
  }
  template <class F>
    requires std::is_void_v<detail::call_value_t<F>>
  [[nodiscard]] task<result<void>> call_until(time_point when, F f) {
    return call_within(std::move(f), when);
  }

  /// Acquire: pairs with the release in call().
  [[nodiscard]] bool is_done() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  template <class F, class... L>
  task<result<void>> call_within(F f, L... limit) {
    if (!is_done()) {
      const auto running = co_await detail::lock_within(mutex_, limit...);
      if (!running) co_return fail(running.error());
      if (!is_done()) {
        result<void> outcome = co_await detail::call_caught(f);
        if (!outcome && detail::says_context_over(outcome.error())) co_return outcome;
        outcome_ = std::move(outcome);
        done_.store(true, std::memory_order_release);  // publishes outcome_
      }
    }
    co_return outcome_;
  }

  mutex mutex_;  // held by the task that runs the function
  std::atomic<bool> done_{false};
  result<void> outcome_;  // written once, before done_
};

}  // namespace tandem::sync
