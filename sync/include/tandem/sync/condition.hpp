// Waiting for what a mutex protects to change.
#pragma once
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/detail/operation.hpp>
#include <tandem/sync/mutex.hpp>

namespace tandem::sync {

/// As std::condition_variable, for tasks:
/// ```
/// auto held = co_await or_return(m.lock());
/// while (queue.empty()) co_await or_return(not_empty.wait(held));
/// ```
/// wait() returns only when it was notified, or with an error; but another task may have been faster to take what there
/// was, hence the loop. Where one task hands values to another, use a channel.
///
/// Order:   the task that has waited the longest is notified first.
/// Threads: wait…() by tasks, notify…() by any thread, with the mutex or without.
/// Destroying it while a task waits for it is reported on stderr and aborts.
class condition : private detail::waitable {
 public:
  constexpr condition() = default;

  /// Unlocks the mutex that `held` holds, waits to be notified, and locks it again. No notification is missed in
  /// between.
  /// Suspends: always.
  /// Cancel:   safe. Whatever the outcome, `held` holds the mutex again: waiting for it is not cancelled.
  /// Errors:   errc::cancelled, errc::deadline_exceeded: it was not notified. Throws std::logic_error if `held` holds
  ///           nothing, and std::bad_alloc before it has unlocked anything.
  [[nodiscard]] task<result<void>> wait(mutex::guard& held) { return wait_once<detail::unlimited>(held); }

  /// wait(), for at most `limit`.   Errors: those of wait(), and errc::timed_out. Throws std::bad_alloc if the timer
  ///          cannot be kept.
  [[nodiscard]] task<result<void>> wait_for(mutex::guard& held, duration limit) {
    return wait_once<detail::time_limit>(held, limit);
  }
  /// wait_for(), until `when` on the runtime's clock.
  [[nodiscard]] task<result<void>> wait_until(mutex::guard& held, time_point when) {
    return wait_once<detail::time_limit>(held, when);
  }

  /// Lets the task run that has waited the longest. False if none waits.   Suspends: never.
  bool notify_one() noexcept;
  /// Lets all tasks run that wait, one after the other.   Suspends: never.
  void notify_all() noexcept;

 private:
  template <class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Limit>, Limit> {
    using base = detail::operation<operation, Limit>;

   public:
    template <class... T>
    explicit operation(condition& c, mutex::guard& held, T... limit) noexcept
        : base(limit...), condition_(c), held_(held) {}

    bool await_ready() noexcept {
      (void)tandem::detail::spend_slice();
      tandem::detail::current_task().waited = false;
      return false;
    }
    template <std::derived_from<tandem::detail::promise_base> P>
    [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
      mutex::guard held = std::move(held_);
      bool waits = false;
      try {
        waits = base::await_suspend(self);
      } catch (...) {
        held_ = std::move(held);
        throw;
      }
      if (!waits && !tandem::detail::slice_left()) {  // a loop of waits that end at once lets others run, too
        tandem::detail::yield_to_others(tandem::detail::current_task());
        waits = true;
      }
      // If it waits it may run elsewhere already, but not end its wait before `held` goes.
      if (!waits) held_ = std::move(held);
      return waits;
    }
    result<void> await_resume() { return this->finish(); }

   private:
    friend base;
    using waiter = operation;
    static constexpr const char* name = "a condition";
    static constexpr bool yields_first = false;  // it would miss what is notified meanwhile
    condition& where() noexcept { return condition_; }
    bool attempt(detail::wake_list&) noexcept { return false; }
    void give_back() noexcept {}

    condition& condition_;
    mutex::guard& held_;
  };
  template <class, class>
  friend class detail::operation;

  static task<result<mutex::guard>> lock_again(mutex& m) { co_return co_await m.lock(); }
  static mutex& mutex_of(const mutex::guard& held);

  template <class Limit, class... T>
  task<result<void>> wait_once(mutex::guard& held, T... limit) {
    mutex& m = mutex_of(held);
    // Made while nothing has happened yet: there may be no memory for it afterwards.
    const context endless = without_cancel(this_task::context());
    task<result<mutex::guard>> to_lock_again = with_context(endless, lock_again(m));
    result<void> ended = co_await operation<Limit>(*this, held, limit...);
    if (!held) {
      auto again = co_await std::move(to_lock_again);
      held = std::move(again).value();
    }
    co_return ended;
  }
};

}  // namespace tandem::sync
