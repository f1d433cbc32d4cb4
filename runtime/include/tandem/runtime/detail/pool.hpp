// Memory for coroutine frames, task records and messages: per-thread free lists in steps of 8 bytes.
#pragma once
#include <cstddef>

#include <tandem/runtime/detail/block_bins.hpp>
#include <tandem/runtime/detail/config.hpp>

namespace tandem::detail {

#if TANDEM_NESTED_RESUME  // a sanitizer must see each allocation

[[nodiscard]] void* pool_allocate(std::size_t bytes);
void pool_free(void* memory, std::size_t bytes) noexcept;

#else

struct pool_bins {
  static constinit thread_local block_bins current;
};
[[nodiscard]] void* pool_refill(std::size_t bytes);
void pool_make_room(void* memory, std::size_t bytes) noexcept;

/// Allocates `bytes`, aligned for any type of that size with fundamental alignment.
/// Threads: any. Memory allocated on one thread may be freed on another.
/// Errors:  throws std::bad_alloc.
[[nodiscard, gnu::always_inline]] inline void* pool_allocate(std::size_t bytes) {
  if (bin_of(bytes) < pool_bins::current.size()) [[likely]] {
    if (void* const got = pool_bins::current[bin_of(bytes)].take()) [[likely]]
      return got;
  }
  return pool_refill(bytes);
}

/// Frees memory of pool_allocate(); `bytes` must be the size that was asked for.
[[gnu::always_inline]] inline void pool_free(void* memory, std::size_t bytes) noexcept {
  if (bin_of(bytes) >= pool_bins::current.size() || !pool_bins::current[bin_of(bytes)].put(memory)) [[unlikely]]
    pool_make_room(memory, bytes);
}

#endif

/// What pool_allocate() gives room for. Frames and results of more strictly aligned types would be misaligned.
template <class T>
inline constexpr bool pool_aligned = alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
template <>
inline constexpr bool pool_aligned<void> = true;

/// The same for task records, which have memory of their own: it never serves anything else, so it can be searched for
/// records that are alive. See task_table.
[[nodiscard]] void* record_allocate(std::size_t bytes);
void record_free(void* memory, std::size_t bytes) noexcept;

/// Base of classes whose objects come from the pool. Virtual destructors make the size right for derived classes.
struct pooled {
  static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { pool_free(memory, bytes); }
};

}  // namespace tandem::detail
