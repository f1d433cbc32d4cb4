// Memory for direct I/O, which the kernel takes only if address, length and offset fit the device.
#pragma once
#include <cstddef>
#include <span>
#include <utility>

namespace tandem {

/// What direct I/O on a file asks for. Both are powers of two; 1 asks for nothing.
struct io_alignment {
  std::size_t memory = 1;  ///< The address of a buffer is a multiple of it,
  std::size_t offset = 1;  ///< and the place in the file, and the length of each transfer, of this.

  friend bool operator==(const io_alignment&, const io_alignment&) = default;
};

/// Bytes at an address that is a multiple of what was asked for. They are zero at first, so that what a program does
/// not fill does not carry old memory to a disk.
///
/// Owns:    its memory. A buffer that was moved from is empty.
/// Threads: as a vector.
class aligned_buffer {
 public:
  /// Enough for every file system and device in common use.
  static constexpr std::size_t page = 4096;

  aligned_buffer() = default;
  /// Errors: throws std::invalid_argument unless `alignment` is a power of two, and std::bad_alloc.
  explicit aligned_buffer(std::size_t bytes, std::size_t alignment = page);
  /// At least `bytes`, rounded up to a length that `fitting` allows: `aligned_buffer block(f.alignment(), 100);`.
  /// Errors: the same.
  aligned_buffer(io_alignment fitting, std::size_t bytes);
  aligned_buffer(aligned_buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        alignment_(std::exchange(other.alignment_, 1)) {}
  aligned_buffer& operator=(aligned_buffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(alignment_, other.alignment_);
    return *this;
  }
  ~aligned_buffer();

  [[nodiscard]] std::byte* data() noexcept { return data_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t alignment() const noexcept { return alignment_; }
  [[nodiscard]] std::span<std::byte> span() noexcept { return {data_, size_}; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t alignment_ = 1;
};

}  // namespace tandem
