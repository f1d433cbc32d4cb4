// The typed part of an actor: finds the handler for a message, calls it, and answers.
#pragma once
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/convert.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/down.hpp>
#include <tandem/actors/idle.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

/// A handler that is a coroutine.
struct running_handler {
  std::coroutine_handle<tandem::detail::promise_base> frame;
  // Takes the outcome of `ended`, answers `message` with it, and destroys the frame. `why`: the actor must end.
  void (*answer)(std::coroutine_handle<tandem::detail::promise_base> ended, envelope* message, error& why) noexcept =
      nullptr;
  envelope_ptr message;  // what is to be answered, with its value moved out; null if the handler sees to that itself

  /// After the coroutine has ended.
  void finish(error& why) noexcept {
    answer(frame, message.get(), why);
    message.reset();
  }
};

/// What came of giving a message to an actor.
enum class step : std::uint8_t {
  handled,
  suspends,  // a coroutine has to run: handling::running
  failed,    // the actor must end: handling::failure
  rejected   // its sender's mistake, not the actor's: handling::running.message is the message, and failure says why
};
struct handling {
  running_handler& running;
  error& failure;
};

class actor_body {
 public:
  static void* operator new(std::size_t bytes) { return tandem::detail::pool_allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { tandem::detail::pool_free(memory, bytes); }
  // Of a class that is aligned more strictly than the pool's memory.
  static void* operator new(std::size_t bytes, std::align_val_t to) { return ::operator new(bytes, to); }
  static void operator delete(void* memory, std::size_t bytes, std::align_val_t to) noexcept {
    ::operator delete(memory, bytes, to);
  }

  actor_body() = default;
  actor_body(const actor_body&) = delete;
  actor_body& operator=(const actor_body&) = delete;
  virtual ~actor_body() = default;

  /// Handles `message` or, if a coroutine does, prepares that. The body outlives the coroutine. A body that is one
  /// coroutine is given null, once.
  [[nodiscard]] virtual step handle(envelope_ptr message, const handling& out) noexcept = 0;
};

/// What is known about an actor's class before there is an actor.
struct actor_kind {
  const protocol_info& (*protocol)();
  bool (*accepts)(std::uint32_t type_hash);
  const std::string& (*class_name)();
  bool is_function = false;  // the body is one coroutine, which receives messages itself
  std::size_t handlers_at_once = 1;  // coroutines; more than one: it is reentrant
};

inline constexpr std::size_t default_handlers_at_once = 1024;
/// Of a class: what its constant `reentrant` says, see system::spawn().
template <class A>
inline constexpr std::size_t handlers_at_once = 1;
template <class A>
  requires requires { A::reentrant; }
inline constexpr std::size_t handlers_at_once<A> =
    std::same_as<std::remove_cv_t<decltype(A::reentrant)>, bool> ? (A::reentrant ? default_handlers_at_once : 1)
    : A::reentrant > 1                                           ? static_cast<std::size_t>(A::reentrant)
                                                                 : 1;

template <class T, class R>
concept yields_reply =
    std::same_as<T, R> || std::same_as<T, result<R>> || std::same_as<T, task<R>> || std::same_as<T, task<result<R>>>;

/// Of a signature's message, 0 if it cannot cross a wire.
template <class S>
[[nodiscard]] std::uint32_t type_hash_of() {
  return type_of_message<typename signature<S>::message>().hash;
}

template <class A, class M>
using handler_result = decltype(std::declval<A&>().on(std::declval<M>()));
/// Of a handler that is given the answer's address instead of returning the answer.
template <class A, class M, class R>
using late_handler_result = decltype(std::declval<A&>().on(std::declval<M>(), std::declval<reply_to<R>>()));

template <class A, class S>
inline constexpr bool answers_late = false;
template <class A, class R, class M>
  requires(!std::is_void_v<R>) && requires { typename late_handler_result<A, M, R>; }
inline constexpr bool answers_late<A, R(M)> = yields_reply<late_handler_result<A, M, R>, void>;

template <class A, class S>
inline constexpr bool has_handler = answers_late<A, S>;
template <class A, class R, class M>
  requires requires { typename handler_result<A, M>; }
inline constexpr bool has_handler<A, R(M)> = yields_reply<handler_result<A, M>, R> || answers_late<A, R(M)>;

template <class A, class P>
inline constexpr bool has_all_handlers = false;
template <class A, class... S>
inline constexpr bool has_all_handlers<A, protocol<S...>> = (has_handler<A, S> && ...);

/// What an actor ends with that set an idle timeout, and has no handler for that.
[[nodiscard]] error unhandled(const idle& what);
/// The asker of a handler that threw learns that the actor is gone, and why.
[[nodiscard]] error handler_threw(std::exception_ptr thrown, const std::string& message);

template <class P>
[[nodiscard]] std::coroutine_handle<tandem::detail::promise_base> frame_of(std::coroutine_handle<P> frame) noexcept {
  return std::coroutine_handle<tandem::detail::promise_base>::from_address(frame.address());  // promise_base, P1
}

template <class M, class R>
using typed_ptr = std::unique_ptr<typed_envelope<M, R>>;

/// running_handler::answer of a coroutine that yields a `Returned`, for a signature that yields an R.
template <class Returned, class R>
void answer_with(std::coroutine_handle<tandem::detail::promise_base> ended, envelope* message, error& why) noexcept {
  const auto frame = std::coroutine_handle<tandem::detail::promise<Returned>>::from_address(ended.address());
  auto* const asked = message && message->is_ask() ? static_cast<answerable<R>*>(message) : nullptr;
  try {
    if constexpr (std::is_void_v<Returned>) {
      frame.promise().take();
      if (asked) asked->reply({});
    } else if constexpr (std::is_void_v<R>) {
      Returned& outcome = frame.promise().outcome();
      if (!outcome) [[unlikely]] why = outcome.error();
      if (asked) asked->reply(std::move(outcome));
    } else if (asked) {
      asked->reply(frame.promise().take());
    } else {
      (void)frame.promise().outcome();
    }
  } catch (...) {
    why = handler_threw(std::current_exception(), message ? message->type_name() : "a message");
    if (asked) asked->fail(why);
  }
  frame.destroy();
}

/// Calls a handler. `message` is answered with what the handler returns; null: the handler sees to that.
template <class R, class F>
step invoke(const F& handler, std::unique_ptr<answerable<R>> message, const handling& out) noexcept {
  using returned = decltype(handler());
  try {
    if constexpr (tandem::detail::is_task<returned>::value) {
      using value_type = typename returned::value_type;
      returned coroutine = handler();
      out.running.frame = frame_of(coroutine.release());
      out.running.answer = &answer_with<value_type, R>;
      out.running.message = std::move(message);
      return step::suspends;
    } else if constexpr (std::is_void_v<returned>) {
      handler();
      if (message) message->reply({});
    } else if constexpr (std::is_void_v<R>) {
      result<void> outcome = handler();
      if (!outcome) out.failure = outcome.error();
      if (message) message->reply(std::move(outcome));
      if (out.failure) return step::failed;
    } else {
      message->reply(handler());
    }
    return step::handled;
  } catch (...) {
    out.failure = handler_threw(std::current_exception(), message ? message->type_name() : "a message");
    if (message) message->fail(out.failure);
    return step::failed;
  }
}

template <class A, class P>
class typed_body;

template <class A, class... Signatures>
class typed_body<A, protocol<Signatures...>> final : public actor_body {
 public:
  template <class... Args>
  explicit typed_body(actor_context& context, Args&&... args)
    requires std::constructible_from<A, actor_context&, Args...>
      : actor_(context, std::forward<Args>(args)...) {}
  template <class... Args>
  explicit typed_body(actor_context&, Args&&... args)
    requires(!std::constructible_from<A, actor_context&, Args...>)
      : actor_(std::forward<Args>(args)...) {}

