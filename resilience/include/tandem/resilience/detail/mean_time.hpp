// How long calls take at present, roughly.
#pragma once
#include <algorithm>
#include <atomic>

#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// A decaying average, of about the last eight: an estimate of when to come back.   Threads: any.
class mean_time {
 public:
  void add(duration took) noexcept {
    // Relaxed, and not one operation: if two add at once one of them is lost, which an estimate can bear.
    const duration::rep had = mean_.load(std::memory_order_relaxed);
    const duration::rep got = std::max<duration::rep>(took.count(), 0);
    mean_.store(had == 0 ? got : had + (got - had) / 8, std::memory_order_relaxed);
  }
  /// Zero if nothing was added.
  [[nodiscard]] duration get() const noexcept { return duration(mean_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<duration::rep> mean_{0};
};

}  // namespace tandem::resilience::detail
