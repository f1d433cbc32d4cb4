// Memory in blocks of equal size: per-thread free lists in steps of 8 bytes, and a depot where threads exchange them.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <tandem/runtime/detail/block_bins.hpp>
#include <tandem/runtime/detail/config.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace tandem::detail {

/// `Bins` tells heaps apart, and has as `current` the calling thread's lists. A block of a size that is no multiple of 16
/// is aligned to 8: nothing of that size is aligned more strictly.
///
/// (H1) Memory of a block size stays with it, and is zero before its first use. While a block is free, only its first
///      word is written.
template <class Bins>
class block_heap {
 public:
  struct region {
    std::byte* begin;
    std::size_t bytes;
    std::size_t block;  // the size of one
  };

  static void* allocate(std::size_t bytes) {
    const std::size_t index = bin_of(bytes);
    if (index >= classes) [[unlikely]]
      return ::operator new(bytes);
    void* const b = Bins::current[index].take();
    if (!b) [[unlikely]]
      return refill(index);
    mark_used(b, index);
    return b;
  }

  static void free(void* memory, std::size_t bytes) noexcept {
    const std::size_t index = bin_of(bytes);
    if (index >= classes) [[unlikely]]
      return ::operator delete(memory);
    mark_free(memory, index);
    if (!Bins::current[index].put(memory)) [[unlikely]]
      make_room(index, static_cast<block*>(memory));
  }

  /// All memory there is; what comes while the caller looks at it is not in it. It never goes.
  [[nodiscard]] static std::vector<region> regions() { return the_depot().regions(); }

 private:
  using block = block_bin::block;
  using chain = block_bin::chain;

  static constexpr std::size_t classes = std::tuple_size_v<block_bins>;
  static constexpr std::size_t batch = block_bin::batch;
  static constexpr std::size_t first_region = std::size_t{64} << 10;
  static constexpr std::size_t last_region = std::size_t{2} << 20;
  // A class that is used much gets its pages so many at a time, instead of by a fault each.
  static constexpr std::size_t used_much = std::size_t{1} << 20;
  static constexpr std::size_t populated_at_once = std::size_t{128} << 10;
  static constexpr std::size_t left_readable = 32;  // of a free block, under ASan

  // Where threads exchange chains. Never destroyed: blocks may be freed by threads that outlive main().
  class depot {
   public:
    chain take(std::size_t index) {
      const std::lock_guard hold(lock_);
      if (!chains_[index].empty()) {
        const chain c = chains_[index].back();
        chains_[index].pop_back();
        return c;
      }
      return cut(index);
    }

    void give(std::size_t index, chain c) noexcept {
      const std::lock_guard hold(lock_);
      chains_[index].push_back(c);
    }

    std::vector<region> regions() {
      const std::lock_guard hold(lock_);
      return regions_;
    }

   private:
    struct uncut {
      std::byte* at = nullptr;
      std::size_t blocks = 0;
      std::size_t had = 0;             // bytes of all regions of this class
      std::byte* populated = nullptr;  // memory up to here is there, or comes page by page
      std::byte* end = nullptr;
    };

    // Off the end of the newest region, so that memory is touched when it is needed.
    chain cut(std::size_t index) {
      const std::size_t size = (index + 1) * block_step;
      uncut& left = uncut_[index];
      if (left.blocks == 0) {
        const std::size_t bytes = std::clamp(left.had, first_region, last_region);
        regions_.reserve(regions_.size() + 1);
        left.at = left.populated = static_cast<std::byte*>(map(bytes));
        left.end = left.at + bytes;
        left.blocks = bytes / size;
        left.had += bytes;
        regions_.push_back({left.at, left.blocks * size, size});
      }
      if (left.had >= used_much && left.at + batch * size > left.populated) {
        const std::size_t more = std::min(populated_at_once, static_cast<std::size_t>(left.end - left.populated));
        populate(left.populated, more);
        left.populated += more;
      }
      chain c;
      c.length = std::min(batch, left.blocks);
      for (std::size_t i = c.length; i-- > 0;) {
        auto* const b = reinterpret_cast<block*>(left.at + i * size);
        b->next = c.first;
        c.first = b;
        mark_free(b, index);
      }
      left.at += c.length * size;
      left.blocks -= c.length;
      return c;
    }

