#include <tandem/runtime/detail/biased_lock.hpp>

#include <array>
#include <mutex>

namespace tandem::detail {
namespace {

// A token is the index of its seat in the low bits, and above them how often its biases were taken back. When that
// wraps, a lock that kept its bias all the time has it again, and nobody has entered it meanwhile, as that clears it
// (B1).
constexpr std::uint32_t index_bits = 12;
constexpr std::uint32_t seat_count = 1U << index_bits;
constexpr std::uint32_t index_of(std::uint32_t token) noexcept { return token & (seat_count - 1); }
constexpr std::uint32_t after(std::uint32_t token) noexcept { return token + seat_count; }

constexpr duration cool_period = std::chrono::milliseconds(1);  // B4

// Seat 0 is nobody's: a token that no lock has, as 0 means no bias.
constinit std::array<bias_seat, seat_count> seats;
constinit bias_seat nobodys(0x8000'0000U);

struct free_seats {
  std::mutex lock;
  std::array<std::uint16_t, seat_count> list{};  // guarded by lock: those that were used before and are free
  std::uint32_t freed = 0;                       // guarded by lock
  std::uint32_t used = 1;                        // guarded by lock: those below were used at some time
};
constinit free_seats free_ones;

std::uint32_t index_of(const bias_seat& seat) noexcept {
  return &seat == &nobodys ? 0 : static_cast<std::uint32_t>(&seat - seats.data());
}

void change_token(bias_seat& seat, std::uint32_t token) noexcept {
  seat.token.store(after(token), std::memory_order_relaxed);  // ordered by the heavy fence, or the only thread (B2)
}

void revoke(bias_seat& other, std::uint32_t bias) noexcept {
  const std::lock_guard one_at_a_time(other.revoking);
  // Else another has done so, and waited, before it let go of `revoking`.
  if (other.token.load(std::memory_order_relaxed) != bias) return;
  change_token(other, bias);
  sync::heavy_fence();  // B2
  // Once it has left the section it was in, it enters no other by the old token.
  biased_lock* const inside = other.held.load(std::memory_order_acquire);  // B3
  for (unsigned spins = 0; inside && other.held.load(std::memory_order_acquire) == inside; ++spins) {  // B3
    if (spins < 128)
      sync::spin_pause();
    else
      sync::thread_yield();
  }
  // Relaxed: a worker that reads an older time gets a bias too early, which is paid for, not wrong.
  other.cool.store((sync::clock_now() + cool_period).time_since_epoch().count(), std::memory_order_relaxed);
}

// By the seat's thread.
bool may_be_biased(bias_seat& seat) noexcept {
  if (!sync::fences_are_asymmetric()) return false;  // relaxed, all of it: see sync::light_fence() and revoke()
  const time_point::rep until = seat.cool.load(std::memory_order_relaxed);
  if (until == 0) return true;
  if (sync::clock_now().time_since_epoch().count() < until) return false;
  seat.cool.store(0, std::memory_order_relaxed);  // spares the next look the clock
  return true;
}

}  // namespace

constinit thread_local bias_seat* tls_bias_seat = &nobodys;

bias_seat& nobodys_bias_seat() noexcept { return nobodys; }

bias_seat& sit_down(std::uint32_t index) noexcept {
  bias_seat& seat = seats[index];
  // Its first user; the token of a seat that was left has gone on.
  if (seat.token.load(std::memory_order_relaxed) == 0) seat.token.store(index, std::memory_order_relaxed);
  return seat;
}

void get_up(bias_seat& seat) noexcept {
  // Its thread is in no section, so nobody need wait: from now on its biases are just out of date.
  const std::lock_guard one_at_a_time(seat.revoking);
  change_token(seat, seat.token.load(std::memory_order_relaxed));
}

bias_seat_holder::bias_seat_holder() noexcept {
  const std::lock_guard hold(free_ones.lock);
  if (free_ones.freed == 0 && free_ones.used == seat_count) return;
  tls_bias_seat = &sit_down(free_ones.freed > 0 ? free_ones.list[--free_ones.freed] : free_ones.used++);
}

bias_seat_holder::~bias_seat_holder() {
  bias_seat& mine = *tls_bias_seat;
  if (&mine == &nobodys) return;
  tls_bias_seat = &nobodys;
  get_up(mine);
  const std::lock_guard hold(free_ones.lock);
  free_ones.list[free_ones.freed++] = static_cast<std::uint16_t>(index_of(mine));
}

std::uint32_t biased_lock::bias_at_birth(bias_seat& me) noexcept {
  if (&me == &nobodys || !may_be_biased(me)) return 0;
  return me.token.load(std::memory_order_relaxed);  // nobody else knows the lock yet
}

void biased_lock::lock_slowly(bias_seat& me) noexcept {
  word_.lock();
  const std::uint32_t bias = bias_.load(std::memory_order_relaxed);  // B1: ours to read and to write now
  if (bias != 0) [[unlikely]] {
    bias_seat& owner = seats[index_of(bias)];
    if (&owner != &me) revoke(owner, bias);
    bias_.store(0, std::memory_order_relaxed);
  }
  const std::uint32_t index = index_of(me);
  if (index == 0 || index != last_) {
    last_ = static_cast<std::uint16_t>(index);
    in_a_row_ = 0;
  } else if (++in_a_row_ == sync::bias_after) {
    in_a_row_ = 0;
    // From the next section on: this one is left by word_.
    if (may_be_biased(me)) bias_.store(me.token.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

}  // namespace tandem::detail
