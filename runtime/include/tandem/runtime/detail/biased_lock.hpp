// The lock of channels and of what tasks wait at: costs nothing shared while one worker alone uses it.
#pragma once
#include <cstddef>
#include <cstdint>

#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

class biased_lock;

/// A worker as biased locks see it. In static memory: locks outlive the workers they were biased to.
struct alignas(64) bias_seat {
  constexpr explicit bias_seat(std::uint32_t first_token = 0) noexcept : token(first_token) {}
  sync::atomic<biased_lock*> held{nullptr};  // the biased lock its thread is inside; written by that thread
  sync::atomic<std::uint32_t> token;         // what the locks biased to it have; written under `revoking`, or free
  sync::atomic<time_point::rep> cool{0};     // no bias before that time (steady clock); written under `revoking`
  spin_lock revoking;
};

/// The seat of the calling thread; one that is never given a bias if it has none of its own.
extern constinit thread_local bias_seat* tls_bias_seat;

/// The seat of threads that have none: never given a bias.
[[nodiscard]] bias_seat& nobodys_bias_seat() noexcept;
/// Seat number `index`, 1 to 4095, for one thread, until it gets up. Then it is inside of no lock.
[[nodiscard]] bias_seat& sit_down(std::uint32_t index) noexcept;
void get_up(bias_seat& seat) noexcept;

/// Gives the thread that it is made on a free seat, if there is one.
class bias_seat_holder {
 public:
  bias_seat_holder() noexcept;
  ~bias_seat_holder();
  bias_seat_holder(const bias_seat_holder&) = delete;
  bias_seat_holder& operator=(const bias_seat_holder&) = delete;
};

/// Meets the standard's Lockable, for sections of a few instructions in which nothing suspends, blocks or throws. A
/// thread may be inside of one biased_lock at a time. Any thread may use it, also one that is no worker.
///
/// A lock is in one of two states, told by bias_:
/// - unbiased: word_ is the lock.
/// - biased to a worker: that one enters by noting the lock in its seat's `held`, without a read-modify-write. Any
///   other takes word_, takes the bias away, and then has the lock as if it were unbiased.
///
/// (B1) bias_ and the count of who came last are written by the holder of word_ only. A bias is valid while it equals
///      the token of the seat that it names; a seat's token changes only when its biases are taken back, all at once.
/// (B2) The worker: `held` = this; light fence; is my token still what bias_ says? Who revokes: token = another; heavy
///      fence; wait until `held` is not what it was. At least one of them sees the other's write: the worker goes the
///      slow way, or the other waits for it.
/// (B3) Leaving a biased section stores `held` with release; who revokes reads it with acquire. So what happened in the
///      section is visible to who takes the bias away, and by word_ to all who come later. The worker itself was the
///      last holder of word_ when it gave the lock its bias, so it has seen everything before.
/// (B4) A storm of revocations is bounded: whoever lost its biases gets none for a millisecond.
///
/// As in "Biased Locking" (Kawachiya et al., OOPSLA 2002), with the fence of the fast path put on the revoker's side.
class biased_lock {
 public:
  constexpr biased_lock() = default;
  /// Biased to the calling thread from the beginning, if that has a seat and is not told to cool (B4): for what will
  /// mostly be used by whoever makes it, and not for long.
  explicit biased_lock(bias_seat& me) noexcept : bias_(bias_at_birth(me)) {}
  biased_lock(const biased_lock&) = delete;
  biased_lock& operator=(const biased_lock&) = delete;

  void lock() noexcept { lock(*tls_bias_seat); }
  void unlock() noexcept { unlock(*tls_bias_seat); }
  bool try_lock() noexcept {
    lock();  // nobody is inside for long
    return true;
  }

  /// `me`: the seat of the calling thread.
  void lock(bias_seat& me) noexcept {
    // Relaxed: `token` is checked again after the fence (B2); a bias_ out of date names a token that is none any more.
    const std::uint32_t token = me.token.load(std::memory_order_relaxed);
    if (bias_.load(std::memory_order_relaxed) == token) [[likely]] {
      me.held.store(this, std::memory_order_release);  // release: B3, if it follows upon another section
      sync::light_fence();                             // B2
      if (me.token.load(std::memory_order_relaxed) == token) [[likely]] return;
      me.held.store(nullptr, std::memory_order_relaxed);  // the revoker's fence is still to come, and publishes all
    }
    lock_slowly(me);
  }
  void unlock(bias_seat& me) noexcept {
    if (me.held.load(std::memory_order_relaxed) == this) [[likely]]  // own variable
      me.held.store(nullptr, std::memory_order_release);             // B3
    else
      word_.unlock();
  }

 private:
  [[gnu::noinline]] void lock_slowly(bias_seat& me) noexcept;
  [[nodiscard]] static std::uint32_t bias_at_birth(bias_seat& me) noexcept;

  sync::atomic<std::uint32_t> bias_{0};  // 0: none
  spin_lock word_;
  std::uint8_t in_a_row_ = 0;  // slow entries of the same worker; guarded by word_
  std::uint16_t last_ = 0;     // which one that is; guarded by word_
};

}  // namespace tandem::detail
