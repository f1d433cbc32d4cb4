// Random trees across the wire, with the generated class as the second opinion.
#include <tandem/errors/wire.hpp>

#include <algorithm>
#include <random>

#include <errors/every_errc.hpp>
#include <errors/wire/across.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/v1/error.pb.h>

namespace tandem {
namespace {

using testing::across;

constexpr wire_options roomy{.max_bytes = std::size_t{1} << 20, .node = "n1", .audience = wire_audience::node};

const kind first_kind("wire_test.first", errc::aborted);
const kind second_kind("wire_test.second", errc::closed);

class tree_maker {
 public:
  explicit tree_maker(std::uint64_t seed) : random_(seed) {}

  error tree(int depth) {
    error e = below(2) == 0 && depth > 0 ? joined(depth) : root();
    for (std::size_t i = below(5); i > 0; --i) e = layer_around(std::move(e));
    return e;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  errc code() { return testing::every_errc[below(std::size(testing::every_errc))]; }
  std::string text() {
    static constexpr std::string_view pieces[] = {"a", "é", "€", "😀", ": ", "\n", "no such file", " "};
    std::string made;
    for (std::size_t i = below(6); i > 0; --i) made += pieces[below(std::size(pieces))];
    return made;
  }

  error joined(int depth) {
    std::vector<error> causes;
    for (std::size_t i = 1 + below(4); i > 0; --i) causes.push_back(tree(depth - 1));
    return join(std::move(causes));
  }

  error root() {
    switch (below(4)) {
      case 0: return error_of(code());
      case 1: return make_error(code(), text());
      case 2: return make_error(first_kind, text());
      default: return far_root();
    }
  }

  error far_root() {
    layer_data data;
    data.message = text();
    data.code = code();
    data.kind_key = text();
    data.file = text();
    data.function = text();
    data.line = static_cast<std::uint32_t>(below(1000));
    data.node = text();
    for (std::size_t i = below(4); i > 0; --i) data.fields.push_back({text(), text()});
    for (std::size_t i = below(4); i > 0; --i) data.frames.push_back(text());
    return add_layer(error(), std::move(data));
  }

  error layer_around(error e) {
    switch (below(6)) {
      case 0: return with(std::move(e), text(), text());
      case 1: return wrap(std::move(e), code(), text());
      case 2: return wrap(std::move(e), second_kind, text());
      case 3: return wrap(std::move(e), text());
      case 4: return across(e, roomy);  // some of it has been on its way already
      default: return with_message(std::move(e), text());
    }
  }

  std::mt19937_64 random_;
};

void expect_same(const error& sent, const error& got) {
  std::vector<std::pair<layer_view, layer_view>> pairs{{sent.first_layer(), got.first_layer()}};
  while (!pairs.empty()) {
    const auto [a, b] = pairs.back();
    pairs.pop_back();
    ASSERT_EQ(static_cast<bool>(a), static_cast<bool>(b));
    if (!a) continue;
    EXPECT_EQ(a.message(), b.message());
    EXPECT_EQ(a.code(), b.code());
    EXPECT_EQ(a.has_own_code(), b.has_own_code());
    EXPECT_EQ(a.kind_key(), b.kind_key());
    EXPECT_EQ(a.file(), b.file());
    EXPECT_EQ(a.function(), b.function());
    EXPECT_EQ(a.line(), b.line());
    if (!a.node().empty()) {
      EXPECT_EQ(a.node(), b.node());
    }
    EXPECT_TRUE(std::ranges::equal(a.fields(), b.fields()));
    EXPECT_EQ(a.frames(), b.frames());
    EXPECT_EQ(a.left_out(), b.left_out());
    pairs.emplace_back(a.next(), b.next());
    ASSERT_EQ(a.causes().size(), b.causes().size());
    for (std::size_t i = 0; i < a.causes().size(); ++i)
      pairs.emplace_back(a.causes()[i].first_layer(), b.causes()[i].first_layer());
  }
}

TEST(ErrorRoundTrip, RandomTreesArriveAsTheyWere) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const error sent = tree_maker(seed).tree(3);
    const error got = across(sent, roomy);
    expect_same(sent, got);
    EXPECT_EQ(got, sent);
    for (const errc code : testing::every_errc) EXPECT_EQ(got.is(code), sent.is(code));
    EXPECT_EQ(is(got, first_kind), is(sent, first_kind));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ErrorRoundTrip, TheGeneratedClassReadsAndWritesTheSame) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const error sent = tree_maker(seed).tree(3);
    errors::v1::Error oracle;
    ASSERT_TRUE(oracle.ParseFromString(encode_error(sent, roomy)));
    EXPECT_EQ(oracle.layers(0).message(), sent.first_layer().message());
    const auto got = testing::decode(oracle.SerializeAsString(), roomy);
    ASSERT_TRUE(got.has_value());
    expect_same(sent, *got);
  }
}

TEST(ErrorRoundTrip, SmallLimitsLoseDetailsButNeitherCodesNorTheOutermost) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const error sent = tree_maker(seed).tree(4);
    const error got = across(sent, {.max_bytes = 1024, .audience = wire_audience::node});
    EXPECT_EQ(got.code(), sent.code());
    EXPECT_EQ(got.first_layer().message(), sent.first_layer().message());
    EXPECT_EQ(across(got, {.max_bytes = 1024, .audience = wire_audience::node}).code(), sent.code());
  }
}

}  // namespace
}  // namespace tandem
