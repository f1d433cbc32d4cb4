// The common part of timer and ticker: a deadline, perhaps a period, and at most one wait.
#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/tick.hpp>

namespace tandem::detail {

/// Nothing happens when a deadline passes and nobody waits: whoever asks next sees from the clock what is due. So the
/// node is in a heap only while somebody waits, and there is no old tick that stop() or restart() would have to find.
///
/// (G1) Guarded by lock_: everything but what G2 names. Lock order: lock_, then a timer heap's.
/// (G2) waiting_ and arm_ are written under lock_ while the node is in no heap, and read by fire under the heap's lock;
///      ticked_ is written by fire under the heap's lock, and read under lock_ after the node has been disarmed.
/// (G3) A tick is received when its waiter's selection is claimed, or taken under lock_. Whoever takes lock_ first
///      makes sure that the node has fired completely or will not fire: then he knows which of the two it was.
class tick_source {
 public:
  /// Stopped. Its clock is that of the runtime it is made on, or else that of the first task that waits.
  tick_source() noexcept;
  /// As after restart(deadline_after(clock_now(), in), period).
  tick_source(duration in, duration period) noexcept;
  /// Nobody may wait.
  ~tick_source() = default;
  tick_source(const tick_source&) = delete;
  tick_source& operator=(const tick_source&) = delete;

  /// Due at `first`, and, unless `period` is zero, every `period` after that. Whoever waits goes on to wait for that.
  /// True if it was active.   Errors: throws std::bad_alloc; it is stopped then.
  bool restart(time_point first, duration period);
  bool stop() noexcept;
  [[nodiscard]] time_point clock_now() const noexcept;

  /// False: no tick is due. Looks without a lock, but misses nothing that happened before.
  [[nodiscard]] bool may_be_due() const noexcept;
  /// The tick that is due, unless somebody waits for it.
  [[nodiscard]] std::optional<tick> try_take() noexcept;

  /// From now on `own` may be decided for `arm`, and leave() must follow. False: somebody waits already. A tick that is
  /// due comes as soon as a worker looks at its timers.
  /// Errors: throws std::bad_alloc; nobody waits then.
  [[nodiscard]] bool enlist(selection& own, std::uint32_t arm, task_record& task);
  /// Ends the wait. The tick, if `own` was decided for it. When it returns, nobody touches `own` any more.
  std::optional<tick> leave() noexcept;

 private:
  struct due_timer : timer_node {
    explicit due_timer(tick_source& s) noexcept;
    tick_source* source;
  };

  bool free() const noexcept { return !waiting_ && !received_; }
  void set_when(time_point when) noexcept {
    when_ = when;
    hint_.store(when.time_since_epoch().count(), std::memory_order_relaxed);  // see may_be_due()
  }
  void set_inactive() noexcept {
    active_ = false;
    hint_.store(no_deadline.time_since_epoch().count(), std::memory_order_relaxed);
  }
  tick consume() noexcept;
  void settle() noexcept;

  spin_lock lock_;
  bool active_ = false;  // a tick is to come, or is due and not received
  bool listed_ = false;  // the node was put into a heap and not yet disarmed
  bool ticked_ = false;  // G2
  std::uint32_t arm_ = 0;
  std::atomic<scheduler*> clock_;  // written under lock_ before anybody waits; null: the steady clock
  time_point when_ = no_deadline;
  duration period_{};
  std::atomic<duration::rep> hint_{no_deadline.time_since_epoch().count()};  // when_ if active, for a look without lock_
  selection* waiting_ = nullptr;
  std::optional<tick> received_;  // for the waiter, who has not left yet
  due_timer node_;
};

/// Waits for a tick or the end of the context.
class tick_wait {
 public:
  explicit tick_wait(tick_source& source) noexcept : source_(source) {}
  tick_wait(const tick_wait&) = delete;
  tick_wait& operator=(const tick_wait&) = delete;

  bool await_ready() noexcept;
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
    return start(suspend_here(self, *this));
  }

 protected:
  ~tick_wait() = default;
  [[nodiscard]] result<tick> finish();

 private:
  enum class stage : std::uint8_t { fresh, ready, over, begun, waiting, busy };
  static constexpr std::uint32_t arm_tick = 0, arm_context = 1;
  bool start(task_record& task);

  tick_source& source_;
  selection selection_;
  stage stage_ = stage::fresh;
  tick tick_;
};

/// The error of a second wait at the same time.
[[nodiscard]] error someone_else_waits();

}  // namespace tandem::detail
