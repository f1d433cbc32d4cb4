#include "mapper.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/actors/system.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "shard.hpp"

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;
using counts = std::map<std::string, std::uint64_t>;

class Mapper : public ::testing::Test {
 protected:
  static constexpr std::uint32_t shard_count = 3;

  Mapper() {
    for (std::uint32_t i = 0; i < shard_count; ++i)
      shards_.push_back(system_.spawn<shard>(tandem::actors::spawn_actor_options(shard_name("job", i, 0)), stats_));
    const auto find = [this](v1::ShardPlace place) -> task<result<shard_ref>> { return find_shard(std::move(place)); };
    mapper_ = system_.spawn<mapper>(tandem::actors::spawn_actor_options("mapper"), shard_finder(find), stats_);
  }

  task<result<shard_ref>> find_shard(v1::ShardPlace place) {
    ++lookups_;
    if (place.node() == "lost") co_return tandem::fail(tandem::errc::unavailable, "lost");
    co_return shards_.at(place.shard());
  }
  static v1::Chunk chunk(std::uint64_t id, std::string text) {
    v1::Chunk made;
    made.set_job("job");
    made.set_chunk(id);
    made.set_shard_count(shard_count);
    made.set_text(std::move(text));
    return made;
  }
  static void add_place(v1::Chunk& to, std::uint32_t shard, std::string node = "n1") {
    v1::ShardPlace& place = *to.add_shards();
    place.set_shard(shard);
    place.set_node(std::move(node));
    place.set_name(shard_name("job", shard, 0));
  }
  result<v1::ChunkMapped> map(v1::Chunk what) {
    return sim_.run([&]() -> task<result<v1::ChunkMapped>> { co_return co_await mapper_.ask(std::move(what), 1s); });
  }
  v1::Totals totals(std::uint32_t shard, std::uint64_t chunk_count) {
    v1::GetTotals request;
    request.set_chunk_count(chunk_count);
    return sim_.run([&]() -> task<result<v1::Totals>> { co_return co_await shards_[shard].ask(request, 1s); }).value();
  }

  tandem::testing::sim_runtime sim_;
  tandem::actors::system system_{sim_};
  node_stats stats_;
  std::vector<shard_ref> shards_;
  mapper_ref mapper_;
  int lookups_ = 0;
};

TEST_F(Mapper, TellsEachShardTheWordsItIsResponsibleFor) {
  v1::Chunk all = chunk(0, "The cat, the DOG; the end");
  for (std::uint32_t i = 0; i < shard_count; ++i) add_place(all, i);
  const auto reply = map(std::move(all)).value();
  EXPECT_EQ(reply.words(), 6U);
  EXPECT_EQ(reply.shards_not_told(), 0U);
  counts found;
  for (std::uint32_t i = 0; i < shard_count; ++i) {
    const v1::Totals its = totals(i, 1);
    EXPECT_EQ(its.missing_size(), 0) << "a shard without words is told, too";
    EXPECT_TRUE(for_each_count(its.counts(), [&](std::string_view word, std::uint64_t n) {
      EXPECT_EQ(word_hash(word) % shard_count, i);
      found[std::string(word)] += n;
    }));
  }
  EXPECT_EQ(found, (counts{{"the", 3}, {"cat", 1}, {"dog", 1}, {"end", 1}}));
}

TEST_F(Mapper, TellsOnlyTheShardsNamed) {
  v1::Chunk one = chunk(0, "a b c d e f g h i j k l");
  add_place(one, 1);
  EXPECT_EQ(map(std::move(one)).value().words(), 12U);
  EXPECT_EQ(totals(1, 1).missing_size(), 0);
  EXPECT_EQ(totals(0, 1).missing_size(), 1);
  EXPECT_EQ(totals(2, 1).missing_size(), 1);
}

TEST_F(Mapper, LooksAShardUpOnce) {
  for (std::uint64_t id = 0; id < 5; ++id) {
    v1::Chunk next = chunk(id, "word");
    add_place(next, 0);
    ASSERT_TRUE(map(std::move(next)));
  }
  EXPECT_EQ(lookups_, 1);
}

TEST_F(Mapper, GoesOnWithoutAShardItCannotReachAndLooksAgainLater) {
  const auto map_for_lost = [&](std::uint64_t id) {
    v1::Chunk next = chunk(id, "word");
    add_place(next, 0, "lost");
    return map(std::move(next)).value().shards_not_told();
  };
  EXPECT_EQ(map_for_lost(0), 1U);
  EXPECT_EQ(map_for_lost(1), 1U);
  EXPECT_EQ(lookups_, 1);
  sim_.advance(1s);
  EXPECT_EQ(map_for_lost(2), 1U);
  EXPECT_EQ(lookups_, 2);
}

TEST_F(Mapper, RefusesAChunkThatMakesNoSense) {
  v1::Chunk no_shards = chunk(0, "word");
  no_shards.set_shard_count(0);
  EXPECT_EQ(map(std::move(no_shards)).error().code(), tandem::errc::invalid_argument);
  v1::Chunk wrong_shard = chunk(0, "word");
  add_place(wrong_shard, shard_count);
  EXPECT_EQ(map(std::move(wrong_shard)).error().code(), tandem::errc::invalid_argument);
}

TEST_F(Mapper, CountsInPiecesWhatTheWholeHas) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += i % 3 == 0 ? "fizz " : "word ";
  fold(text);
  const auto counted = sim_.run([&]() -> task<result<word_counts>> { co_return co_await count_in_pieces(text, 64); });
  ASSERT_TRUE(counted);
  EXPECT_EQ(*counted, count_words(text));
}

}  // namespace
}  // namespace wordcount
