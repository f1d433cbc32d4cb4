#include "printable.hpp"

#include <iterator>

#include <fmt/format.h>

#include <tandem/errors/detail/utf8.hpp>

namespace tandem::internal {
namespace {

void append_escape(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
  }
}

// C0, DEL, C1 (two bytes in UTF-8), and what turns the direction of the text after it: U+202A to 202E, U+2066 to 2069.
bool is_control(std::string_view character) noexcept {
  if (character.starts_with("\xe2\x80")) return character[2] >= '\xaa' && character[2] <= '\xae';
  if (character.starts_with("\xe2\x81")) return character[2] >= '\xa6' && character[2] <= '\xa9';
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

void append_printable(std::string& out, std::string_view text) {
  out.reserve(out.size() + text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = detail::utf8_length(text, at);
    const std::string_view character = text.substr(at, length != 0 ? length : 1);
    if (length == 0 || is_control(character)) {
      for (const char c : character) append_escape(out, static_cast<unsigned char>(c));
    } else {
      out += character;
    }
    at += character.size();
  }
}

}  // namespace tandem::internal
