// actor_ref: the address of an actor, here or on another node. Tell it things, ask it things.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/operations.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

namespace detail {

// Overload resolution picks the message a value stands for: exactly its own type, or what it converts to.
template <class S>
struct message_option {
  static std::type_identity<S> pick(typename signature<S>::message);
};
template <class... Signatures>
struct message_options : message_option<Signatures>... {
  using message_option<Signatures>::pick...;
};
template <class T, class... Signatures>
concept in_protocol = requires(T&& value) { message_options<Signatures...>::pick(std::forward<T>(value)); };

template <class T, class... Signatures>
using picked_signature = typename decltype(message_options<Signatures...>::pick(std::declval<T>()))::type;

template <class S, class... Signatures>
concept one_of = (std::same_as<S, Signatures> || ...);

// The signature a protocol has for a T; void if it has none.
template <class T, class Protocol>
struct signature_for;
template <class T, class... Signatures>
struct signature_for<T, actors::protocol<Signatures...>> {
  using type = void;
};
template <class T, class... Signatures>
  requires in_protocol<T, Signatures...>
struct signature_for<T, actors::protocol<Signatures...>> {
  using type = picked_signature<T, Signatures...>;
};

/// A message that an actor of class A sends to itself, whose answer, if it has one, goes where R says.
template <class A, class T, class R = void>
struct message_to_self {
  static constexpr bool ok = false;
  using type = std::decay_t<T>;
};
template <class A, class T, class R>
  requires(!std::is_void_v<typename signature_for<T, typename A::protocol>::type>)
struct message_to_self<A, T, R> {
  using found = signature<typename signature_for<T, typename A::protocol>::type>;
  static constexpr bool ok = std::same_as<typename found::reply, R>;
  using type = typename found::message;
};

}  // namespace detail

/// A typed, location-transparent handle of an actor that takes at least `Signatures`.
///
/// Owns:    a share of the actor. When the last ref and the last CAF handle are gone, the actor handles what is in its
///          mailbox and ends. An empty ref refers to nobody: its operations fail with errc::failed_precondition.
/// Threads: as a shared_ptr: one ref from one thread at a time, copies from anywhere. Operations are const.
/// Order:   messages of one sender and one priority through refs of one actor are handled as sent, however they were
///          sent. See enum priority.
template <class... Signatures>
class [[nodiscard]] actor_ref {
 public:
  using protocol = actors::protocol<Signatures...>;

  actor_ref() = default;

  /// A ref to an actor that takes more is a ref to one that takes less.
  template <class... Others>
    requires(detail::one_of<Signatures, Others...> && ...)
  /*implicit*/ actor_ref(const actor_ref<Others...>& other) noexcept : target_(other.target()) {}

  /// Sends a message for a void(Message) handler, waiting while the mailbox is full or the link to the actor's node
  /// has no credit. The message was accepted when this succeeds; if the actor ends before it gets to it, it is a dead
  /// letter. The reply of an ask cannot be dropped by telling it: that does not compile.
  ///
  /// Suspends: while there is no room. The ref must outlive the wait.
  /// Cancel:   safe; on errc::cancelled and errc::deadline_exceeded the message was not sent. A tell that need not wait
  ///           may succeed for a while after the context's end.
  /// Errors:   errc::unavailable (the actor has ended, its node is gone), errc::failed_precondition (empty ref),
  ///           errc::cancelled, errc::deadline_exceeded; errc::overloaded as enum overflow says.
  template <class T>
  [[nodiscard]] detail::tell_operation tell(T&& message, priority how = priority::normal) const {
    return detail::tell_operation(target_.get(), told(std::forward<T>(message), how));
  }

  /// tell() if that needs no waiting.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block, errc::overloaded, errc::unavailable, errc::failed_precondition.
  template <class T>
  result<void> try_tell(T&& message, priority how = priority::normal) const {
    if (!target_) return fail(detail::empty_ref());
    detail::envelope_ptr envelope = told(std::forward<T>(message), how);
    return try_deliver(envelope);
  }

  /// Sends a message for a Reply(Message) handler and yields a result<Reply>, at most `limit` later; the caller's
  /// context bounds it too. The limit travels with the message: one that is late when its turn comes is not handled.
  /// on_reply.hpp makes it an arm of a select.
  ///
  /// Suspends: until the answer is there. The ref must outlive the wait.
  /// Cancel:   safe; the message may have been sent and may be handled, its answer is dropped.
  /// Errors:   those of the handler; errc::timed_out (limit), errc::unavailable (the actor ended without answering),
  ///           errc::failed_precondition (empty ref), errc::cancelled, errc::deadline_exceeded; errc::overloaded as
  ///           enum overflow says.
  template <class T>
  [[nodiscard]] auto ask(T&& message, duration limit) const {
    check<T>();
    if constexpr (detail::in_protocol<T, Signatures...>) {
      using signature = detail::signature<detail::picked_signature<T, Signatures...>>;
      static_assert(!signature::is_tell, "this message has no reply: use tell()");
      if constexpr (!signature::is_tell) {
        using R = typename signature::reply;
        auto* const answer = target_ ? new tandem::detail::completion<R> : nullptr;
        const time_point until = deadline_in(limit);
        const time_point context_end = this_task::context().deadline();
        detail::envelope_ptr envelope;
        if (answer)
          envelope = detail::make_ask<typename signature::message>(std::forward<T>(message),
                                                                   until < context_end ? until : context_end, *answer);
        return detail::ask_operation<R>(target_.get(), std::move(envelope), answer, until);
      }
    }
  }

