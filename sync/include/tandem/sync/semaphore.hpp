// A number of permits that tasks take and give back.
#pragma once
#include <cstddef>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/operation.hpp>

namespace tandem::sync {

/// Lets at most `limit` permits out. An operation takes one or more of them:
/// ```
/// semaphore room(4);
/// auto permits = co_await or_return(room.acquire());  // given back when `permits` goes
/// ```
///
/// Order:   first come, first served: who waits for many permits is not overtaken by those who want few.
/// Threads: acquire…() by tasks; try_acquire() and release() by any thread. Neither moved nor copied.
/// Memory:  what came before release() is visible to who acquires those permits.
/// Destroying it while a task waits for it is reported on stderr and aborts; while permits are out they must not be
/// given back any more.
class semaphore : private detail::waitable {
 public:
  /// Permits that were taken, and that go back in the destructor.
  ///
  /// Owns:    the permits, or after a move, give_back() or release() nothing. Refers to the semaphore.
  /// Threads: may be moved to another task, or dropped on any thread.
  class [[nodiscard]] permits {
   public:
    permits() noexcept = default;
    permits(permits&& other) noexcept : from_(std::exchange(other.from_, nullptr)), n_(std::exchange(other.n_, 0)) {}
    permits& operator=(permits other) noexcept {
      std::swap(from_, other.from_);
      std::swap(n_, other.n_);
      return *this;
    }
    ~permits() { give_back(); }

    /// Before the end.
    void give_back() noexcept {
      if (from_) std::exchange(from_, nullptr)->release(std::exchange(n_, 0));
    }
    /// Gives them to the caller, who calls release() of the semaphore with that number.
    [[nodiscard]] std::ptrdiff_t release() noexcept {
      from_ = nullptr;
      return std::exchange(n_, 0);
    }
    [[nodiscard]] std::ptrdiff_t count() const noexcept { return n_; }

   private:
    friend semaphore;
    permits(semaphore& from, std::ptrdiff_t n) noexcept : from_(&from), n_(n) {}

    semaphore* from_ = nullptr;
    std::ptrdiff_t n_ = 0;
  };

  /// Errors: throws std::invalid_argument for less than zero.
  explicit semaphore(std::ptrdiff_t limit);

  /// Waits for `n` permits, and takes them all at once. Zero are always there.
  /// Suspends: while there are too few, or others wait; and once in a while before taking them, to let others run.
  /// Cancel:   safe; on error nothing was taken. Permits that are there may be taken in a context that is over.
  /// Errors:   errc::invalid_argument at once, if `n` is negative or more than the limit; errc::cancelled,
  ///           errc::deadline_exceeded.
  [[nodiscard]] auto acquire(std::ptrdiff_t n = 1) noexcept { return operation<detail::unlimited>(*this, n); }

  /// acquire(), for at most `limit`; zero or less: only if they are there.
  /// Errors: those of acquire(), and errc::timed_out. Throws std::bad_alloc if it must wait and the timer cannot be
  ///         kept.
  [[nodiscard]] auto acquire_for(duration limit, std::ptrdiff_t n = 1) noexcept {
    return operation<detail::time_limit>(*this, n, limit);
  }
  /// acquire_for(), until `when` on the runtime's clock.
  [[nodiscard]] auto acquire_until(time_point when, std::ptrdiff_t n = 1) noexcept {
    return operation<detail::time_limit>(*this, n, when);
  }

  /// Takes `n` permits if they are there and nobody waits.   Suspends: never.
  /// Errors: errc::would_block, errc::invalid_argument.
  [[nodiscard]] result<permits> try_acquire(std::ptrdiff_t n = 1);

  /// For who has let go of `n` permits by permits::release().
  /// Errors: throws std::logic_error, and changes nothing, for less than zero or more than are out.
  void release(std::ptrdiff_t n = 1);

  /// Permits that are there, at some moment during the call.
  [[nodiscard]] std::ptrdiff_t available() noexcept;
  [[nodiscard]] std::ptrdiff_t limit() const noexcept { return limit_; }

 private:
  /// A task that waits.
  struct waiting {
    std::ptrdiff_t wants;
  };

  template <class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Limit>, Limit>, private waiting {
    using base = detail::operation<operation, Limit>;

   public:
    template <class... T>
    explicit operation(semaphore& s, std::ptrdiff_t n, T... limit) noexcept
        : base(limit...), waiting{n}, semaphore_(s) {}
    bool await_ready() noexcept {
      if (semaphore_.can_ever_give(wants)) [[likely]] return base::await_ready();
      tandem::detail::current_task().waited = false;
      return true;
    }
    result<permits> await_resume() {
      if (!semaphore_.can_ever_give(wants)) [[unlikely]] return semaphore_.refuse(wants);
      if (auto ended = this->finish(); !ended) [[unlikely]] return fail(std::move(ended).error());
      return permits(semaphore_, wants);
    }

   private:
    friend base;
    using waiter = waiting;
    static constexpr const char* name = "a semaphore";
    semaphore& where() noexcept { return semaphore_; }
    bool attempt(detail::wake_list&) noexcept { return semaphore_.take(wants); }
    void gave_up(detail::wake_list& woken) noexcept { semaphore_.grant(woken); }
    void give_back() noexcept { semaphore_.release(wants); }

    semaphore& semaphore_;
  };
  template <class, class>
  friend class detail::operation;

  [[nodiscard]] bool can_ever_give(std::ptrdiff_t n) const noexcept { return n >= 0 && n <= limit_; }
  [[nodiscard]] std::unexpected<error> refuse(std::ptrdiff_t n) const;

  // Under lock_.
  bool take(std::ptrdiff_t n) noexcept {
    if (n > free_ || (n > 0 && !waiters_.empty())) return false;
    free_ -= n;
    return true;
  }
  void grant(detail::wake_list& woken) noexcept;

  const std::ptrdiff_t limit_;
  std::ptrdiff_t free_;  // guarded by lock_
};

}  // namespace tandem::sync
