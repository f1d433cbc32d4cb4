#include "shard.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/actors/system.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;
using counts = std::map<std::string, std::uint64_t>;

class Shard : public ::testing::Test {
 protected:
  explicit Shard(std::size_t page_bytes = shard::default_page_bytes)
      : ref_(system_.spawn<shard>(tandem::actors::spawn_actor_options("shard"), stats_, page_bytes)) {}

  void tell(std::uint64_t chunk, const counts& words) {
    v1::PartialCounts part;
    part.set_chunk(chunk);
    for (const auto& [word, n] : words) add_count(*part.mutable_counts(), word, n);
    ASSERT_TRUE(ref_.try_tell(std::move(part)));
    sim_.run_until_idle();
  }
  result<v1::Totals> totals(std::uint64_t chunk_count, std::uint32_t page = 0) {
    v1::GetTotals request;
    request.set_chunk_count(chunk_count);
    request.set_page(page);
    return sim_.run([&]() -> task<result<v1::Totals>> { co_return co_await ref_.ask(std::move(request), 1s); });
  }
  static counts words_of(const v1::Totals& page) {
    counts words;
    EXPECT_TRUE(for_each_count(
        page.counts(), [&](std::string_view word, std::uint64_t n) { EXPECT_TRUE(words.emplace(word, n).second); }));
    return words;
  }

  tandem::testing::sim_runtime sim_;
  tandem::actors::system system_{sim_};
  node_stats stats_;
  shard_ref ref_;
};

TEST_F(Shard, AddsUpWhatChunksTellIt) {
  tell(0, {{"a", 1}, {"b", 2}});
  tell(1, {{"b", 3}});
  EXPECT_EQ(words_of(totals(2).value()), (counts{{"a", 1}, {"b", 5}}));
}

TEST_F(Shard, CountsAChunkOnceHoweverOftenItIsTold) {
  tell(0, {{"a", 1}});
  tell(0, {{"a", 1}});
  EXPECT_EQ(words_of(totals(1).value()), (counts{{"a", 1}}));
  tell(0, {{"a", 1}});
  tell(1, {{"a", 1}});  // the totals were given: too late
  EXPECT_EQ(words_of(totals(1).value()), (counts{{"a", 1}}));
}

TEST_F(Shard, NamesTheChunksItMissesInsteadOfTotals) {
  tell(1, {{"a", 1}});
  tell(4, {});
  const auto answer = totals(6).value();
  ASSERT_EQ(answer.missing_size(), 3);
  EXPECT_EQ(answer.missing(0).first(), 0U);
  EXPECT_EQ(answer.missing(0).last(), 0U);
  EXPECT_EQ(answer.missing(1).first(), 2U);
  EXPECT_EQ(answer.missing(1).last(), 3U);
  EXPECT_EQ(answer.missing(2).first(), 5U);
  EXPECT_EQ(answer.counts().counts_size(), 0);
}

TEST_F(Shard, TakesNothingFromAMessageThatContradictsItself) {
  v1::PartialCounts part;
  part.mutable_counts()->set_words("one\ntwo\n");
  part.mutable_counts()->add_counts(1);
  ASSERT_TRUE(ref_.try_tell(std::move(part)));
  EXPECT_EQ(totals(1).value().missing_size(), 1);
  tell(0, {{"one", 1}, {"two", 1}});
  EXPECT_EQ(words_of(totals(1).value()), (counts{{"one", 1}, {"two", 1}}));
}

TEST_F(Shard, OfAJobWithoutChunksHasOneEmptyPage) {
  const auto answer = totals(0).value();
  EXPECT_EQ(answer.missing_size(), 0);
  EXPECT_EQ(answer.page_count(), 1U);
  EXPECT_TRUE(words_of(answer).empty());
}

TEST_F(Shard, EndsWhenItIsStopped) {
  ASSERT_TRUE(ref_.try_tell(v1::StopShard()));
  sim_.run_until_idle();
  EXPECT_EQ(totals(0).error().code(), tandem::errc::unavailable);
}

class ShardWithSmallPages : public Shard {
 protected:
  ShardWithSmallPages() : Shard(60) {}
};

TEST_F(ShardWithSmallPages, GivesItsTotalsInSortedPages) {
  counts all{{std::string(500, 'x'), 7}};
  for (char c = 'a'; c <= 'w'; ++c) all[std::string(5, c)] = static_cast<std::uint64_t>(c);
  tell(0, all);
  const std::uint32_t pages = totals(1).value().page_count();
  EXPECT_GT(pages, 5U);
  std::vector<std::string> seen;
  for (std::uint32_t page = 0; page < pages; ++page)
    for (const auto& [word, n] : words_of(totals(1, page).value())) {
      EXPECT_EQ(n, all[word]);
      seen.push_back(word);
    }
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.size(), all.size());
  EXPECT_EQ(totals(1, pages).error().code(), tandem::errc::out_of_range);
}

}  // namespace
}  // namespace wordcount
