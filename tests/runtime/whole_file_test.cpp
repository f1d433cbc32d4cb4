// read_file() and write_file_atomically().
#include <filesystem>
#include <random>

#include <sys/stat.h>
#include <unistd.h>

#include <tandem/errors/short_code.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/file.hpp>
#include <tandem/runtime/with_context.hpp>

#include "file_helpers.hpp"

namespace tandem {
namespace {

using detail::io_call;
using WholeFile = on_each_engine;
TANDEM_ON_EACH_ENGINE(WholeFile);

TEST_P(WholeFile, IsReadAsItIs) {
  std::mt19937 random(1);
  std::vector<std::size_t> sizes = {0, 1, 65'535, 65'536, 65'537, 1'000'000};
  for (const std::size_t size : sizes) {
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>(random());
    put(folder / "a", text);
    run([&]() -> task<> { EXPECT_TRUE((co_await read_file(folder / "a")).value() == text) << size; });
  }
}

TEST_P(WholeFile, IsReadThoughItDoesNotTellItsSize) {
  run([&]() -> task<> { EXPECT_NE((co_await read_file("/proc/self/status")).value().find("Pid:"), std::string::npos); });
}

TEST_P(WholeFile, LongerThanAllowedIsRefused) {
  put(folder / "a", std::string(1'000, 'x'));
  run([&]() -> task<> {
    EXPECT_EQ((co_await read_file(folder / "a", 1'000)).value().size(), 1'000U);
    EXPECT_EQ((co_await read_file(folder / "a", std::string::npos)).value().size(), 1'000U);
    EXPECT_EQ((co_await read_file(folder / "a", 999)).error().code(), errc::resource_exhausted);
    EXPECT_EQ((co_await read_file("/dev/zero", 300'000)).error().code(), errc::resource_exhausted);
    EXPECT_EQ((co_await read_file(folder / "missing")).error().code(), errc::not_found);
    EXPECT_EQ((co_await read_file(folder.path())).error().code(), errc::failed_precondition);
  });
}

TEST_P(WholeFile, IsMadeOrReplacedAndKeepsItsPermissions) {
  run([&]() -> task<> {
    EXPECT_TRUE((co_await write_file_atomically(folder / "a", "first")).has_value());
    EXPECT_EQ(get(folder / "a"), "first");
    EXPECT_EQ(chmod((folder / "a").c_str(), 0751), 0);
    EXPECT_TRUE((co_await write_file_atomically(folder / "a", "second")).has_value());
    EXPECT_TRUE((co_await write_file_atomically(folder / "b", "")).has_value());
  });
  EXPECT_EQ(get(folder / "a"), "second");
  EXPECT_EQ(get(folder / "b"), "");
  EXPECT_EQ(folder.entries(), 2U);
  struct stat about;
  ASSERT_EQ(stat((folder / "a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0751U);
}

TEST_P(WholeFile, WhoHadItOpenStillSeesWhatWasThere) {
  put(folder / "a", "first");
  run([&]() -> task<> {
    const file before = (co_await file::open(folder / "a")).value();
    EXPECT_TRUE((co_await write_file_atomically(folder / "a", "second")).has_value());
    std::string text(5, '?');
    EXPECT_TRUE((co_await before.read_exactly_at(0, memory_of(text))).has_value());
    EXPECT_EQ(text, "first");
  });
}

TEST_P(WholeFile, OnlyRegularFilesAndLinksAreReplaced) {
  put(folder / "target", "target");
  std::filesystem::create_symlink("target", folder / "link");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  run([&]() -> task<> {
    EXPECT_TRUE((co_await write_file_atomically(folder / "link", "new")).has_value());
    EXPECT_EQ((co_await write_file_atomically(folder / "pipe", "new")).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await write_file_atomically(folder.path(), "new")).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await write_file_atomically(folder / "no/such", "new")).error().code(), errc::not_found);
    EXPECT_EQ((co_await write_file_atomically("", "new")).error().code(), errc::not_found);
  });
  EXPECT_EQ(get(folder / "target"), "target");
  EXPECT_EQ(get(folder / "link"), "new");
  EXPECT_EQ(folder.entries(), 3U);
}

TEST_P(WholeFile, TheLongestNameThereIsCanBeReplaced) {
  const std::string name(255, 'n');
  run([&]() -> task<> { EXPECT_TRUE((co_await write_file_atomically(folder / name, "new")).has_value()); });
  EXPECT_EQ(get(folder / name), "new");
}

// Each call that replacing makes fails in its turn.
TEST_P(WholeFile, AFailureBeforeTheReplacementChangesNothingAndLeavesNothing) {
  put(folder / "a", "first");
  const std::pair<io_call, std::vector<detail::io_fault>> failures[] = {{io_call::open, {{EMFILE}}},
                                                                        {io_call::write, {{0, 2}, {ENOSPC}}},
                                                                        {io_call::sync, {{EIO}}},
                                                                        {io_call::close, {{EDQUOT}}},
                                                                        {io_call::rename, {{EROFS}}}};
  for (const auto& [call, plan] : failures) {
    run([&]() -> task<> {
      const faults some(call, plan);
      EXPECT_FALSE((co_await write_file_atomically(folder / "a", "second")).has_value());
    });
    EXPECT_EQ(get(folder / "a"), "first");
    EXPECT_EQ(folder.entries(), 1U);
  }
}

// The other file's name is another each time. What is told is not, so that it keeps its short code.
TEST_P(WholeFile, AFailureNamesWhatWasToBeReplacedAndNotTheOtherFile) {
  put(folder / "a", "first");
  const std::pair<io_call, std::vector<detail::io_fault>> failures[] = {{io_call::open, {{EMFILE}}},
                                                                        {io_call::write, {{0, 2}, {ENOSPC}}},
                                                                        {io_call::sync, {{EIO}}},
                                                                        {io_call::close, {{EDQUOT}}},
                                                                        {io_call::rename, {{EROFS}}}};
  for (const auto& [call, plan] : failures) {
    std::array<error, 2> told;
    for (error& e : told) {
      run([&]() -> task<> {
        const faults some(call, plan);
        e = (co_await write_file_atomically(folder / "a", "second")).error();
      });
      EXPECT_EQ(e.message().find("cannot replace " + (folder / "a") + ": "), 0U) << e;
      EXPECT_EQ(e.message().find(folder / ".a."), std::string::npos) << e;
    }
    EXPECT_EQ(told[0].message(), told[1].message());
    EXPECT_EQ(short_code(told[0]), short_code(told[1]));
  }
}

TEST_P(WholeFile, AFolderThatCannotBeSyncedIsToldAfterTheReplacement) {
  put(folder / "a", "first");
  run([&]() -> task<> {
    const faults some(io_call::sync, {{}, {EIO}});
    const auto ended = co_await write_file_atomically(folder / "a", "second");
    EXPECT_EQ(ended.error().code(), errc::data_loss);
    EXPECT_NE(ended.error().message().find("after the replacement"), std::string::npos) << ended.error();
  });
  EXPECT_EQ(get(folder / "a"), "second");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST_P(WholeFile, UnderAContextThatIsOverNothingIsReadOrChanged) {
  put(folder / "a", "first");
  run([&]() -> task<> {
    const cancel_source over(this_task::context());
    over.cancel();
    EXPECT_EQ((co_await with_context(over.context(), read_file(folder / "a"))).error().code(), errc::cancelled);
    EXPECT_EQ((co_await with_context(over.context(), write_file_atomically(folder / "a", "second"))).error().code(),
              errc::cancelled);
  });
  EXPECT_EQ(get(folder / "a"), "first");
  EXPECT_EQ(folder.entries(), 1U);
}

}  // namespace
}  // namespace tandem
