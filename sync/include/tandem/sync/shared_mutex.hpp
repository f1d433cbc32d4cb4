// A lock that many readers or one writer hold.
#pragma once
#include <cstddef>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/operation.hpp>
#include <tandem/sync/guard.hpp>

namespace tandem::sync {

/// Shared by readers, or held by one writer. For data that is read all the time and seldom changed, snapshot and
/// sharded_map let readers pass without any lock.
///
/// Order:   first come, first served: a writer that waits lets no later reader pass, and readers that wait one after
///          the other get it together.
/// Threads: lock…() by tasks; try_…() and unlock…() by any thread. A reader that locks it again may wait for ever,
///          behind a writer that waits for the first lock.
/// Memory:  what came before unlock() is visible to all who lock it later; what came before unlock_shared() to later
///          writers. Allocates nothing, but for timers of …_for().
/// Destroying it while a task waits for it is reported on stderr and aborts.
class shared_mutex : private detail::waitable {
 public:
  using guard = sync::guard<shared_mutex>;

  /// The lock of a reader, see sync::guard.
  class [[nodiscard]] shared_guard {
   public:
    shared_guard() noexcept = default;
    /// Adopts a lock that is shared.
    explicit shared_guard(shared_mutex& locked) noexcept : mutex_(&locked) {}
    shared_guard(shared_guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    shared_guard& operator=(shared_guard other) noexcept {
      std::swap(mutex_, other.mutex_);
      return *this;
    }
    ~shared_guard() {
      if (mutex_) mutex_->unlock_shared();
    }
    /// Before the end.   Errors: throws std::logic_error if it holds nothing.
    void unlock() {
      if (!mutex_) [[unlikely]] detail::not_locked("shared_guard");
      std::exchange(mutex_, nullptr)->unlock_shared();
    }
    /// Gives the lock to the caller, who calls unlock_shared().
    [[nodiscard]] shared_mutex* release() noexcept { return std::exchange(mutex_, nullptr); }
    [[nodiscard]] bool holds() const noexcept { return mutex_ != nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return holds(); }

   private:
    shared_mutex* mutex_ = nullptr;
  };

  constexpr shared_mutex() = default;

  /// Waits for the lock of a writer, and takes it.
  /// Suspends: while others hold it, or wait; and once in a while before taking it, to let others run.
  /// Cancel:   safe; on error the lock was not taken, and those behind it go on as if it had not come. A lock that is
  ///           free may be taken in a context that is over.
  /// Errors:   errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] auto lock() noexcept { return operation<true, detail::unlimited>(*this); }
  /// lock(), for at most `limit`; zero or less: only if it is free.   Errors: those of lock(), and errc::timed_out.
  ///          Throws std::bad_alloc if it must wait and the timer cannot be kept.
  [[nodiscard]] auto lock_for(duration limit) noexcept { return operation<true, detail::time_limit>(*this, limit); }
  /// lock_for(), until `when` on the runtime's clock.
  [[nodiscard]] auto lock_until(time_point when) noexcept { return operation<true, detail::time_limit>(*this, when); }

  /// Waits for the lock of a reader, and takes it; otherwise as lock(), lock_for() and lock_until().
  [[nodiscard]] auto lock_shared() noexcept { return operation<false, detail::unlimited>(*this); }
  [[nodiscard]] auto lock_shared_for(duration limit) noexcept {
    return operation<false, detail::time_limit>(*this, limit);
  }
  [[nodiscard]] auto lock_shared_until(time_point when) noexcept {
    return operation<false, detail::time_limit>(*this, when);
  }

  /// Takes the lock if it is free and nobody waits.   Suspends: never.   Errors: errc::would_block.
  [[nodiscard]] result<guard> try_lock() noexcept;
  /// The same for a reader: if no writer holds it.
  [[nodiscard]] result<shared_guard> try_lock_shared() noexcept;

  /// For who has let go of the guard by release().
  /// Errors: throws std::logic_error, and changes nothing, if no writer or no reader holds it.
  void unlock();
  void unlock_shared();

 private:
  /// A task that waits.
  struct waiting {
    bool writes;
  };

  template <bool Writes, class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Writes, Limit>, Limit>, private waiting {
    using base = detail::operation<operation, Limit>;
    using held = std::conditional_t<Writes, guard, shared_guard>;

   public:
    template <class... T>
    explicit operation(shared_mutex& m, T... limit) noexcept : base(limit...), waiting{Writes}, mutex_(m) {}
    result<held> await_resume() {
      if (auto ended = this->finish(); !ended) [[unlikely]] return fail(std::move(ended).error());
      return held(mutex_);
    }

   private:
    friend base;
    using waiter = waiting;
    static constexpr const char* name = Writes ? "a shared mutex, to write" : "a shared mutex, to read";
    shared_mutex& where() noexcept { return mutex_; }
    bool attempt(detail::wake_list&) noexcept { return mutex_.waiters_.empty() && mutex_.take(Writes); }
    void gave_up(detail::wake_list& woken) noexcept { mutex_.grant(woken); }
    void give_back() noexcept { (void)held(mutex_); }

    shared_mutex& mutex_;
  };
  template <class, class>
  friend class detail::operation;

  // Under lock_.
  bool take(bool to_write) noexcept {
    if (writer_ || (to_write && readers_ > 0)) return false;
    if (to_write)
      writer_ = true;
    else
      ++readers_;
    return true;
  }
  void grant(detail::wake_list& woken) noexcept;

  std::size_t readers_ = 0;  // guarded by lock_, as is writer_
  bool writer_ = false;
};

}  // namespace tandem::sync
