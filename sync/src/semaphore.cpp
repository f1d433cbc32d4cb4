#include <tandem/sync/semaphore.hpp>

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace tandem::sync {

semaphore::semaphore(std::ptrdiff_t limit) : limit_(limit), free_(limit) {
  if (limit < 0) throw std::invalid_argument("tandem: a semaphore of " + std::to_string(limit) + " permits");
}

result<semaphore::permits> semaphore::try_acquire(std::ptrdiff_t n) {
  if (!can_ever_give(n)) return refuse(n);
  lock_.lock();
  const bool taken = take(n);
  lock_.unlock();
  if (!taken) return fail(errc::would_block);
  return permits(*this, n);
}

void semaphore::release(std::ptrdiff_t n) {
  detail::wake_list woken;
  lock_.lock();
  const std::ptrdiff_t out = limit_ - free_;
  const bool valid = n >= 0 && n <= out;
  if (valid) {
    free_ += n;
    grant(woken);
  }
  lock_.unlock();
  if (!valid)
    throw std::logic_error(fmt::format("tandem: {} permits were given back to a semaphore that has {} out", n, out));
  woken.wake();
}

std::ptrdiff_t semaphore::available() noexcept {
  lock_.lock();
  const std::ptrdiff_t now = free_;
  lock_.unlock();
  return now;
}

std::unexpected<error> semaphore::refuse(std::ptrdiff_t n) const {
  return fail(errc::invalid_argument, fmt::format("{} permits of a semaphore that has {} in all", n, limit_));
}

void semaphore::grant(detail::wake_list& woken) noexcept {
  while (detail::wait_node* const first = waiters_.first()) {
    const std::ptrdiff_t wants = static_cast<const waiting*>(first->what)->wants;
    if (wants > free_) return;
    free_ -= wants;
    complete(*first, woken);
  }
}

}  // namespace tandem::sync
