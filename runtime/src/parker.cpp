#include "parker.hpp"

namespace tandem::detail {

bool parker::park(time_point deadline) noexcept {
  std::uint32_t seen = empty_;
  // Relaxed: the exchange below is what acquires.
  if (state_.compare_exchange_strong(seen, parked_, std::memory_order_relaxed, std::memory_order_relaxed)) {
    while (state_.load(std::memory_order_relaxed) == parked_)
      if (!sync::futex_wait(state_, parked_, deadline)) break;
  }
  return state_.exchange(empty_, std::memory_order_acquire) == notified_;  // pairs with the release in unpark()
}

bool parker::park_elsewhere(time_point deadline) noexcept {
  std::uint32_t seen = empty_;
  // Release: who finds `left` in unpark() finds the place as we do. Relaxed: as in park().
  if (state_.compare_exchange_strong(seen, left_, std::memory_order_release, std::memory_order_relaxed))
    elsewhere_->sleep(deadline);
  return state_.exchange(empty_, std::memory_order_acquire) == notified_;
}

void parker::unpark() noexcept {
  // Release: for who consumes it. Acquire: for the place, see park_elsewhere().
  const std::uint32_t before = state_.exchange(notified_, std::memory_order_acq_rel);
  if (before == parked_) {
    sync::futex_wake(state_);
  } else if (before == left_) {
    elsewhere_->wake();
  }
}

}  // namespace tandem::detail
