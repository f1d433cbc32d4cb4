// Digests of all files below a folder, by a bounded number of tasks that read at the same time.
#include <tandem/csp/channel.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/leak_check.hpp>

namespace tandem::csp {
namespace {

namespace fs = std::filesystem;

using digests = std::map<std::string, std::size_t>;
using digested = std::pair<std::string, std::size_t>;

/// Folders with files of all sizes from nothing up, and what goes with them when the test ends.
class ClassicDigest : public ::testing::TestWithParam<unsigned> {
 protected:
  ClassicDigest() {
    std::string pattern = (fs::temp_directory_path() / "tandem-digest-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::system_error(errno, std::system_category(), pattern);
    root = pattern;
    for (int i = 0; i < 60; ++i) {
      const fs::path folder = root / std::to_string(i % 4) / std::to_string(i % 3);
      fs::create_directories(folder);
      std::ofstream(folder / std::to_string(i)) << std::string(i * 97, static_cast<char>('a' + i % 26));
    }
  }
  ~ClassicDigest() override { fs::remove_all(root); }

  fs::path root;
};

result<std::size_t> digest_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(errc::not_found, "cannot open " + file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return std::hash<std::string>()(text);
}

/// Names all that is no folder. Blocks, so it runs on the blocking pool; so it waits for digesters as a thread does.
result<void> name_files(const fs::path& root, const sender<std::string>& files) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_directory()) continue;
    TANDEM_TRY(files.blocking_send(entry.path().string()));
  }
  return {};
}

task<result<void>> walk(fs::path root, sender<std::string> files) {
  auto walking = run_blocking([root = std::move(root), files = std::move(files)] { return name_files(root, files); });
  co_return co_await walking.join();
}

task<result<void>> digest(receiver<std::string> files, sender<digested> done, std::atomic<int>& begun) {
  while (auto file = co_await files.recv()) {
    ++begun;
    auto reading = run_blocking([file = *file] { return digest_of(file); });
    const std::size_t value = co_await or_return(reading.join());
    co_await or_return(done.send(digested(*file, value)));
  }
  co_return result<void>();
}

task<result<digests>> digest_all(fs::path root, int digesters, std::atomic<int>& begun) {
  digests all;
  auto body = [&](group& g) -> task<> {
    auto [files_tx, files] = make_channel<std::string>(0);
    auto [done, results] = make_channel<digested>(0);
    for (int i = 0; i < digesters; ++i) g.go(digest(files, done, begun), "digester");
    g.go(walk(root, std::move(files_tx)), "walker");
    files = {};  // of the digesters alone: when they have gone, the walker ends
    done = {};
    while (auto one = co_await results.recv()) all.insert(std::move(*one));
  };
  auto ended = co_await with_group(body);
  if (!ended) co_return fail(ended.error());
  co_return all;
}

TEST_P(ClassicDigest, EqualsTheSequentialOne) {
  digests expected;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (!entry.is_directory()) expected.emplace(entry.path().string(), digest_of(entry.path().string()).value());
  ASSERT_EQ(expected.size(), 60u);
  const testing::leak_check nothing_left;
  runtime workers({.workers = GetParam()});
  for (const int digesters : {1, 4, 20}) {
    std::atomic<int> begun = 0;
    EXPECT_EQ(workers.block_on(digest_all(root, digesters, begun)).value(), expected) << digesters << " digesters";
    EXPECT_EQ(begun, 60);
  }
}

TEST_P(ClassicDigest, TheFirstErrorIsTheOutcomeAndEndsAllOthers) {
  for (int i = 0; i < 200; ++i) fs::create_symlink("nowhere", root / ("broken" + std::to_string(i)));
  const testing::leak_check nothing_left;
  runtime workers({.workers = GetParam()});
  std::atomic<int> begun = 0;
  const auto outcome = workers.block_on(digest_all(root, 4, begun));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_TRUE(outcome.error().is(errc::not_found));
  EXPECT_LT(begun, 260);  // the walk did not go on to its end
}

INSTANTIATE_TEST_SUITE_P(Workers, ClassicDigest, ::testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace tandem::csp
