#include <tandem/sync/latch.hpp>

#include <stdexcept>
#include <string>

namespace tandem::sync {

latch::latch(std::ptrdiff_t count) : gate(count == 0), count_(count) {
  if (count < 0) throw std::invalid_argument("tandem: a latch that starts at " + std::to_string(count));
}

void latch::count_down(std::ptrdiff_t n) {
  detail::wake_list woken;
  lock_.lock();
  const std::ptrdiff_t left = count_;
  const bool valid = n >= 0 && n <= left;
  if (valid) {
    count_ -= n;
    if (count_ == 0 && !open_) open(woken);
  }
  lock_.unlock();
  if (!valid)
    throw std::logic_error("tandem: a latch at " + std::to_string(left) + " was counted down by " + std::to_string(n));
  woken.wake();
}

std::ptrdiff_t latch::count() noexcept {
  lock_.lock();
  const std::ptrdiff_t now = count_;
  lock_.unlock();
  return now;
}

}  // namespace tandem::sync
