// What files do about paths, offsets, devices and systems that are not as they should be.
#include <tandem/runtime/file.hpp>

#include <cstring>
#include <limits>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tandem/errors/error_code.hpp>
#include <tandem/runtime/spawn.hpp>

#include "file_helpers.hpp"

namespace tandem {
namespace {

using detail::io_call;
using FileBadInput = on_each_engine;
TANDEM_ON_EACH_ENGINE(FileBadInput);

// The code, and the system's code underneath.
void expect_system_error(const error& e, errc code, int number, std::string_view path) {
  EXPECT_EQ(e.code(), code) << e;
  ASSERT_NE(e.as<std::error_code>(), nullptr) << e;
  EXPECT_EQ(e.as<std::error_code>()->value(), number) << e;
  EXPECT_NE(e.message().find(path), std::string::npos) << e;
}

TEST_P(FileBadInput, AnErrorNamesThePathAndKeepsTheSystemsCode) {
  run([&]() -> task<> {
    const auto missing = co_await file::open(folder / "no/such");
    expect_system_error(missing.error(), errc::not_found, ENOENT, folder / "no/such");
    EXPECT_EQ(missing.error().message(), "cannot open " + (folder / "no/such") + ": No such file or directory");
    put(folder / "a", "");
    expect_system_error((co_await file::open(folder / "a/b")).error(), errc::failed_precondition, ENOTDIR, "a/b");
    expect_system_error((co_await file::open("")).error(), errc::not_found, ENOENT, "");
    expect_system_error((co_await file::open(folder / std::string(300, 'x'))).error(), errc::invalid_argument,
                        ENAMETOOLONG, "xxx");
    // Nobody may write to a program that runs, not even who may do everything.
    file_options how = file_options::to_update();
    how.creation = file_creation::never;
    expect_system_error((co_await file::open("/proc/self/exe", how)).error(), errc::failed_precondition, ETXTBSY,
                        "/proc/self/exe");
  });
}

TEST_P(FileBadInput, ADirectoryIsNoFile) {
  run([&]() -> task<> {
    expect_system_error((co_await file::open(folder.path())).error(), errc::failed_precondition, EISDIR, folder.path());
    expect_system_error((co_await file::open(folder.path(), file_options::to_update())).error(),
                        errc::failed_precondition, EISDIR, folder.path());
  });
}

TEST_P(FileBadInput, WhatHasNoPlacesIsRefusedWithoutWaitingForItsOtherEnd) {
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  run([&]() -> task<> {
    const std::array<file_options, 2> ways = {file_options::to_read(), file_options::to_replace()};
    for (const file_options& how : ways) {
      const auto refused = co_await file::open(folder / "pipe", how);
      EXPECT_EQ(refused.error().code(), errc::invalid_argument);
      EXPECT_NE(refused.error().message().find("no places to read and write at"), std::string::npos) << refused.error();
    }
  });
}

TEST_P(FileBadInput, OptionsAndPathsThatMakeNoSenseAreRefused) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    file_options how;
    how.truncate = true;
    EXPECT_EQ((co_await file::open(folder / "a", how)).error().code(), errc::invalid_argument);
    EXPECT_EQ((co_await file::open(folder / std::string("a\0b", 3))).error().code(), errc::invalid_argument);
  });
  EXPECT_EQ(get(folder / "a"), "12345");
}

TEST_P(FileBadInput, OffsetsBeyondTheLastAndNegativeOnesAreRefused) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::string text(10, '?');
    constexpr std::uint64_t last = std::numeric_limits<std::int64_t>::max();
    const std::array<std::uint64_t, 5> offsets = {std::uint64_t(-1), std::uint64_t(-4096), last + 1, last - 9, last - 10};
    for (const std::uint64_t offset : offsets) {
      const auto read = co_await f.read_at(offset, memory_of(text));
      const auto written = co_await f.write_at(offset, bytes_of(text));
      if (offset == last - 10) {  // the last one that there can be; no file system is that large
        EXPECT_TRUE(!read || *read == 0U);
        EXPECT_EQ(written.error().code(), errc::out_of_range) << written.error();
        continue;
      }
      EXPECT_EQ(read.error().code(), errc::invalid_argument) << read.error();
      EXPECT_EQ(written.error().code(), errc::invalid_argument) << written.error();
      EXPECT_NE(read.error().message().find("was the offset negative?"), std::string::npos) << read.error();
    }
    EXPECT_EQ((co_await f.size()).value(), 0U);
  });
}

TEST_P(FileBadInput, OperationsInTheWrongDirectionAreRefused) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    std::string text(5, '?');
    const file in = (co_await file::open(folder / "a")).value();
    EXPECT_EQ((co_await in.write_at(0, bytes_of("x"))).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await in.truncate(0)).error().code(), errc::failed_precondition);
    file_options how = file_options::to_replace();
    how.truncate = false;
    const file out = (co_await file::open(folder / "a", how)).value();
    const auto read = co_await out.read_at(0, memory_of(text));
    EXPECT_EQ(read.error().code(), errc::failed_precondition);
    EXPECT_EQ(read.error().message(), "cannot read " + (folder / "a") + ": it was opened to write only");
  });
  EXPECT_EQ(get(folder / "a"), "12345");
}

