#include <tandem/actors/detail/reply_arm.hpp>

namespace tandem::actors::detail {

using csp::detail::commit;
using tandem::detail::completion_base;
using tandem::detail::completion_waiter;
using tandem::detail::job;
using tandem::detail::selection;
using tandem::detail::task_record;
using tandem::detail::timer_node;

reply_arm_base::limit_timer::limit_timer(reply_arm_base& a) noexcept
    : timer_node([](timer_node& node) noexcept -> job* {
        // Under the heap's lock, which delist() takes before the selection can end (K3).
        reply_arm_base& self = *static_cast<limit_timer&>(node).arm;
        self.select_->claim_and_wake(self.arm_);
        return nullptr;
      }),
      arm(&a) {}

reply_arm_base::reply_arm_base(target_ptr to, envelope_ptr message, time_point limit, completion_base* answer) noexcept
    : completion_waiter([](completion_waiter& self) noexcept {
        auto& arm = static_cast<reply_arm_base&>(self);  // under the completion's lock, as above
        arm.select_->claim_and_wake(arm.arm_);
      }),
      to_(std::move(to)),
      waiter_(std::move(message)),
      answer_(answer),
      limit_(limit),
      timer_(*this) {
  if (to_) return;
  waiter_.why = empty_ref();
  stage_ = stage::failed;
}

reply_arm_base::reply_arm_base(reply_arm_base&& other) noexcept
    : reply_arm_base(std::move(other.to_), std::move(other.waiter_.message), other.limit_, other.answer_) {}

reply_arm_base::~reply_arm_base() {
  if (queued_) (void)to_->cancel_wait(waiter_);
}

bool reply_arm_base::may_be_ready() const noexcept {
  switch (stage_) {
    case stage::fresh: return false;
    case stage::sent: return answer_->is_ready() || limit_ <= now();
    case stage::failed: return true;
  }
  return false;
}

void reply_arm_base::send() noexcept {
  stage_ = send_or_queue(*to_, waiter_, queued_) ? stage::sent : stage::failed;
}

commit reply_arm_base::enlist(selection& own, std::uint32_t arm, task_record& task) {
  select_ = &own;
  arm_ = arm;
  if (stage_ == stage::fresh) {
    if (context_over(task)) return commit::waiting;  // the select is about to see that; nothing need be sent
    arm_timer(*task.owner, timer_, limit_);          // first, because it may throw
    send();
  } else if (stage_ == stage::sent) {
    arm_timer(*task.owner, timer_, limit_);
  }
  using registration = completion_base::registration;
  if (stage_ == stage::sent && answer_->add_waiter(*this) == registration::registered) return commit::waiting;
  disarm_timer(timer_);
  return own.decide(arm) ? commit::won : commit::lost;
}

void reply_arm_base::delist(bool) noexcept {
  disarm_timer(timer_);
  answer_->remove_waiter(*this);
}

error reply_arm_base::failure() const {
  return stage_ == stage::failed ? waiter_.why : no_answer_in_time(to_.get());
}

}  // namespace tandem::actors::detail
