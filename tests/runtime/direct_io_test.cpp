// Direct I/O: aligned memory, the three rules, and what they mean at the end of a file.
#include <tandem/runtime/aligned_buffer.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

#include <fmt/format.h>

#include "direct_io.hpp"
#include "file_helpers.hpp"

namespace tandem {
namespace {

TEST(AlignedBuffer, HasTheAddressThatWasAskedForAndZeros) {
  for (std::size_t alignment = 1; alignment <= 65'536; alignment *= 2) {
    const aligned_buffer b(1'000, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % alignment, 0U);
    EXPECT_EQ(b.size(), 1'000U);
    EXPECT_EQ(b.alignment(), alignment);
    for (const std::byte one : b.span()) ASSERT_EQ(one, std::byte(0));
  }
}

TEST(AlignedBuffer, IsRoundedUpToALengthThatTheFileAllows) {
  const io_alignment needs{512, 4096};
  EXPECT_EQ(aligned_buffer(needs, 0).size(), 0U);
  EXPECT_EQ(aligned_buffer(needs, 1).size(), 4096U);
  EXPECT_EQ(aligned_buffer(needs, 4096).size(), 4096U);
  EXPECT_EQ(aligned_buffer(needs, 4097).size(), 8192U);
  EXPECT_EQ(aligned_buffer(needs, 1).alignment(), 512U);
}

TEST(AlignedBuffer, RefusesWhatIsNoAlignmentAndSizesThatThereAreNot) {
  for (const std::size_t wrong : {0UL, 3UL, 4095UL}) {
    EXPECT_THROW((void)aligned_buffer(10, wrong), std::invalid_argument) << wrong;
    EXPECT_THROW((void)aligned_buffer(io_alignment{wrong, 1}, 10), std::invalid_argument) << wrong;
    EXPECT_THROW((void)aligned_buffer(io_alignment{1, wrong}, 10), std::invalid_argument) << wrong;
  }
  EXPECT_THROW((void)aligned_buffer(io_alignment{512, 512}, std::numeric_limits<std::size_t>::max()), std::bad_alloc);
}

TEST(AlignedBuffer, IsEmptyAfterAMove) {
  aligned_buffer first(100, 64);
  const std::byte* const at = first.data();
  aligned_buffer second(std::move(first));
  EXPECT_EQ(second.data(), at);
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.size(), 0U);
  first = std::move(second);
  EXPECT_EQ(first.data(), at);
  EXPECT_EQ(aligned_buffer().size(), 0U);
}

TEST(DirectIoRules, AreEachNamedWithWhatWouldKeepToThem) {
  alignas(4096) static std::byte memory[8192];
  const io_alignment needs{512, 4096};
  const auto check = [&](std::size_t address, std::size_t length, std::uint64_t offset) {
    return detail::check_alignment(needs, memory + address, length, offset, "a.bin");
  };
  EXPECT_TRUE(check(512, 4096, 8192).has_value());
  EXPECT_TRUE(check(0, 0, 0).has_value());
  const auto address = check(8, 4096, 0), length = check(0, 512, 0), offset = check(0, 4096, 4104);
  for (const auto& broken : {address, length, offset}) EXPECT_EQ(broken.error().code(), errc::invalid_argument);
  EXPECT_EQ(address.error().message(),
            fmt::format("direct I/O on a.bin needs the address of the memory to be a multiple of 512, and {} is not; an "
                        "aligned_buffer has such an address",
                        fmt::ptr(memory + 8)));
  EXPECT_EQ(length.error().message(), "direct I/O on a.bin needs the length to be a multiple of 4096, and 512 is not; 0 "
                                      "or 4096 would be");
  EXPECT_EQ(offset.error().message(), "direct I/O on a.bin needs the offset to be a multiple of 4096, and 4104 is not; "
                                      "4096 or 8192 would be");
}

/// In the build folder, because the folder for temporary files may have no direct I/O.
class DirectIo : public on_each_engine {
 protected:
  // Nothing if the file system has no direct I/O.
  task<std::optional<file>> open_direct(std::string path) {
    file_options how = file_options::to_update();
    how.direct = true;
    auto opened = co_await file::open(std::move(path), how);
    std::optional<file> given;
    if (opened) {
      given = std::move(*opened);
    } else {
      EXPECT_EQ(opened.error().code(), errc::unimplemented) << opened.error();
    }
    co_return given;
  }

  const scratch_folder here{"."};
};
TANDEM_ON_EACH_ENGINE(DirectIo);

TEST_P(DirectIo, WritesAndReadsWholeBlocks) {
  run([&]() -> task<> {
    const std::optional<file> f = co_await open_direct(here / "a");
    if (!f) co_return;
    EXPECT_GT(f->alignment().offset, 1U);
    aligned_buffer block(f->alignment(), 10'000);
    std::memset(block.data(), 'x', block.size());
    EXPECT_TRUE((co_await f->write_all_at(0, block.span())).has_value());
    EXPECT_TRUE((co_await f->write_all_at(block.size(), block.span())).has_value());
    aligned_buffer read(f->alignment(), 2 * block.size());
    EXPECT_TRUE((co_await f->read_exactly_at(0, read.span())).has_value());
    EXPECT_EQ(std::memcmp(read.data(), block.data(), block.size()), 0);
    EXPECT_EQ(std::memcmp(read.data() + block.size(), block.data(), block.size()), 0);
  });
}

TEST_P(DirectIo, BrokenRulesAreToldBeforeTheKernelIsAsked) {
  run([&]() -> task<> {
    const std::optional<file> f = co_await open_direct(here / "a");
    if (!f) co_return;
    const faults none(detail::io_call::read, {});
    aligned_buffer block(f->alignment(), 10'000);
    const auto address = co_await f->read_at(0, block.span().subspan(1, f->alignment().offset));
    const auto length = co_await f->read_at(0, block.span().first(100));
    const auto offset = co_await f->read_at(7, block.span());
    EXPECT_NE(address.error().message().find("needs the address"), std::string::npos) << address.error();
    EXPECT_NE(length.error().message().find("needs the length"), std::string::npos) << length.error();
    EXPECT_NE(offset.error().message().find("needs the offset"), std::string::npos) << offset.error();
    EXPECT_EQ(faults::calls(), 0U);
  });
}

TEST_P(DirectIo, AFileThatEndsWithinABlockIsReadToItsEnd) {
  put(here / "a", std::string(5'000, 'x'));
  run([&]() -> task<> {
    const std::optional<file> f = co_await open_direct(here / "a");
    if (!f) co_return;
    aligned_buffer block(f->alignment(), 16'384);
    EXPECT_EQ((co_await f->read_at(0, block.span())).value(), 5'000U);
    EXPECT_EQ((co_await f->read_exactly_at(0, block.span())).error().code(), errc::out_of_range);
  });
}

TEST_P(DirectIo, WhereThereIsNoneOpenSaysSo) {
  run([&]() -> task<> {
    file_options how;
    how.direct = true;
    const auto opened = co_await file::open("/proc/version", how);
    EXPECT_EQ(opened.error().code(), errc::unimplemented);
    EXPECT_NE(opened.error().message().find("/proc/version"), std::string::npos) << opened.error();
  });
}

}  // namespace
}  // namespace tandem
