// The tasks a pipeline consists of: each reads one channel, writes the next, and ends when either is closed.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/waiters.hpp>
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

/// Asked before each call of a stage's function: operations that need not wait succeed even in a context that is over,
/// and a stage that was told to end must not go on with what its neighbours have buffered.
[[nodiscard]] inline bool told_to_end() noexcept { return context_over(current_task()); }
[[nodiscard]] inline result<void> as_told() { return fail(context_error(current_task())); }

/// Calls a stage function that does not suspend, and gives its value as a result.
template <class F, class... T>
result<stage_value_t<F, T...>> call_stage(F& function, T&&... item) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, T...>>) {
    function(std::forward<T>(item)...);
    return {};
  } else {
    return function(std::forward<T>(item)...);
  }
}

/// Calls one that does.
template <class F, class... T>
  requires task_function<F&, T...>
task<result<stage_value_t<F, T...>>> await_stage(F& function, T&&... item) {
  if constexpr (std::is_void_v<typename std::invoke_result_t<F&, T...>::value_type>) {
    co_await function(std::forward<T>(item)...);
    co_return result<void>();
  } else {
    co_return co_await function(std::forward<T>(item)...);
  }
}

template <class Range, class T>
task<result<void>> read_range(Range range, sender<T> out) {
  // Not a range-for: a lazy range computes its next element as it is advanced, which must not be after being told to
  // end.
  auto at = std::ranges::begin(range);
  const auto end = std::ranges::end(range);
  if (told_to_end()) co_return as_told();
  while (at != end) {
    // A container is ours to empty, a view's elements are not.
    if constexpr (std::ranges::view<Range>) {
      T value(*at);
      if (auto sent = co_await out.send(std::move(value)); !sent) co_return end_of_stage(std::move(sent).error());
    } else {
      T value(std::move(*at));
      if (auto sent = co_await out.send(std::move(value)); !sent) co_return end_of_stage(std::move(sent).error());
    }
    if (told_to_end()) co_return as_told();
    ++at;
  }
  co_return result<void>();
}

template <class T, class F>
task<result<void>> generate_stage(F function, sender<T> out) {
  for (;;) {
    if (told_to_end()) co_return as_told();
    std::optional<result<std::optional<T>>> made;  // made in place: T may have no assignment
    if constexpr (task_function<F&>) {
      made.emplace(co_await await_stage(function));
    } else {
      made.emplace(call_stage(function));
    }
    if (!*made) co_return fail(std::move(*made).error());
    std::optional<T>& value = **made;
    if (!value) co_return result<void>();
    if (auto sent = co_await out.send(std::move(*value)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

/// Hands on what comes, unchanged.
template <class T>
task<result<void>> forward_stage(receiver<T> in, sender<T> out) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T, class U, class F>
task<result<void>> map_stage(receiver<T> in, sender<U> out, std::shared_ptr<F> function) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    std::optional<result<U>> mapped;
    if constexpr (task_function<F&, T>) {
      mapped.emplace(co_await await_stage(*function, std::move(*item)));
    } else {
      mapped.emplace(call_stage(*function, std::move(*item)));
    }
    if (!*mapped) co_return fail(std::move(*mapped).error());
    if (auto sent = co_await out.send(std::move(**mapped)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T, class F>
task<result<void>> filter_stage(receiver<T> in, sender<T> out, F keep) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    if (!keep(std::as_const(*item))) continue;
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T, class U, class F>
task<result<void>> flat_map_stage(receiver<T> in, sender<U> out, std::shared_ptr<F> function) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
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
    if (told_to_end()) co_return as_told();
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