TEST_P(FileBadInput, AnObjectWithoutAFileSaysSo) {
  run([&]() -> task<> {
    file none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.path(), "");
    std::string text(5, '?');
    EXPECT_EQ((co_await none.read_at(0, memory_of(text))).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.write_all_at(0, bytes_of(text))).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.size()).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.truncate(0)).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.sync()).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await none.close()).error().code(), errc::failed_precondition);
  });
}

TEST_P(FileBadInput, AfterACloseEverythingIsClosed) {
  run([&]() -> task<> {
    file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    EXPECT_TRUE((co_await f.close()).has_value());
    EXPECT_TRUE(f);
    std::string text(5, '?');
    EXPECT_EQ((co_await f.read_at(0, memory_of(text))).error().code(), errc::closed);
    EXPECT_EQ((co_await f.write_at(0, bytes_of(text))).error().code(), errc::closed);
    EXPECT_EQ((co_await f.size()).error().code(), errc::closed);
    EXPECT_EQ((co_await f.truncate(0)).error().code(), errc::closed);
    EXPECT_EQ((co_await f.sync()).error().code(), errc::closed);
    EXPECT_EQ((co_await f.close()).error().code(), errc::closed);
  });
}

TEST_P(FileBadInput, AFullDiskIsTold) {
  run([&]() -> task<> {
    const file f = (co_await file::open("/dev/full", file_options::to_update())).value();
    const auto written = co_await f.write_all_at(0, bytes_of("x"));
    expect_system_error(written.error(), errc::resource_exhausted, ENOSPC, "/dev/full");
  });
}

TEST_P(FileBadInput, ADiskThatBecomesFullTellsHowMuchWentOntoIt) {
  struct small_disk {
    explicit small_disk(std::string at) : path(std::move(at)) {
      mkdir(path.c_str(), 0700);
      mounted = mount("tandem-test", path.c_str(), "tmpfs", 0, "size=64k") == 0;
    }
    ~small_disk() {
      if (mounted) umount2(path.c_str(), MNT_DETACH);
    }
    std::string path;
    bool mounted;
  } const disk(folder / "disk");
  if (!disk.mounted) GTEST_SKIP() << "this process may not mount a file system";
  run([&]() -> task<> {
    const file f = (co_await file::open(disk.path + "/a", file_options::to_update())).value();
    EXPECT_TRUE((co_await f.truncate(0)).has_value());
    const std::string text(200'000, 'x');
    const auto written = co_await f.write_all_at(0, bytes_of(text));
    expect_system_error(written.error(), errc::resource_exhausted, ENOSPC, disk.path);
    EXPECT_EQ(written.error().message().find("after 65536 of 200000 bytes: "), 0U) << written.error();
    EXPECT_EQ((co_await f.size()).value(), 65'536U);
  });
}

TEST_P(FileBadInput, AFileBeyondTheProcesssLimitIsOutOfRange) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    const auto written = co_await f.write_all_at(0, bytes_of("123456789012345"));
    expect_system_error(written.error(), errc::out_of_range, EFBIG, folder / "a");
    expect_system_error((co_await f.truncate(11)).error(), errc::out_of_range, EFBIG, folder / "a");
    // Too long for a worker, so a thread of the kernel meets the limit.
    const std::string text(200'000, 'x');
    expect_system_error((co_await f.write_at(10, bytes_of(text))).error(), errc::out_of_range, EFBIG, folder / "a");
    // The kernel does a direct one on the thread that submits it: a worker, and if refused at first, the ring's.
    file_options how = file_options::to_update();
    how.direct = true;
    if (const auto direct = co_await file::open(folder / "b", how)) {  // else the file system has none
      const aligned_buffer block(direct->alignment(), 4096);
      const std::span<const std::byte> bytes(block.data(), block.size());
      EXPECT_EQ((co_await direct->write_at(block.size(), bytes)).error().code(), errc::out_of_range);
      const faults some(io_call::submit, {{EAGAIN}});
      EXPECT_EQ((co_await direct->write_at(block.size(), bytes)).error().code(), errc::out_of_range);
    }
    sigset_t pending;
    EXPECT_EQ(sigpending(&pending), 0);
    EXPECT_EQ(sigismember(&pending, SIGXFSZ), 0);
  });
  setrlimit(RLIMIT_FSIZE, &before);
}

