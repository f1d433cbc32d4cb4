// on_reply(): asks an actor in an arm of select(). The one place where channels and actors meet.
#pragma once
#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/reply_arm.hpp>
#include <tandem/csp/select.hpp>

namespace tandem::actors {

/// An arm of csp::select() that asks an actor, of this node or another, and is chosen when the answer is there. Yields
/// what the ask yields: a result<Reply>, with errc::timed_out when its limit has passed.
///
/// ```
/// auto chosen = co_await select(on_reply(prices.ask(quote{"ACME"}, 1s)), on_recv(interrupts));
/// ```
/// The message is sent when the select has to wait: if another arm is ready, the actor hears nothing of it. If another
/// arm is chosen later, the ask is given up as a cancelled one is: the message may have been sent and may be handled,
/// its answer is dropped. To go on waiting for the answer, keep the arm in a vector of any_arm, whose asks are given
/// up only with their any_arms; or spawn the ask and select over on_join().
///
/// Errors: throws std::bad_alloc in the select; nothing was sent then.
template <class R>
[[nodiscard]] auto on_reply(detail::ask_operation<R>&& ask) noexcept {
  return detail::reply_arm<R>(std::move(ask));
}

}  // namespace tandem::actors
