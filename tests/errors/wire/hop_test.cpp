// An error of a newer node that passes through this one.
#include <tandem/errors/wire.hpp>

#include <errors/wire/across.hpp>
#include <google/protobuf/unknown_field_set.h>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>
#include <tandem/errors/v1/error.pb.h>

namespace tandem {
namespace {

using errors::v1::Error;
using testing::across;
using testing::decode;
using testing::to_node;

// What is not in this version's error.proto.
constexpr int new_field = 100;
constexpr int new_code = 60;

void add_news(google::protobuf::Message& message, const std::string& text) {
  auto* unknown = message.GetReflection()->MutableUnknownFields(&message);
  unknown->AddLengthDelimited(new_field, text);
  unknown->AddGroup(new_field + 1)->AddVarint(1, 7);
}

std::string news_of(const google::protobuf::Message& message) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  std::string text;
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() == new_field) text += unknown.field(i).length_delimited();
    if (unknown.field(i).number() == new_field + 1) text += std::to_string(unknown.field(i).group().field(0).varint());
  }
  return text;
}

Error newer_error() {
  Error e;
  add_news(e, "of the error");
  e.set_short_code("30EV");
  auto* outer = e.add_layers();
  outer->set_message("from the future");
  outer->set_code(new_code);
  outer->set_kind("future.kind");
  outer->set_node("n9");
  add_news(*outer, "of the layer");
  auto* field = outer->add_fields();
  field->set_key("k");
  field->set_value("v");
  add_news(*field, "of the field");
  auto* root = e.add_layers();
  root->set_message("root");
  root->set_code(static_cast<int>(errc::closed));
  return e;
}

TEST(ErrorHop, ReadsWhatItKnowsOfANewerError) {
  const auto got = decode(newer_error().SerializeAsString());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->message(), "from the future: root");
  EXPECT_EQ(got->code(), errc::unknown);
  EXPECT_TRUE(got->is(errc::closed));
  EXPECT_EQ(got->kind_key(), "future.kind");
}

TEST(ErrorHop, PassesOnUnchangedWhatItDoesNotKnow) {
  const std::string bytes = newer_error().SerializeAsString();
  const auto got = decode(bytes);
  ASSERT_TRUE(got.has_value());
  Error again;
  ASSERT_TRUE(again.ParseFromString(encode_error(*got, to_node)));
  EXPECT_EQ(again.SerializeAsString(), bytes);
}

TEST(ErrorHop, PassesOnUnchangedWhatItWraps) {
  const auto got = decode(newer_error().SerializeAsString());
  ASSERT_TRUE(got.has_value());
  const error here = wrap(with(*got, "added", "here"), "wrapped here");
  for (const error& e : {here, across(here), across(across(here))}) {
    Error sent;
    ASSERT_TRUE(sent.ParseFromString(encode_error(e, to_node)));
    ASSERT_EQ(sent.layers_size(), 3);
    EXPECT_EQ(news_of(sent), "of the error7");
    EXPECT_EQ(sent.layers(0).message(), "wrapped here");
    const auto& layer = sent.layers(1);
    EXPECT_EQ(layer.code(), static_cast<unsigned>(new_code));
    EXPECT_EQ(layer.kind(), "future.kind");
    EXPECT_EQ(layer.node(), "n9");
    EXPECT_EQ(news_of(layer), "of the layer7");
    ASSERT_EQ(layer.fields_size(), 2);
    EXPECT_EQ(layer.fields(0).value(), "v");
    EXPECT_EQ(news_of(layer.fields(0)), "of the field7");
    EXPECT_EQ(layer.fields(1).key(), "added");
    EXPECT_EQ(layer.fields(1).value(), "here");
    EXPECT_EQ(sent.layers(2).SerializeAsString(), newer_error().layers(1).SerializeAsString());
  }
}

TEST(ErrorHop, PassesOnTheShortCodeThoughTheOutermostLayerWasElided) {
  Error sent;
  sent.add_layers()->set_message("x");
  sent.add_elided(3);
  sent.set_short_code("30EV");
  const auto got = decode(sent.SerializeAsString());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(short_code(*got), "30EV");
  EXPECT_EQ(short_code(across(*got)), "30EV");
}

TEST(ErrorHop, PassesOnTheLargestCountOfWhatWasLeftOut) {
  Error sent;
  sent.add_layers();
  for (const char* cause : {"a", "b"}) sent.add_layers()->set_message(cause);
  for (const unsigned below : {2, 0, 0}) sent.add_below(below);
  sent.add_left_out(4'294'967'295u);
  const auto got = decode(sent.SerializeAsString());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->message(), "[a; b; and 268435455 more]");
  EXPECT_EQ(across(*got), *got);
}

TEST(ErrorHop, PassesOnANewCodeEvenWithoutRoomForTheRest) {
  Error newer = newer_error();
  newer.mutable_layers(0)->set_message(std::string(10'000, 'x'));
  const auto got = decode(newer.SerializeAsString());
  ASSERT_TRUE(got.has_value());
  Error sent;
  ASSERT_TRUE(sent.ParseFromString(encode_error(*got, {.max_bytes = 1024, .audience = wire_audience::node})));
  EXPECT_EQ(sent.layers(0).code(), static_cast<unsigned>(new_code));
  EXPECT_EQ(sent.layers(0).kind(), "future.kind");
}

TEST(ErrorHop, JoinsErrorsOfSeveralNodes) {
  const auto got = decode(newer_error().SerializeAsString());
  ASSERT_TRUE(got.has_value());
  Error sent;
  ASSERT_TRUE(sent.ParseFromString(encode_error(join(*got, make_error(errc::aborted, "mine")), to_node)));
  ASSERT_EQ(sent.layers_size(), 4);
  EXPECT_EQ(news_of(sent), "of the error7");
  EXPECT_EQ(news_of(sent.layers(1)), "of the layer7");
  EXPECT_EQ(across(join(*got, make_error(errc::aborted, "mine"))).message(), "[from the future: root; mine]");
}

TEST(ErrorHop, FindsRoomForAsManyLayersAsCameHoweverManyWereElidedBetween) {
  constexpr wire_options small{.max_bytes = 4096, .audience = wire_audience::node};
  Error full;
  for (int i = 0; i < 4096 / 64; ++i) {
    full.add_layers()->set_message("x");
    full.add_elided(i > 0 ? 1 : 0);
  }
  full.set_short_code("30EV");
  const std::string bytes = full.SerializeAsString();
  const auto got = decode(bytes, small);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(encode_error(*got, small), bytes);
}

}  // namespace
}  // namespace tandem
