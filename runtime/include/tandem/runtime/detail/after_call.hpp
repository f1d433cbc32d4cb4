// A call that waits for the end of a context.
#pragma once
#include <atomic>
#include <cstdint>

#include <tandem/runtime/detail/pool.hpp>

namespace tandem::detail {

/// Counted: one share for the handle, one for the list of the scope it waits for, while it is on it.
///
/// (A1) Whoever claims the call, and only he, may launch it: the one that ends the scope, or the one that stops the
///      call and so does nothing with it.
class after_call : public pooled {
 public:
  after_call(const after_call&) = delete;
  after_call& operator=(const after_call&) = delete;

  void release() noexcept {
    // Release orders this side's accesses before the delete; acquire lets the last one see them all.
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller holds a share already

  /// True for one caller (A1). Acquire and release: a stop() that returns false comes after what ended the context.
  [[nodiscard]] bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }

  virtual void launch() noexcept = 0;

  // Membership in a scope's list; guarded by its lock.
  after_call* previous = nullptr;
  after_call* next = nullptr;
  bool listed = false;

 protected:
  after_call() = default;
  virtual ~after_call() = default;

 private:
  std::atomic<std::uint32_t> shares_{1};
  std::atomic<bool> claimed_{false};
};

}  // namespace tandem::detail
