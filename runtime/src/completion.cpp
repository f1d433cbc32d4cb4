#include <tandem/runtime/detail/completion.hpp>

namespace tandem::detail {

completion_wait::limit_timer::limit_timer(completion_wait& w) noexcept
    : timer_node([](timer_node& node) noexcept -> job* {
        static_cast<limit_timer&>(node).wait->selection_.claim_and_wake(arm_limit);
        return nullptr;
      }),
      wait(&w) {}

completion_wait::completion_wait() noexcept
    : completion_waiter([](completion_waiter& self) noexcept {
        static_cast<completion_wait&>(self).selection_.claim_and_wake(arm_completed);
      }),
      timer_(*this) {}

const wait_kind& completion_base::joined_as() const noexcept {
  static constexpr wait_kind kind{"a task to end", &completion_wait::cancel, nullptr, &completion_wait::leave};
  return kind;
}

void completion_wait::cancel(task_record& task) noexcept {
  static_cast<completion_wait*>(task.operation)->selection_.claim_and_wake(arm_context);
}

void completion_wait::leave(task_record& task) noexcept {
  (void)static_cast<completion_wait*>(task.operation)->finish();
}

bool completion_wait::start(task_record& task, completion_base* what, time_point limit, const wait_kind& kind) {
  selection_.bind(task);
  what_ = what;
  if (!begin_wait(task, kind, this)) {
    (void)selection_.decide(arm_context);
    if (spend_slice()) return false;
    yield_to_others(task);
    return true;
  }
  if (what_) {
    using registration = completion_base::registration;
    if (const registration now = what_->add_waiter(*this); now != registration::registered) {
      (void)selection_.decide(now == registration::ready ? arm_completed : arm_occupied);
      return false;
    }
  }
  if (limit != no_deadline) {
    try {
      arm_timer(*task.owner, timer_, limit);
    } catch (...) {  // nothing may keep a pointer to a wait that never was
      if (what_) what_->remove_waiter(*this);
      end_wait(task);
      throw;
    }
  }
  return selection_.park();
}

completion_wait::ended completion_wait::finish() noexcept {
  disarm_timer(timer_);
  if (what_) what_->remove_waiter(*this);
  end_wait(selection_.owner());
  switch (selection_.decided()) {
    case arm_completed:
      return ended::completed;
    case arm_limit:
      return ended::limit;
    case arm_occupied:
      return ended::occupied;
    default:
      return ended::context;
  }
}

}  // namespace tandem::detail