  /// ask() without a limit of its own: the caller's context bounds it, or nothing does.
  template <class T>
  [[nodiscard]] auto ask(T&& message) const {
    return ask(std::forward<T>(message), duration::max());
  }

  /// Lets this actor answer an ask that another one was given, with a message for a Reply(Message) handler of its own.
  /// Waits for room as tell() does. The asker's limit goes with it; the answer of an actor on another node passes
  /// through this one.
  ///
  /// Suspends: while there is no room. The ref must outlive the wait.
  /// Cancel:   safe; the message was not sent, and the asker gets errc::cancelled or errc::deadline_exceeded.
  /// Errors:   those of tell(), which the asker gets too. Throws std::logic_error if `to` is empty: it was answered or
  ///           forwarded before, or moved from.
  template <class T, class R>
  [[nodiscard]] detail::forward_operation forward(T&& message, reply_to<R>&& to) const {
    return detail::forward_operation(target_.get(), forwarded(std::forward<T>(message), to));
  }

  /// forward() if that needs no waiting. On failure `to` is the caller's still, to be answered or forwarded to another.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   those of try_tell(). Throws std::logic_error if `to` is empty.
  template <class T, class R>
  result<void> try_forward(T&& message, reply_to<R>&& to) const {
    detail::envelope_ptr envelope = forwarded(std::forward<T>(message), to);
    auto sent = target_ ? try_deliver(envelope) : result<void>(fail(detail::empty_ref()));
    if constexpr (detail::in_protocol<T, Signatures...>) {
      using message_type = typename detail::signature<detail::picked_signature<T, Signatures...>>::message;
      if (!sent && envelope)
        to = reply_to<R>(static_cast<detail::forwarded<message_type, R>&>(*envelope).take_back());
    }
    return sent;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(target_); }
  /// Unique within the actor's node; 0 for an empty ref.
  [[nodiscard]] std::uint64_t id() const noexcept { return target_ ? target_->id() : 0; }
  /// The actor's name; empty if it has none.
  [[nodiscard]] std::string name() const { return target_ ? target_->target_name() : std::string(); }

  friend bool operator==(const actor_ref& a, const actor_ref& b) noexcept {
    return a.target_.get() == b.target_.get();
  }

  /// Not for users.
  explicit actor_ref(detail::target_ptr t) noexcept : target_(std::move(t)) {}
  [[nodiscard]] const detail::target_ptr& target() const noexcept { return target_; }

 private:
  template <class T>
  static constexpr void check() {
    static_assert(detail::in_protocol<T, Signatures...>,
                  "the actor's protocol has no such message (or the value converts to several of them)");
  }

  template <class T>
  static detail::envelope_ptr told(T&& message, priority how) {
    check<T>();
    detail::envelope_ptr made;
    if constexpr (detail::in_protocol<T, Signatures...>) {
      using signature = detail::signature<detail::picked_signature<T, Signatures...>>;
      static_assert(signature::is_tell, "this message has a reply: use ask()");
      if constexpr (signature::is_tell) {
        made.reset(new detail::told<typename signature::message>(std::forward<T>(message)));
        if (how == priority::urgent) made->set_lane(detail::lane::urgent);
      }
    }
    return made;
  }

  template <class T, class R>
  static detail::envelope_ptr forwarded(T&& message, reply_to<R>& to) {
    check<T>();
    if (!to) [[unlikely]] detail::answered_before("forward()");
    if constexpr (detail::in_protocol<T, Signatures...>) {
      using signature = detail::signature<detail::picked_signature<T, Signatures...>>;
      static_assert(std::same_as<typename signature::reply, R>, "the actor answers this message with another type");
      if constexpr (std::same_as<typename signature::reply, R>)
        return detail::envelope_ptr(
            new detail::forwarded<typename signature::message, R>(std::forward<T>(message), to.release()));
    }
    return nullptr;
  }

  result<void> try_deliver(detail::envelope_ptr& message) const {
    error why;
    switch (target_->try_deliver(message, why)) {
      case detail::target::delivery::delivered:
        return {};
      case detail::target::delivery::full:
        return fail(errc::would_block);
      default:
        return fail(std::move(why));
    }
  }

  detail::target_ptr target_;
};

}  // namespace tandem::actors
