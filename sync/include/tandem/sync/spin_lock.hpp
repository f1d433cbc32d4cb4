// The smallest lock, for sections of a few instructions. Start at mutex.hpp for anything else.
#pragma once
#include <atomic>

#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/sync/guard.hpp>

namespace tandem::sync {

/// Two bytes that a thread holds. Meets the standard's Lockable, so std::lock_guard and std::scoped_lock work on it.
///
/// Nothing that suspends, blocks or calls into code you do not know may happen while it is held: a task that suspends
/// may resume on another thread, and whoever waits for the lock spins, yielding its CPU after a while.
///
/// Threads: lock(), try_lock() and unlock() by any; unlock() by the one that locked it.
/// Memory:  what came before unlock() is visible after the next lock().
class spin_lock {
 public:
  spin_lock() = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    lock_.lock();
    held_.store(true, std::memory_order_relaxed);  // read by others only to find mistakes
  }
  /// False if it is held.
  [[nodiscard]] bool try_lock() noexcept {
    const bool taken = lock_.try_lock();
    if (taken) held_.store(true, std::memory_order_relaxed);
    return taken;
  }
  /// Errors: throws std::logic_error if nobody holds it.
  void unlock() {
    if (!held_.load(std::memory_order_relaxed)) [[unlikely]] detail::not_locked("spin lock");
    held_.store(false, std::memory_order_relaxed);
    lock_.unlock();
  }

 private:
  tandem::detail::spin_lock lock_;
  std::atomic<bool> held_{false};  // written by the holder
};

}  // namespace tandem::sync
