#include <tandem/resilience/singleflight.hpp>

#include <algorithm>
#include <bit>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace tandem::resilience::detail {

unsigned shard_bits(std::size_t wanted, const char* what) {
  if (wanted > 4096) throw std::invalid_argument(std::string(what) + ": at most 4096 shards");
  if (wanted == 0) wanted = std::clamp<std::size_t>(4 * std::size_t{std::thread::hardware_concurrency()}, 8, 4096);
  return static_cast<unsigned>(std::bit_width(wanted - 1));
}

void flight_shard::remove(flight_base& f) noexcept {
  flight_base** at = &chains_[f.hash & (chains_.size() - 1)];
  while (*at != &f) at = &(*at)->next;
  *at = f.next;
  f.listed = false;
  --size_;
}

void flight_shard::remove_all() noexcept {
  for (flight_base*& first : chains_)
    while (first) std::exchange(first, first->next)->listed = false;
  size_ = 0;
}

void flight_shard::grow() {
  std::vector<flight_base*> wider(std::max<std::size_t>(8, 2 * chains_.size()));
  for (flight_base* first : chains_) {
    while (first) {
      flight_base& f = *std::exchange(first, first->next);
      f.next = std::exchange(wider[f.hash & (wider.size() - 1)], &f);
    }
  }
  chains_ = std::move(wider);
}

void flight_shard::leave(flight_base& f) noexcept {
  std::optional<cancel_source> life;  // of a flight that may be gone when it is ended
  {
    const std::lock_guard hold(lock);
    if (!f.landed.load(std::memory_order_relaxed)) {  // written under the lock
      const std::uint32_t left = f.shares.load(std::memory_order_relaxed) - 1;
      f.shares.store(left, std::memory_order_relaxed);
      ++counts_.left;
      if (left == 1 && f.life) {
        if (f.listed) remove(f);
        life = f.life;
        ++counts_.abandoned;
      }
      if (!life) return;
    }
  }
  if (life) {
    life->cancel();
  } else {
    f.release();
  }
}

void flight_shard::land(flight_base& f) noexcept {
  constexpr int turn = 64;  // so many waiters are woken for one hold of the lock: others have flights here too
  bool shares = true, last = false;
  for (bool more = true; more;) {
    sync::detail::wake_list woken;
    {
      const std::lock_guard hold(lock);
      for (int i = 0; i < turn && f.waiters.first(); ++i) {
        tandem::detail::wait_node& node = *f.waiters.first();
        f.waiters.unlink(node);
        sync::detail::set_outcome(node, sync::detail::progress::done);
        tandem::detail::task_of(node).looks = false;
        woken.add(node);
      }
      more = !f.waiters.empty();
      if (!f.landed.load(std::memory_order_relaxed)) {
        if (f.listed) remove(f);
        if (!more) {  // the landing's share, which is needed no more, while no other can be given up (F1)
          const std::uint32_t left = f.shares.load(std::memory_order_relaxed) - 1;
          f.shares.store(left, std::memory_order_relaxed);
          shares = false;
          last = left == 0;
        }
        f.landed.store(true, std::memory_order_release);  // publishes the outcome (F2)
      }
    }
    woken.wake();
  }
  if (shares) {
    f.release();
  } else if (last) {
    delete &f;
  }
}

std::pair<flight_shard::counts, std::size_t> flight_shard::report() noexcept {
  const std::lock_guard hold(lock);
  return {counts_, size_};
}

flights_state::flights_state(std::size_t shards, std::string name)
    : policy_state("singleflight", std::move(name)),
      bits_(shard_bits(shards, "singleflight")),
      shards_(new flight_shard[std::size_t{1} << bits_]) {}

void flights_state::forget_all() const noexcept {
  for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) {
    const std::lock_guard hold(shards_[i].lock);
    shards_[i].remove_all();
  }
}

std::pair<flight_shard::counts, std::size_t> flights_state::sum() const noexcept {
  flight_shard::counts all;
  std::size_t flying = 0;
  for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) {
    const auto [c, n] = shards_[i].report();
    all.led += c.led;
    all.joined += c.joined;
    all.left += c.left;
    all.abandoned += c.abandoned;
    flying += n;
  }
  return {all, flying};
}

std::string flights_state::settings() const { return fmt::format("{} shards", std::size_t{1} << bits_); }
std::string flights_state::state() const {
  const auto [c, flying] = sum();
  return fmt::format("{} under way, {} of {} calls shared another's", flying, c.joined, c.led + c.joined);
}
std::vector<policy_counter> flights_state::counters() const {
  const auto [c, flying] = sum();
  return {{"led", c.led}, {"joined", c.joined}, {"left", c.left}, {"abandoned", c.abandoned}};
}

}  // namespace tandem::resilience::detail
