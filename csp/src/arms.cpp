#include <tandem/csp/detail/arms.hpp>

namespace tandem::csp::detail {

timeout_arm::select_timer::select_timer(timeout_arm& a) noexcept
    : timer_node([](timer_node& node) noexcept -> tandem::detail::job* {
        // Under the heap's lock, which delist() takes before the arm can end.
        timeout_arm& self = *static_cast<select_timer&>(node).arm;
        self.select_->claim_and_wake(self.arm_);
        return nullptr;
      }),
      arm(&a) {}

join_arm_base::join_arm_base(tandem::detail::completion_base* what) noexcept
    : completion_waiter([](completion_waiter& self) noexcept {
        // Under the completion's lock, which delist() takes before the arm can end.
        auto& arm = static_cast<join_arm_base&>(self);
        arm.select_->claim_and_wake(arm.arm_);
      }),
      what_(what) {}

commit join_arm_base::enlist(selection& own, std::uint32_t arm, task_record& task) {
  if (!what_) return commit::waiting;
  // A select in the task itself would wait for its own end: never, as long as no other arm is chosen.
  if (what_->completing_task() == &task) return commit::waiting;
  select_ = &own;
  arm_ = arm;
  using registration = tandem::detail::completion_base::registration;
  // Occupied: whoever joins there will take the result, so there will be none for this arm.
  if (what_->add_waiter(*this) != registration::ready) return commit::waiting;
  return own.decide(arm) ? commit::won : commit::lost;
}

void join_arm_base::delist(bool) noexcept {
  if (what_) what_->remove_waiter(*this);
}

commit timeout_arm::enlist(selection& own, std::uint32_t arm, task_record& task) {
  // No time at all: nothing was ready a moment ago, so this arm has won.
  if (when_ <= now()) return own.decide(arm) ? commit::won : commit::lost;
  select_ = &own;
  arm_ = arm;
  if (when_ != no_deadline) tandem::detail::arm_timer(*task.owner, timer_, when_);
  return commit::waiting;
}

void timeout_arm::delist(bool) noexcept { tandem::detail::disarm_timer(timer_); }

done_arm::done_arm(context what) noexcept
    : context_watch([](context_watch& self) noexcept {
        // Under a scope's lock, which delist() takes before the arm can end.
        auto& arm = static_cast<done_arm&>(self);
        arm.select_->claim_and_wake(arm.arm_);
      }),
      context_(std::move(what)) {}

commit done_arm::enlist(selection& own, std::uint32_t arm, task_record&) {
  select_ = &own;
  arm_ = arm;
  if (tandem::detail::watch_end(context_, *this)) return commit::waiting;
  return own.decide(arm) ? commit::won : commit::lost;
}

void done_arm::delist(bool) noexcept { tandem::detail::unwatch_end(context_, *this); }

bool tick_arm::attempt() noexcept {
  const std::optional<tick> due = source_.try_take();
  if (due) tick_ = *due;
  return due.has_value();
}

commit tick_arm::enlist(selection& own, std::uint32_t arm, task_record& task) {
  if (source_.enlist(own, arm, task)) return commit::waiting;
  busy_ = own.decide(arm);
  return busy_ ? commit::won : commit::lost;
}

void tick_arm::delist(bool) noexcept {
  if (const std::optional<tick> received = source_.leave()) tick_ = *received;
}

tick_arm::outcome tick_arm::take() {
  if (std::exchange(busy_, false)) return fail(tandem::detail::someone_else_waits());
  return tick_;
}

}  // namespace tandem::csp::detail
