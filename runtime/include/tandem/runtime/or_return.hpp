// or_return(): the value, or the end of the coroutine.
//
//   task<result<config>> load(std::string path) {
//     std::string text = co_await or_return(read_file(path));  // a task<result<std::string>>
//     const int version = co_await or_return(parse_version(text));  // a result<int>
//     co_await or_return(tx.send(version));  // an operation
//     co_return config(std::move(text), version);
//   }
#pragma once
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

namespace detail {

template <class Promise>
inline constexpr bool ends_with_result = false;
template <class U>
inline constexpr bool ends_with_result<promise<result<U>>> = true;

template <class T>
struct is_result : std::false_type {};
template <class T>
struct is_result<result<T>> : std::true_type {};

template <class Promise>
constexpr void check_awaiter_of_or_return() noexcept {
  static_assert(ends_with_result<Promise>,
                "or_return() ends the coroutine with an error: use it in one that returns a task<result<...>>");
}

/// The end of a coroutine that was awaited through or_return(): its error is the awaiter's outcome.
template <class T, class Awaiter>
after_end pass_on_error(promise_base& ended) noexcept {
  auto& p = static_cast<promise<result<T>>&>(ended);
  result<T>* const outcome = p.value();  // null if an exception ended it
  if (!outcome || *outcome) return after_end::awaiter_goes_on;
  static_cast<Awaiter&>(*awaiter_of(ended)).return_value(fail(std::move(*outcome).error()));
  std::coroutine_handle<promise<result<T>>>::from_promise(p).destroy();
  return after_end::awaiter_ends;
}

template <class T>
class [[nodiscard]] task_or_return : public awaitable_base {
 public:
  explicit task_or_return(task<result<T>> body) noexcept : body_(std::move(body)) {}

  bool await_ready() const noexcept { return false; }
  template <std::derived_from<promise_base> Awaiter>
  [[gnu::always_inline]] auto await_suspend(std::coroutine_handle<Awaiter> awaiter) noexcept {
    check_awaiter_of_or_return<Awaiter>();
    child_ = body_.release();  // from now on its end destroys it, or await_resume()
    hook_ = {&pass_on_error<T, Awaiter>, &awaiter.promise()};
    return await_coroutine(child_, awaiter, address_of_use(*this), &hook_);
  }
  T await_resume() const {
    const task<result<T>> ended = child_.promise().get_return_object();
    if constexpr (std::is_void_v<T>) {
      (void)child_.promise().take();
    } else {
      return *child_.promise().take();
    }
  }

 private:
  task<result<T>> body_;
  std::coroutine_handle<promise<result<T>>> child_;
  end_hook hook_{};
};

/// `Result` is a result<T>, or a reference to one.
template <class Result>
class [[nodiscard]] result_or_return : public awaitable_base {
  using value = typename std::remove_cvref_t<Result>::value_type;

 public:
  explicit result_or_return(Result&& outcome) noexcept(std::is_nothrow_constructible_v<Result, Result&&>)
      : outcome_(std::forward<Result>(outcome)) {}

  bool await_ready() const noexcept { return outcome_.has_value(); }
  template <std::derived_from<promise_base> Awaiter>
  auto await_suspend(std::coroutine_handle<Awaiter> awaiter) noexcept {
    check_awaiter_of_or_return<Awaiter>();
    awaiter.promise().return_value(fail(std::forward<Result>(outcome_).error()));
    return end_coroutine(awaiter.promise());
  }
  std::conditional_t<std::is_reference_v<Result>, decltype(*std::declval<Result>()), value> await_resume() {
    return *std::forward<Result>(outcome_);
  }

 private:
  Result outcome_;
};

template <class Operation>
task<decltype(std::declval<Operation&>().await_resume())> await_operation(Operation& operation) {
  co_return co_await operation;
}

/// An operation of tandem's that yields a result<...>, and is no task.
template <class Operation>
concept result_operation =
    std::derived_from<Operation, awaitable_base> && !is_task<Operation>::value &&
    requires(Operation& o) { requires is_result<decltype(o.await_resume())>::value; };

}  // namespace detail

/// To be awaited in a task<result<U>>: gives the value, or ends that coroutine with the error, as co_return would. What
/// `body` throws, co_await throws. No exception is used.
///
/// What ends does not run on: its frame, with its temporaries, locals (innermost first) and arguments, is destroyed
/// after the frame of `body`, and before its own awaiter goes on or its join handle is done. So when an error has passed
/// through several coroutines, nothing of them is left when somebody gets to see it. They are destroyed one after the
/// other: the number of coroutines an error passes through is not limited by the stack.
///
/// Suspends: as `body`.   Cancel: as `body`.
template <class T>
[[nodiscard]] auto or_return(task<result<T>> body) noexcept {
  return detail::task_or_return<T>(std::move(body));
}

/// or_return() for what is there already. Of a named result it gives a reference to the value, and the error is copied.
/// Suspends: never.
template <class T>
[[nodiscard]] auto or_return(result<T>&& outcome) noexcept(std::is_nothrow_move_constructible_v<result<T>>) {
  return detail::result_or_return<result<T>>(std::move(outcome));
}
template <class T>
[[nodiscard]] auto or_return(result<T>& outcome) noexcept {
  return detail::result_or_return<result<T>&>(outcome);
}
template <class T>
[[nodiscard]] auto or_return(const result<T>& outcome) noexcept {
  return detail::result_or_return<const result<T>&>(outcome);
}

/// or_return() for any other operation that yields a result, such as rx.recv() or handle.join(). It refers to `operation`:
/// await it in the expression that makes it.
/// Suspends, Cancel: as the operation.   Errors: throws std::bad_alloc.
template <class Operation>
  requires detail::result_operation<std::remove_cvref_t<Operation>>
[[nodiscard]] auto or_return(Operation&& operation) {
  return or_return(detail::await_operation<std::remove_reference_t<Operation>>(operation));
}

}  // namespace tandem
