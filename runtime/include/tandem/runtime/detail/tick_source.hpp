// The common part of timer and ticker: a deadline, perhaps a period, and at most one wait.
#pragma once
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
/// (G3) A tick is received when its waiter's selection is claimed, or taken under lock_. Whoever takes lock_ first makes
///      sure that the node has fired completely or will not fire: then he knows which of the two it was.
class tick_source {
 public:
  /// Stopped. Its clock is that of the runtime it is made on, or else that of the first task that waits.
  tick_source() noexcept;
  /// Nobody may wait.
  ~tick_source() = default;
  tick_source(const tick_source&) = delete;
  tick_source& operator=(const tick_source&) = delete;

  /// Due at `first`, and, unless `period` is zero, every `period` after that. Whoever waits goes on to wait for that.
  /// True if it was active.   Errors: throws std::bad_alloc; it is stopped then.
  bool restart(time_point first, duration period);
  bool stop() noexcept;
  [[nodiscard]] time_point clock_now() const noexcept;

  /// Is a tick due that nobody waits for?
  [[nodiscard]] bool is_due() noexcept;
  /// The tick that is due, unless somebody waits for it.
  [[nodiscard]] std::optional<tick> try_take() noexcept;

  /// `waiting`: `own` may be decided for `arm` from now on, and leave() must follow. `taken`: `own` was decided for `arm`
  /// and `now_due` is the tick. `lost`: another arm of `own` was faster. `busy`: somebody waits already.
  enum class enlisted : std::uint8_t { waiting, taken, lost, busy };
  /// Errors: throws std::bad_alloc; nobody waits then.
  [[nodiscard]] enlisted enlist(selection& own, std::uint32_t arm, task_record& task, tick& now_due);
  /// Ends the wait. The tick, if `own` was decided for it. When it returns, nobody touches `own` any more.
  std::optional<tick> leave() noexcept;

 private:
  struct due_timer : timer_node {
    explicit due_timer(tick_source& s) noexcept;
    tick_source* source;
  };

  bool due() const noexcept { return active_ && when_ <= clock_now(); }
  bool free() const noexcept { return !waiting_ && !received_; }
  tick consume() noexcept;
  void settle() noexcept;

  spin_lock lock_;
  bool active_ = false;  // a tick is to come, or is due and not received
  bool listed_ = false;  // the node was put into a heap and not yet disarmed
  bool ticked_ = false;  // G2
  std::uint32_t arm_ = 0;
  scheduler* clock_;  // written under lock_ before anybody waits; null: the steady clock
  time_point when_{};
  duration period_{};
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
  bool await_suspend(std::coroutine_handle<P> self) {
    task_record& task = *self.promise().record;
    task.resume_point = self;
    return start(task);
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
