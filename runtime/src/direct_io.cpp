#include "direct_io.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fmt/format.h>

namespace tandem::detail {
namespace {

std::string rule(std::string_view path, std::size_t step, std::string_view what, std::uint64_t is) {
  return fmt::format("direct I/O on {} needs {} to be a multiple of {}, and {} is not", path, what, step, is);
}

// "0 or 512 would be": the neighbours that keep to the rule.
std::string neighbours(std::uint64_t value, std::size_t step) {
  const std::uint64_t below = value - value % step;
  return fmt::format("{} or {} would be", below, below + step);
}

}  // namespace

long find_alignment(int descriptor, io_alignment& found) noexcept {
#ifdef STATX_DIOALIGN
  struct statx about;
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &about) == 0 && (about.stx_mask & STATX_DIOALIGN) != 0) {
    if (about.stx_dio_offset_align == 0) return -EOPNOTSUPP;
    found = {about.stx_dio_mem_align, about.stx_dio_offset_align};
    return 0;
  }
#endif
  int sector = 0;
  if (ioctl(descriptor, BLKSSZGET, &sector) == 0 && sector > 0) {
    found.memory = found.offset = static_cast<std::size_t>(sector);
  } else {
    found.memory = found.offset = aligned_buffer::page;
  }
  return 0;
}

result<void> check_alignment(const io_alignment& asked, const void* address, std::size_t length, std::uint64_t offset,
                             std::string_view path) {
  if (reinterpret_cast<std::uintptr_t>(address) % asked.memory != 0) {
    return fail(errc::invalid_argument,
                fmt::format("direct I/O on {} needs the address of the memory to be a multiple of {}, and {} is not; "
                            "an aligned_buffer has such an address",
                            path, asked.memory, fmt::ptr(address)));
  }
  if (length % asked.offset != 0) {
    return fail(errc::invalid_argument, fmt::format("{}; {}", rule(path, asked.offset, "the length", length),
                                                    neighbours(length, asked.offset)));
  }
  if (offset % asked.offset != 0) {
    return fail(errc::invalid_argument, fmt::format("{}; {}", rule(path, asked.offset, "the offset", offset),
                                                    neighbours(offset, asked.offset)));
  }
  return {};
}

}  // namespace tandem::detail
