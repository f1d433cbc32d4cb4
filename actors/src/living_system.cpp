#include "living_system.hpp"

#include <condition_variable>
#include <mutex>

namespace tandem::actors::detail {

// There are few systems, mostly one.
struct living_system::all {
  std::mutex lock;
  std::condition_variable left;  // some system's last visitor
  living_system* first = nullptr;
  std::uint32_t numbers = 0;
};

// Never destroyed: systems may be static objects.
living_system::all& living_system::everybody() noexcept {
  static all& there = *new all;
  return there;
}

living_system::living_system(system_impl& whose) noexcept : whose_(whose) {
  all& here = everybody();
  const std::lock_guard hold(here.lock);
  number_ = ++here.numbers;
  next_ = here.first;
  here.first = this;
}

void living_system::withdraw() noexcept {
  all& here = everybody();
  std::unique_lock hold(here.lock);
  if (!listed_) return;
  listed_ = false;
  living_system** at = &here.first;
  while (*at != this) at = &(*at)->next_;
  *at = next_;
  here.left.wait(hold, [this] { return visitors_ == 0; });
}

living_system* living_system::enter(std::uint32_t number) noexcept {
  all& here = everybody();
  const std::lock_guard hold(here.lock);
  living_system* found = here.first;
  while (found && found->number_ != number) found = found->next_;
  if (found) ++found->visitors_;
  return found;
}

void living_system::leave() noexcept {
  all& here = everybody();
  const std::lock_guard hold(here.lock);
  if (--visitors_ == 0 && !listed_) here.left.notify_all();  // under the lock: the system goes once that is free
}

living_system::visit::visit(std::uint32_t number) noexcept : found_(enter(number)) {}
living_system::visit::~visit() {
  if (found_) found_->leave();
}

}  // namespace tandem::actors::detail
