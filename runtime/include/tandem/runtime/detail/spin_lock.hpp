// The smallest lock: one byte, for sections of a few instructions in which nothing can suspend, block or throw.
#pragma once
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

/// Owned by a thread, never by a task. Meets the standard's Lockable, so std::lock_guard works on it.
class spin_lock {
 public:
  spin_lock() = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    // Acquire pairs with the release in unlock().
    if (locked_.exchange(true, std::memory_order_acquire)) [[unlikely]]
      lock_contended();
  }
  bool try_lock() noexcept { return !locked_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  // Spins for a while, then lets the holder run: it may have lost its CPU.
  void lock_contended() noexcept;

  sync::atomic<bool> locked_{false};
};

}  // namespace tandem::detail
