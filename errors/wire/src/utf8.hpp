// What a field of type string may hold: Protobuf refuses a whole message for one byte that is no UTF-8.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tandem::internal {

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// The text with U+FFFD for each byte that is no UTF-8, cut between characters and ending in "…" where more than
/// `max_bytes`, at least 3, would come out. Reads no more than it needs.
[[nodiscard]] std::string as_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace tandem::internal
