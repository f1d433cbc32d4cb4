// The smallest lock, for sections of a few instructions. Start at mutex.hpp for anything else.
#pragma once
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::sync {

/// One byte that a thread holds. Meets the standard's Lockable, so std::lock_guard and std::scoped_lock work on it.
///
/// Nothing that suspends, blocks or calls into code you do not know may happen while it is held: a task that suspends
/// may resume on another thread, and whoever waits for the lock spins, yielding its CPU after a while.
///
/// Threads: lock(), try_lock() and unlock() by any; unlock() by the one that locked it.
/// Memory:  what came before unlock() is visible after the next lock().
using spin_lock = tandem::detail::spin_lock;

}  // namespace tandem::sync
