// Appends the fields of a protobuf message to a string. What is empty or 0 is left out, as proto3 does.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "proto_reader.hpp"

namespace tandem::internal {

inline void put_varint(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

inline void put_number(std::string& out, int field, std::uint64_t number) {
  if (number == 0) return;
  put_varint(out, number_tag(field));
  put_varint(out, number);
}

/// Bytes, text or a message; also if empty.
inline void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, bytes_tag(field));
  put_varint(out, bytes.size());
  out += bytes;
}

inline void put_text(std::string& out, int field, std::string_view text) {
  if (!text.empty()) put_bytes(out, field, text);
}

}  // namespace tandem::internal
