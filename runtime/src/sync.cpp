#include <tandem/runtime/detail/sync.hpp>

#include <cerrno>
#include <ctime>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tandem::detail::sync {
namespace {

long futex(atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* until) noexcept {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value, until,
                 nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

constinit atomic<bool> heavy_fence_prepared{false};

void thread_yield() noexcept { sched_yield(); }

// FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC, which is what steady_clock reads.
bool futex_wait(atomic<std::uint32_t>& word, std::uint32_t seen, time_point deadline) noexcept {
  timespec until{};
  if (deadline != no_deadline) {
    const auto ns = deadline.time_since_epoch().count();
    until.tv_sec = ns > 0 ? ns / 1'000'000'000 : 0;
    until.tv_nsec = ns > 0 ? ns % 1'000'000'000 : 0;
  }
  const long r = futex(word, FUTEX_WAIT_BITSET, seen, deadline == no_deadline ? nullptr : &until);
  return !(r == -1 && errno == ETIMEDOUT);
}

void futex_wake(atomic<std::uint32_t>& word) noexcept { futex(word, FUTEX_WAKE_BITSET, 1, nullptr); }

void prepare_heavy_fence() noexcept {
  // Each time, as a child of fork() is another process.
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
    heavy_fence_prepared.store(true, std::memory_order_seq_cst);
}

void heavy_fence() noexcept {
  // After fork() the registration is gone and the call fails; then only this thread is left to be ordered.
  if (heavy_fence_prepared.load(std::memory_order_relaxed))
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace tandem::detail::sync
