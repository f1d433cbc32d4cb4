#include <tandem/sync/shared_mutex.hpp>

namespace tandem::sync {

result<shared_mutex::guard> shared_mutex::try_lock() noexcept {
  lock_.lock();
  const bool taken = waiters_.empty() && take(true);
  lock_.unlock();
  if (!taken) return fail(errc::would_block);
  return guard(*this);
}

result<shared_mutex::shared_guard> shared_mutex::try_lock_shared() noexcept {
  lock_.lock();
  const bool taken = waiters_.empty() && take(false);
  lock_.unlock();
  if (!taken) return fail(errc::would_block);
  return shared_guard(*this);
}

void shared_mutex::unlock() {
  detail::wake_list woken;
  lock_.lock();
  const bool was_held = writer_;
  if (was_held) {
    writer_ = false;
    grant(woken);
  }
  lock_.unlock();
  if (!was_held) detail::not_locked("shared mutex, by a writer,");
  woken.wake();
}

void shared_mutex::unlock_shared() {
  detail::wake_list woken;
  lock_.lock();
  const bool was_held = readers_ > 0;
  if (was_held) {
    --readers_;
    grant(woken);
  }
  lock_.unlock();
  if (!was_held) detail::not_locked("shared mutex, by a reader,");
  woken.wake();
}

void shared_mutex::grant(detail::wake_list& woken) noexcept {
  while (detail::wait_node* const first = waiters_.first()) {
    if (!take(static_cast<const waiting*>(first->what)->writes)) return;
    complete(*first, woken);
  }
}

}  // namespace tandem::sync
