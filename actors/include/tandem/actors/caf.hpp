// Interop: the CAF actor system underneath, and messages between its actors and tandem's. The one header of tandem
// that includes CAF.
#pragma once
#include <typeindex>
#include <typeinfo>
#include <utility>

#include <caf/all.hpp>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

namespace detail {
[[nodiscard]] caf::strong_actor_ptr strong_handle(const target_ptr& t);
void expose(system& s, std::type_index type, caf::message (*wrap)(void* value));
inline constexpr tandem::detail::wait_kind caf_answer{"a CAF actor's answer", &tandem::detail::completion_wait::cancel};
/// What a signature is to a typed_actor.
template <class S>
struct typed_message;
template <class R, class M>
struct typed_message<R(M)> {
  using type = typename caf::replies_to<M>::template with<R>;
};
template <class M>
struct typed_message<void(M)> {
  using type = caf::reacts_to<M>;
};
/// An actor that gives the answer to one request, or an error, to `answer`, adopting one of its shares.
[[nodiscard]] caf::strong_actor_ptr make_reply_port(system& s, tandem::detail::completion<caf::message>* answer);
}  // namespace detail

/// The CAF actor system whose scheduler is the runtime. Event-based, typed, blocking, detached and scoped actors are
/// used in it as in any other; a scoped_actor counts as running until it is destroyed.
[[nodiscard]] caf::actor_system& caf_system(system& s) noexcept;

/// The actor as CAF sees it: a dynamically typed actor that takes each message of the protocol as a message of one
/// element, answers requests, and can be monitored, linked and sent an exit message. An exit message interrupts the
/// running handler. Empty for an empty ref and for an actor on another node.
///
/// An ask's reply needs a type CAF can carry: the built-in ones, or one announced with expose_reply().
template <class... Signatures>
[[nodiscard]] caf::actor caf_handle(const actor_ref<Signatures...>& ref) {
  return caf::actor_cast<caf::actor>(detail::strong_handle(ref.target()));
}

/// The same, statically typed: CAF refuses to compile what is not in the protocol, and answers have their types.
template <class... Signatures>
[[nodiscard]] auto typed_caf_handle(const actor_ref<Signatures...>& ref) {
  using typed = caf::typed_actor<typename detail::typed_message<Signatures>::type...>;
  return caf::actor_cast<typed>(detail::strong_handle(ref.target()));
}

/// Lets asks whose reply is a T be requested by CAF's actors. T needs what CAF needs of a message's element.
template <class T>
void expose_reply(system& s) {
  detail::expose(s, typeid(T), [](void* value) { return caf::make_message(std::move(*static_cast<T*>(value))); });
}

/// The errors of one world in the other. CAF's actors see the nearest of request_timeout, request_receiver_down,
/// unexpected_message, user_shutdown and runtime_error; an error that comes back has its code() and message() again,
/// but neither layers nor kind.
[[nodiscard]] error error_from_caf(const caf::error& e);
[[nodiscard]] caf::error error_to_caf(const error& e);

/// Sends a request to a CAF actor and waits for its answer of one R (void: of anything, typically nothing).
///
/// Cancel:  safe; a late answer is dropped.
/// Errors:  the actor's, as error_from_caf() gives them: errc::unavailable if it is dead; errc::timed_out,
///          errc::invalid_argument for an answer that is no R, errc::cancelled, errc::deadline_exceeded.
template <class R, class Handle, class... Ts>
task<result<R>> request(system& s, Handle to, duration limit, Ts... xs) {
  if (!to) co_return fail(errc::failed_precondition, "the CAF handle is empty");
  auto* const answer = new tandem::detail::completion_of<caf::message, detail::caf_answer>;
  tandem::detail::completion_ptr<caf::message> mine(answer);
  {
    const caf::strong_actor_ptr port = detail::make_reply_port(s, answer);
    caf::actor_cast<caf::abstract_actor*>(to)->eq_impl(caf::make_message_id(1), port, nullptr, std::move(xs)...);
  }
  auto got = co_await tandem::detail::join_operation<caf::message>(mine, deadline_in(limit));
  if (!got) co_return fail(std::move(got).error());
  if constexpr (std::is_void_v<R>) {
    co_return result<void>();
  } else {
    if (!got->template match_elements<R>())
      co_return fail(errc::invalid_argument, "the CAF actor answered " + caf::to_string(*got));
    co_return got->template get_as<R>(0);
  }
}

}  // namespace tandem::actors