TEST_P(FileBadInput, WithoutDescriptorsNothingOpensAndWhatIsOpenGoesOn) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan, which comes with it, opens a pipe to look at an object";
#endif
  put(folder / "a", "12345");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a")).value();
    std::string text(5, '?');
    rlimit none = before;
    none.rlim_cur = 0;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto refused = co_await file::open(folder / "a");
    const auto read = co_await f.read_exactly_at(0, memory_of(text));
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_system_error(refused.error(), errc::resource_exhausted, EMFILE, folder / "a");
    EXPECT_TRUE(read.has_value());
    EXPECT_EQ(text, "12345");
    EXPECT_TRUE((co_await file::open(folder / "a")).has_value());
  });
}

TEST_P(FileBadInput, ShortTransfersAndInterruptionsAreGoneOnFrom) {
  put(folder / "a", std::string(100, 'x'));
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::string text(100, '?');
    {
      const faults some(io_call::read, {{0, 7}, {EINTR}, {EINTR}, {0, 1}, {0, 90}, {EINTR}});
      EXPECT_TRUE((co_await f.read_exactly_at(0, memory_of(text))).has_value());
      EXPECT_EQ(text, std::string(100, 'x'));
      EXPECT_EQ(faults::calls(), 7U);
    }
    {
      const faults some(io_call::read, {{EINTR}, {0, 7}});
      EXPECT_EQ((co_await f.read_at(0, memory_of(text))).value(), 7U);  // one that gives what there is
    }
    {
      const faults some(io_call::write, {{0, 7}, {EINTR}, {0, 50}});
      EXPECT_TRUE((co_await f.write_all_at(0, bytes_of(std::string(100, 'y')))).has_value());
      EXPECT_EQ(faults::calls(), 4U);
    }
    {
      const faults some(io_call::sync, {{EINTR}, {EINTR}});
      EXPECT_TRUE((co_await f.sync()).has_value());
      EXPECT_EQ(faults::calls(), 3U);
    }
  });
  EXPECT_EQ(get(folder / "a"), std::string(100, 'y'));
}

TEST_P(FileBadInput, AFailureInTheMiddleSaysHowFarItGot) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    {
      const faults some(io_call::write, {{0, 30}, {0, 30}, {ENOSPC}});
      const auto written = co_await f.write_all_at(0, bytes_of(std::string(100, 'y')));
      expect_system_error(written.error(), errc::resource_exhausted, ENOSPC, folder / "a");
      EXPECT_EQ(written.error().message().find("after 60 of 100 bytes: cannot write 100 bytes at offset 0 of"), 0U);
    }
    {
      const faults some(io_call::read, {{0, 10}, {EIO}});
      std::string text(60, '?');
      const auto read = co_await f.read_exactly_at(0, memory_of(text));
      expect_system_error(read.error(), errc::data_loss, EIO, folder / "a");
      EXPECT_EQ(text, std::string(10, 'y') + std::string(50, '?'));
    }
    {
      const faults some(io_call::write, {{EDQUOT}});
      expect_system_error((co_await f.write_at(0, bytes_of("x"))).error(), errc::resource_exhausted, EDQUOT, folder / "a");
    }
    {
      const faults some(io_call::write, {{0, 0}});  // "nothing written", which would go on for ever
      expect_system_error((co_await f.write_at(0, bytes_of("x"))).error(), errc::data_loss, EIO, folder / "a");
    }
  });
  EXPECT_EQ(get(folder / "a"), std::string(60, 'y'));
}

TEST_P(FileBadInput, WhatSyncAndCloseAndTheOthersFailWithIsTold) {
  run([&]() -> task<> {
    file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    {
      const faults some(io_call::sync, {{EIO}});
      expect_system_error((co_await f.sync()).error(), errc::data_loss, EIO, folder / "a");
    }
    {
      const faults some(io_call::truncate, {{EFBIG}});
      expect_system_error((co_await f.truncate(3)).error(), errc::out_of_range, EFBIG, folder / "a");
    }
    {
      const faults some(io_call::size, {{ESTALE}});
      expect_system_error((co_await f.size()).error(), errc::aborted, ESTALE, folder / "a");
    }
    {
      const faults some(io_call::close, {{EDQUOT}});
      expect_system_error((co_await f.close()).error(), errc::resource_exhausted, EDQUOT, folder / "a");
      EXPECT_EQ((co_await f.close()).error().code(), errc::closed);
    }
    {
      const faults some(io_call::open, {{EACCES}, {ENFILE}});
      expect_system_error((co_await file::open(folder / "a")).error(), errc::permission_denied, EACCES, folder / "a");
      expect_system_error((co_await file::open(folder / "a")).error(), errc::resource_exhausted, ENFILE, folder / "a");
    }
  });
}

TEST(FileOutsideOfTasks, CanBeDestroyedAnywhere) {
  const scratch_folder folder;
  std::optional<file> left;
  {
    runtime rt({.workers = 1});
    auto body = [](std::string path) -> task<file> {
      co_return (co_await file::open(std::move(path), file_options::to_update())).value();
    };
    left = rt.block_on(body(folder / "a"));
    file again = rt.block_on(body(folder / "a"));
  }
  left.reset();
}

}  // namespace
}  // namespace tandem
