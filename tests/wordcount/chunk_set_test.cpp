#include "chunk_set.hpp"

#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace wordcount {
namespace {

TEST(ChunkSet, MissesEverythingAtFirst) {
  const chunk_set set;
  EXPECT_EQ(set.missing(3), (std::vector<chunk_set::range>{{0, 2}}));
  EXPECT_TRUE(set.missing(0).empty());
}

TEST(ChunkSet, TellsARepetition) {
  chunk_set set;
  EXPECT_TRUE(set.insert(5));
  EXPECT_FALSE(set.insert(5));
  EXPECT_TRUE(set.insert(6));
  EXPECT_FALSE(set.insert(5));
}

TEST(ChunkSet, AgreesWithASetOfNumbers) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    chunk_set set;
    std::set<std::uint64_t> model;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t chunk = random() % 40;
      EXPECT_EQ(set.contains(chunk), model.contains(chunk));
      EXPECT_EQ(set.insert(chunk), model.insert(chunk).second);
      std::set<std::uint64_t> missing;
      const std::uint64_t count = random() % 45;
      for (const auto& [first, last] : set.missing(count))
        for (std::uint64_t id = first; id <= last; ++id) missing.insert(id);
      for (std::uint64_t id = 0; id < 45; ++id)
        EXPECT_EQ(missing.contains(id), id < count && !model.contains(id)) << id << " of " << count;
    }
  }
}

}  // namespace
}  // namespace wordcount
