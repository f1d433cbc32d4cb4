#include <tandem/runtime/detail/selection.hpp>

#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::detail {

bool selection::claim_and_wake(std::uint32_t arm) noexcept {
  task_record& task = *owner_;  // read before the claim: after it the frame may end (S2)
  switch (claim(arm)) {
    case claimed::lost:
      return false;
    case claimed::parked:
      make_ready(task);
      return true;
    case claimed::registering:
      return true;
  }
  return false;
}

selection::paired selection::decide_with(std::uint32_t arm, selection& peer, std::uint32_t peer_arm,
                                         claimed& peer_state) noexcept {
  for (;;) {
    std::uint32_t mine = registering_;
    if (!word_.compare_exchange_strong(mine, claiming_, std::memory_order_acq_rel, std::memory_order_acquire))
      return paired::self_decided;
    std::uint32_t seen = peer.word_.load(std::memory_order_acquire);
    for (;;) {
      if (seen >= done_) {
        word_.store(registering_, std::memory_order_release);
        return paired::peer_gone;
      }
      if (seen == claiming_) {
        // Two selections claim each other. The lower address stays in `claiming` and waits, the higher steps back and
        // waits outside: waiting while claiming goes strictly upwards, so there is no cycle.
        if (this < &peer) {
          sync::spin_pause();
          seen = peer.word_.load(std::memory_order_acquire);
          continue;
        }
        word_.store(registering_, std::memory_order_release);
        while (peer.word_.load(std::memory_order_acquire) == claiming_) {
          if (word_.load(std::memory_order_acquire) >= done_) return paired::self_decided;
          sync::spin_pause();
        }
        break;  // try again from the start
      }
      if (peer.word_.compare_exchange_weak(seen, done_ + peer_arm, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
        peer_state = seen == parked_ ? claimed::parked : claimed::registering;
        word_.store(done_ + arm, std::memory_order_release);
        return paired::both;
      }
    }
  }
}

void spin_lock::lock_contended() noexcept {
  for (unsigned spins = 0;; ++spins) {
    while (locked_.load(std::memory_order_relaxed)) {  // read-only until it looks free; the exchange decides
      if (++spins < 128) {
        sync::spin_pause();
      } else {
        sync::thread_yield();
      }
    }
    if (!locked_.exchange(true, std::memory_order_acquire)) return;
  }
}

}  // namespace tandem::detail
