#include <tandem/sync/wait_group.hpp>

#include <stdexcept>
#include <string>

namespace tandem::sync {

void wait_group::add(std::ptrdiff_t n) {
  detail::wake_list woken;
  lock_.lock();
  const std::ptrdiff_t before = count_;
  std::ptrdiff_t after = 0;
  const bool valid = !__builtin_add_overflow(before, n, &after) && after >= 0;
  if (valid) {
    count_ = after;
    if (after != 0)
      open_ = false;
    else if (!open_)
      open(woken);
  }
  lock_.unlock();
  if (!valid)
    throw std::logic_error("tandem: a wait group at " + std::to_string(before) + ", to which " + std::to_string(n) +
                           " was added: done() more often than add(), or too large");
  woken.wake();
}

std::ptrdiff_t wait_group::count() noexcept {
  lock_.lock();
  const std::ptrdiff_t now = count_;
  lock_.unlock();
  return now;
}

}  // namespace tandem::sync
