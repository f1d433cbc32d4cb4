// What the sizes of an encoded error are, all from the one that users set.
#pragma once
#include <algorithm>
#include <cstddef>

namespace tandem::internal {

// The largest number in the lists of v1.Error: it still takes four bytes.
inline constexpr std::size_t most_counted = (1U << 28) - 1;

struct wire_limits {
  explicit wire_limits(std::size_t max_bytes) noexcept : bytes(std::max<std::size_t>(max_bytes, 1024)) {}

  std::size_t bytes;
  // What one layer, field or frame takes in memory has no relation to the two bytes that it may take on the wire.
  std::size_t layers = bytes / 64;
  std::size_t parts = bytes / 16;  // fields and frames of all layers together

  // Of what an encoder makes.
  std::size_t message = bytes / 8;
  std::size_t brief_message = bytes / 16;
  std::size_t name = bytes / 32;           // a file, a function, a field's key, a frame
  std::size_t fields = bytes / 8;          // of one layer
  std::size_t frames = bytes / 4;          // of one layer
  std::size_t layer_parts = parts / 4;     // of one layer
  std::size_t unknown_fields = bytes / 8;  // of Error itself

  static constexpr std::size_t node = 64;
};

}  // namespace tandem::internal
