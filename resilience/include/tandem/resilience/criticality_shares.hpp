// How much of a limit is for which criticality.
#pragma once
#include <array>
#include <cstddef>

#include <tandem/resilience/call.hpp>

namespace tandem::resilience {

/// One share for each criticality, sheddable first: a call is let in only while fewer than that share of the limit are
/// inside. Each from 0 to 1, none less than the one before, the last one 1.
using criticality_shares = std::array<double, 4>;

/// Keeps room for what matters.
inline constexpr criticality_shares least_first{0.5, 0.75, 0.9, 1};
/// Nothing matters more than anything else.
inline constexpr criticality_shares all_alike{1, 1, 1, 1};

namespace detail {

/// Errors: throws std::invalid_argument, in the name of `who`.
void check(const criticality_shares& shares, const char* who);

/// Where `c` is in an array of one for each. A number that is none, as from a peer of another version, is critical, as
/// to_string() has it.
[[nodiscard]] constexpr std::size_t place_of(criticality c) noexcept {
  return static_cast<std::size_t>(c <= criticality::critical_plus ? c : criticality::critical);
}

/// True if `inside` calls leave room for one that `matters` so much.
[[nodiscard]] inline bool has_room(const criticality_shares& shares, criticality matters, double inside,
                                   double limit) noexcept {
  return inside < shares[place_of(matters)] * limit;
}

}  // namespace detail
}  // namespace tandem::resilience
