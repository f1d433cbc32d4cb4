#include "record.hpp"

#include <array>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::cluster::internal {
namespace {

constexpr std::uint64_t mib = 1 << 20;

record_header sample_header() {
  return {.kind = 7, .flags = 0x82, .type_hash = 0x01020304, .remaining_ms = 1500, .target = 0x1122334455667788,
          .sender = 0x99aabbccddeeff00};
}

std::vector<std::byte> encoded(const record_header& header, std::string_view payload) {
  std::vector<std::byte> out(record_header_bytes + payload.size());
  encode_header(header, payload.size(), std::span(out).first<record_header_bytes>());
  std::ranges::copy(std::as_bytes(std::span(payload)), out.begin() + record_header_bytes);
  return out;
}

TEST(Record, HasTheLayoutOfTheProtocol) {
  const auto bytes = encoded(sample_header(), "ab");
  const std::array<unsigned char, 34> expected{2,    0,    0,    0,    7,    0x82, 0,    0,    4,    3,    2,   1,
                                               0xdc, 5,    0,    0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                               0,    0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 'a',  'b'};
  EXPECT_TRUE(std::ranges::equal(bytes, std::as_bytes(std::span(expected))));
}

TEST(Record, IsReadAsItWasWritten) {
  auto bytes = encoded(sample_header(), "hello");
  const auto empty = encoded(record_header{}, "");
  bytes.insert(bytes.end(), empty.begin(), empty.end());

  record_reader reader(bytes, mib);
  record_view record;
  ASSERT_EQ(reader.next(record), true);
  EXPECT_EQ(record.header, sample_header());
  EXPECT_EQ(record.wire_bytes(), 37u);
  EXPECT_FALSE(record.paid());
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(record.payload.data()), record.payload.size()), "hello");
  ASSERT_EQ(reader.next(record), true);
  EXPECT_EQ(record.header, record_header{});
  EXPECT_TRUE(record.payload.empty());
  EXPECT_EQ(reader.next(record), false);
  EXPECT_EQ(reader.next(record), false);
}

TEST(RecordReader, RefusesEveryTruncation) {
  const auto bytes = encoded(sample_header(), "payload");
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));  // own heap
    record_reader reader(cut, mib);                                                                     // block: ASan
    record_view record;
    const auto read = reader.next(record);
    ASSERT_FALSE(read.has_value()) << size;
    EXPECT_EQ(read.error().code(), errc::invalid_argument);
  }
}

TEST(RecordReader, RefusesLengthsThatLie) {
  for (const std::uint32_t length : {8u, 0x7fffffffu, 0x80000000u, 0xffffffe0u, 0xffffffffu}) {
    auto bytes = encoded(sample_header(), "payload");
    std::memcpy(bytes.data(), &length, sizeof length);
    record_view record;
    EXPECT_FALSE(record_reader(bytes, mib).next(record).has_value()) << length;
    EXPECT_FALSE(record_reader(bytes, ~std::uint64_t{0}).next(record).has_value()) << length;
  }
}

TEST(RecordReader, RefusesARecordAboveTheLimitAndTakesOneAtTheLimit) {
  const auto bytes = encoded(sample_header(), std::string(68, 'x'));
  record_view record;
  EXPECT_EQ(record_reader(bytes, 100).next(record), true);
  EXPECT_FALSE(record_reader(bytes, 99).next(record).has_value());
}

TEST(RecordReader, RefusesReservedBits) {
  auto bytes = encoded(sample_header(), "");
  bytes[7] = std::byte{1};
  record_view record;
  EXPECT_FALSE(record_reader(bytes, mib).next(record).has_value());
}

TEST(RecordReader, StaysInsideGarbage) {
  std::mt19937 random(20240601);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 200);
    for (auto& b : bytes) b = std::byte(random() % 4 == 0 ? random() : 0);
    record_reader reader(bytes, mib);
    std::size_t seen = 0;
    record_view record;
    for (;;) {
      const auto more = reader.next(record);
      if (!more || !*more) break;
      seen += record.wire_bytes();
      ASSERT_GE(record.payload.data(), bytes.data());
      ASSERT_LE(record.payload.data() + record.payload.size(), bytes.data() + bytes.size());
    }
    ASSERT_LE(seen, bytes.size());
  }
}

}  // namespace
}  // namespace tandem::cluster::internal
