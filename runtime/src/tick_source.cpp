#include <tandem/runtime/detail/tick_source.hpp>

#include <mutex>

#include "scheduler.hpp"

namespace tandem::detail {

tick_source::due_timer::due_timer(tick_source& s) noexcept
    : timer_node([](timer_node& node) noexcept -> job* {
        tick_source& self = *static_cast<due_timer&>(node).source;
        self.ticked_ = self.waiting_->claim_and_wake(self.arm_);  // lost: the tick stays due
        return nullptr;
      }),
      source(&s) {}

tick_source::tick_source() noexcept : clock_(current_scheduler()), node_(*this) {}

tick_source::tick_source(duration in, duration period) noexcept : tick_source() {
  active_ = true;
  set_when(deadline_after(clock_now(), in));
  period_ = period;
}

time_point tick_source::clock_now() const noexcept {
  const scheduler* const clock = clock_.load(std::memory_order_relaxed);  // constant once set, and outlives us
  return clock ? clock->now() : tandem::now();
}

tick tick_source::consume() noexcept {
  tick out{when_, 0};
  if (period_ == duration::zero()) {
    set_inactive();
    return out;
  }
  if (const time_point now = clock_now(); now > when_) {
    out.missed = static_cast<std::uint64_t>((now - when_) / period_);
    out.when += period_ * static_cast<duration::rep>(out.missed);
  }
  set_when(deadline_after(out.when, period_));  // on the grid, however late we are
  return out;
}

void tick_source::settle() noexcept {
  if (!listed_) return;
  disarm_timer(node_);  // G3
  listed_ = false;
  if (!ticked_) return;
  ticked_ = false;
  waiting_ = nullptr;
  received_ = consume();
}

bool tick_source::restart(time_point first, duration period) {
  const std::lock_guard hold(lock_);
  settle();
  const bool was_active = active_;
  set_inactive();
  if (waiting_) {
    arm_timer(*clock_.load(std::memory_order_relaxed), node_, first);
    listed_ = true;
  }
  active_ = true;
  set_when(first);
  period_ = period;
  return was_active;
}

bool tick_source::stop() noexcept {
  const std::lock_guard hold(lock_);
  settle();
  const bool was_active = active_;
  set_inactive();
  return was_active;
}

bool tick_source::may_be_due() const noexcept {
  // Relaxed: what happened before is seen whatever the order, and the rest is checked under the lock.
  const time_point hint{duration(hint_.load(std::memory_order_relaxed))};
  return hint != no_deadline && hint <= clock_now();
}

std::optional<tick> tick_source::try_take() noexcept {
  if (!may_be_due()) return std::nullopt;
  const std::lock_guard hold(lock_);
  if (!free() || !active_ || when_ > clock_now()) return std::nullopt;
  return consume();
}

bool tick_source::enlist(selection& own, std::uint32_t arm, task_record& task) {
  const std::lock_guard hold(lock_);
  if (!free()) return false;
  clock_.store(task.owner, std::memory_order_relaxed);
  waiting_ = &own;
  arm_ = arm;
  if (!active_) return true;
  try {
    arm_timer(*task.owner, node_, when_);
  } catch (...) {
    waiting_ = nullptr;
    throw;
  }
  listed_ = true;
  return true;
}

std::optional<tick> tick_source::leave() noexcept {
  const std::lock_guard hold(lock_);
  settle();
  waiting_ = nullptr;
  return std::exchange(received_, std::nullopt);
}

bool tick_wait::await_ready() noexcept {
  const bool in_slice = spend_slice();
  if (context_over(current_task())) {  // a reader that is behind its ticker never waits
    stage_ = stage::over;
    return true;
  }
  const std::optional<tick> due = source_.try_take();
  if (!due) return false;
  tick_ = *due;
  stage_ = stage::ready;
  return in_slice;
}

bool tick_wait::start(task_record& task) {
  if (stage_ == stage::ready) {  // it took effect; only the slice is used up
    yield_to_others(task);
    return true;
  }
  selection_.bind(task);
  static constexpr wait_kind kind{
      "a tick",
      [](task_record& t) noexcept { static_cast<tick_wait*>(t.what)->selection_.claim_and_wake(arm_context); },
      nullptr,
      [](task_record& t) noexcept {
        (void)static_cast<tick_wait*>(t.what)->source_.leave();
        end_wait(t);
      }};
  stage_ = stage::begun;
  if (!begin_wait(task, kind, this)) {
    (void)selection_.decide(arm_context);
    return false;
  }
  try {
    if (source_.enlist(selection_, arm_tick, task)) {
      stage_ = stage::waiting;
      return selection_.park();
    }
  } catch (...) {
    end_wait(task);
    throw;
  }
  if (selection_.decide(arm_tick)) stage_ = stage::busy;
  return false;
}

result<tick> tick_wait::finish() {
  switch (stage_) {
    case stage::ready:
      return tick_;
    case stage::fresh:
    case stage::over:
      return fail(context_error(current_task()));
    default:
      break;
  }
  if (stage_ == stage::waiting)
    if (const auto received = source_.leave()) tick_ = *received;
  end_wait(selection_.owner());
  if (selection_.decided() == static_cast<int>(arm_context)) return fail(context_error(selection_.owner()));
  if (stage_ == stage::busy) return fail(someone_else_waits());
  return tick_;
}

error someone_else_waits() {
  return make_error(errc::failed_precondition,
                    "another task waits for this timer or ticker already; give each task its own");
}

}  // namespace tandem::detail
