// hedge: when an answer takes long, asking once more, and taking the answer that comes first.
//
//   const auto twice = with(hedge({.delay = 10ms, .targets = {"a:1", "b:1", "c:1"}}), breaker());
//   const call get{.method = "get", .idempotent = true};
//   auto fetch_it = [&](const call& c) { return fetch(c.target, key); };
//   auto got = co_await twice.run(get, fetch_it);
//
// (Dean & Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013. Asking twice at once: tied.hpp.)
#pragma once
#include <exception>
#include <optional>
#include <utility>

#include <tandem/resilience/detail/hedge_state.hpp>
#include <tandem/resilience/detail/hedged_call.hpp>
#include <tandem/resilience/hedge_options.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::resilience {

/// Calls once and, if no outcome has come when the delay has passed, once more, up to `copies` at once. The first
/// success is the outcome; the copies that lost are cancelled (errc::cancelled, "another copy won") and waited for. A
/// copy that fails is not replaced, that is for retry; only if all failed the call fails, with their errors joined.
///
/// Only calls that are idempotent are hedged. A hedge is not sent, and counted as suppressed, if
///  - too little is known yet (warm_up), the failure rate or the load is above its limit, or the budget is used up;
///  - no target is left that was not asked, or the policies inside would reject the call to each (next.admits());
///  - the targets that are left have said that they want to be left alone for a while (retry_after_of() of an error).
///
/// With `targets`, each copy goes to another one: of two drawn at random the one with fewer copies in flight, never one
/// that the policies inside would reject while they admit another. If they admit none, the first copy goes to any, and
/// they answer.
///
/// The live delay comes from the latencies of the copies that succeeded. One that lost counts with the time it had
/// taken if that was at least the delay: that is less than it would have taken, but leaves the share of the slower ones
/// as it is. Otherwise hedging would hide the slow ones, and the delay would sink. A shorter time says nothing, and is
/// left out.
///
/// A clock that goes back lets targets be left alone for longer, one that jumps ends that; both may empty the window.
///
/// The first copy runs in the caller's task, the others in tasks of their own. While no delay has passed, there is no
/// other task, only a timer.
///
/// Cancel: ends all copies, and waits for them. One that ignores it is waited for.
/// Errors: of the copies. An exception of one ends the call, unless another has won, and is thrown when all have ended.
class hedge final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit hedge(hedge_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    detail::hedged_call<T, Next> all(state_as<detail::hedge_state>(), c, std::move(next));
    std::optional<tandem::detail::context_swap> inside;
    if (all.hedges()) inside.emplace(all.context().state());
    typename detail::hedged_call<T, Next>::copy first(all);
    try {
      first.outcome.emplace(co_await first.run());
    } catch (...) {
      first.thrown = std::current_exception();
    }
    if (!first.ended()) co_await first.await_later_ones();
    co_return all.outcome(std::move(first.failed));
  }
};

}  // namespace tandem::resilience
