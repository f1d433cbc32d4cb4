// A thread's free blocks of one size: how many it keeps, and that it knows their number.
#include <tandem/runtime/detail/block_bins.hpp>

#include <array>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using detail::block_bin;

std::size_t blocks_of(block_bin::chain c) {
  std::size_t n = 0;
  for (; c.first; c.first = c.first->next) ++n;
  return n;
}

TEST(BlockBin, NeitherHasNorTakesABlockBeforeItsFirstChain) {
  block_bin bin{};
  block_bin::block one{};
  EXPECT_EQ(bin.take(), nullptr);
  EXPECT_FALSE(bin.put(&one));
  EXPECT_EQ(blocks_of(bin.take_all()), 0U);
  EXPECT_FALSE(bin.put(&one)) << "to have been empty must not make room";
}

TEST(BlockBin, KeepsABatchAndNoMore) {
  std::array<block_bin::block, block_bin::batch + 1> blocks{};
  block_bin bin{};
  bin = block_bin::chain{};
  for (std::size_t i = 0; i < block_bin::batch; ++i) ASSERT_TRUE(bin.put(&blocks[i])) << i;
  EXPECT_FALSE(bin.put(&blocks.back()));
  const block_bin::chain all = bin.take_all();
  EXPECT_EQ(all.length, block_bin::batch);
  EXPECT_EQ(blocks_of(all), block_bin::batch);
  EXPECT_EQ(bin.take(), nullptr);
  EXPECT_TRUE(bin.put(&blocks.back())) << "there is room again";
}

TEST(BlockBin, GivesTheBlockThatCameLastAndKnowsHowManyAreLeft) {
  std::array<block_bin::block, 5> blocks{};
  blocks[0].next = &blocks[1];
  blocks[1].next = &blocks[2];
  block_bin bin{};
  bin = block_bin::chain{blocks.data(), 3};
  EXPECT_TRUE(bin.put(&blocks[3]));
  EXPECT_TRUE(bin.put(&blocks[4]));
  EXPECT_EQ(bin.take(), &blocks[4]);
  const block_bin::chain left = bin.take_all();
  EXPECT_EQ(left.first, &blocks[3]);
  EXPECT_EQ(left.length, 4U);
  EXPECT_EQ(blocks_of(left), 4U);
}

TEST(BlockBin, IsOneForEachStepUpToTheLargestBlock) {
  using detail::bin_of;
  EXPECT_EQ(bin_of(1), 0U);
  EXPECT_EQ(bin_of(detail::block_step), 0U);
  EXPECT_EQ(bin_of(detail::block_step + 1), 1U);
  EXPECT_EQ(bin_of(detail::largest_block), detail::block_bins{}.size() - 1);
  EXPECT_GE(bin_of(detail::largest_block + 1), detail::block_bins{}.size());
  EXPECT_GE(bin_of(0), detail::block_bins{}.size()) << "nothing is no block";
}

}  // namespace
}  // namespace tandem
