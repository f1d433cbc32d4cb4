// What has become of a thread's time, as the kernel accounts for it.
#pragma once
#include <ctime>

#include <sys/types.h>

#include <tandem/runtime/time.hpp>

namespace tandem::detail {

struct thread_times {
  duration on_cpu{};
  duration in_queue{};  // ready to run, while others had the CPUs; 0 where there is no /proc/self/task/N/schedstat

  friend thread_times operator-(const thread_times& a, const thread_times& b) noexcept {
    return {a.on_cpu - b.on_cpu, a.in_queue - b.in_queue};
  }
};

/// thread_times::in_queue, since the thread was started.
[[nodiscard]] duration queue_time_of(pid_t thread) noexcept;

/// Since the thread was started. `cpu_clock` is that of pthread_getcpuclockid(). What cannot be found out is 0.
/// Threads: any, while that one lives.
[[nodiscard]] thread_times times_of(pid_t thread, clockid_t cpu_clock) noexcept;

/// True if the thread sleeps in the kernel (states S and D): it neither has a CPU nor wants one. False without /proc.
[[nodiscard]] bool is_asleep(pid_t thread) noexcept;

/// How a task holds its worker.
enum class hold : unsigned char { innocent, computes, blocks };

/// Is a task to blame for having run for `held`, with `spent` meanwhile on its thread, which is `asleep` now or not? It
/// is not for the time in which it had no CPU. That of the present moment is missing from `spent`, so a thread that is
/// awake may only be judged by its time on a CPU.
[[nodiscard]] constexpr hold judge(duration held, const thread_times& spent, bool asleep, duration limit) noexcept {
  if (spent.on_cpu >= limit) return hold::computes;
  return asleep && held - spent.in_queue >= limit ? hold::blocks : hold::innocent;
}

}  // namespace tandem::detail
