// Lets somebody look at objects that others are about to destroy, at no cost to them while nobody looks.
#pragma once
#include <mutex>

#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

/// (V1) Whoever destroys: unmarks the object, then leave(). Whoever visits: locks the gate, then looks for marks.
///      leave(): light fence, is somebody visiting? lock(): tell so, heavy fence. At least one of them sees the other:
///      the visitor sees no mark, or the destroyer waits for him.
/// (V2) A destroyer that does not wait has seen the end of the last visit, and with it all that the visitor read.
///
/// Threads: lock() and unlock() for one at a time, others wait; leave() for any number.
class visit_gate {
 public:
  void lock() {
    visitors_.lock();
    visited_.store(true, std::memory_order_relaxed);  // ordered by the fence
    sync::heavy_fence();                              // V1
  }
  void unlock() {
    visited_.store(false, std::memory_order_release);  // what was looked at comes before the end of it (V2)
    visitors_.unlock();
  }

  void leave() {
    sync::light_fence();  // V1
    if (visited_.load(std::memory_order_acquire)) [[unlikely]] {  // V2
      const std::lock_guard wait_for_visitor(visitors_);
    }
  }

 private:
  sync::mutex visitors_;
  sync::atomic<bool> visited_{false};
};

}  // namespace tandem::detail
