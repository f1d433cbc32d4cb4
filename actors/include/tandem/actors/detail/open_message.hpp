// Messages of a protocol without a handler's class: telling which one it is, and opening it.
#pragma once
#include <concepts>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/convert.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/down.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/errors/exception.hpp>

namespace tandem::actors::detail {

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

// The signature of the message M.
template <class M, class... Signatures>
struct signature_with {
  using type = void;
};
template <class M, class S, class... Signatures>
struct signature_with<M, S, Signatures...> {
  using type = std::conditional_t<std::same_as<typename signature<S>::message, M>, S,
                                  typename signature_with<M, Signatures...>::type>;
};
template <class M, class... Signatures>
using signatures_of = typename signature_with<M, Signatures..., void(down)>::type;
template <class M, class... Signatures>
inline constexpr bool is_message_of = !std::is_void_v<signatures_of<M, Signatures...>>;

/// Errors: throws std::logic_error.
[[noreturn]] void taken_before();

inline bool any_message(const envelope&) noexcept { return true; }

template <class R, class M>
[[nodiscard]] bool is_message(std::type_identity<R(M)>, const envelope& e) noexcept {
  switch (e.kind()) {
    case envelope::form::typed: return e.tag() == &signature_tag<R(M)>;
    case envelope::form::bytes:
      if constexpr (wire_message<M>) return e.type_hash() == type_of_message<M>().hash;
      return false;
    default: return e.holds(typeid(M));
  }
}
template <class... Wanted>
[[nodiscard]] bool one_of_messages(const envelope& e) noexcept {
  return (is_message(std::type_identity<Wanted>{}, e) || ...);
}

/// Makes `message` a typed envelope of one of the signatures, or a `down`. False: it is none, and `why` says so.
template <class... Signatures>
[[nodiscard]] bool typed(envelope_ptr& message, error& why) noexcept {
  if (message->kind() == envelope::form::typed) return true;
  const auto convert_to = [&]<class R, class M>(std::type_identity<R(M)>) {
    auto made = converted_from<M, R>(message, why);
    if (made) message = std::move(made);
    return static_cast<bool>(why) || message->kind() == envelope::form::typed;
  };
  if (!(convert_to(std::type_identity<Signatures>{}) || ...))
    why = not_in_protocol(message->type_name(), protocol<Signatures...>::info());
  return !why;
}

template <class R, class M>
[[nodiscard]] std::unique_ptr<typed_envelope<M, R>> as(std::type_identity<R(M)>, envelope_ptr& message) noexcept {
  return std::unique_ptr<typed_envelope<M, R>>(static_cast<typed_envelope<M, R>*>(message.release()));
}

template <class Outcome>
[[noreturn]] Outcome throw_unhandled(const down& what) {
  throw error_exception(unhandled(what));
}

template <class F, class R, class M>
decltype(auto) open_as(std::type_identity<R(M)> which, envelope_ptr message, F& f) {
  auto opened = as(which, message);
  if constexpr (std::is_void_v<R>) {
    static_assert(std::invocable<F&, M>, "match() needs a function that takes the message, for each of the protocol");
    return f(std::move(opened->value));
  } else {
    static_assert(std::invocable<F&, M, reply_to<R>>,
                  "match() needs a function that takes (Message, reply_to<Reply>), for each ask of the protocol");
    M value(std::move(opened->value));
    return f(std::move(value), reply_to<R>(std::move(opened)));
  }
}

template <class F, class S, class... Rest>
decltype(auto) open(envelope_ptr message, F& f) {
  using outcome = decltype(open_as(std::type_identity<S>{}, std::move(message), f));
  if (message->tag() == &signature_tag<S>) return open_as(std::type_identity<S>{}, std::move(message), f);
  if constexpr (sizeof...(Rest) > 0) {
    return static_cast<outcome>(open<F, Rest...>(std::move(message), f));
  } else {
    auto ended = as(std::type_identity<void(down)>{}, message);
    if constexpr (std::invocable<F&, down>) {
      return static_cast<outcome>(f(std::move(ended->value)));
    } else {
      return throw_unhandled<outcome>(ended->value);
    }
  }
}

template <class M, class... Signatures>
[[nodiscard]] M* peek(envelope* message) noexcept {
  using S = signatures_of<M, Signatures...>;
  static_assert(!std::is_void_v<S>, "the protocol has no such message");
  if (!message || message->tag() != &signature_tag<S>) return nullptr;
  return &static_cast<typed_envelope<M, typename signature<S>::reply>*>(message)->value;
}

template <class M, class... Signatures>
[[nodiscard]] auto reply_to_of(envelope_ptr message) {
  using S = signatures_of<M, Signatures...>;
  static_assert(!std::is_void_v<S> && !std::is_void_v<typename signature<S>::reply>, "the protocol has no such ask");
  if (!message || message->tag() != &signature_tag<S>)
    throw std::logic_error("received::take_reply_to(): the message is of another type, or was taken before");
  return reply_to<typename signature<S>::reply>(as(std::type_identity<S>{}, message));
}

}  // namespace tandem::actors::detail
