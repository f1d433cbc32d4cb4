// Messages from outside, bytes or CAF's, made into typed ones in their receiver's turn.
#pragma once
#include <concepts>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/down.hpp>
#include <tandem/actors/protocol.hpp>

namespace tandem::actors::detail {

[[nodiscard]] error not_in_protocol(const std::string& message, const protocol_info& protocol);
[[nodiscard]] error not_parsed(const std::string& message);
/// Users' code threw when the message was made: its copy, or its move.
[[nodiscard]] error not_made(std::exception_ptr thrown, const std::string& message);
/// What an actor ends with that gets a signal and has no handler for it.
[[nodiscard]] error unhandled(const down& what);

/// A message for a handler of R(M), if `raw` is one, which is gone then. Null otherwise, and `why` is set if it should
/// have been one; whoever waits for the answer may have been told that. `raw` is not typed.
template <class M, class R>
[[nodiscard]] std::unique_ptr<typed_envelope<M, R>> converted_from(envelope_ptr& raw, error& why) noexcept try {
  // The bytes or CAF's element are freed before the handler runs.
  const auto made = [&](auto&& value) {
    auto sink = raw->take_sink();
    std::unique_ptr<typed_envelope<M, R>> typed;
    try {
      typed.reset(new converted<M, R>(std::forward<decltype(value)>(value), raw->deadline(), sink));
    } catch (...) {
      why = not_made(std::current_exception(), type_of_message<M>().name);
      if (sink) sink->fail(why);
      return typed;
    }
    typed->arrived = raw->arrived;
    raw.reset();
    return typed;
  };
  if (raw->kind() == envelope::form::bytes) {
    if constexpr (wire_message<M>) {
      if (raw->type_hash() != type_of_message<M>().hash) return nullptr;
      M parsed;
      if (decode_from(parsed, static_cast<const incoming_envelope&>(*raw).bytes())) return made(std::move(parsed));
      why = not_parsed(type_of_message<M>().name);
    }
    return nullptr;
  }
  const foreign_value found = raw->extract(typeid(M));
  if (!found.value) return nullptr;
  M& value = *static_cast<M*>(found.value);
  if (found.exclusive) return made(std::move(value));
  if constexpr (std::copy_constructible<M>) return made(std::as_const(value));
  return nullptr;
} catch (...) {
  why = not_made(std::current_exception(), type_of_message<M>().name);
  return nullptr;
}

}  // namespace tandem::actors::detail
