// Reads a channel to its end: the loop that `for co_await` would be.
//
//   result<void> done = co_await for_each(rx, [&](line text) { count += text.size(); });
#pragma once
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/stages.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

/// Receives from `from` until it is closed, and hands each value to `f`, one at a time. `f(T)` gives void,
/// result<void>, task<void> or task<result<void>>; its error ends the loop. `from` is a receiver<T>, or a
/// broadcast_receiver<T> that is moved in.
///
/// With g++ 12, name a function that captures by value before the expression that awaits this.
///
/// Owns:     a share of the channel, while it runs.
/// Suspends: while there is no value, and as `f` does.
/// Cancel:   safe; no value is lost.
/// Errors:   the first of `f`; errc::cancelled, errc::deadline_exceeded. A closed channel is its good end. What `f`
///           throws, co_await throws.
template <class Receiver, class F, class T = typename Receiver::value_type>
  requires std::is_void_v<detail::stage_value_t<F, T>>
[[nodiscard]] task<result<void>> for_each(Receiver from, F f) {
  for (;;) {
    auto item = co_await from.recv();
    if (!item) co_return detail::end_of_stage(std::move(item).error());
    result<void> done;
    if constexpr (task_function<F&, T>) {
      done = co_await detail::await_stage(f, std::move(*item));
    } else {
      done = detail::call_stage(f, std::move(*item));
    }
    if (!done) co_return fail(std::move(done).error());
  }
}

}  // namespace tandem::csp
