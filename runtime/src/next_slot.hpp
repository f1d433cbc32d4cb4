// The item that its worker runs next: costs the worker no atomic read-modify-write, and can be stolen all the same.
#pragma once
#include <mutex>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

/// Threads: put() and take() are the owner's, the rest is anyone's.
///
/// (N1) item_ is written by the owner only. A thief leaves the item where it is and notes in stolen_ that it has it.
/// (N2) Owner: empty item_, light fence, look at claimed_. Thief: set claimed_, heavy fence, look at item_. At least
///      one of them sees the other: a thief that reads an item has made the owner settle() for it, under the lock.
/// (N3) claimed_ stays set after a theft until the owner has settled; no second thief starts before that.
class next_slot {
 public:
  /// Fills the slot, which take() has just emptied.
  void put(queue_item item) noexcept {
    item_.store(item, std::memory_order_release);  // pairs with the acquire in steal(): publishes the item
  }

  /// 0 if there is none, or a thief has it.
  queue_item take() noexcept {
    const queue_item item = item_.load(std::memory_order_relaxed);  // own variable (N1)
    if (!item) return 0;
    item_.store(0, std::memory_order_relaxed);  // nothing to publish
    sync::light_fence();                        // N2
    if (claimed_.load(std::memory_order_relaxed)) [[unlikely]]
      return settle(item);
    return item;
  }

  /// 0 if there is none. Some microseconds: for a slot whose owner has not come to it for long.
  queue_item steal() noexcept {
    const std::unique_lock hold(lock_, std::try_to_lock);
    if (!hold || stolen_) return 0;  // (N3)
    claimed_.store(true, std::memory_order_relaxed);
    sync::heavy_fence();  // N2
    const queue_item item = item_.load(std::memory_order_acquire);
    if (item)
      stolen_ = true;
    else
      claimed_.store(false, std::memory_order_relaxed);  // an owner that saw it set finds stolen_ unset
    return item;
  }

  /// A hint.
  [[nodiscard]] bool has_item() const noexcept { return item_.load(std::memory_order_relaxed) != 0; }

 private:
  [[gnu::noinline]] queue_item settle(queue_item item) noexcept {
    const std::lock_guard hold(lock_);
    if (!stolen_) return item;
    stolen_ = false;
    claimed_.store(false, std::memory_order_relaxed);  // ordered by the lock for the next thief, own for the owner
    return 0;
  }

  sync::atomic<queue_item> item_{0};
  sync::atomic<bool> claimed_{false};  // set by thieves, cleared by thief or owner; written under lock_
  spin_lock lock_;
  bool stolen_ = false;  // guarded by lock_
};

}  // namespace tandem::detail
