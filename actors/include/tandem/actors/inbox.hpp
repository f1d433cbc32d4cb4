// inbox: the mailbox of an actor that is one coroutine, as that sees it. Such an actor waits for messages where it
// wants to, together with channels, timers and replies.
//
//   task<result<void>> counter(inbox<void(add), long(get)>& in, long sum) {
//     for (;;) {
//       auto m = co_await in.receive();
//       if (!m) co_return fail(m.error());  // told to end; or nobody has a ref any more
//       m->match([&](add a) { sum += a.n; }, [&](get, reply_to<long> to) { to.answer(sum); });
//     }
//   }
//   auto ref = system.spawn(counter, 0);   // an actor_ref<void(add), long(get)>
//
// With a channel and a ticker, in the loop of another one:
//
//   auto chosen = co_await select(in.receive(), on_recv(jobs), on_tick(every_second));
//   if (!chosen) co_return fail(chosen.error());                    // told to end
//   if (auto* const m = std::get_if<0>(&*chosen)) {                 // a result, as of receive()
//     if (!*m) co_return fail(m->error());                          // nobody has a ref any more
//     (*m)->match(…);
//   } else if (auto* const job = std::get_if<1>(&*chosen)) { … }
#pragma once
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/inbox_core.hpp>
#include <tandem/actors/detail/open_message.hpp>
#include <tandem/actors/down.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::actors {

/// One message of a protocol, taken from a mailbox; or the `down` of an actor that is watched.
///
/// Owns: the message. An ask that is not answered when this goes fails with errc::unavailable.
template <class... Signatures>
class received {
 public:
  /// Calls the function that takes this message: `f(Message)` for a void(Message), `f(Message, reply_to<Reply>)` for a
  /// Reply(Message), `f(down)`. Each message needs one, or it does not compile; an actor that watches nobody needs none
  /// for `down`. All of them return the same type, which match() returns; they may be coroutines.
  ///
  /// Once. Errors: throws what the function throws; a `down` without a function for it throws, which ends the actor.
  ///         Throws std::logic_error if the message was taken before.
  template <class... Fs>
  decltype(auto) match(Fs&&... functions) {
    if (!message_) [[unlikely]] detail::taken_before();
    detail::overloaded<std::remove_reference_t<Fs>...> f{std::forward<Fs>(functions)...};
    return detail::open<decltype(f), Signatures...>(std::move(message_), f);
  }

  /// The message if it is an M, else null. It stays where it is.
  template <class M>
  [[nodiscard]] M* get_if() noexcept {
    return detail::peek<M, Signatures...>(message_.get());
  }
  /// The address of the answer of an ask whose message is an M: after this, the message is gone.
  /// Errors: throws std::logic_error if it is no M.
  template <class M>
  [[nodiscard]] auto take_reply_to() {
    return detail::reply_to_of<M, Signatures...>(std::move(message_));
  }

  /// Not for users.
  explicit received(detail::envelope_ptr message) noexcept : message_(std::move(message)) {}

 private:
  detail::envelope_ptr message_;
};

template <class... Signatures>
class inbox;

namespace detail {

template <class Received, envelope_filter Wanted, class... Signatures>
class [[nodiscard]] receive_operation final : public receive_base {
 public:
  using outcome = result<Received>;
  static constexpr bool repeats = true;

  explicit receive_operation(inbox_core& from) noexcept : receive_base(from, Wanted) {}
  receive_operation(receive_operation&&) noexcept = default;

  outcome await_resume() { return take(); }
  /// Once, if this arm won.
  [[nodiscard]] outcome take() {
    while (envelope_ptr message = this->next()) {
      error why;
      if (typed<Signatures...>(message, why)) return Received(std::move(message));
      this->from_.reject(*message, why);
    }
    return fail(this->failure());
  }
};

}  // namespace detail

/// Made by the system for each actor that is a function, and given to it. Used by that coroutine and those it awaits,
/// not by tasks it spawns.
template <class... Signatures>
class inbox : private detail::inbox_core {
 public:
  using protocol = actors::protocol<Signatures...>;
  using message = received<Signatures...>;

  /// The next message: urgent ones first, otherwise as they came. Yields a result<received<…>>.
  ///
  /// It is an arm of csp::select() as well: `select(in.receive(), on_recv(jobs), on_tick(timer))`. In a select the arm
  /// may, rarely, yield errc::would_block: what came was no message after all, and its sender was told.
  ///
  /// Suspends: while there is none; and once in a while, to let others run.
  /// Cancel:   safe; no message was taken.
  /// Errors:   errc::closed: no ref and no CAF handle is left, and nothing more can come. errc::cancelled: the actor
  ///           was told to end, and why; or the context is over. errc::deadline_exceeded. Throws std::logic_error in a
  ///           task that is not the actor's.
  [[nodiscard]] auto receive() noexcept {
    return detail::receive_operation<message, &detail::any_message, Signatures...>(*this);
  }

  /// receive() of the types `Ms` only, which may include `down`: others stay where they are, and count as waiting, so a
  /// full mailbox of them holds up senders. Takes time in proportion to those that stay. As an arm of a select it holds
  /// on to them: under overflow::drop_oldest, it is then the newest message that is dropped if they fill the mailbox.
  template <class... Ms>
  [[nodiscard]] auto receive_only() noexcept {
    static_assert((detail::is_message_of<Ms, Signatures...> && ...), "the protocol has no such message");
    return detail::receive_operation<message, &detail::one_of_messages<detail::signatures_of<Ms, Signatures...>...>,
                                     Signatures...>(*this);
  }

  /// Messages that were accepted and not received yet, of some moment.
  [[nodiscard]] std::size_t depth() const noexcept { return inbox_core::depth(); }
  /// What the actor knows about itself, and does as itself.
  [[nodiscard]] actor_context& self() const noexcept { return inbox_core::self(); }

  /// Not for users.
  explicit inbox(actor_context& self) noexcept : inbox_core(self) {}
};

}  // namespace tandem::actors
