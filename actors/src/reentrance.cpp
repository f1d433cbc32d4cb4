#include "reentrance.hpp"

#include <mutex>
#include <source_location>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

activation::activation(cell& whose, running_handler&& handler, const signature_info* message, time_point deadline)
    : task_record(whose.impl().core, tandem::detail::id_of_origin("handler", std::source_location::current())),
      self(whose),
      running(std::move(handler)),
      what(message),
      since(whose.impl().about_now()) {
  tandem::context under = whose.own_context();
  if (deadline != no_deadline) {
    of_message_.emplace(under, deadline);
    under = of_message_->context();
  }
  set_context(under.state(), membership_);  // the cell, or of_message_, keeps it
}

const char* activation::name() const noexcept { return self.label(); }

void activation::run() noexcept {
  if (goes_on()) [[likely]] self.resume_in_turn(*this);
}

void reentrance::begin(activation& a) noexcept {
  ++open_;
  a.live_ = add_live_task(a);
  const std::lock_guard hold(lock_);
  a.previous_ = last_;
  (last_ ? last_->next_ : first_) = &a;
  last_ = &a;
}

void reentrance::end(activation& a) noexcept {
  --open_;
  if (a.live_) remove_live_task(a);
  {
    const std::lock_guard hold(lock_);
    (a.previous_ ? a.previous_->next_ : first_) = a.next_;
    (a.next_ ? a.next_->previous_ : last_) = a.previous_;
  }
  a.restore_context(0);
  delete &a;
}

activation* reentrance::next_ready() noexcept {
  const std::lock_guard hold(lock_);
  activation* const a = first_ready_;
  if (a) first_ready_ = std::exchange(a->next_ready_, nullptr);
  return a;
}

bool reentrance::park() noexcept {
  const std::lock_guard hold(lock_);
  if (first_ready_) return false;
  parked_ = true;
  return true;
}

bool reentrance::made_ready(activation& a) noexcept {
  const std::lock_guard hold(lock_);
  (first_ready_ ? last_ready_->next_ready_ : first_ready_) = &a;
  last_ready_ = &a;
  return std::exchange(parked_, false);
}

bool reentrance::any_open() noexcept {
  const std::lock_guard hold(lock_);
  return first_ != nullptr;
}

bool reentrance::oldest(const signature_info*& what, coarse_time& since) noexcept {
  const std::lock_guard hold(lock_);
  if (!first_) return false;
  what = first_->what;
  since = first_->since;
  return true;
}

void reentrance::list(tandem::detail::census_taker& out, const char* class_name) noexcept {
  const std::lock_guard hold(lock_);
  for (const activation* a = first_; a; a = a->next_)
    add_task(out, *a, a->waits_for.load(std::memory_order_relaxed), class_name);
}

}  // namespace tandem::actors::detail
