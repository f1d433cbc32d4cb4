// select: waits for several operations at once (channels, joins, ticks, contexts, limits of time) and performs exactly
// one. Start at select(); any_arm.hpp is for arms whose number is known at run time only.
#pragma once
#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>

#include <tandem/csp/any_arm.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/any_select.hpp>
#include <tandem/csp/detail/arms.hpp>
#include <tandem/csp/detail/select_operation.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/after.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/timer.hpp>

namespace tandem::csp {

using detail::none_ready;
using detail::timed_out;

/// The outcome of the one arm that was chosen: index() is its position among the arms, std::get<position>() what it
/// yields.
template <class... Arms>
using selected = std::variant<typename Arms::outcome...>;

/// An arm of select() that receives. Yields result<T>: the value, or errc::closed.
template <class T>
[[nodiscard]] auto on_recv(const receiver<T>& from) noexcept {
  return detail::recv_arm<T>(from.target());
}

/// An arm of select() that sends `value`. Yields result<void>: errc::closed is its only error. `value` is moved from only
/// if it was placed.
template <class T>
[[nodiscard]] auto on_send(const sender<T>& into, std::type_identity_t<T>&& value) noexcept {
  return detail::send_arm<T>(into.target(), value);
}

/// An arm of select() that sends a copy of `value`.
template <std::copy_constructible T>
[[nodiscard]] auto on_send(const sender<T>& into, const std::type_identity_t<T>& value) {
  return detail::send_own_arm<T>(into.target(), value);
}

/// An arm of select() that joins: it is chosen when the task of `handle` has ended, and leaves the handle empty. Yields
/// what handle.join() does. Never chosen if the handle is empty, the caller's own, or another task is joining by it.
/// ```
/// auto first = co_await select(on_join(download), on_recv(interrupts), on_timeout(30s));
/// ```
template <class T>
[[nodiscard]] auto on_join(join_handle<T>& handle) noexcept {
  return detail::join_arm<typename join_handle<T>::value_type>(handle.target());
}

/// An arm of select() that is chosen `limit` from now if no other was before; a limit of zero or less, if no other is
/// ready. Yields timed_out.
[[nodiscard]] inline auto on_timeout(duration limit) noexcept { return detail::timeout_arm(deadline_in(limit)); }

/// on_timeout() for a moment that several selects, or other waits, share.
[[nodiscard]] inline auto on_timeout(const after& moment) noexcept { return detail::timeout_arm(moment.when()); }

/// An arm of select() that receives the tick of a timer. Yields result<tick>; its only error is errc::failed_precondition,
/// if another task, or another arm of this select, waits for the timer already.
[[nodiscard]] inline auto on_tick(timer& from) noexcept { return detail::tick_arm(from.source()); }

/// An arm of select() that receives the next tick of a ticker. Yields what the arm of a timer yields.
[[nodiscard]] inline auto on_tick(ticker& from) noexcept { return detail::tick_arm(from.source()); }

/// An arm of select() that is chosen when `ctx` is over. Yields an error: why it is over. The caller's own context
/// needs no arm: its end ends the select.
/// ```
/// auto chosen = co_await select(on_recv(jobs), on_done(session), on_done(listener));
/// ```
[[nodiscard]] inline auto on_done(context ctx) noexcept { return detail::done_arm(std::move(ctx)); }

/// on_timeout() for a point in time.
[[nodiscard]] inline auto on_deadline(time_point when) noexcept { return detail::timeout_arm(when); }

/// An arm of select() that is chosen if no other is ready, so that the select never waits. Yields none_ready.
[[nodiscard]] inline auto otherwise() noexcept { return detail::otherwise_arm(); }

/// Performs one of the operations, chosen at random among those that need no waiting; if all must wait, the first that
/// can go ahead. The others have no effect at all: they neither take, lose, duplicate nor reorder a value.
///
/// ```
/// enum { job, answer, late };
/// auto chosen = co_await select(on_recv(jobs), on_send(answers, std::move(text)), on_timeout(1s));
/// if (!chosen) co_return fail(chosen.error());  // the context is over
/// switch (chosen->index()) {
///   case job: if (auto& next = std::get<job>(*chosen)) run(*next); break;
///   …
/// ```
/// Make the arms in the expression that awaits; the same channel may occur in several arms, at either end.
///
/// A select that nobody can complete, such as one over both ends of a rendezvous channel that no other task uses, waits
/// until the context ends: that is a deadlock, and is reported as one where deadlocks are looked for
/// (runtime_options::detect_deadlock, testing::sim_runtime), as a task "waiting for an arm of a select".
///
/// Suspends: unless an arm is ready, or there is an otherwise() arm; and once in a while after an arm was chosen, to
///           let others run.
/// Cancel:   safe; on error no arm took effect.
/// Errors:   errc::cancelled, errc::deadline_exceeded. A closed channel is an outcome of its arm, not of the select.
///           Throws std::bad_alloc if there is a timeout arm. Without arms it does not compile.
/// Memory:   as send() and recv(). Allocates nothing, but for the timer's place in the heap.
template <detail::arm... Arms>
[[nodiscard]] auto select(Arms&&... arms) noexcept {
  return detail::select_of<detail::choice::random>(arms...);
}

/// select() that prefers earlier arms to later ones.
template <detail::arm... Arms>
[[nodiscard]] auto select_biased(Arms&&... arms) noexcept {
  return detail::select_of<detail::choice::in_order>(arms...);
}

/// select() over a vector, an array or a span of any_arms, however many; any_arm.hpp has an example. Yields a
/// selected_arm: the index of the one that was chosen, and its outcome. Without any arm that is not empty it waits
/// until the context ends.
///
/// The choice is as fair as among arms that are written down. A select looks at every arm, a load or two each; if none
/// is ready it also enters and leaves each arm's list of waiters, under that arm's lock. So if there are a great many
/// channels, and few are busy, let their senders share one channel instead. Allocates nothing; any_arm does, when it is
/// made.
///
/// The arms must stay where they are, and untouched, until the select is over.
template <detail::arm_range Arms>
[[nodiscard]] auto select(Arms&& arms) noexcept {
  return detail::select_among<detail::choice::random>(std::ranges::data(arms), std::ranges::size(arms));
}

/// The same, preferring earlier arms to later ones.
template <detail::arm_range Arms>
[[nodiscard]] auto select_biased(Arms&& arms) noexcept {
  return detail::select_among<detail::choice::in_order>(std::ranges::data(arms), std::ranges::size(arms));
}

}  // namespace tandem::csp
