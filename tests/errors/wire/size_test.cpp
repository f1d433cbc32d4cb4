// Errors that are larger than what may be sent.
#include <tandem/errors/wire.hpp>

#include <algorithm>

#include <errors/allocation_count.hpp>
#include <errors/wire/across.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

using testing::across;
using testing::to_node;

const kind in_the_middle("wire_test.in_the_middle", errc::aborted);

error chain_of(int layers) {
  error e = make_error(errc::data_loss, "the root");
  for (int i = 1; i < layers; ++i) e = with_message(std::move(e), "layer " + std::to_string(i));
  return e;
}

std::size_t count_layers(const error& e) {
  std::size_t count = 0;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) ++count;
  return count;
}

std::size_t place_of(const error& e, std::string_view message) {
  std::size_t place = 0;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next(), ++place)
    if (layer.message() == message) return place;
  return std::string_view::npos;
}

TEST(ErrorWireSize, ElidesTheMiddleOfAChainAndSaysHowMany) {
  const error got = across(chain_of(10'000));
  const std::size_t layers = count_layers(got);
  EXPECT_GT(layers, 30u);
  EXPECT_EQ(got.message().find("layer 9999: layer 9998: "), 0u);
  EXPECT_TRUE(got.message().ends_with(": layer 2: layer 1: the root")) << got.message();
  const std::string notice = "… " + std::to_string(10'000 - (layers - 1)) + " layers elided";
  const std::size_t place = place_of(got, notice);
  ASSERT_NE(place, std::string_view::npos) << got.message();
  EXPECT_NEAR(static_cast<double>(place), static_cast<double>(layers) / 2, 5);
  EXPECT_NE(fmt::format("{:+}", got).find(notice), std::string::npos);
  EXPECT_EQ(got.code(), errc::data_loss);
}

TEST(ErrorWireSize, KeepsTheShortCodeOfWhatIsCut) {
  for (const error& e : {chain_of(10'000), make_error(errc::internal, std::string(10'000'000, 'x')),
                         make_error(errc::internal, "\xff is no text")}) {
    const error got = across(across(e));
    EXPECT_NE(got.message(), e.message());
    EXPECT_EQ(short_code(got), short_code(e));
    EXPECT_EQ(short_code(wrap(got, "here")), short_code("here: " + got.message()));
  }
}

TEST(ErrorWireSize, CountsElidedLayersAcrossHops) {
  error e = across(chain_of(10'000));
  for (int hop = 0; hop < 3; ++hop) e = across(e);
  EXPECT_EQ(e, across(chain_of(10'000)));
  for (int i = 0; i < 1000; ++i) e = with_message(std::move(e), "more");
  const error got = across(e);
  std::size_t elided = 0;
  std::size_t layers = 0;
  for (layer_view layer = got.first_layer(); layer; layer = layer.next()) {
    const std::string message(layer.message());
    if (message.starts_with("… ")) elided += std::stoul(message.substr(std::string("… ").size()));
    else ++layers;
  }
  EXPECT_EQ(layers + elided, 11'000u);
}

TEST(ErrorWireSize, PrefersLayersWithACodeOrAKind) {
  error e = chain_of(5000);
  e = wrap(std::move(e), in_the_middle, "the middle");
  for (int i = 0; i < 5000; ++i) e = with_message(std::move(e), "layer " + std::to_string(i));
  const error got = across(e);
  EXPECT_TRUE(is(got, in_the_middle));
  EXPECT_TRUE(is(got, errc::data_loss));
  EXPECT_EQ(got.code(), errc::aborted);
  // On either side of it.
  EXPECT_NE(got.message().find(" layers elided: the middle: … "), std::string::npos) << got.message();
}

TEST(ErrorWireSize, KeepsTheCodeThatComesFromAnElidedLayer) {
  error e = make_error(errc::data_loss, "the root");
  const std::string text(200, 'x');
  for (int i = 0; i < 1000; ++i) e = wrap(std::move(e), i % 2 == 0 ? errc::aborted : errc::closed, text);
  for (int i = 0; i < 1000; ++i) e = with_message(std::move(e), std::string(200, 'y'));
  const error got = across(e);
  EXPECT_EQ(got.code(), errc::closed);
  EXPECT_TRUE(got.is(errc::data_loss));
}

TEST(ErrorWireSize, KeepsRootsFromTheLeftAndCountsTheRest) {
  std::vector<error> causes;
  for (std::size_t i = 0; i < max_joined_roots; ++i)
    causes.push_back(wrap(make_error(i == 0 ? errc::closed : errc::aborted, "root " + std::to_string(i)), "cause"));
  const error sent = wrap(join(std::move(causes)), "all of them");
  const error got = across(sent);
  const layer_view join = got.first_layer().next();
  ASSERT_GT(join.causes().size(), 100u);
  EXPECT_EQ(join.causes().size() + join.left_out(), max_joined_roots);
  EXPECT_EQ(cause(join.causes()[0]).message(), "root 0");
  EXPECT_EQ(got.code(), errc::closed);
  EXPECT_TRUE(got.message().starts_with("all of them: [")) << got.message();
  EXPECT_TRUE(got.message().ends_with(" more]")) << got.message();
  EXPECT_EQ(across(got).message(), got.message());
}

TEST(ErrorWireSize, KeepsTheLeftmostRootOfJoinsWithinJoins) {
  error e = make_error(errc::closed, "the first");
  for (int i = 0; i < 1000; ++i) e = with_message(join(std::move(e), error_of(errc::aborted)), std::string(300, 'x'));
  const error got = across(e);
  EXPECT_EQ(got.code(), errc::closed);
  EXPECT_NE(got.message().find("the first"), std::string::npos);
  EXPECT_EQ(across(got), got);
}

TEST(ErrorWireSize, ClipsLongTextsBetweenCharacters) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    for (int i = 0; i < 10'000; ++i) text += "\xe2\x82\xac";
    const error got = across(with(make_error(errc::not_found, text), text, text));
    EXPECT_EQ(got.code(), errc::not_found);
    EXPECT_TRUE(got.message().ends_with("€…")) << shift;
    EXPECT_TRUE(text.starts_with(got.message().substr(0, got.message().size() - std::string("…").size())));
    EXPECT_TRUE(got.first_layer().fields()[0].value.ends_with("€…"));
  }
}

TEST(ErrorWireSize, TakesLittleOfAMessageOfTenMegabytesBesidesTheTextOfItsCode) {
  const error e = wrap(make_error(errc::aborted, std::string(10 << 20, 'x')), std::string(10 << 20, '\xff'));
  (void)encode_error(e, to_node);  // the names of the frames cost memory the first time
  const std::size_t before = testing::allocated_bytes();
  const std::string bytes = encode_error(e, to_node);
  const std::size_t allocated = testing::allocated_bytes() - before;
  EXPECT_LT(allocated, e.message().size() + (std::size_t{1} << 20));
  EXPECT_LE(bytes.size(), to_node.max_bytes);
  EXPECT_TRUE(across(e).is(errc::aborted));
}

TEST(ErrorWireSize, KeepsToSmallLimits) {
  const error e = wrap(join({chain_of(50), with(chain_of(3), "key", std::string(5000, 'v')), chain_of(200)}), "outer");
  for (const std::size_t limit : {0, 1024, 1500, 2000, 4096, 10'000, 100'000}) {
    const wire_options options{.max_bytes = limit, .node = "a node", .audience = wire_audience::node};
    const std::string bytes = encode_error(e, options);
    EXPECT_LE(bytes.size(), std::max<std::size_t>(limit, 1024));
    const auto got = testing::decode(bytes, options);
    ASSERT_TRUE(got.has_value()) << fmt::format("{}", got.error());
    EXPECT_EQ(got->code(), errc::data_loss);
    EXPECT_TRUE(got->message().starts_with("outer: ")) << got->message();
  }
}

TEST(ErrorWireSize, SaysHowManyFieldsWereLeftOut) {
  error e = make_error(errc::internal, "x");
  for (int i = 0; i < 5000; ++i) e = with(std::move(e), "key", "value");
  const error got = across(e);
  const auto fields = got.first_layer().fields();
  EXPECT_EQ(fields.back(), (error_field{"…", std::to_string(5000 - (fields.size() - 1)) + " fields left out"}));
}

TEST(ErrorWireSize, SendsAllOfWhatFits) {
  std::vector<error> causes;
  for (int i = 0; i < 12; ++i) causes.push_back(with_message(wrap(error_of(errc::closed), errc::aborted, "b"), "c"));
  const error sent = join(std::move(causes));
  const error got = across(sent, {.max_bytes = 256 << 10, .audience = wire_audience::node});
  EXPECT_EQ(got, sent);
  EXPECT_EQ(got.first_layer().left_out(), 0u);
}

}  // namespace
}  // namespace tandem
