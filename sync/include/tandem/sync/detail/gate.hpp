// What tasks wait for until it is open: the common part of event, latch and wait_group.
#pragma once
#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/operation.hpp>

namespace tandem::sync::detail {

/// `Of::awaited` completes "waiting for …".
template <class Of>
class gate : protected waitable {
 public:
  /// Waits until it is open.
  /// Suspends: while it is closed; and once in a while if it is open, to let others run.
  /// Order:    tasks that wait are resumed in the order they came.
  /// Cancel:   safe. An open one may be passed in a context that is over.
  /// Errors:   errc::cancelled, errc::deadline_exceeded.
  /// Memory:   what came before it was opened is visible.
  [[nodiscard]] auto wait() noexcept { return operation<unlimited>(*this); }

  /// wait(), for at most `limit`; zero or less: only if it is open.   Errors: those of wait(), and errc::timed_out.
  ///         Throws std::bad_alloc if it must wait and the timer cannot be kept.
  [[nodiscard]] auto wait_for(duration limit) noexcept { return operation<time_limit>(*this, limit); }
  /// wait_for(), until `when` on the runtime's clock.
  [[nodiscard]] auto wait_until(time_point when) noexcept { return operation<time_limit>(*this, when); }

  /// Is it open?   Suspends: never; also callable outside of tasks.   Memory: as wait().
  [[nodiscard]] bool try_wait() noexcept {
    lock_.lock();
    const bool open = open_;
    lock_.unlock();
    return open;
  }

 protected:
  constexpr explicit gate(bool open) noexcept : open_(open) {}

  // Under lock_.
  void open(wake_list& woken) noexcept {
    open_ = true;
    complete_all(woken);
  }

  bool open_;  // guarded by lock_

 private:
  template <class Limit>
  class [[nodiscard]] operation : public detail::operation<operation<Limit>, Limit> {
    using base = detail::operation<operation, Limit>;

   public:
    template <class... T>
    explicit operation(gate& g, T... limit) noexcept : base(limit...), gate_(g) {}
    result<void> await_resume() { return this->finish(); }

   private:
    friend base;
    using waiter = operation;
    static constexpr const char* name = Of::awaited;
    gate& where() noexcept { return gate_; }
    bool attempt(wake_list&) noexcept { return gate_.open_; }
    void give_back() noexcept {}

    gate& gate_;
  };
  template <class, class>
  friend class detail::operation;
};

}  // namespace tandem::sync::detail
