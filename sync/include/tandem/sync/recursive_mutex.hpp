// A mutex that the task which holds it may lock again.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/guard.hpp>
#include <tandem/sync/mutex.hpp>

namespace tandem::sync {

/// Belongs to a task: the coroutines that one task awaits, however deep, are that task; what it spawns is not. So one
/// of them may lock what its caller has locked. An actor is one task for all of its handlers.
///
/// Slower than a mutex: lock() is a coroutine.
/// Threads: all members by tasks; the guard must go in the task that made it, or the program ends. Otherwise as mutex.
class recursive_mutex {
 public:
  using guard = sync::guard<recursive_mutex>;

  recursive_mutex() = default;
  recursive_mutex(const recursive_mutex&) = delete;
  recursive_mutex& operator=(const recursive_mutex&) = delete;

  /// As mutex::lock(); does not wait if the task holds it.
  [[nodiscard]] task<result<guard>> lock() { return lock_by([this] { return mutex_.lock(); }); }
  /// As mutex::lock_for() and mutex::lock_until().
  [[nodiscard]] task<result<guard>> lock_for(duration limit) {
    return lock_by([this, limit] { return mutex_.lock_for(limit); });
  }
  [[nodiscard]] task<result<guard>> lock_until(time_point when) {
    return lock_by([this, when] { return mutex_.lock_until(when); });
  }
  /// As mutex::try_lock().   Errors: errc::would_block. Throws std::logic_error outside of tasks.
  [[nodiscard]] result<guard> try_lock();

  /// Once for each lock.
  /// Errors: throws std::logic_error, and changes nothing, unless the calling task holds it.
  void unlock();

  /// How often the calling task has locked it.
  [[nodiscard]] std::size_t depth() const noexcept;

 private:
  [[nodiscard]] bool is_mine() const noexcept {
    // Relaxed: no other task ever writes this task's number.
    const std::uint64_t me = this_task::id();
    return me != 0 && owner_.load(std::memory_order_relaxed) == me;
  }
  guard begin(mutex::guard locked) noexcept;
  guard again() noexcept;

  template <class Lock>
  task<result<guard>> lock_by(Lock lock) {
    if (is_mine()) co_return again();
    auto locked = co_await lock();
    if (!locked) co_return fail(std::move(locked).error());
    co_return begin(std::move(*locked));
  }

  mutex mutex_;
  std::atomic<std::uint64_t> owner_{0};  // written by who holds mutex_
  std::size_t depth_ = 0;                // the owner's
};

}  // namespace tandem::sync
