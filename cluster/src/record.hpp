// Records as bytes: the layout in proto/tandem/cluster/v1/link.proto, written and read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <tandem/errors/result.hpp>

namespace tandem::cluster::internal {

inline constexpr std::size_t record_header_bytes = 32;

/// A frame with several records holds at most this much; a larger record travels alone.
inline constexpr std::size_t frame_records_bytes = std::size_t{256} << 10;

/// Set by the transport in record_header::flags of a record that was paid for with credit.
inline constexpr std::uint8_t record_flag_credit = 1;

/// What travels in front of a payload. The transport reads only bit 0 of `flags`.
struct record_header {
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;          // bit 0 belongs to the transport
  std::uint32_t type_hash = 0;     // 0 = none
  std::uint32_t remaining_ms = 0;  // time until the sender loses interest; 0 = no limit
  std::uint64_t target = 0;
  std::uint64_t sender = 0;        // or a correlation id
  friend bool operator==(const record_header&, const record_header&) = default;
};

/// A record inside somebody else's bytes.
struct record_view {
  record_header header;
  std::span<const std::byte> payload;

  /// What the record costs: header and payload.
  [[nodiscard]] std::size_t wire_bytes() const noexcept { return record_header_bytes + payload.size(); }
  [[nodiscard]] bool paid() const noexcept { return (header.flags & record_flag_credit) != 0; }
};

/// Writes a header for a payload of `payload_bytes`, which must fit 32 bits.
void encode_header(const record_header& header, std::size_t payload_bytes,
                   std::span<std::byte, record_header_bytes> out) noexcept;

/// Takes records one by one from bytes that a stranger may have written. Never reads outside them, whatever they say.
class record_reader {
 public:
  /// Refuses records larger than `max_record_bytes`, header included. Borrows `bytes`.
  record_reader(std::span<const std::byte> bytes, std::uint64_t max_record_bytes) noexcept
      : rest_(bytes), max_record_bytes_(max_record_bytes) {}

  /// Sets `out` to the next record and returns true, or returns false at the end.
  /// Errors: errc::invalid_argument: what is left is no record. Then and after the end `out` is left alone.
  [[nodiscard]] result<bool> next(record_view& out);

 private:
  std::span<const std::byte> rest_;
  std::uint64_t max_record_bytes_;
};

}  // namespace tandem::cluster::internal
