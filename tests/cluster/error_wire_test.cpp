#include "error_wire.hpp"

#include <string>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>

namespace tandem::cluster::internal {
namespace {

error over_the_wire(const error& what) {
  const std::string bytes = encode_error(what, "n1").SerializeAsString();
  return decode_error(std::as_bytes(std::span(bytes)));
}

TEST(ErrorWire, KeepsMessagesCodesFieldsAndSites) {
  const error root = with(make_error(errc::not_found, "no such row"), "table", "users");
  const error sent = wrap(root, errc::internal, "cannot greet");
  const error got = over_the_wire(sent);
  EXPECT_EQ(got.message(), sent.message());
  EXPECT_EQ(got.code(), errc::internal);
  EXPECT_TRUE(is(got, errc::not_found));
  EXPECT_EQ(got.first_layer().node(), "n1");
  EXPECT_EQ(got.first_layer().line(), sent.first_layer().line());
  const layer_view inner = got.first_layer().next();
  ASSERT_EQ(inner.fields().size(), 1U);
  EXPECT_EQ(inner.fields()[0].key, "table");
  EXPECT_FALSE(inner.frames().empty());
}

TEST(ErrorWire, KeepsTheRootAndCountsWhatIsLeftOut) {
  error chain = make_error(errc::data_loss, "the root");
  for (int i = 0; i < 200; ++i) chain = with_message(std::move(chain), "layer " + std::to_string(i));
  const v1::Error encoded = encode_error(chain, "n1");
  EXPECT_LE(encoded.layers_size(), 32);
  EXPECT_EQ(encoded.elided_layers() + static_cast<unsigned>(encoded.layers_size()), 201U);
  EXPECT_EQ(encoded.layers(encoded.layers_size() - 1).message(), "the root");
  EXPECT_EQ(over_the_wire(chain).code(), errc::data_loss);
}

TEST(ErrorWire, BoundsTheSizeOfAHugeMessage) {
  const error huge = wrap(make_error(errc::aborted, std::string(1 << 20, 'x')), std::string(1 << 20, 'y'));
  EXPECT_LT(encode_error(huge, "n1").ByteSizeLong(), 80U << 10);
}

TEST(ErrorWire, GarbageAndEmptinessAreErrorsOfTheirOwn) {
  const std::string garbage = "\xff\xff\xff\xff garbage";
  EXPECT_EQ(decode_error(std::as_bytes(std::span(garbage))).code(), errc::data_loss);
  EXPECT_EQ(decode_error({}).code(), errc::unknown);
}

TEST(ErrorWire, TextThatIsNoUtf8CostsNeitherTheCodeNorTheRest) {
  EXPECT_EQ(over_the_wire(make_error(errc::not_found, "no file caf\xe9.txt")).message(), "no file caf?.txt");
  EXPECT_EQ(over_the_wire(make_error(errc::not_found, "no file caf\xc3\xa9.txt")).message(), "no file caf\xc3\xa9.txt");
  // A character across the place where long texts are cut.
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    for (int i = 0; i < 2000; ++i) text += "\xe2\x82\xac";
    EXPECT_EQ(over_the_wire(make_error(errc::not_found, text)).code(), errc::not_found) << shift;
  }
  EXPECT_EQ(over_the_wire(make_error(errc::not_found, "\xed\xa0\x80\xf8\xc0\x80\xe2\x82")).code(), errc::not_found);
}

TEST(ErrorWire, AnErrorOfManyEmptyLayersIsNotBuilt) {
  v1::Error in;
  for (int i = 0; i < 100'000; ++i) in.add_layers();
  const std::string bytes = in.SerializeAsString();
  const error got = decode_error(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(got.code(), errc::data_loss);
  EXPECT_FALSE(got.first_layer().next());
}

TEST(ErrorWire, ACodeOfANewerNodeIsUnknown) {
  v1::Error in;
  in.add_layers()->set_code(9999);
  const std::string bytes = in.SerializeAsString();
  EXPECT_EQ(decode_error(std::as_bytes(std::span(bytes))).code(), errc::unknown);
}

}  // namespace
}  // namespace tandem::cluster::internal
