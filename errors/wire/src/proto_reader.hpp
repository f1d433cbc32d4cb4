// Reads the fields of a protobuf message one by one, without an object per message.
#pragma once
#include <cstdint>
#include <string_view>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "utf8.hpp"

namespace tandem::internal {

using wire_format = google::protobuf::internal::WireFormatLite;

/// The tag of a field of a length and bytes: text, messages, packed numbers.
[[nodiscard]] constexpr std::uint32_t bytes_tag(int field) noexcept {
  return static_cast<std::uint32_t>(field) << 3 | wire_format::WIRETYPE_LENGTH_DELIMITED;
}
/// The tag of a field of one number.
[[nodiscard]] constexpr std::uint32_t number_tag(int field) noexcept {
  return static_cast<std::uint32_t>(field) << 3 | wire_format::WIRETYPE_VARINT;
}

/// Usage: `while (in.next()) switch (in.tag()) …`, each case reading its field or calling skip(); then ok().
class proto_reader {
 public:
  /// Owns: nothing; `message` must live as long as the reader and what it gives out. Requires at most 2 GiB.
  explicit proto_reader(std::string_view message)
      : message_(message),
        in_(reinterpret_cast<const std::uint8_t*>(message.data()), static_cast<int>(message.size())) {}

  /// False at the end and after anything that is malformed.
  [[nodiscard]] bool next() {
    if (!ok_ || position() == message_.size()) return false;
    start_ = position();
    tag_ = in_.ReadTag();
    ok_ = wire_format::GetTagFieldNumber(tag_) != 0;
    return ok_;
  }
  [[nodiscard]] std::uint32_t tag() const noexcept { return tag_; }

  [[nodiscard]] std::string_view bytes() {
    std::uint32_t size = 0;
    ok_ = ok_ && in_.ReadVarint32(&size) && size <= message_.size() - position();
    if (!ok_) return {};
    const std::string_view found = message_.substr(position(), size);
    in_.Skip(static_cast<int>(size));
    return found;
  }
  /// bytes() that must be UTF-8.
  [[nodiscard]] std::string_view text() {
    const std::string_view found = bytes();
    ok_ = ok_ && is_utf8(found);
    return found;
  }
  [[nodiscard]] std::uint32_t number() {
    std::uint32_t found = 0;
    ok_ = ok_ && in_.ReadVarint32(&found);
    return found;
  }
  [[nodiscard]] bool flag() {
    std::uint64_t found = 0;
    ok_ = ok_ && in_.ReadVarint64(&found);
    return found != 0;
  }
  /// Passes over a field that is not known, or not of the type it should be: all of it, tag included.
  std::string_view skip() {
    ok_ = ok_ && wire_format::SkipField(&in_, tag_);
    return ok_ ? message_.substr(start_, position() - start_) : std::string_view();
  }

  /// True if all that was read so far is well-formed.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void fail() noexcept { ok_ = false; }

 private:
  std::size_t position() const { return static_cast<std::size_t>(in_.CurrentPosition()); }

  std::string_view message_;
  google::protobuf::io::CodedInputStream in_;
  std::size_t start_ = 0;
  std::uint32_t tag_ = 0;
  bool ok_ = true;
};

}  // namespace tandem::internal
