// The free blocks that a thread has at hand, by size: the part of block_heap that allocations are inlined with.
#pragma once
#include <array>
#include <cstddef>

namespace tandem::detail {

/// The free blocks of one size: `batch` less `room`. There is no room before the first use and after the end of the
/// thread's lists, so these need no look of their own.
class block_bin {
 public:
  static constexpr std::size_t batch = 64;  // blocks that move between a thread and the depot at a time

  struct block {
    block* next;
  };
  // Up to `batch` free blocks.
  struct chain {
    block* first = nullptr;
    std::size_t length = 0;
  };

  /// Null: there is none.
  [[nodiscard]] void* take() noexcept {
    block* const b = first_;
    if (!b) [[unlikely]]
      return nullptr;
    first_ = b->next;
    ++room_;
    return b;
  }
  /// False: there is no room.
  [[nodiscard]] bool put(void* memory) noexcept {
    if (room_ == 0) [[unlikely]]
      return false;
    --room_;
    auto* const b = static_cast<block*>(memory);
    b->next = first_;
    first_ = b;
    return true;
  }

  [[nodiscard]] chain take_all() noexcept {
    const chain all{first_, first_ ? batch - room_ : 0};
    if (first_) *this = chain{};
    return all;
  }
  /// Instead of what is there.
  block_bin& operator=(chain c) noexcept {
    first_ = c.first;
    room_ = batch - c.length;
    return *this;
  }

 private:
  block* first_ = nullptr;
  std::size_t room_ = 0;
};

inline constexpr std::size_t block_step = 8;
inline constexpr std::size_t largest_block = 1024;  // what is larger goes to operator new
using block_bins = std::array<block_bin, largest_block / block_step>;

/// At least block_bins{}.size() for what is larger than a block.
[[nodiscard]] constexpr std::size_t bin_of(std::size_t bytes) noexcept { return (bytes + block_step - 1) / block_step - 1; }

}  // namespace tandem::detail
