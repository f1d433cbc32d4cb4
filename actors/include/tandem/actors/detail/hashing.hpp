// Hashes that are the same on every node and in every run, for routing.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <tandem/actors/detail/message_type.hpp>

namespace tandem::actors::detail {

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): a
/// bijection in which each bit of the input changes half of the output's. With a counter as input it is that generator.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Evenly from [0, n), n below 2^32: the upper half of a product, without a division.
[[nodiscard]] constexpr std::size_t scale(std::uint64_t random, std::size_t n) noexcept {
  return static_cast<std::size_t>(((random >> 32) * n) >> 32);
}

template <class K>
concept routing_key = std::integral<K> || std::is_enum_v<K> || std::convertible_to<const K&, std::string_view>;

template <routing_key K>
[[nodiscard]] std::uint64_t hash_of_key(const K& key) {
  if constexpr (std::integral<K> || std::is_enum_v<K>) {
    return mix(static_cast<std::uint64_t>(key));
  } else {
    return mix(fnv1a<std::uint64_t>(std::string_view(key)));
  }
}

/// How much the place wants the key: the key belongs to the place that wants it most. Rendezvous hashing (Thaler,
/// Ravishankar: "Using Name-Based Mappings to Increase Hit Rates", 1998).
[[nodiscard]] constexpr std::uint64_t affinity(std::uint64_t key, std::uint64_t place) noexcept {
  return mix(key ^ mix(place));
}

}  // namespace tandem::actors::detail
