#include <tandem/sync/condition.hpp>

#include <stdexcept>

namespace tandem::sync {

bool condition::notify_one() noexcept {
  detail::wake_list woken;
  lock_.lock();
  detail::wait_node* const first = waiters_.first();
  if (first) complete(*first, woken);
  lock_.unlock();
  woken.wake();
  return first != nullptr;
}

void condition::notify_all() noexcept {
  detail::wake_list woken;
  lock_.lock();
  complete_all(woken);
  lock_.unlock();
  woken.wake();
}

mutex& condition::mutex_of(const mutex::guard& held) {
  if (!held) throw std::logic_error("tandem: wait() on a condition with a guard that holds no mutex");
  return *held.mutex();
}

}  // namespace tandem::sync
