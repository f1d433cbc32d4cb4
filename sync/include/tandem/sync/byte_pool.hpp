// Memory for messages and reads from sockets, used again.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/pool_core.hpp>

namespace tandem::sync {

struct byte_pool_options {
  /// Idle memory of each size that is kept for all threads; each thread that uses it keeps up to 64 KiB of it, or one
  /// piece, for itself.
  std::size_t most_idle_bytes = std::size_t{4} << 20;
  /// As pool_options::generation.
  duration generation = std::chrono::seconds(10);
};

/// Lends pieces of memory. They come in sizes that are powers of two from 64 bytes to 1 MiB; what is larger is
/// allocated and freed each time.
///
/// Owns:    what is idle. A pool may go before its loans, not during a call of get().
/// Threads: every member may be called from any thread at any time, inside of a runtime or not.
class byte_pool {
 public:
  static constexpr std::size_t smallest = 64;
  static constexpr std::size_t largest = std::size_t{1} << 20;
  static constexpr std::size_t alignment = 64;

  /// Bytes on loan, aligned to 64. May be kept over a suspension, and end on another thread. A range of std::byte, so
  /// it becomes a std::span by itself.
  ///
  /// Owns:    the memory; it goes back when the loan ends.
  /// Threads: as an array.
  class loan {
   public:
    loan() = default;
    loan(loan&& other) noexcept;
    loan& operator=(loan&& other) noexcept;
    ~loan();

    /// Null if there are none.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    /// As many as were asked for.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// As many as may be used.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] std::byte* end() const noexcept { return data_ + size_; }

   private:
    friend class byte_pool;
    detail::pool_core* from_ = nullptr;  // null: it is too large for the pool
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
  };

  /// Errors: throws std::bad_alloc, and std::invalid_argument for a generation that is not positive.
  explicit byte_pool(const byte_pool_options& options = {});
  byte_pool(const byte_pool&) = delete;
  byte_pool& operator=(const byte_pool&) = delete;
  ~byte_pool();

  /// `size` bytes, which hold anything: what an earlier loan left there, too. None for 0.
  /// Errors: throws std::bad_alloc.
  [[nodiscard]] loan get(std::size_t size);
  /// The same, all zero, up to the loan's capacity.
  [[nodiscard]] loan get_zeroed(std::size_t size);

  /// Ends a generation now. Twice in a row frees all that is idle.
  void trim() noexcept;

  /// How many bytes are idle, in all threads' parts together.
  [[nodiscard]] std::size_t idle_bytes() const;

 private:
  static constexpr std::size_t sizes = 15;
  static_assert(smallest << (sizes - 1) == largest);

  std::array<detail::pool_core*, sizes> cores_{};  // each goes with the last of its loans
};

}  // namespace tandem::sync
