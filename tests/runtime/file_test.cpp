// Reading and writing files, by io_uring, on the blocking pool, and in a simulation.
#include <tandem/runtime/file.hpp>

#include <cstring>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tandem/errors/stack.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/or_return.hpp>

#include "file_helpers.hpp"

namespace tandem {
namespace {

using File = on_each_engine;
TANDEM_ON_EACH_ENGINE(File);

TEST_P(File, GivesBackWhatWasWrittenAtThePlaceItWasWrittenTo) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    EXPECT_TRUE((co_await f.write_all_at(0, bytes_of("hello world"))).has_value());
    EXPECT_EQ((co_await f.write_at(6, bytes_of("tandem"))).value(), 6U);
    std::string text(12, '?');
    EXPECT_TRUE((co_await f.read_exactly_at(0, memory_of(text))).has_value());
    EXPECT_EQ(text, "hello tandem");
    EXPECT_EQ((co_await f.size()).value(), 12U);
  });
  EXPECT_EQ(get(folder / "a"), "hello tandem");
}

TEST_P(File, ReadsLessWhereItEndsAndNothingBeyond) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a")).value();
    std::string text(10, '?');
    EXPECT_EQ((co_await f.read_at(3, memory_of(text))).value(), 2U);
    EXPECT_EQ(text, "45????????");
    EXPECT_EQ((co_await f.read_at(5, memory_of(text))).value(), 0U);
    EXPECT_EQ((co_await f.read_at(1'000'000, memory_of(text))).value(), 0U);
  });
}

TEST_P(File, ReadExactlySaysHowMuchThereWasWhenTheFileEndsEarly) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a")).value();
    std::string text(10, '?');
    const auto ended = co_await f.read_exactly_at(2, memory_of(text));
    EXPECT_EQ(ended.error().code(), errc::out_of_range);
    EXPECT_EQ(ended.error().message(), "after 3 of 10 bytes: cannot read 10 bytes at offset 2 of " + (folder / "a") +
                                           ": the file ends there");
    EXPECT_EQ(text, "345???????");
  });
}

TEST_P(File, TakesEmptyMemoryAsNothingToDo) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    EXPECT_EQ((co_await f.read_at(2, {})).value(), 0U);
    EXPECT_EQ((co_await f.write_at(100, {})).value(), 0U);
    EXPECT_TRUE((co_await f.read_exactly_at(100, {})).has_value());
    EXPECT_TRUE((co_await f.write_all_at(100, {})).has_value());
    EXPECT_EQ((co_await f.size()).value(), 5U);
  });
}

TEST_P(File, GrowsAndShrinksByTruncateAndByWritesBeyondItsEnd) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    EXPECT_TRUE((co_await f.write_all_at(3, bytes_of("x"))).has_value());
    EXPECT_TRUE((co_await f.truncate(6)).has_value());
    EXPECT_EQ((co_await f.size()).value(), 6U);
    std::string text(6, '?');
    EXPECT_TRUE((co_await f.read_exactly_at(0, memory_of(text))).has_value());
    EXPECT_EQ(text, std::string("\0\0\0x\0\0", 6));
    EXPECT_TRUE((co_await f.truncate(2)).has_value());
    EXPECT_EQ((co_await f.size()).value(), 2U);
    EXPECT_TRUE((co_await f.sync()).has_value());
    EXPECT_TRUE((co_await f.sync_data()).has_value());
    EXPECT_EQ((co_await f.truncate(std::uint64_t(-1))).error().code(), errc::invalid_argument);
  });
}

TEST_P(File, MovesMoreThanTheKernelTriesOnTheCallersThread) {
  std::string large(5'000'000, ' ');
  std::mt19937 random(1);
  for (char& c : large) c = static_cast<char>(random());
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    EXPECT_TRUE((co_await f.write_all_at(1, bytes_of(large))).has_value());
    std::string read(large.size(), ' ');
    EXPECT_TRUE((co_await f.read_exactly_at(1, memory_of(read))).has_value());
    EXPECT_TRUE(read == large);
  });
}