  [[nodiscard]] static const actor_kind& kind() {
    static const actor_kind known{
        &protocol<Signatures...>::info,
        [](std::uint32_t hash) { return ((type_hash_of<Signatures>() == hash && hash != 0) || ...); },
        []() -> const std::string& {
          static const std::string text = readable_name(typeid(A));
          return text;
        },
        false, handlers_at_once<A>};
    return known;
  }

  [[nodiscard]] step handle(envelope_ptr message, const handling& out) noexcept override {
    step outcome = step::handled;
    if ((try_handle(std::type_identity<Signatures>{}, message, out, outcome) || ...)) return outcome;
    if (try_signal<down>(message, out, outcome) || try_signal<idle>(message, out, outcome)) return outcome;
    out.failure = not_in_protocol(message->type_name(), *info_);
    out.running.message = std::move(message);
    return step::rejected;
  }

 private:
  template <class R, class M>
  bool try_handle(std::type_identity<R(M)>, envelope_ptr& message, const handling& out, step& outcome) noexcept {
    typed_ptr<M, R> mine;
    if (message->kind() == envelope::form::typed) [[likely]] {
      if (message->tag() != &signature_tag<R(M)>) return false;
      mine.reset(static_cast<typed_envelope<M, R>*>(message.release()));
    } else {
      mine = converted_from<M, R>(message, out.failure);
      if (!mine && !out.failure) return false;
      if (!mine) {
        out.running.message = std::move(message);
        outcome = step::rejected;
        return true;
      }
    }
    outcome = call<M, R>(std::move(mine), out);
    return true;
  }

  // A message that the actor asked for by what it did, and that nobody else can send.
  template <class S>
  bool try_signal(envelope_ptr& message, const handling& out, step& outcome) noexcept {
    if (message->tag() != &signature_tag<void(S)>) return false;
    if constexpr (has_handler<A, void(S)>) {
      outcome = call<S, void>(typed_ptr<S, void>(static_cast<typed_envelope<S, void>*>(message.release())), out);
    } else {
      out.failure = unhandled(static_cast<const typed_envelope<S, void>&>(*message).value);
      outcome = step::failed;
    }
    return true;
  }

  // The value goes into the handler's parameter; the rest of the message lives until it is answered.
  template <class M, class R>
  step call(typed_ptr<M, R> message, const handling& out) noexcept {
    M& value = message->value;
    if constexpr (answers_late<A, R(M)>) {
      reply_to<R> answer(std::move(message));
      return invoke<void>([&] { return actor_.on(std::move(value), std::move(answer)); }, nullptr, out);
    } else {
      return invoke<R>([&] { return actor_.on(std::move(value)); }, std::move(message), out);
    }
  }

  const protocol_info* const info_ = &protocol<Signatures...>::info();
  A actor_;
};

}  // namespace tandem::actors::detail
