// An actor's mailbox: any number of senders, one consumer that is woken when something arrives.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

/// A singly linked list of envelopes, owned; oldest first.
class envelope_list {
 public:
  envelope_list() = default;
  envelope_list(envelope_list&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  envelope_list& operator=(envelope_list other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    return *this;
  }
  ~envelope_list() {
    while (!empty()) (void)pop();
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  void push(envelope_ptr e) noexcept {
    envelope* const added = e.release();
    added->next = nullptr;
    (first_ ? last_->next : first_) = added;
    last_ = added;
  }
  [[nodiscard]] envelope_ptr pop() noexcept {
    envelope_ptr taken(first_);
    first_ = first_->next;
    return taken;
  }

 private:
  envelope* first_ = nullptr;
  envelope* last_ = nullptr;  // meaningless while empty
};

/// Bounded for senders that can wait, unbounded for the others.
///
/// (M1) asleep_ is true while nobody runs the consumer and nothing is there for it. Whoever turns it false has to
///      schedule the consumer: the answer `wake` says so. So the consumer is scheduled at most once at a time.
/// (M2) held_ = messages in queue_, plus those the consumer took and has not reported. Unbounded ones count as well:
///      a mailbox full of them holds up those who can wait.
/// (M3) While waiters_ is not empty, bounded messages join its end: no sender overtakes another.
/// (M4) After close() nothing is ever queued.
class mailbox {
 public:
  explicit mailbox(std::size_t capacity) noexcept : capacity_(capacity == 0 ? 1 : capacity) {}

  enum class posted : std::uint8_t { queued, wake, full, closed };

  /// Takes `e` over if queued or wake.   Threads: any, as all up to cancel().
  posted push(envelope_ptr& e, bool bounded) noexcept;
  /// Queues the waiter (`now` is `waiting`), or its message if there is room by now (`admitted`), unless it was
  /// `cancelled` before; closed: `failed`. After the call a waiter that waits is touched under the lock only (V1).
  posted wait(room_waiter& w, room_waiter::phase& now) noexcept;
  /// See target::cancel_wait().
  bool cancel(room_waiter& w) noexcept;
  /// Asks the consumer to end. queued, wake, or closed: it has ended; full: it was asked before.
  posted request_exit(error why) noexcept;
  [[nodiscard]] bool is_closed() noexcept;
  /// True while the consumer has nothing to do (M1).
  [[nodiscard]] bool is_asleep() noexcept;
  /// How many are held, of some moment (M2).
  [[nodiscard]] std::size_t depth() const noexcept { return held_.load(std::memory_order_relaxed); }
  /// wake if the consumer was asleep: it gets a turn with nothing to do.
  posted nudge() noexcept;

  /// Consumer: reports `taken` messages as gone, lets waiters in, and moves everything queued to `batch`. False, and
  /// the consumer sleeps, if there is nothing and no request to end.
  [[nodiscard]] bool refill(envelope_list& batch, std::size_t taken) noexcept;
  /// Consumer: reports `taken` messages as gone and lets waiters in.
  void report(std::size_t taken) noexcept;
  /// Consumer: true if it was asked to end. Acquire: pairs with the release in request_exit().
  [[nodiscard]] bool exit_requested() const noexcept { return exit_requested_.load(std::memory_order_acquire); }
  /// Consumer, after exit_requested(): why.
  [[nodiscard]] error exit_reason() noexcept;
  /// Consumer: closes, gives what was queued, and fails the waiters with `why`.
  [[nodiscard]] envelope_list close(const error& why) noexcept;

  /// How many messages the consumer may take before it reports.
  [[nodiscard]] std::size_t report_every() const noexcept { return capacity_ < 256 ? capacity_ / 4 + 1 : 64; }

 private:
  posted queued_answer() noexcept;
  // Under lock_, so no read-modify-write is needed.
  void add_held(std::size_t n) noexcept { held_.store(depth() + n, std::memory_order_relaxed); }
  void admit(wake_list& woken) noexcept;

  tandem::detail::spin_lock lock_;
  // Guarded by lock_, exit_requested_ for writing.
  bool asleep_ = false;
  bool closed_ = false;
  std::atomic<bool> exit_requested_{false};
  std::atomic<std::size_t> held_{0};  // relaxed: guarded; depth() wants some moment's
  const std::size_t capacity_;
  envelope_list queue_;
  room_queue waiters_;
  error exit_reason_;
};

}  // namespace tandem::actors::detail