TEST_P(File, IsOpenedAsTheOptionsSay) {
  put(folder / "there", "12345");
  run([&]() -> task<> {
    EXPECT_EQ((co_await file::open(folder / "missing")).error().code(), errc::not_found);
    file_options how = file_options::to_update();
    how.creation = file_creation::never;
    EXPECT_EQ((co_await file::open(folder / "missing", how)).error().code(), errc::not_found);
    how.creation = file_creation::must_be_new;
    how.permissions = 0600;
    EXPECT_EQ((co_await file::open(folder / "there", how)).error().code(), errc::already_exists);
    EXPECT_TRUE((co_await file::open(folder / "new", how)).has_value());
    const file kept = (co_await file::open(folder / "there", file_options::to_update())).value();
    EXPECT_EQ((co_await kept.size()).value(), 5U);
    const file emptied = (co_await file::open(folder / "there", file_options::to_replace())).value();
    EXPECT_EQ((co_await emptied.size()).value(), 0U);
    EXPECT_EQ(emptied.path(), folder / "there");
    EXPECT_EQ(emptied.alignment(), io_alignment());
  });
  struct stat about;
  ASSERT_EQ(stat((folder / "new").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0600U);
}

TEST_P(File, LeavesNoDescriptorBehind) {
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  (void)stack_trace::capture();  // the unwinder keeps a pipe from the first stack on
  const auto before = open_descriptors();
  run([&]() -> task<> {
    for (int i = 0; i < 20; ++i) {
      file f = (co_await file::open(folder / "a", file_options::to_update())).value();
      if (i % 2 == 0) {
        EXPECT_TRUE((co_await f.close()).has_value());
      }
      EXPECT_FALSE((co_await file::open(folder.path())).has_value());
    }
  });
  EXPECT_EQ(open_descriptors(), before);
}

// Against the obvious model.
TEST_P(File, HoldsWhatAStringWouldAfterRandomReadsWritesAndTruncates) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::mt19937 random(4711);
    std::string model;
    for (int i = 0; i < 600; ++i) {
      const std::size_t offset = random() % 300'000;
      const std::size_t length = random() % 4 == 0 ? random() % 150'000 : random() % 500;
      switch (random() % 8) {
        case 0:
          EXPECT_TRUE((co_await f.truncate(offset)).has_value());
          model.resize(offset, '\0');
          break;
        case 1:
          EXPECT_EQ((co_await f.size()).value(), model.size());
          break;
        case 2:
        case 3:
        case 4: {
          std::string text(length, ' ');
          for (char& c : text) c = static_cast<char>(random());
          EXPECT_TRUE((co_await f.write_all_at(offset, bytes_of(text))).has_value());
          if (text.empty()) break;
          if (model.size() < offset + length) model.resize(offset + length, '\0');
          model.replace(offset, length, text);
          break;
        }
        default: {
          std::string text(length, ' ');
          const auto all = co_await f.read_exactly_at(offset, memory_of(text));
          const std::size_t there = offset < model.size() ? std::min(length, model.size() - offset) : 0;
          EXPECT_EQ(all.has_value(), there == length);
          if (there != 0) {
            EXPECT_EQ(text.compare(0, there, model, offset, there), 0) << i;
          }
        }
      }
    }
  });
}

TEST_P(File, TakesManyOperationsAtOnceMoreThanTheRingHasPlaces) {
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    constexpr std::size_t n = 2'000, size = 3'000;
    auto write = [](const file& to, std::size_t i) -> task<result<void>> {
      const std::string text(size, static_cast<char>('a' + i % 26));
      co_return co_await to.write_all_at(i * size, bytes_of(text));
    };
    std::vector<join_handle<result<void>>> writes;
    for (std::size_t i = 0; i < n; ++i) writes.push_back(spawn(write(f, i)));
    for (auto& w : writes) EXPECT_TRUE((co_await w.join()).has_value());
    std::string all(n * size, ' ');
    EXPECT_TRUE((co_await f.read_exactly_at(0, memory_of(all))).has_value());
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(all[i * size + size / 2], static_cast<char>('a' + i % 26));
  });
}

TEST_P(File, StaysReadableWhenItIsRemovedAndEndsEarlierWhenItIsCutOff) {
  put(folder / "a", "1234567890");
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a")).value();
    std::string text(10, '?');
    EXPECT_EQ(truncate((folder / "a").c_str(), 4), 0);
    EXPECT_EQ((co_await f.read_at(0, memory_of(text))).value(), 4U);
    EXPECT_EQ((co_await f.read_exactly_at(2, memory_of(text))).error().code(), errc::out_of_range);
    std::filesystem::remove(folder / "a");
    EXPECT_EQ((co_await f.read_at(0, memory_of(text))).value(), 4U);
    EXPECT_EQ((co_await file::open(folder / "a")).error().code(), errc::not_found);
  });
}

TEST_P(File, OutlivesItsObjectForTheSakeOfOperationsUnderWay) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    std::string text(5, '?');
    std::optional<file> f = (co_await file::open(folder / "a")).value();
    task<result<void>> read = f->read_exactly_at(0, memory_of(text));
    f.reset();
    EXPECT_TRUE((co_await std::move(read)).has_value());
    EXPECT_EQ(text, "12345");
  });
}

}  // namespace
}  // namespace tandem