    std::mutex lock_;
    std::array<std::vector<chain>, classes> chains_;  // guarded by lock_, as the rest
    std::array<uncut, classes> uncut_{};
    std::vector<region> regions_;
  };

  static depot& the_depot() {
    static depot* const instance = new depot;
    return *instance;
  }

  // A thread's own besides `current`, which serves: `spare` keeps one full chain of each size, so that alloc/free at the
  // border of a batch does not go to the depot each time.
  struct thread_spares {
    std::array<chain, classes> spare;
    bool kept;  // flush_at_end has been constructed
    bool gone;  // it has been destroyed: frees that come later, from other thread_locals, go to the depot directly
  };
  static constinit thread_local thread_spares spares;

  // Apart from the lists, because a variable with a destructor costs a call at each use.
  struct flush_at_end {
    ~flush_at_end() {
      for (std::size_t i = 0; i < classes; ++i) {
        if (const chain c = Bins::current[i].take_all(); c.first) the_depot().give(i, c);
        if (spares.spare[i].first) the_depot().give(i, spares.spare[i]);
        Bins::current[i] = block_bin{};
        spares.spare[i] = {};
      }
      spares.gone = true;
    }
  };
  [[gnu::noinline]] static void keep_lists() {
    if (spares.gone) return;
    static thread_local flush_at_end flush;
    spares.kept = true;
    asm volatile("" : : "r"(&flush));  // its constructor does nothing that a compiler must keep
  }

  // allocate(), of a class of which the thread has none at hand.
  [[gnu::noinline]] static void* refill(std::size_t index) {
    if (!spares.kept) keep_lists();
    if (spares.gone) return take_one(index);
    chain got = std::exchange(spares.spare[index], {});
    if (!got.first) got = the_depot().take(index);
    block* const b = got.first;
    Bins::current[index] = chain{b->next, got.length - 1};
    mark_used(b, index);
    return b;
  }

  // free(), of a class of which the thread has as many as it keeps.
  [[gnu::noinline]] static void make_room(std::size_t index, block* b) noexcept {
    if (!spares.kept) keep_lists();
    b->next = nullptr;
    if (spares.gone) return the_depot().give(index, {b, 1});
    if (const chain full = Bins::current[index].take_all(); full.first) {
      if (spares.spare[index].first) the_depot().give(index, spares.spare[index]);
      spares.spare[index] = full;
    }
    Bins::current[index] = chain{b, 1};
  }

  static void* take_one(std::size_t index) {
    chain c = the_depot().take(index);
    block* const b = c.first;
    if (--c.length > 0) {
      c.first = b->next;
      the_depot().give(index, c);
    }
    mark_used(b, index);
    return b;
  }

#if defined(__SANITIZE_ADDRESS__)
  // From operator new, so that the leak checker looks into it.
  static void* map(std::size_t bytes) { return std::memset(::operator new(bytes), 0, bytes); }
  static void populate(std::byte*, std::size_t) noexcept {}
  static void mark_used(void* b, std::size_t index) noexcept {
    ASAN_UNPOISON_MEMORY_REGION(b, (index + 1) * block_step);
  }
  static void mark_free(void* b, std::size_t index) noexcept {
    const std::size_t size = (index + 1) * block_step;
    if (size > left_readable)
      ASAN_POISON_MEMORY_REGION(static_cast<std::byte*>(b) + left_readable, size - left_readable);
  }
#else
  static void* map(std::size_t bytes) {
    void* const got = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) throw std::bad_alloc();
    return got;
  }
  static void populate(std::byte* at, std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
    (void)madvise(at, bytes, MADV_POPULATE_WRITE);  // an old kernel does not know it: faults do as well
#endif
  }
  static void mark_used(void*, std::size_t) noexcept {}
  static void mark_free(void*, std::size_t) noexcept {}
#endif
};

template <class Bins>
constinit thread_local typename block_heap<Bins>::thread_spares block_heap<Bins>::spares{};

}  // namespace tandem::detail
