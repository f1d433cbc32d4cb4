// A worker's ring of runnable items: the owner pushes and pops, others steal half. After Go's runq.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

/// Bounded FIFO with one producer (the owner) and many consumers (owner and thieves).
///
/// (Q1) tail_ is written by the owner only. Slots in [head_, tail_) hold items.
/// (Q2) An item is taken by whoever moves head_ past it. A slot is reused only after head_ passed it, so a thief whose
///      CAS on head_ succeeds has read slots that were stable all the time. Indices are 32 bits and wrap; a thief would
///      have to sleep through 2^32 pushes between read and CAS to be fooled.
class run_queue {
 public:
  static constexpr std::uint32_t capacity = sync::run_queue_capacity;

  /// Owner. False if full.
  bool push(queue_item item) noexcept {
    const std::uint32_t head = head_.load(std::memory_order_acquire);  // pairs with the release in take (Q2)
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // own variable (Q1)
    if (tail - head == capacity) return false;
    slots_[tail % capacity].store(item, std::memory_order_relaxed);  // published by the next line
    tail_.store(tail + 1, std::memory_order_release);                // pairs with the acquire in steal
    return true;
  }

  /// Owner. 0 if empty.
  queue_item pop() noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      if (head == tail_.load(std::memory_order_relaxed)) return 0;
      const queue_item item = slots_[head % capacity].load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release, std::memory_order_acquire))
        return item;
    }
  }

  /// Any thread. Moves half of the items (at most out.size()) to `out`; gives their number.
  std::uint32_t steal(std::span<queue_item> out) noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint32_t tail = tail_.load(std::memory_order_acquire);
      const std::uint32_t size = tail - head;
      if (size == 0) return 0;
      if (size > capacity) {  // head and tail are of different moments: look again
        head = head_.load(std::memory_order_acquire);
        continue;
      }
      std::uint32_t n = size - size / 2;
      if (n > out.size()) n = static_cast<std::uint32_t>(out.size());
      for (std::uint32_t i = 0; i < n; ++i) out[i] = slots_[(head + i) % capacity].load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + n, std::memory_order_acq_rel, std::memory_order_acquire)) return n;
    }
  }

  /// What a thief samples: stale values only make it more or less eager.
  struct sample {
    std::uint32_t head, size;
  };
  [[nodiscard]] sample look() const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t size = tail_.load(std::memory_order_acquire) - head;
    return {head, size > capacity ? 0 : size};
  }

 private:
  alignas(64) sync::atomic<std::uint32_t> head_{0};
  alignas(64) sync::atomic<std::uint32_t> tail_{0};
  std::array<sync::atomic<queue_item>, capacity> slots_{};
};

}  // namespace tandem::detail
