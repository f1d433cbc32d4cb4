// What a worker runs: a job of ours, or a foreign runnable of a framework hosted on the scheduler.
#pragma once
#include <cstdint>

namespace tandem::detail {

/// A unit of work, owned by whoever submits it; `run` may free it.
struct job {
  using run_function = void (*)(job&) noexcept;
  explicit job(run_function f) noexcept : run(f) {}
  run_function run;
};

/// A job for the blocking pool, which links it into its queue.
struct pool_job : job {
  using job::job;

  // Guarded by the pool's lock.
  enum class place : std::uint8_t { outside, queued, refused };  // refused: withdrawn before it was submitted
  pool_job* previous = nullptr;
  pool_job* next = nullptr;
  place where = place::outside;
};

/// An entry of a run queue: an address, and in its low bits what is there.
using queue_item = std::uintptr_t;
inline constexpr queue_item foreign_item = 0;  // a foreign runnable, meaningful only to its host
inline constexpr queue_item job_item = 1;
inline constexpr queue_item join_item = 2;  // a completion_wait whose task is to look whether it must wait
inline constexpr queue_item task_item = 3;
inline constexpr queue_item item_kind = 3;  // the low bits

[[nodiscard]] inline queue_item item_of(job& j) noexcept { return reinterpret_cast<queue_item>(&j) | job_item; }

/// How the scheduler treats runnables it knows nothing about. Installed once, before any foreign item is submitted.
struct foreign_host {
  /// Runs `item` on the worker with the given index. True: it has more to do and goes to the back of the queue.
  bool (*run)(void* host, queue_item item, unsigned worker_index) noexcept;
  /// Disposes of an item that will never run because the runtime has stopped.
  void (*discard)(void* host, queue_item item) noexcept;
  void* host;
};

}  // namespace tandem::detail
