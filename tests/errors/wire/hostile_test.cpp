// Bytes that no encoder made.
#include <tandem/errors/wire.hpp>

#include <random>

#include <errors/allocation_count.hpp>
#include <errors/wire/across.hpp>
#include <google/protobuf/stubs/logging.h>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>
#include <tandem/errors/v1/error.pb.h>

namespace tandem {
namespace {

using errors::v1::Error;
using testing::decode;

constexpr std::size_t limit = wire_options().max_bytes;

// The promise of decode_error().
constexpr std::size_t most_memory = 32 * limit;

result<error> decode_measured(std::string_view bytes) {
  const std::size_t before = testing::allocated_bytes();
  auto got = decode(bytes);
  EXPECT_LT(testing::allocated_bytes() - before, most_memory);
  return got;
}

// As much of `piece` as fits.
std::string repeated(std::string_view piece) {
  std::string bytes;
  while (bytes.size() + piece.size() <= limit) bytes += piece;
  return bytes;
}

errc reason(const result<error>& got) { return got ? errc{} : got.error().code(); }

std::string with_lists(int layers, std::vector<unsigned> below, std::vector<unsigned> elided = {}) {
  Error e;
  for (int i = 0; i < layers; ++i) e.add_layers()->set_message(std::to_string(i));
  e.mutable_below()->Add(below.begin(), below.end());
  e.mutable_elided()->Add(elided.begin(), elided.end());
  return e.SerializeAsString();
}

TEST(ErrorWireHostile, GarbageIsTellableFromAnError) {
  EXPECT_EQ(reason(decode("\xff\xff\xff\xff garbage")), errc::data_loss);
  EXPECT_EQ(reason(decode("\x0a")), errc::data_loss);
  EXPECT_EQ(reason(decode(std::string_view("\0", 1))), errc::data_loss);
  EXPECT_EQ(reason(decode("\x0c")), errc::data_loss);        // ends a group that never began
  EXPECT_EQ(reason(decode("\x0a\x03\x0a\x01\xff")), errc::data_loss);  // no UTF-8
}

TEST(ErrorWireHostile, MoreBytesThanAllowedAreRefused) {
  EXPECT_EQ(reason(decode_measured(std::string(limit + 1, '\0'))), errc::invalid_argument);
  EXPECT_EQ(reason(decode(std::string(2000, '\0'), {.max_bytes = 1999})), errc::invalid_argument);
}

TEST(ErrorWireHostile, ManyEmptyLayersAreRefused) {
  EXPECT_EQ(reason(decode_measured(repeated(std::string_view("\x0a\0", 2)))), errc::invalid_argument);
}

TEST(ErrorWireHostile, ManyEmptyFieldsAndFramesAreRefused) {
  Error e;
  for (int i = 0; i < 3000; ++i) (i == 0 ? e.add_layers() : e.mutable_layers(0))->add_fields();
  EXPECT_EQ(reason(decode_measured(e.SerializeAsString())), errc::invalid_argument);
  e.Clear();
  for (int i = 0; i < 3000; ++i) (i == 0 ? e.add_layers() : e.mutable_layers(0))->add_frames();
  EXPECT_EQ(reason(decode_measured(e.SerializeAsString())), errc::invalid_argument);
}

TEST(ErrorWireHostile, ListsLongerThanTheLayersAreRefused) {
  EXPECT_EQ(reason(decode_measured(repeated("\x10\x01"))), errc::invalid_argument);
  EXPECT_EQ(reason(decode(with_lists(1, {0}, {0, 1}))), errc::data_loss);
  EXPECT_EQ(reason(decode(with_lists(0, {0}))), errc::data_loss);
  EXPECT_EQ(reason(decode(with_lists(3, {1, 0}))), errc::data_loss);
}

TEST(ErrorWireHostile, ListsThatDescribeNoTreeAreRefused) {
  EXPECT_EQ(reason(decode(with_lists(2, {1, 1}))), errc::data_loss);           // below the last: nothing
  EXPECT_EQ(reason(decode(with_lists(2, {0, 0}))), errc::data_loss);           // two trees
  EXPECT_EQ(reason(decode(with_lists(2, {4'294'967'295u, 0}))), errc::data_loss);
  EXPECT_EQ(reason(decode(with_lists(3, {2, 0, 0}))), errc{});
}

TEST(ErrorWireHostile, ARedactedFieldWithAValueIsRefused) {
  Error e;
  auto* field = e.add_layers()->add_fields();
  field->set_redacted(true);
  EXPECT_TRUE(decode(e.SerializeAsString()).has_value());
  field->set_value("hunter2");
  EXPECT_EQ(reason(decode(e.SerializeAsString())), errc::data_loss);
}

TEST(ErrorWireHostile, AShortCodeThatIsNoneIsIgnored) {
  Error e;
  e.add_layers()->set_message("x");
  e.set_short_code("\x1b[31m");
  const auto got = decode(e.SerializeAsString());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(short_code(*got), short_code("x"));
}

TEST(ErrorWireHostile, ElidedLayersBeyondCountingAreKeptAsTheyAre) {
  const auto got = decode(with_lists(1, {0}, {4'294'967'295u}));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->message(), "… 4294967295 layers elided: 0");
  EXPECT_TRUE(decode(encode_error(with_message(*got, "x"), testing::to_node)).has_value());
}

TEST(ErrorWireHostile, TheMostThatIsAcceptedTakesTheMemoryThatIsPromised) {
  Error most_layers;
  for (std::size_t i = 0; i < limit / 64; ++i) most_layers.add_layers();
  for (std::size_t i = 0; i < limit / 64; ++i) most_layers.add_elided(300);
  most_layers.mutable_layers(0)->set_message(std::string(limit - most_layers.ByteSizeLong() - 8, 'x'));
  const std::string layers = most_layers.SerializeAsString();
  ASSERT_LE(layers.size(), limit);
  EXPECT_TRUE(decode_measured(layers).has_value());

  Error most_parts;
  auto* layer = most_parts.add_layers();
  for (std::size_t i = 0; i < limit / 16; ++i) layer->add_fields()->set_redacted(true);
  EXPECT_TRUE(decode_measured(most_parts.SerializeAsString()).has_value());

  std::string unknown = repeated("\xfa\x7f\x01x");
  unknown.replace(0, 4, std::string_view("\x0a\x02\x0a\0", 4));  // a layer with an empty message
  EXPECT_TRUE(decode_measured(unknown).has_value());
}

TEST(ErrorWireHostile, BrokenEncodingsNeverCrash) {
  const error e = wrap(join(with(make_error(errc::not_found, "a"), "k", "v"), wrap(error_of(errc::closed), "b")), "c");
  const std::string good = encode_error(e, testing::to_node);
  const google::protobuf::LogSilencer silence;
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    const std::size_t changes = 1 + random() % 4;
    for (std::size_t i = 0; i < changes; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (round % 5 == 0) bytes.resize(random() % bytes.size());
    const auto got = decode_measured(bytes);
    Error oracle;
    if (!oracle.ParseFromString(bytes)) {
      ASSERT_FALSE(got.has_value()) << "what Protobuf refuses must be refused";
    } else if (got) {
      ASSERT_TRUE(oracle.ParseFromString(encode_error(*got, testing::to_node)));
    }
  }
}

}  // namespace
}  // namespace tandem
