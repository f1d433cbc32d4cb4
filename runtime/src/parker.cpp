#include "parker.hpp"

#include <cerrno>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

// FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC, which is what steady_clock reads.
long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* until) noexcept {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value, until, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

bool parker::park(time_point deadline) noexcept {
  std::uint32_t seen = empty_;
  // Acquire: what the waker did before unpark() is visible here.
  if (state_.compare_exchange_strong(seen, parked_, std::memory_order_acquire, std::memory_order_acquire)) {
    timespec until{};
    if (deadline != no_deadline) {
      const auto ns = deadline.time_since_epoch().count();
      until.tv_sec = ns > 0 ? ns / 1'000'000'000 : 0;
      until.tv_nsec = ns > 0 ? ns % 1'000'000'000 : 0;
    }
    while (state_.load(std::memory_order_acquire) == parked_) {
      const long r = futex(state_, FUTEX_WAIT_BITSET, parked_, deadline == no_deadline ? nullptr : &until);
      if (r == -1 && errno == ETIMEDOUT) break;
    }
  }
  return state_.exchange(empty_, std::memory_order_acquire) == notified_;
}

void parker::unpark() noexcept {
  if (state_.exchange(notified_, std::memory_order_release) == parked_) futex(state_, FUTEX_WAKE_BITSET, 1, nullptr);
}

}  // namespace tandem::detail
