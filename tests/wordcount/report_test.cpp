#include "report.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace wordcount {
namespace {

using namespace std::chrono_literals;

report sample() {
  report r;
  r.counts = {{"a", 3}, {"b", 1'234'567}, {"c", 3}};
  r.files = {"one", "two words"};
  r.bytes = 2'000'000;
  r.words = 1'234'573;
  r.elapsed = 500ms;
  return r;
}

TEST(Report, ListsTheMostFrequentWordsAndOfEquallyFrequentTheFirst) {
  const std::string text = summary(sample(), 2);
  EXPECT_TRUE(text.starts_with("   1,234,567  b\n           3  a\n2 files")) << text;
  EXPECT_EQ(text.find("  c\n"), std::string::npos);
  EXPECT_NE(text.find("4.0 MB/s"), std::string::npos);
}

TEST(Report, NamesNodesWhoseCountersAreMissing) {
  report r = sample();
  r.silent_nodes = {"n3"};
  EXPECT_NE(summary(r, 0).find("crossed the wire; n3 did not answer\n"), std::string::npos);
}

TEST(Report, WritesCountsAsUniqDoesAndFilesWithNuls) {
  const auto path = std::filesystem::temp_directory_path() / ("wordcount-report-" + std::to_string(std::rand()));
  const auto content = [&] {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  ASSERT_TRUE(write_counts(sample(), path));
  EXPECT_EQ(content(), "      3 a\n1234567 b\n      3 c\n");
  ASSERT_TRUE(write_files(sample(), path));
  EXPECT_EQ(content(), std::string("one\0two words\0", 14));
  std::filesystem::remove(path);
  EXPECT_FALSE(write_counts(sample(), path / "no" / "such"));
}

}  // namespace
}  // namespace wordcount
