// Hazard pointers: how readers keep what they read from being freed, at the price of a store, and without a fence.
#pragma once
#include <array>
#include <cstddef>
#include <mutex>
#include <utility>

#include <tandem/runtime/detail/sync.hpp>

namespace tandem::sync::detail {

using tandem::detail::sync::atomic;
using tandem::detail::sync::heavy_fence;
using tandem::detail::sync::light_fence;

/// Base, and first base, of what hazard pointers protect.
struct hazardous {
  hazardous* next_retired = nullptr;  // written by whoever took it out of readers' reach
};

struct hazard_record;

/// `old` was left in the first slot of `r`, and leave_first() was true. Defined with the domain of the records.
void left_noted(hazard_record& r, const hazardous* old) noexcept;

/// What one reader reads at the moment. Only its owner, who may be another thread each time, writes `reads`.
///
/// (Z1) A reader writes what it is about to read, light fence, and looks whether readers can still reach it. A writer
///      takes it out of their reach, heavy fence, and looks at all records. At least one of them sees the other: the
///      reader looks elsewhere, or the writer does not free it.
/// (Z2) Whoever sees that a reader has left something sees it done with it: each write of `reads` is a release, each
///      look of a writer an acquire.
/// (Z3) After the writer's fence nobody comes to read the object any more; those who do can only become fewer. Others
///      may still announce it, look, and leave it.
struct alignas(64) hazard_record {
  // A line for each record: readers on different CPUs share none. The first slot is for what is handed over (Z4).
  static constexpr std::size_t slots = 3;
  std::array<atomic<const hazardous*>, slots> reads{};
  atomic<bool> noted{false};           // somebody wants to hear when the first slot is left (Z4)
  hazard_record* next_free = nullptr;  // its owner's

  /// Tells that `what` is about to be read. The caller then looks whether it can still be reached.
  void announce(std::size_t slot, const hazardous* what) noexcept {
    reads[slot].store(what, std::memory_order_release);  // Z2: the reads of what was here before are over
    light_fence();                                       // Z1
  }

  /// Reads `from` and protects what it points to, in the first slot; what was there before is left.
  template <class T>
  [[nodiscard]] T* protect_first(const atomic<T*>& from) noexcept {
    // Relaxed: only a guess, looked at again below.
    T* seen = from.load(std::memory_order_relaxed);
    // Who starts over still has there what it read before: that may have been handed over, so it is not just
    // overwritten. Relaxed: its owner's.
    const hazardous* const before = reads[0].load(std::memory_order_relaxed);
    if (before && before != seen && leave_first()) [[unlikely]]
      left_noted(*this, before);
    for (;;) {
      announce(0, seen);
      T* const now = from.load(std::memory_order_acquire);  // pairs with the release that published it
      if (now == seen) [[likely]]
        return seen;
      // Never read, but it was announced, so it may have been handed over.
      if (leave_first()) left_noted(*this, seen);
      seen = now;
    }
  }

  void leave(std::size_t slot) noexcept {
    reads[slot].store(nullptr, std::memory_order_release);  // Z2
  }

