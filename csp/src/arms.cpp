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

commit timeout_arm::enlist(selection& own, std::uint32_t arm, task_record& task) {
  // No time at all: nothing was ready a moment ago, so this arm has won.
  if (when_ <= now()) return own.decide(arm) ? commit::won : commit::lost;
  select_ = &own;
  arm_ = arm;
  if (when_ != no_deadline) tandem::detail::arm_timer(*task.owner, timer_, when_);
  return commit::waiting;
}

void timeout_arm::delist(bool) noexcept { tandem::detail::disarm_timer(timer_); }

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

tick_arm::outcome tick_arm::take() const {
  if (busy_) return fail(tandem::detail::someone_else_waits());
  return tick_;
}

}  // namespace tandem::csp::detail
