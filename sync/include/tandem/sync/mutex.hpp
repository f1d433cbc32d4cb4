// Mutual exclusion for tasks: whoever must wait suspends, and the lock may be held over a suspension.
#pragma once
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/operation.hpp>
#include <tandem/sync/guard.hpp>

namespace tandem::sync {

/// A lock that one task at a time holds:
/// ```
/// auto held = co_await m.lock();
/// if (!held) co_return fail(held.error());  // cancelled
/// ```
/// or, in a task<result<T>>, `auto held = co_await or_return(m.lock());`. It is unlocked when `held` goes.
///
/// Order:   a task that comes while the lock is free gets it, even if others wait: that is fast, as a waiting one has
///          to be resumed first. The one that has waited the longest is called when the lock becomes free. If it finds
///          that another was faster, or has waited for a millisecond, the next unlock() hands it the lock; if nobody
///          else waits, after 20 us already.
/// Threads: lock…() by tasks; try_lock() and unlock() by any thread. It belongs to nobody: another task than the one
///          that locked it may unlock it. A task that locks it twice waits for itself; see recursive_mutex.
/// Memory:  what came before unlock() is visible to who locks it next. Allocates nothing, but for timers of lock_for().
/// Destroying it while a task waits for it is reported on stderr and aborts; while it is locked is fine.
class mutex : private detail::waitable {
 public:
  using guard = sync::guard<mutex>;

  constexpr mutex() = default;
  ~mutex() {
    if (called_) [[unlikely]] waiters_.push_front(*called_);  // it waits, too
  }

  /// Waits for the lock, and takes it.
  /// Suspends: while others hold it; and once in a while before taking it, to let others run.
  /// Cancel:   safe; on error the lock was not taken. A lock that is free may be taken in a context that is over.
  /// Errors:   errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] auto lock() noexcept { return operation<detail::unlimited>(*this); }

  /// lock(), for at most `limit`; zero or less: only if it is free.   Errors: those of lock(), and errc::timed_out.
  ///          Throws std::bad_alloc if it must wait and the timer cannot be kept.
  [[nodiscard]] auto lock_for(duration limit) noexcept {
    return operation<detail::time_limit>(*this, limit);
  }
  /// lock_for(), until `when` on the runtime's clock.
  [[nodiscard]] auto lock_until(time_point when) noexcept {
    return operation<detail::time_limit>(*this, when);
  }

  /// Takes the lock if it is free.   Suspends: never.   Errors: errc::would_block.
  [[nodiscard]] result<guard> try_lock() noexcept {
    lock_.lock();
    const bool taken = take();
    lock_.unlock();
    if (!taken) return fail(errc::would_block);
    return guard(*this);
  }

  /// For who has let go of the guard by guard::release().
  /// Errors: throws std::logic_error if it is not locked.
  void unlock() {
    detail::wake_list woken;
    lock_.lock();
    const bool was_locked = locked_;
    if (was_locked) pass_on(woken);
    lock_.unlock();
    if (!was_locked) [[unlikely]] detail::not_locked("mutex");
    woken.wake();
  }

  /// At some moment during the call.
  [[nodiscard]] bool is_locked() noexcept {
    lock_.lock();
    const bool locked = locked_;
    lock_.unlock();
    return locked;
  }

 private:
  /// A task that waits.
  struct waiting {
    time_point since{};      // when it began to wait
    bool waits = false;      // it did
    bool called = false;     // unlinked and made ready, to try again
    bool overtaken = false;  // it tried, and somebody else had been faster
  };

  template <class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Limit>, Limit>, private waiting {
    using base = detail::operation<operation, Limit>;

   public:
    template <class... T>
    explicit operation(mutex& m, T... limit) noexcept : base(limit...), mutex_(m) {}
    result<guard> await_resume() {
      if (auto ended = this->finish(); !ended) [[unlikely]] return fail(std::move(ended).error());
      return guard(mutex_);
    }

   private:
    friend base;
    using waiter = waiting;
    static constexpr const char* name = "a mutex";
    static constexpr bool looks_again = true;
    mutex& where() noexcept { return mutex_; }
    bool attempt(detail::wake_list&) noexcept { return mutex_.take(); }
    void about_to_try() noexcept { mutex_.answer(*this); }
    void about_to_wait(detail::task_record&) noexcept { mutex_.begin_to_wait(*this); }
    void link(detail::task_record& task) noexcept { mutex_.link(task, *this); }
    void gave_up(detail::wake_list& woken) noexcept { mutex_.call_another(woken); }
    void give_back() noexcept { mutex_.unlock(); }

    mutex& mutex_;
  };
  template <class, class>
  friend class detail::operation;

  // All under lock_.
  bool take() noexcept { return !std::exchange(locked_, true); }
  void pass_on(detail::wake_list& woken) noexcept {
    if (waiters_.empty() || called_) [[likely]]
      locked_ = false;  // who was called may not find it free; then it is handed over the next time
    else
      pass_to_first(woken);
  }
  void pass_to_first(detail::wake_list& woken) noexcept;
  void answer(waiting& w) noexcept;
  void begin_to_wait(waiting& w) noexcept;
  void link(detail::task_record& task, const waiting& w) noexcept;
  void call_another(detail::wake_list& woken) noexcept;

  bool locked_ = false;
  detail::wait_node* called_ = nullptr;  // the waiting task that has been called and has not answered
};

}  // namespace tandem::sync
