// protocol<…>: the messages an actor takes, as a list of function types.
//
//   using counter = protocol<void(add), std::int64_t(get)>;   // tell it `add`; ask it `get`, which yields a number
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <tandem/actors/detail/message_type.hpp>
#include <tandem/actors/fwd.hpp>

namespace tandem::actors {

namespace detail {

template <class S>
struct signature {
  static_assert(sizeof(S) == 0,
                "a protocol is a list of function types with one parameter: Reply(Message) or void(Message)");
};
template <class R, class M>
struct signature<R(M)> {
  static_assert(std::is_object_v<M>, "messages travel by value: write Reply(Message), without a reference");
  static_assert(std::is_void_v<R> || std::is_object_v<R>, "replies travel by value");
  using message = M;
  using reply = R;
  static constexpr bool is_tell = std::is_void_v<R>;
};

template <class M, class... Signatures>
inline constexpr int count_of =
    (0 + ... + static_cast<int>(std::is_same_v<M, typename signature<Signatures>::message>));

/// One signature as text, e.g. "demo.Chunk->demo.Counts"; a tell has no arrow.
template <class R, class M>
[[nodiscard]] std::string describe(std::type_identity<R(M)>) {
  if constexpr (std::is_void_v<R>) {
    return type_of_message<M>().name;
  } else {
    return type_of_message<M>().name + "->" + type_of_message<R>().name;
  }
}

}  // namespace detail

/// A protocol at run time: what is compared when a ref is looked up by name, here or on another node.
struct protocol_info {
  std::span<const std::string> signatures;  ///< As written in the protocol.
  std::string text;                         ///< The signatures, separated by ", ".
  std::uint64_t fingerprint;                ///< FNV-1a of `text`.
};

/// True if whoever speaks `offered` understands every signature of `wanted`.
[[nodiscard]] bool covers(const protocol_info& offered, const protocol_info& wanted) noexcept;

/// The messages an actor takes. Each message type occurs once.
template <class... Signatures>
struct protocol {
  static_assert(sizeof...(Signatures) > 0, "a protocol has at least one message");
  static_assert(((detail::count_of<typename detail::signature<Signatures>::message, Signatures...> == 1) && ...),
                "a message type may occur only once in a protocol");
  using ref = actor_ref<Signatures...>;

  [[nodiscard]] static const protocol_info& info() {
    static const std::array<std::string, sizeof...(Signatures)> texts{
        detail::describe(std::type_identity<Signatures>{})...};
    static const protocol_info known = [] {
      std::string all;
      for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
      const auto fingerprint = detail::fnv1a<std::uint64_t>(all);
      return protocol_info{texts, std::move(all), fingerprint};
    }();
    return known;
  }
};

}  // namespace tandem::actors
