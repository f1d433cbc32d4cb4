// select: waits for several operations at once (channels, joins, ticks, limits of time) and performs exactly one.
#pragma once
#include <array>
#include <bit>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/arms.hpp>
#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/after.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
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

namespace detail {

enum class choice : std::uint8_t { random, in_order };

template <choice Choice, class... Arms>
class [[nodiscard]] select_operation : public tandem::detail::awaitable_base {
  static_assert(sizeof...(Arms) <= 64, "a select has at most 64 arms");
  using indices = std::index_sequence_for<Arms...>;

 public:
  explicit select_operation(Arms&... arms) noexcept : arms_{&arms...} {}
  select_operation(const select_operation&) = delete;
  select_operation& operator=(const select_operation&) = delete;

  bool await_ready() noexcept {
    const bool in_slice = tandem::detail::spend_slice();
    if (!in_slice && tandem::csp::detail::context_over(current_task())) [[unlikely]] {
      winner_ = select_core::context_over;
      return false;  // await_suspend() lets others run, even if the caller's loop ignores the outcome
    }
    winner_ = try_ready_arms(indices());
    if (winner_ == select_core::undecided) winner_ = otherwise_position();
    return winner_ != select_core::undecided && in_slice;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> coroutine) {
    return wait(tandem::detail::suspend_here(coroutine, *this));
  }

  result<selected<Arms...>> await_resume() {
    if (winner_ == select_core::undecided) winner_ = core_.finish(arms_);
    if (winner_ == select_core::context_over) return fail(context_error(current_task()));
    return take_outcome(indices());
  }

 private:
  // True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  bool wait(task_record& task) {
    if (winner_ != select_core::undecided) {  // it took effect, or is over; only the slice is used up
      tandem::detail::yield_to_others(task);
      return true;
    }
    if (core_.start(task, arms_)) return true;
    if (tandem::detail::slice_left()) return false;
    // It did not have to wait after all, as with a timeout of zero; a loop of such selects must let others run too.
    winner_ = core_.finish(arms_);
    tandem::detail::yield_to_others(task);
    return true;
  }

  template <std::size_t I>
  using arm_type = std::variant_alternative_t<I, std::variant<Arms...>>;
  template <std::size_t I>
  arm_type<I>& arm() noexcept {
    return static_cast<arm_type<I>&>(*arms_[I]);
  }

  template <std::size_t... I>
  int try_ready_arms(std::index_sequence<I...>) noexcept {
    std::uint64_t ready = (0U | ... | (std::uint64_t{arm<I>().may_be_ready()} << I));
    while (ready != 0) {
      const std::uint64_t chosen = choose(ready);
      // A compare per arm, so that each call is direct.
      const bool done = (((chosen == std::uint64_t{1} << I) && arm<I>().attempt()) || ...);
      if (done) return std::countr_zero(chosen);
      ready &= ~chosen;
    }
    return select_core::undecided;
  }

  /// One bit of `ready`, which is not 0.
  static std::uint64_t choose(std::uint64_t ready) noexcept {
    if constexpr (Choice == choice::random) {
      if (const auto n = static_cast<std::uint64_t>(std::popcount(ready)); n > 1)
        for (auto skip = n * tandem::detail::next_random() >> 32; skip > 0; --skip) ready &= ready - 1;
    }
    return ready & -ready;
  }

  static constexpr int otherwise_position() noexcept {
    int position = select_core::undecided;
    int i = 0;
    ((std::same_as<Arms, otherwise_arm> ? position = i++ : i++), ...);
    return position;
  }

  template <std::size_t... I>
  selected<Arms...> take_outcome(std::index_sequence<I...>) {
    std::optional<selected<Arms...>> taken;
    (void)((winner_ == int{I} && (taken.emplace(std::in_place_index<I>, arm<I>().take()), true)) || ...);
    return std::move(*taken);
  }

  std::array<select_arm*, sizeof...(Arms)> arms_;
  int winner_ = select_core::undecided;
  select_core core_;
};

template <class A>
concept arm = std::derived_from<A, select_arm>;

}  // namespace detail

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
  return detail::send_copy_arm<T>(into.target(), value);
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
/// Suspends: unless an arm is ready, or there is an otherwise() arm.
/// Cancel:   safe; on error no arm took effect.
/// Errors:   errc::cancelled, errc::deadline_exceeded. A closed channel is an outcome of its arm, not of the select.
///           Throws std::bad_alloc if there is a timeout arm.
/// Memory:   as send() and recv(). Allocates nothing, but for the timer's place in the heap.
template <detail::arm... Arms>
  requires(sizeof...(Arms) > 0)
[[nodiscard]] auto select(Arms&&... arms) noexcept {
  return detail::select_operation<detail::choice::random, Arms...>(arms...);
}

/// select() that prefers earlier arms to later ones.
template <detail::arm... Arms>
  requires(sizeof...(Arms) > 0)
[[nodiscard]] auto select_biased(Arms&&... arms) noexcept {
  return detail::select_operation<detail::choice::in_order, Arms...>(arms...);
}

}  // namespace tandem::csp
