// Atomics, locks, fences and the sleep of threads, as runtime and csp reach them: those of the system, or a model's.
#pragma once

#if defined(TANDEM_MODEL)
#include <tandem_model/sync.hpp>  // tests/model: the same names, each operation a step that an explorer schedules
#else
#include <atomic>
#include <cstdint>
#include <mutex>

#include <tandem/runtime/detail/config.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail::sync {

using std::atomic;
using std::atomic_thread_fence;
using std::mutex;

/// A worker's ring holds this many items. A model's is small, so that it overflows and wraps.
inline constexpr std::uint32_t run_queue_capacity = 256;

/// A lock that one worker entered so often in a row becomes biased towards it.
inline constexpr unsigned bias_after = 64;

/// In every round of a loop that waits for another thread to write.
inline void spin_pause() noexcept { cpu_pause(); }

/// Lets other threads have the CPU.
void thread_yield() noexcept;

/// Sleeps while `word` is `seen`, until `deadline` (steady clock) at most. May return early for no reason.
/// Gives false if it was the deadline that ended it.
bool futex_wait(atomic<std::uint32_t>& word, std::uint32_t seen, time_point deadline) noexcept;
/// Wakes one thread that sleeps in futex_wait() on `word`.
void futex_wake(atomic<std::uint32_t>& word) noexcept;

/// Finds out whether the kernel can put a fence into all threads of the process, and asks for it. Before the first
/// thread that uses light_fence() starts; later calls change nothing.
void prepare_heavy_fence() noexcept;
extern constinit atomic<bool> heavy_fence_prepared;  // from false to true, once

/// A pair of fences, one side of which costs nothing: between them they order as two seq_cst fences do. The heavy one
/// runs a fence in every thread of the process (membarrier), some microseconds; where the kernel cannot, the light one
/// is a real fence.
inline void light_fence() noexcept {
  // Relaxed: set before the threads that care were started.
  if (heavy_fence_prepared.load(std::memory_order_relaxed)) [[likely]]
    std::atomic_signal_fence(std::memory_order_seq_cst);
  else
    atomic_thread_fence(std::memory_order_seq_cst);
}
void heavy_fence() noexcept;
/// True if the light fence costs nothing.
inline bool fences_are_asymmetric() noexcept { return heavy_fence_prepared.load(std::memory_order_relaxed); }

/// What steady_clock says.
[[nodiscard]] inline time_point clock_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace tandem::detail::sync
#endif
