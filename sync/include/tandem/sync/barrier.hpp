// A place where a fixed number of tasks wait for each other, again and again.
#pragma once
#include <cstddef>
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/operation.hpp>

namespace tandem::sync {

/// The last of `parties` tasks to arrive lets all of them go on, and begins the next round.
///
/// Threads: arrive…() by tasks, the rest by any thread. Neither moved nor copied.
/// Memory:  what each party did before it arrived is visible to all of them afterwards.
/// Destroying it while a task waits for it is reported on stderr and aborts.
class barrier : private detail::waitable {
 public:
  /// Errors: throws std::invalid_argument for less than one.
  explicit barrier(std::ptrdiff_t parties);

  /// Arrives, and waits for the others. Gives true to the party that came last: for what one of them must do. No task
  /// is told so if it was try_arrive() or drop_out() that ended the round.
  /// Suspends: unless it is the last.
  /// Cancel:   safe; on error it has not arrived, and the others wait for somebody else. The last may arrive in a
  ///           context that is over.
  /// Errors:   errc::cancelled, errc::deadline_exceeded; errc::failed_precondition if all parties have dropped out.
  [[nodiscard]] auto arrive_and_wait() noexcept { return operation<detail::unlimited>(*this); }

  /// arrive_and_wait(), for at most `limit`; zero or less: only if it is the last.
  /// Errors: those of arrive_and_wait(), and errc::timed_out. Throws std::bad_alloc if it must wait and the timer
  ///         cannot be kept.
  [[nodiscard]] auto arrive_and_wait_for(duration limit) noexcept {
    return operation<detail::time_limit>(*this, limit);
  }
  /// arrive_and_wait_for(), until `when` on the runtime's clock.
  [[nodiscard]] auto arrive_and_wait_until(time_point when) noexcept {
    return operation<detail::time_limit>(*this, when);
  }

  /// arrive_and_wait() only if it is the last: then the others go on.   Suspends: never.
  /// Errors: errc::would_block; errc::failed_precondition if all parties have dropped out.
  [[nodiscard]] result<void> try_arrive();

  /// One party less, in this round and all later ones; it does not wait.
  /// Errors: throws std::logic_error if there is none left.
  void drop_out();

  /// At some moment during the call.
  [[nodiscard]] std::ptrdiff_t parties() noexcept;

 private:
  template <class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Limit>, Limit> {
    using base = detail::operation<operation, Limit>;

   public:
    template <class... T>
    explicit operation(barrier& b, T... limit) noexcept : base(limit...), barrier_(b) {}
    result<bool> await_resume() {
      if (auto ended = this->finish(); !ended) [[unlikely]] return fail(std::move(ended).error());
      if (refused_) [[unlikely]] return refuse();
      return came_last_;
    }

   private:
    friend base;
    using waiter = operation;
    static constexpr const char* name = "the other parties of a barrier";
    barrier& where() noexcept { return barrier_; }
    bool attempt(detail::wake_list& woken) noexcept {
      refused_ = barrier_.parties_ == 0;
      came_last_ = !refused_ && barrier_.complete_round(1, woken);
      return refused_ || came_last_;
    }
    void about_to_wait(detail::task_record&) noexcept { ++barrier_.waiting_; }
    void give_back() noexcept {}

    barrier& barrier_;
    bool came_last_ = false;
    bool refused_ = false;
  };
  template <class, class>
  friend class detail::operation;

  [[nodiscard]] static std::unexpected<error> refuse();

  // Under lock_.
  bool complete_round(std::ptrdiff_t arriving, detail::wake_list& woken) noexcept;
  void unlink(detail::task_record& task) noexcept {
    --waiting_;
    waitable::unlink(task);
  }

  std::ptrdiff_t parties_;      // guarded by lock_
  std::ptrdiff_t waiting_ = 0;  // guarded by lock_: those linked
};

}  // namespace tandem::sync
