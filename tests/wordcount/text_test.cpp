#include "text.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace wordcount {
namespace {

using counts = std::map<std::string, std::uint64_t>;

// The definition, byte by byte.
counts model(std::string_view text) {
  counts all;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) ++all[word];
    word.clear();
  };
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c - 'A' + 'a');
    } else if (c >= 'a' && c <= 'z') {
      word += c;
    } else {
      end_word();
    }
  }
  end_word();
  return all;
}

void add(counts& to, std::string text, std::size_t piece_bytes) {
  fold(text);
  for (const std::string_view piece : split_between_words(text, piece_bytes))
    for (const auto& [word, n] : count_words(piece)) to[std::string(word)] += n;
}

read_at reader_of(const std::string& text) {
  return [&text](std::uint64_t offset, std::span<char> into) -> tandem::result<std::size_t> {
    const std::size_t n = std::min<std::size_t>(into.size(), text.size() - std::min<std::size_t>(offset, text.size()));
    if (n > 0) std::memcpy(into.data(), text.data() + offset, n);
    return n;
  };
}

// Counts a text as the job does: cut into chunks, each split into pieces.
counts counted_in_chunks(const std::string& text, const chunk_sizes& sizes, std::size_t piece_bytes) {
  const auto ends = chunk_ends(text.size(), sizes, reader_of(text)).value();
  counts all;
  std::size_t start = 0;
  for (const std::uint64_t end : ends) {
    EXPECT_LT(start, end);
    add(all, text.substr(start, end - start), piece_bytes);
    start = end;
  }
  EXPECT_EQ(start, text.size());
  return all;
}

// Letters with this chance in percent, any other byte otherwise.
std::string random_text(std::mt19937& random, std::size_t bytes, unsigned letters) {
  std::string text(bytes, ' ');
  for (char& c : text) c = random() % 100 < letters ? "abcXYZ"[random() % 6] : static_cast<char>(random());
  return text;
}

TEST(Words, AreMaximalRunsOfAsciiLettersInLowerCase) {
  std::string text = "Don't PANIC, it's 42x\n\xc3\xa9tude z";
  fold(text);
  std::vector<std::string> words;
  for_each_word(text, [&](std::string_view word) { words.emplace_back(word); });
  EXPECT_EQ(words, (std::vector<std::string>{"don", "t", "panic", "it", "s", "x", "tude", "z"}));
}

TEST(Words, OfEveryByteValueAreTheLetters) {
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  EXPECT_EQ(model(text), (counts{{"abcdefghijklmnopqrstuvwxyz", 2}}));
  counts got;
  add(got, text, 1000);
  EXPECT_EQ(got, model(text));
}

TEST(Words, HashIsTheOneTheProtocolNames) {
  EXPECT_EQ(word_hash(""), 0xcbf29ce484222325ULL);  // FNV-1a's published values
  EXPECT_EQ(word_hash("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(word_hash("foobar"), 0x85944171f73967e8ULL);
}

TEST(Splitting, CutsNoWordAndLosesNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const std::string text = random_text(random, random() % 500, 50 + random() % 50);
    counts got;
    add(got, text, 1 + random() % 100);
    EXPECT_EQ(got, model(text));
  }
}

TEST(ChunkEnds, OfAnEmptyFileAreNone) { EXPECT_TRUE(chunk_ends(0, {}, reader_of("")).value().empty()); }

TEST(ChunkEnds, OfASmallFileNeedNoReading) {
  const read_at fails = [](std::uint64_t, std::span<char>) -> tandem::result<std::size_t> {
    ADD_FAILURE() << "read";
    return 0;
  };
  EXPECT_EQ(chunk_ends(100, {100, 10}, fails).value(), std::vector<std::uint64_t>{100});
}

TEST(ChunkEnds, GiveTheCountsOfTheWholeForRandomBytes) {
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    const std::string text = random_text(random, random() % 2000, random() % 101);
    const chunk_sizes sizes{1 + random() % 300, 1 << 20};
    EXPECT_EQ(counted_in_chunks(text, sizes, 1 + random() % 64), model(text)) << "round " << round;
  }
}

TEST(ChunkEnds, ComeBehindAWordThatCrossesTheTarget) {
  const std::string text = "one two three four";
  const auto ends = [&](std::uint64_t target) {
    return chunk_ends(text.size(), {target, 100}, reader_of(text)).value();
  };
  EXPECT_EQ(ends(3), (std::vector<std::uint64_t>{3, 7, 13, 18}));  // "one", " two", " three", " four"
  EXPECT_EQ(ends(4).front(), 4U);                                  // a blank before the cut will do
  EXPECT_EQ(ends(9).front(), 13U);                                 // inside "three"
  EXPECT_EQ(ends(17), std::vector<std::uint64_t>{18});
}

TEST(ChunkEnds, FollowAWordLongerThanManyReads) {
  const std::string text = "x " + std::string(100'000, 'w') + " y";
  const auto ends = chunk_ends(text.size(), {10, 100'000}, reader_of(text)).value();
  EXPECT_EQ(ends, (std::vector<std::uint64_t>{100'002, 100'004}));
  EXPECT_EQ(counted_in_chunks(text, {10, 100'000}, 7), model(text));
}

TEST(ChunkEnds, RefuseAWordBeyondTheLimit) {
  const std::string text(100'000, 'w');
  const auto ends = chunk_ends(text.size(), {10, 50'000}, reader_of(text));
  ASSERT_FALSE(ends);
  EXPECT_EQ(ends.error().code(), tandem::errc::out_of_range);
}

TEST(ChunkEnds, PassOnWhatKeepsTheFileFromBeingRead) {
  const read_at fails = [](std::uint64_t, std::span<char>) -> tandem::result<std::size_t> {
    return tandem::fail(tandem::errc::unavailable, "the disk is gone");
  };
  const auto ends = chunk_ends(100, {10, 100}, fails);
  ASSERT_FALSE(ends);
  EXPECT_EQ(ends.error().code(), tandem::errc::unavailable);
}

TEST(ChunkEnds, NoticeAFileThatBecameShorter) {
  const std::string text(20, 'w');
  const auto ends = chunk_ends(100, {30, 100}, reader_of(text));
  ASSERT_FALSE(ends);
  EXPECT_EQ(ends.error().code(), tandem::errc::aborted);
}

}  // namespace
}  // namespace wordcount
