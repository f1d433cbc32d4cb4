// What is known about a message's type: its name on the wire and its hash, and whether it can cross one.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <typeinfo>

namespace tandem::actors {

/// A message that can cross a wire. Protobuf's generated messages meet it; nothing of Protobuf is needed here.
template <class T>
concept wire_message = requires(T& message, const T& constant, void* out, const void* in, int bytes) {
  { T::descriptor()->full_name() } -> std::convertible_to<std::string_view>;
  { constant.ByteSizeLong() } -> std::convertible_to<std::size_t>;
  { constant.SerializeToArray(out, bytes) } -> std::same_as<bool>;
  { message.ParseFromArray(in, bytes) } -> std::same_as<bool>;
};

namespace detail {

/// FNV-1a. A type's hash on the wire is fnv1a<std::uint32_t> of its full name.
template <class Word>
[[nodiscard]] constexpr Word fnv1a(std::string_view text) noexcept {
  constexpr bool wide = sizeof(Word) == 8;
  Word hash = static_cast<Word>(wide ? 14695981039346656037ULL : 2166136261ULL);
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= static_cast<Word>(wide ? 1099511628211ULL : 16777619ULL);
  }
  return hash;
}

/// A C++ type's name as people write it.
[[nodiscard]] std::string readable_name(const std::type_info& type);

struct message_type {
  std::string name;    // the full name on the wire, or the C++ type's
  std::uint32_t hash;  // of `name`; 0 for a type that cannot cross a wire
};

template <class T>
[[nodiscard]] const message_type& type_of_message() {
  static const message_type known = [] {
    if constexpr (wire_message<T>) {
      std::string name(T::descriptor()->full_name());
      const std::uint32_t hash = fnv1a<std::uint32_t>(name);
      return message_type{std::move(name), hash};
    } else {
      return message_type{readable_name(typeid(T)), 0};
    }
  }();
  return known;
}

}  // namespace detail
}  // namespace tandem::actors
