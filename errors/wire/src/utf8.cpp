#include "utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <tandem/errors/detail/utf8.hpp>

namespace tandem::internal {
namespace {

// How many bytes from `at` on are ASCII, counted in words.
std::size_t ascii_words_at(std::string_view text, std::size_t at) noexcept {
  std::uint64_t word = 0;
  std::size_t end = at;
  for (; text.size() - end >= sizeof word; end += sizeof word) {
    std::memcpy(&word, text.data() + end, sizeof word);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  return end - at;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = ascii_words_at(text, 0); at < text.size(); at += ascii_words_at(text, at)) {
    const std::size_t length = detail::utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string as_utf8(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes && is_utf8(text)) return std::string(text);
  constexpr std::string_view ellipsis = "…";
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  std::size_t cut = 0;  // the longest prefix that leaves room for the ellipsis
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = detail::utf8_length(text, at);
    const std::string_view piece = length == 0 ? replacement : text.substr(at, length);
    if (out.size() + piece.size() > max_bytes) {
      out.resize(cut);
      return out.append(ellipsis);
    }
    out += piece;
    at += std::max<std::size_t>(length, 1);
    if (out.size() + ellipsis.size() <= max_bytes) cut = out.size();
  }
  return out;
}

}  // namespace tandem::internal
