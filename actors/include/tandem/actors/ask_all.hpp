// Asking several actors at once: ask_all() for every answer, ask_first() for the first that is no error.
//
//   auto stocks = co_await ask_all(warehouses, count{item}, 200ms);    // one result<int> for each, in their order
//   auto price = co_await ask_first(sellers, quote{item}, 200ms);      // one result<int>
#pragma once
#include <concepts>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/asking_many.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

/// Asks all actors of a range of refs, a copy of the message each, and waits for all answers, at most `limit`. Gives
/// one result per ref, in their order: what its ask() gives. The refs are copied; none at all gives no results.
///
/// Suspends: until all have answered or failed. Messages that find no room wait, all at once, as ask() does.
/// Cancel:   safe; as for ask(). Answers that were there stay in the results; the rest are errc::cancelled.
/// Errors:   in the results, those of actor_ref::ask(). Throws std::bad_alloc, and what copying the message throws.
template <std::ranges::input_range Refs, class T>
  requires detail::askable_refs<Refs, T>
[[nodiscard]] task<std::vector<result<detail::many_reply<Refs, T>>>> ask_all(const Refs& refs, T&& message,
                                                                             duration limit) {
  using M = detail::many_message<Refs, T>;
  using R = detail::many_reply<Refs, T>;
  static_assert(std::is_copy_constructible_v<M>, "to ask several actors, the message must be copyable");
  return detail::all_answers<M, R>(detail::targets_of(refs), M(std::forward<T>(message)), limit);
}

/// Asks all actors of a range of refs, a copy of the message each; the first answer that is no error is the result, and
/// the rest are given up as a cancelled ask is: they may still be handled. If all fail, the errors are joined.
///
/// Suspends: until one has answered, all have failed, or `limit` has passed.
/// Cancel:   safe; as for ask().
/// Errors:   all errors of the actors, joined; errc::timed_out, errc::unavailable (no refs), errc::cancelled,
///           errc::deadline_exceeded. Throws std::bad_alloc, and what copying the message throws.
template <std::ranges::input_range Refs, class T>
  requires detail::askable_refs<Refs, T>
[[nodiscard]] task<result<detail::many_reply<Refs, T>>> ask_first(const Refs& refs, T&& message, duration limit) {
  using M = detail::many_message<Refs, T>;
  using R = detail::many_reply<Refs, T>;
  static_assert(std::is_copy_constructible_v<M>, "to ask several actors, the message must be copyable");
  return detail::first_answer<M, R>(detail::targets_of(refs), M(std::forward<T>(message)), limit);
}

}  // namespace tandem::actors