  /// Leaves the first slot. True: a writer may have handed over what was there (Z4).
  [[nodiscard]] bool leave_first() noexcept {
    leave(0);
    light_fence();  // Z4
    // Relaxed: the fence orders it; what else the writer wrote is read under the lock.
    return noted.load(std::memory_order_relaxed);
  }
};

/// Whether a reader reads `what`, which no reader can reach any more. After a heavy fence, see Z1.
/// `Records` is a range of hazard_record.
template <class Records>
[[nodiscard]] bool is_read(const Records& records, const hazardous* what) noexcept {
  for (const hazard_record& r : records)
    for (const auto& slot : r.reads)
      if (slot.load(std::memory_order_acquire) == what) return true;  // Z2
  return false;
}

/// What is freed as soon as nobody reads it, by whoever notices: the writer, or the last reader. Readers have it in
/// their first slot, and read nothing else of that kind there.
struct retirable : hazardous {
  using free_function = void (*)(retirable*) noexcept;
  explicit retirable(free_function f) noexcept : free_this(f) {}
  free_function free_this;
};

/// What was retired while readers had it: they look after it when they leave.
///
/// (Z4) The writer notes its wish in the reader's record, heavy fence, and looks whether the reader is still there. The
///      reader leaves, light fence, and looks for a note. At least one of them sees the other.
class handed_over {
 public:
  /// Gives `old`, which no reader can reach any more, if it is to be freed now; or null: the last reader will be told.
  template <class Records>
  [[nodiscard]] retirable* retire(Records&& records, retirable& old) {
    heavy_fence();  // Z1
    if (!is_read(records, &old)) return &old;
    const std::lock_guard hold(lock_);
    if (!has_readers(records, &old)) return &old;
    old.next_retired = std::exchange(pending_, &old);
    return nullptr;
  }

  /// After leave_first() was true: `old` was in the first slot of `r`. Gives it if it is to be freed now.
  template <class Records>
  [[nodiscard]] retirable* left(Records&& records, hazard_record& r, const hazardous* old) {
    const std::lock_guard hold(lock_);
    r.noted.store(false, std::memory_order_relaxed);  // written under this lock only
    hazardous** at = &pending_;
    while (*at && *at != old) at = &(*at)->next_retired;
    if (!*at || has_readers(records, old)) return nullptr;
    hazardous* const found = *at;
    *at = found->next_retired;
    return static_cast<retirable*>(found);
  }

  /// How many wait for their readers.
  [[nodiscard]] std::size_t count() {
    const std::lock_guard hold(lock_);
    std::size_t n = 0;
    for (const hazardous* h = pending_; h; h = h->next_retired) ++n;
    return n;
  }

 private:
  // Under the lock. If so, all of them are noted, so that the last one comes to left(): those also who announce `old`
  // without getting to read it (Z3), as that is all that can be seen of them.
  template <class Records>
  [[nodiscard]] static bool has_readers(Records&& records, const hazardous* old) noexcept {
    for (;;) {
      bool any = false;
      bool not_noted = false;
      for (hazard_record& r : records) {
        if (r.reads[0].load(std::memory_order_acquire) != old) continue;  // Z2
        any = true;
        // Relaxed: written under the lock; ordered towards the reader by the fence.
        if (r.noted.load(std::memory_order_relaxed)) continue;
        r.noted.store(true, std::memory_order_relaxed);
        not_noted = true;
      }
      if (!not_noted) return any;
      heavy_fence();  // Z4
    }
  }

  tandem::detail::sync::mutex lock_;
  hazardous* pending_ = nullptr;  // guarded by lock_
};

/// Takes those that nobody reads off `retired`, a chain by next_retired, and gives them as a chain. No reader can reach
/// any of them. A heavy fence comes first, see Z1.
template <class Records>
[[nodiscard]] hazardous* take_unread(const Records& records, hazardous*& retired) noexcept {
  heavy_fence();  // Z1
  hazardous* kept = nullptr;
  std::array<const hazardous*, 64> read{};
  std::size_t n = 0;
  const auto keep_read = [&] {
    for (hazardous** at = &retired; *at;) {
      hazardous* const h = *at;
      bool found = false;
      for (std::size_t i = 0; i < n && !found; ++i) found = read[i] == h;
      if (found) {
        *at = h->next_retired;
        h->next_retired = kept;
        kept = h;
      } else {
        at = &h->next_retired;
      }
    }
    n = 0;
  };
  for (const hazard_record& r : records)
    for (const auto& slot : r.reads) {
      const hazardous* const what = slot.load(std::memory_order_acquire);  // Z2
      if (!what) continue;
      read[n++] = what;
      if (n == read.size()) keep_read();
    }
  keep_read();
  hazardous* const unread = retired;
  retired = kept;
  return unread;
}

}  // namespace tandem::sync::detail
