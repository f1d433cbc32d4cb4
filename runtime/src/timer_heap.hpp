// The timers of one worker: a 4-ary heap with eager removal by stored position.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

/// Threads: every member may be called from any thread.
class timer_heap {
 public:
  /// Arms `node`. True if it is now the earliest.   Errors: throws std::bad_alloc when the heap cannot grow.
  bool add(timer_node& node, time_point when);
  void remove(timer_node& node) noexcept;

  /// Fires what is due at `now`, at most `limit` timers, in order of deadline; runs the jobs that fire functions return.
  /// Gives the number of timers fired.
  std::size_t fire_due(time_point now, std::size_t limit = SIZE_MAX) noexcept;

  /// The earliest deadline, or no_deadline; a hint when other threads add timers at the same time.
  [[nodiscard]] time_point next_due() const noexcept {
    return time_point(duration(next_due_.load(std::memory_order_relaxed)));  // stale is fine: see worker::park
  }

  /// next_due(), exactly: sees every timer added before.
  [[nodiscard]] time_point first_due() noexcept {
    const std::lock_guard hold(lock_);
    return next_due();
  }

  [[nodiscard]] std::size_t size() noexcept {
    const std::lock_guard hold(lock_);
    return heap_.size();
  }

 private:
  struct entry {
    time_point when;
    timer_node* node;
  };
  void sift_up(std::size_t i) noexcept;
  void sift_down(std::size_t i) noexcept;
  void place(std::size_t i, entry e) noexcept {
    heap_[i] = e;
    e.node->position = static_cast<std::uint32_t>(i);
  }
  void remove_at(std::size_t i) noexcept;
  void shrink() noexcept;
  static constexpr std::size_t kept_capacity = 1024;  // not worth giving back
  void note_next() noexcept {
    const time_point next = heap_.empty() ? no_deadline : heap_.front().when;
    next_due_.store(next.time_since_epoch().count(), std::memory_order_relaxed);
  }

  spin_lock lock_;
  std::vector<entry> heap_;  // guarded by lock_
  std::atomic<duration::rep> next_due_{no_deadline.time_since_epoch().count()};  // written under lock_
};

}  // namespace tandem::detail
