// What direct I/O on a file asks for, and whether a transfer keeps to it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/aligned_buffer.hpp>

namespace tandem::detail {

/// Asks the kernel, since 6.1, else the block device; otherwise it is what fits every common one. May block.
/// 0, or -EOPNOTSUPP if the file cannot be had directly at all.
[[nodiscard]] long find_alignment(int descriptor, io_alignment& found) noexcept;

/// Errors: errc::invalid_argument that names the rule that is broken first, and what would keep to it.
[[nodiscard]] result<void> check_alignment(const io_alignment& asked, const void* address, std::size_t length,
                                           std::uint64_t offset, std::string_view path);

}  // namespace tandem::detail
