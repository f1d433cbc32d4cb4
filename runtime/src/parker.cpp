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

void parker::unpark() noexcept {
  if (state_.exchange(notified_, std::memory_order_release) == parked_) sync::futex_wake(state_);
}

}  // namespace tandem::detail
