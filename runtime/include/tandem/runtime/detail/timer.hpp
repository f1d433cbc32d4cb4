// Timers as the runtime keeps them: nodes in a 4-ary heap per worker, removed eagerly by position.
#pragma once
#include <cstdint>

#include <tandem/runtime/time.hpp>

namespace tandem::detail {

struct job;
class scheduler;
class timer_heap;

/// A timer that is armed at most once at a time. Lives in its owner; timer_heap never owns it.
///
/// `fire` runs under the heap's lock: it may decide a selection and make a task ready, nothing else. What needs more
/// room it returns as a job, which runs after the lock is released.
struct timer_node {
  using fire_function = job* (*)(timer_node&) noexcept;

  explicit timer_node(fire_function f) noexcept : fire(f) {}
  timer_node(const timer_node&) = delete;
  timer_node& operator=(const timer_node&) = delete;

  fire_function fire;
  timer_heap* heap = nullptr;       // set by arm_timer, constant from then on until it is armed again
  std::uint32_t position = unarmed; // guarded by the heap's lock
  static constexpr std::uint32_t unarmed = UINT32_MAX;
};

/// What the clock of `s` says, by which its timers go.   Threads: any.
[[nodiscard]] time_point clock_of(const scheduler& s) noexcept;

/// Arms `node` on a heap of `s`: the calling worker's if it is one of its own, else some worker's.
/// `when` in the past fires as soon as a worker looks. no_deadline is not armed at all.
/// Errors: throws std::bad_alloc when the heap cannot grow.
void arm_timer(scheduler& s, timer_node& node, time_point when);

/// Disarms `node`. When it returns, `fire` has either run completely or will not run. O(log n).
void disarm_timer(timer_node& node) noexcept;

}  // namespace tandem::detail
