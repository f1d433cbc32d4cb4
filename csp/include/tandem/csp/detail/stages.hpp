// The tasks a pipeline consists of: each reads one channel, writes the next, and ends when either is closed.
#pragma once
#include <cstddef>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

/// The U of a stage function that gives U, result<U>, task<U> or task<result<U>>.
template <class R>
struct stage_value : tandem::detail::plain_value<R> {};
template <class R>
struct stage_value<task<R>> : tandem::detail::plain_value<R> {};
template <class F, class... Args>
using stage_value_t = typename stage_value<std::invoke_result_t<F&, Args...>>::type;

/// What a stage returns when its neighbour's channel failed: closed is the normal end, in both directions.
[[nodiscard]] inline result<void> end_of_stage(error e) {
  if (e == errc::closed) return {};
  return fail(std::move(e));
}

/// Calls a stage function that does not suspend, and gives its value as a result.
template <class F, class T>
result<stage_value_t<F, T>> call_stage(F& function, T&& item) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, T>>) {
    function(std::forward<T>(item));
    return {};
  } else {
    return function(std::forward<T>(item));
  }
}

/// Calls one that does.
template <class F, class T>
  requires task_function<F&, T>
task<result<stage_value_t<F, T>>> await_stage(F& function, T&& item) {
  if constexpr (std::is_void_v<typename std::invoke_result_t<F&, T>::value_type>) {
    co_await function(std::forward<T>(item));
    co_return result<void>();
  } else {
    co_return co_await function(std::forward<T>(item));
  }
}

template <class Range, class T>
task<result<void>> read_range(Range range, sender<T> out) {
  for (auto&& item : range) {
    // A container is ours to empty, a view's elements are not.
    if constexpr (std::ranges::view<Range>) {
      T value(item);
      if (auto sent = co_await out.send(std::move(value)); !sent) co_return end_of_stage(std::move(sent).error());
    } else {
      T value(std::move(item));
      if (auto sent = co_await out.send(std::move(value)); !sent) co_return end_of_stage(std::move(sent).error());
    }
  }
  co_return result<void>();
}

template <class T, class U, class F>
task<result<void>> map_stage(receiver<T> in, sender<U> out, std::shared_ptr<F> function) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    result<U> mapped = fail(error());
    if constexpr (task_function<F&, T>) {
      mapped = co_await await_stage(*function, std::move(*item));
    } else {
      mapped = call_stage(*function, std::move(*item));
    }
    if (!mapped) co_return fail(std::move(mapped).error());
    if (auto sent = co_await out.send(std::move(*mapped)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T, class F>
task<result<void>> filter_stage(receiver<T> in, sender<T> out, F keep) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (!keep(std::as_const(*item))) continue;
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T, class U, class F>
task<result<void>> flat_map_stage(receiver<T> in, sender<U> out, std::shared_ptr<F> function) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    result<void> done = co_await (*function)(std::move(*item), std::as_const(out));
    if (done) continue;
    // Closed is the normal end only if it can be `out` that was; some other channel of the function's is its failure.
    if (out.is_closed()) co_return end_of_stage(std::move(done).error());
    co_return fail(std::move(done).error());
  }
}

template <class T, class F>
task<result<void>> sink_stage(receiver<T> in, std::shared_ptr<F> function) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    result<void> done;
    if constexpr (task_function<F&, T>) {
      done = co_await await_stage(*function, std::move(*item));
    } else {
      done = call_stage(*function, std::move(*item));
    }
    if (!done) co_return fail(std::move(done).error());
  }
}

}  // namespace tandem::csp::detail
