// What policies share that let a call in or not, and look at how it ended.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/resilience/call.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::resilience {

/// Which errors count against the one who was called; none: is_failure_of_target(). Called by any thread. An error that
/// only says that the caller's context is over is never asked about: it counts neither way.
using failure_test = std::function<bool(const error&)>;

namespace detail {

/// What a call says about the one who was called.
enum class verdict : std::uint8_t { success, failure, neither };

/// Of the running task's call that gave `e`; null: a value.   Errors: what `test` throws.
[[nodiscard]] verdict verdict_of(const error* e, const failure_test& test);

/// Of a call that ended without an outcome: an exception, or the task was destroyed where it waited. To be asked by a
/// destructor.
[[nodiscard]] verdict verdict_without_outcome() noexcept;

/// The call inside a Guard, made as Guard(state, c), which
/// - says by refused() why the call is not let in: no error if it is,
/// - is told by ended(outcome's error or null) how it ended,
/// - and restores everything in its destructor, also if it was told nothing.
template <class T, class Guard, class State, class Next>
task<result<T>> guarded(State& state, const call& c, Next next) {
  Guard mine(state, c);
  if (error why = mine.refused(); why) [[unlikely]]
    co_return std::unexpected(std::move(why));
  result<T> outcome = co_await next(c);
  mine.ended(outcome ? nullptr : &outcome.error());
  co_return outcome;
}

}  // namespace detail
}  // namespace tandem::resilience
