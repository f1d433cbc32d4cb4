#include "input.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace wordcount {
namespace {

namespace fs = std::filesystem;

class Input : public ::testing::Test {
 protected:
  Input() {
    std::string pattern = (fs::temp_directory_path() / "wordcount.XXXXXX").string();
    if (mkdtemp(pattern.data())) folder_ = pattern;
  }
  ~Input() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static std::vector<std::string> names(const found_files& found) {
    std::vector<std::string> paths;
    for (const input_file& file : found.usable) paths.push_back(file.path);
    return paths;
  }
  static std::vector<chunk> plan_all(std::vector<input_file>& files, const chunk_sizes& sizes) {
    std::vector<chunk> all;
    for (const file_batch& batch : make_batches(files, sizes)) {
      auto planned = plan_chunks(batch, files, sizes, {}).value();
      std::ranges::move(planned, std::back_inserter(all));
    }
    return all;
  }

  fs::path folder_;
};

TEST_F(Input, FindsFilesBelowFoldersSortedAndOnce) {
  const std::string b = write("b", "1"), a = write("sub/deep/a", "22"), c = write("c", "");
  const auto found = find_files({path("c"), folder_.string(), path("c")});
  EXPECT_EQ(names(found), (std::vector<std::string>{b, c, a}));
  EXPECT_TRUE(found.problems.empty());
  EXPECT_EQ(found.usable[2].bytes, 2U);
}

TEST_F(Input, FollowsLinksToFilesButNotToFolders) {
  write("real/file", "x");
  fs::create_directory_symlink("real", folder_ / "folder-link");
  fs::create_symlink("real/file", folder_ / "file-link");
  EXPECT_EQ(names(find_files({folder_.string()})), (std::vector<std::string>{path("file-link"), path("real/file")}));
  EXPECT_EQ(names(find_files({path("folder-link")})), (std::vector<std::string>{path("folder-link/file")}));
}

TEST_F(Input, NamesWhatCannotBeUsed) {
  fs::create_symlink("nowhere", folder_ / "dangling");
  const auto found = find_files({path("missing"), path("dangling"), "/dev/null"});
  EXPECT_TRUE(found.usable.empty());
  ASSERT_EQ(found.problems.size(), 3U);
  EXPECT_NE(found.problems[0].message().find("/dev/null"), std::string::npos);
  EXPECT_EQ(found.problems[0].code(), tandem::errc::invalid_argument);
  EXPECT_NE(found.problems[1].message().find("dangling: No such file"), std::string::npos);
  EXPECT_EQ(found.problems[2].code(), tandem::errc::not_found);
}

TEST_F(Input, PutsSmallFilesIntoOneChunkAndCutsLargeOnes) {
  write("a", "aa");
  write("b", "");
  write("c", "cc");
  write("d", std::string(25, '.'));
  auto files = find_files({folder_.string()}).usable;
  auto chunks = plan_all(files, {10, 100});
  ASSERT_EQ(chunks.size(), 4U);
  EXPECT_EQ(read_chunk(chunks[0], files).value(), "aa\ncc\n");
  EXPECT_EQ(chunks[1].bytes(), 10U);
  EXPECT_EQ(chunks[3].bytes(), 5U);
}

TEST_F(Input, LeavesOutAFileThatVanishesBeforeItIsRead) {
  write("a", "aa");
  write("b", "bb");
  auto files = find_files({folder_.string()}).usable;
  auto chunks = plan_all(files, {});
  ASSERT_EQ(chunks.size(), 1U);
  fs::remove(folder_ / "a");
  EXPECT_EQ(read_chunk(chunks[0], files).value(), "bb\n");
  EXPECT_EQ(files[0].problem.code(), tandem::errc::not_found);
  EXPECT_FALSE(files[1].problem);
  EXPECT_EQ(read_chunk(chunks[0], files).value(), "bb\n");  // the same when it is read again
}

TEST_F(Input, FailsWhenAFileChangesBetweenTwoReads) {
  write("a", "one");
  auto files = find_files({folder_.string()}).usable;
  auto chunks = plan_all(files, {});
  ASSERT_TRUE(read_chunk(chunks[0], files));
  write("a", "two");
  const auto again = read_chunk(chunks[0], files);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), tandem::errc::aborted);
}

TEST_F(Input, FailsWhenALargeFileBecomesShorter) {
  write("a", std::string(30, '.'));
  auto files = find_files({folder_.string()}).usable;
  auto chunks = plan_all(files, {10, 100});
  write("a", std::string(15, '.'));
  EXPECT_TRUE(read_chunk(chunks[0], files));
  const auto cut_off = read_chunk(chunks[1], files);
  ASSERT_FALSE(cut_off);
  EXPECT_NE(cut_off.error().message().find(path("a")), std::string::npos);
}

TEST_F(Input, StopsPlanningWhenItIsCancelled) {
  write("a", std::string(30, '.'));
  auto files = find_files({folder_.string()}).usable;
  const tandem::cancel_source over((tandem::context()));
  over.cancel();
  const auto planned = plan_chunks({0, 1}, files, {10, 100}, over.context());
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().code(), tandem::errc::cancelled);
  EXPECT_FALSE(files[0].problem);
}

TEST_F(Input, DoesNotCountAFileWithAnEndlessWordAtAll) {
  write("a", "fine");
  write("b", std::string(5'000, 'w'));
  auto files = find_files({folder_.string()}).usable;
  const auto chunks = plan_all(files, {10, 100});
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].pieces.size(), 1U);
  EXPECT_EQ(files[1].problem.code(), tandem::errc::out_of_range);
  EXPECT_NE(files[1].problem.message().find(path("b")), std::string::npos);
}

}  // namespace
}  // namespace wordcount
