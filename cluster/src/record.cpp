#include "record.hpp"

#include <bit>
#include <concepts>
#include <cstring>

#include <fmt/format.h>

namespace tandem::cluster::internal {
namespace {

// Offsets of the fields; the table is in link.proto.
constexpr std::size_t at_length = 0, at_kind = 4, at_flags = 5, at_reserved = 6, at_type_hash = 8, at_remaining = 12,
                      at_target = 16, at_sender = 24;

template <std::unsigned_integral Int>
void store(std::byte* at, Int value) noexcept {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof value);
}

template <std::unsigned_integral Int>
Int load(const std::byte* at) noexcept {
  Int value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

}  // namespace

void encode_header(const record_header& header, std::size_t payload_bytes,
                   std::span<std::byte, record_header_bytes> out) noexcept {
  std::byte* const at = out.data();
  store(at + at_length, static_cast<std::uint32_t>(payload_bytes));
  store(at + at_kind, header.kind);
  store(at + at_flags, header.flags);
  store(at + at_reserved, std::uint16_t{0});
  store(at + at_type_hash, header.type_hash);
  store(at + at_remaining, header.remaining_ms);
  store(at + at_target, header.target);
  store(at + at_sender, header.sender);
}

result<bool> record_reader::next(record_view& out) {
  if (rest_.empty()) return false;
  if (rest_.size() < record_header_bytes)
    return fail(errc::invalid_argument, fmt::format("{} stray bytes where a record should begin", rest_.size()));

  const std::byte* const at = rest_.data();
  const std::size_t length = load<std::uint32_t>(at + at_length);
  if (length > max_record_bytes_ - record_header_bytes)
    return fail(errc::invalid_argument, fmt::format("a record with {} bytes of payload is larger than the limit of {}",
                                                    length, max_record_bytes_));
  if (length > rest_.size() - record_header_bytes)
    return fail(errc::invalid_argument, fmt::format("a record is cut off: {} of {} bytes of payload are there",
                                                    rest_.size() - record_header_bytes, length));
  if (load<std::uint16_t>(at + at_reserved) != 0)
    return fail(errc::invalid_argument, "a record has reserved bits set");

  out.header = record_header{.kind = load<std::uint8_t>(at + at_kind),
                             .flags = load<std::uint8_t>(at + at_flags),
                             .type_hash = load<std::uint32_t>(at + at_type_hash),
                             .remaining_ms = load<std::uint32_t>(at + at_remaining),
                             .target = load<std::uint64_t>(at + at_target),
                             .sender = load<std::uint64_t>(at + at_sender)};
  out.payload = rest_.subspan(record_header_bytes, length);
  rest_ = rest_.subspan(record_header_bytes + length);
  return true;
}

}  // namespace tandem::cluster::internal
