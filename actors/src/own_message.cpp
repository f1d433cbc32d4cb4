#include <tandem/actors/detail/own_message.hpp>

#include <mutex>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

bool own_life::goes_on() noexcept {
  const std::lock_guard hold(lock);
  return whose != nullptr;
}

void own_life::end() noexcept {
  for (;;) {
    own_timer* pending;
    {
      const std::lock_guard hold(lock);
      pending = timers;
      if (!pending) {
        whose = nullptr;
        return;
      }
      pending->retain();
    }
    pending->cancel();
    pending->release();
  }
}

// Its place in the mailbox.
class own_timer::entry final : public own_message {
 public:
  explicit entry(own_timer& t) noexcept : timer_(t) { t.retain(); }
  ~entry() override { timer_.release(); }
  [[nodiscard]] std::string type_name() const override { return "a timer"; }
  [[nodiscard]] envelope_ptr open(target&) override { return timer_.open(); }

 private:
  own_timer& timer_;
};

own_timer::due_node::due_node(own_timer& t) noexcept
    : timer_node([](tandem::detail::timer_node& node) noexcept -> tandem::detail::job* {
        own_timer& self = *static_cast<due_node&>(node).timer;
        self.fired_ = true;  // S2
        return &self.job_;
      }),
      timer(&t) {}

own_timer::due_job::due_job(own_timer& t) noexcept
    : job([](tandem::detail::job& j) noexcept { static_cast<due_job&>(j).timer->has_come(); }), timer(&t) {}

own_timer::own_timer(bool keeps) noexcept : keeps_(keeps), node_(*this), job_(*this) {}

own_timer::~own_timer() {
  if (life_) life_->release();
}

// Under the life's lock.
void own_timer::arm(time_point when) {
  arm_timer(life_->whose->impl().core, node_, when);
  retain();
  armed_ = true;
}

void own_timer::start(own_life& life, time_point when) {
  entry_ = std::make_unique<entry>(*this);
  life.retain();
  life_ = &life;
  const std::lock_guard hold(life.lock);
  try {
    arm(when);
  } catch (...) {
    entry_.reset();  // it has a share
    throw;
  }
  retain();
  to_come_ = true;
  next_ = life.timers;
  if (next_) next_->previous_ = this;
  life.timers = this;
  if (keeps_) life.whose->stay();
}

bool own_timer::cancel() noexcept {
  cell* whose;
  bool heaps;
  envelope_ptr unused;
  {
    const std::lock_guard hold(life_->lock);
    if (!to_come_) return false;
    to_come_ = false;
    whose = life_->whose;
    whose->hold();  // it may end as soon as there is no reason to stay
    (previous_ ? previous_->next_ : life_->timers) = next_;
    if (next_) next_->previous_ = previous_;
    tandem::detail::disarm_timer(node_);
    heaps = armed_ && !fired_;  // otherwise job_ gives that share back
    unused = std::move(entry_);
  }
  if (keeps_) whose->stay_no_longer();
  whose->unhold();
  if (heaps) release();
  unused.reset();
  release();  // the list's
  return true;
}

// On a worker, after the heap's lock is released.
void own_timer::has_come() noexcept {
  {
    const std::lock_guard hold(life_->lock);
    armed_ = fired_ = false;
    if (to_come_) life_->whose->post(std::move(entry_));  // L1
  }
  release();
}

envelope_ptr own_timer::open() {
  time_point now;
  {
    const std::lock_guard hold(life_->lock);
    if (!to_come_) return nullptr;
    now = clock_of(life_->whose->impl().core);
  }
  time_point again = no_deadline;
  envelope_ptr message = due(now, again);
  if (again == no_deadline) {
    if (!cancel()) return nullptr;  // somebody else was faster
    return message;
  }
  auto next = std::make_unique<entry>(*this);
  const std::lock_guard hold(life_->lock);
  if (!to_come_) return nullptr;
  arm(again);
  entry_ = std::move(next);
  return message;
}

errand::~errand() {
  if (whose_) whose_->errand_over();
}

void errand::deliver(std::unique_ptr<own_message> message) noexcept {
  const std::lock_guard hold(life_->lock);
  if (life_->whose) whose_->post(std::move(message));
}

}  // namespace tandem::actors::detail
