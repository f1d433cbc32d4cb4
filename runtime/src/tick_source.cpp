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

time_point tick_source::clock_now() const noexcept { return clock_ ? clock_->now() : tandem::now(); }

tick tick_source::consume() noexcept {
  tick out{when_, 0};
  if (period_ == duration::zero()) {
    active_ = false;
    return out;
  }
  if (const time_point now = clock_now(); now > when_) {
    out.missed = static_cast<std::uint64_t>((now - when_) / period_);
    out.when += period_ * static_cast<duration::rep>(out.missed);
  }
  when_ = deadline_after(out.when, period_);  // on the grid, however late we are
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
  active_ = false;
  if (waiting_) {
    arm_timer(*clock_, node_, first);
    listed_ = true;
  }
  active_ = true;
  when_ = first;
  period_ = period;
  return was_active;
}

bool tick_source::stop() noexcept {
  const std::lock_guard hold(lock_);
  settle();
  return std::exchange(active_, false);
}

bool tick_source::is_due() noexcept {
  const std::lock_guard hold(lock_);
  return free() && due();
}

std::optional<tick> tick_source::try_take() noexcept {
  const std::lock_guard hold(lock_);
  if (!free() || !due()) return std::nullopt;
  return consume();
}

tick_source::enlisted tick_source::enlist(selection& own, std::uint32_t arm, task_record& task, tick& now_due) {
  const std::lock_guard hold(lock_);
  if (!free()) return enlisted::busy;
  clock_ = task.owner;
  if (due()) {
    if (!own.decide(arm)) return enlisted::lost;
    now_due = consume();
    return enlisted::taken;
  }
  waiting_ = &own;
  arm_ = arm;
  if (!active_) return enlisted::waiting;
  try {
    arm_timer(*clock_, node_, when_);
  } catch (...) {
    waiting_ = nullptr;
    throw;
  }
  listed_ = true;
  return enlisted::waiting;
}

std::optional<tick> tick_source::leave() noexcept {
  const std::lock_guard hold(lock_);
  settle();
  waiting_ = nullptr;
  return std::exchange(received_, std::nullopt);
}

bool tick_wait::await_ready() noexcept {
  const bool in_slice = spend_slice();
  if (!in_slice && context_over(current_task())) {
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
  const auto cancel = [](task_record& t) noexcept {
    static_cast<tick_wait*>(t.operation)->selection_.claim_and_wake(arm_context);
  };
  stage_ = stage::begun;
  if (!begin_wait(task, cancel, this)) {
    (void)selection_.decide(arm_context);
    return false;
  }
  try {
    switch (source_.enlist(selection_, arm_tick, task, tick_)) {
      case tick_source::enlisted::waiting:
        stage_ = stage::waiting;
        return selection_.park();
      case tick_source::enlisted::busy:
        if (selection_.decide(arm_tick)) stage_ = stage::busy;
        return false;
      default:
        return false;
    }
  } catch (...) {
    end_wait(task);
    throw;
  }
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
