// How much an error holds, and a smaller error that says nearly the same.
#pragma once
#include <cstddef>

#include <tandem/errors/error.hpp>

namespace tandem::internal {

// The least budget that shorten() can keep to.
inline constexpr std::size_t least_shortened_bytes = 4096;

// Roughly the bytes that the layers below `e` hold, payloads not counted, and layers as often as they can be reached.
// Counting stops when `enough` is exceeded.
[[nodiscard]] std::size_t bytes_held(const error& e, std::size_t enough);

// A copy of `e` that holds at most `budget` bytes, which must be least_shortened_bytes or more. It has the outermost
// and the innermost layers on the way to the first root and says how many are left out in between; texts are cut,
// stacks are looked up. What else was joined is counted; payloads are dropped.
[[nodiscard]] error shorten(const error& e, std::size_t budget);

}  // namespace tandem::internal
