// task<T>: a lazy coroutine. Write functions that return one, co_await them, start them with spawn().
#pragma once
#include <concepts>
#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/promise.hpp>

namespace tandem {

template <class T = void>
class task;

namespace detail {

/// Base of every operation of the runtime: it resumes the task through its record, on a worker. (There is no
/// await_transform that insists on it: g++ 12 would copy the awaiter instead of binding a reference.)
struct awaitable_base {};

template <class T>
struct promise : promise_base {
  static_assert(pool_aligned<T>, "a task's value cannot be aligned more strictly than operator new aligns");

  promise() noexcept {}
  ~promise() {
    if (has_value()) std::destroy_at(std::addressof(value_));
  }

  task<T> get_return_object() noexcept;
  template <class U = T>
    requires std::constructible_from<T, U&&>
  void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
    std::construct_at(std::addressof(value_), std::forward<U>(value));
    next |= value_bit;
  }
  void unhandled_exception() noexcept {
    check_runs();
    if (has_value()) std::destroy_at(std::addressof(value_));  // a destructor threw after co_return
    next &= ~value_bit;
    promise_base::unhandled_exception();
  }
  /// Null before the end, and after an end by an exception.
  [[nodiscard]] T* value() noexcept { return has_value() ? std::addressof(value_) : nullptr; }
  /// After the end.   Errors: throws what the coroutine threw.
  [[nodiscard]] T& outcome() {
    if (!has_value()) [[unlikely]] record->rethrow();
    return value_;
  }
  T take() { return std::move(outcome()); }

 private:
  [[nodiscard]] bool has_value() const noexcept { return next & value_bit; }

  union {
    T value_;
  };
};

template <>
struct promise<void> : promise_base {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (record->threw) [[unlikely]] record->rethrow();
  }
};

}  // namespace detail

/// A computation that has not started: it runs when it is awaited, or spawned. Ends with a T, or throws.
///
/// Owns:    the coroutine's frame. Destroying a task that never ran destroys its arguments, nothing else happens. When
///          co_await gives the value, the frame and all that was in it are gone.
/// Threads: a task moves between workers whenever it suspends, never otherwise; it needs no locks of its own.
/// Cancel:  the awaited task inherits the awaiting one's context.
///
/// Destructors: an exception that leaves the destructor of a local (declared noexcept(false)) at the end of its scope is
/// thrown there like any other, and ends the coroutine if it does not catch it. One that leaves a destructor while a
/// frame is destroyed, or during another exception, ends the program; so does a T whose move throws.
///
/// Await only tasks and tandem's operations: a foreign awaitable would resume the coroutine outside of the runtime.
/// A lambda's captures die with the lambda object: hand data to a coroutine lambda as parameters, or give the lambda
/// itself to spawn(), which keeps it alive.
template <class T>
class [[nodiscard]] task : public detail::awaitable_base {
 public:
  using promise_type = detail::promise<T>;
  using value_type = T;

  task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  /// Not for users: gives up the frame to whoever will run and destroy it.
  [[nodiscard]] std::coroutine_handle<promise_type> release() noexcept { return std::exchange(frame_, nullptr); }
  auto operator co_await() && noexcept { return awaiter<true>(*this); }
  /// Not for users: to be awaited by a coroutine that stacks need not show.
  auto unlisted() && noexcept { return awaiter<false>(*this); }

 private:
  friend promise_type;
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  // From here on the frame goes in await_resume(), before anything else of the awaiter does; or, if the awaiter does not
  // run on, by whoever destroys that (scheduler::destroy_tasks()).
  template <bool Listed>
  struct awaiter {
    std::coroutine_handle<promise_type> awaited;
    explicit awaiter(task& t) noexcept : awaited(t.release()) {}

    bool await_ready() const noexcept { return false; }
    template <std::derived_from<detail::promise_base> Parent>
    [[gnu::always_inline]] auto await_suspend(std::coroutine_handle<Parent> parent) const noexcept {
      return detail::await_coroutine(awaited, parent, Listed ? detail::address_of_use(*this) : nullptr);
    }
    T await_resume() const {
      const task ended(awaited);
      return awaited.promise().take();
    }
  };

  std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
task<T> promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline task<void> promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

template <class T>
struct is_task : std::false_type {};
template <class T>
struct is_task<task<T>> : std::true_type {};

}  // namespace detail

/// Something that, called with `Args`, gives a task.
template <class F, class... Args>
concept task_function = detail::is_task<std::invoke_result_t<F, Args...>>::value;

}  // namespace tandem
