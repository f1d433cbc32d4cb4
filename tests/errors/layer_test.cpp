#include <tandem/errors/layer.hpp>

#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>

namespace tandem {
namespace {

// What a peer does with a chain: take it apart, send it, build it again innermost first.
error sent_across(const error& e) {
  std::vector<layer_data> layers;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) layers.push_back(to_data(layer));
  error rebuilt;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) rebuilt = add_layer(std::move(rebuilt), *layer);
  return rebuilt;
}

TEST(LayerData, RebuildsAChainThatPrintsTheSame) {
  const error e = with(wrap(wrap(make_error(errc::unavailable, "a"), errc::aborted, "b"), "c"), "key", "value");
  const error copy = sent_across(e);
  EXPECT_EQ(copy, e);
  EXPECT_EQ(fmt::format("{:+}", copy), fmt::format("{:+}", e));
  EXPECT_TRUE(copy.is(errc::unavailable));
  EXPECT_FALSE(copy.first_layer().has_own_code());
}

TEST(LayerData, KeepsTheMessageOfAConstantError) {
  EXPECT_EQ(sent_across(error_of(errc::closed)), error_of(errc::closed));
}

TEST(AddLayer, StartsAnUnknownErrorWithoutACode) {
  layer_data bare;
  bare.message = "from afar";
  const error e = add_layer(error(), bare);
  EXPECT_EQ(e.code(), errc::unknown);
  EXPECT_TRUE(e.is(errc::unknown));
}

TEST(AddLayer, NamesTheNodeTheLayerCameFrom) {
  layer_data far;
  far.node = "storage-1";
  EXPECT_EQ(add_layer(error(), far).first_layer().node(), "storage-1");
  EXPECT_EQ(make_error(errc::internal, "near").first_layer().node(), "");
}

TEST(AddLayer, LetsTheFirstLocalWrapTakeAStackOfItsOwn) {
  const error arrived = sent_across(make_error(errc::internal, "far"));
  ASSERT_TRUE(arrived.first_layer().has_stack());
  const error once = wrap(arrived, "here");
  EXPECT_TRUE(once.first_layer().has_stack());
  EXPECT_FALSE(wrap(once, "again").first_layer().has_stack());
}

}  // namespace
}  // namespace tandem
