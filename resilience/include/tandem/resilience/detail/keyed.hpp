// The states that a policy keeps apart, by target or method.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tandem/resilience/call.hpp>
#include <tandem/resilience/state_per.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::resilience::detail {

/// What of a call tells its state from others.
struct state_key {
  state_key(const call& c, state_per per) noexcept {
    if (per == state_per::target || per == state_per::target_and_method) target = c.target;
    if (per == state_per::method || per == state_per::target_and_method) method = c.method;
    if (per != state_per::policy)
      hash = std::hash<std::string_view>()(target) * 31 + std::hash<std::string_view>()(method);
  }
  std::string_view target;
  std::string_view method;
  std::size_t hash = 0;
};

/// State objects, made as State(Owner&) when the first call needs one; State has may_go(): true for one that is
/// forgotten rather than others.
///
/// Threads: any. There are a few locks, each for the states of some keys: a call takes one when it comes and when it
///          goes, for as long as it takes to find the state and change it.
/// Memory:  looking up allocates nothing.
template <class State, class Owner>
class keyed {
 public:
  struct entry {
    entry(Owner& owner, const state_key& key) : state(owner), target(key.target), method(key.method), hash(key.hash) {}
    State state;  // with all below guarded by the lock of its shard
    const std::string target;
    const std::string method;
    const std::size_t hash;
    std::uint32_t users = 0;  // calls between enter() and leave(): it stays
    entry* next = nullptr;    // in its bucket
    entry* older = nullptr;   // of those that have no users, by the end of the last use
    entry* newer = nullptr;
  };

  keyed(Owner& owner, state_per per, std::size_t most) : owner_(owner), per_(per), most_(most) {
    for (shard& s : shards_) s.buckets.resize(std::bit_ceil(std::clamp<std::size_t>(most / shard_count, 1, 4096)));
  }
  keyed(const keyed&) = delete;
  keyed& operator=(const keyed&) = delete;
  ~keyed() {
    for (shard& s : shards_)
      for (entry* first : s.buckets)
        while (first) delete std::exchange(first, first->next);
  }

  /// Calls f(state of `c`) under its lock. If that is true the state stays until leave(), and is given; else null.
  /// Errors: throws std::bad_alloc if a new state is needed.
  template <class F>
  [[nodiscard]] entry* enter(const call& c, const F& f) {
    const state_key key(c, per_);
    shard& s = shard_of(key.hash);
    std::unique_ptr<entry> fresh;
    std::array<std::unique_ptr<entry>, 2> dropped;  // destroyed when the lock is let go
    std::unique_lock hold(s.lock);
    entry* found = s.find(key);
    if (!found) [[unlikely]] {
      hold.unlock();
      fresh = std::make_unique<entry>(owner_, key);
      hold.lock();
      found = s.find(key);
      if (!found) {
        for (auto& one : dropped) {  // two, as there are too many after many were in use; about as many: see state_per
          if (count_.load(std::memory_order_relaxed) < most_) break;
          one.reset(s.drop_one());
          if (one) count_.fetch_sub(1, std::memory_order_relaxed);
        }
        count_.fetch_add(1, std::memory_order_relaxed);
        found = fresh.release();
        s.link(*found);
      }
    }
    ++s.entered;
    const bool stays = f(found->state);
    if (found->users == 0) s.take_out(*found);
    if (stays) {
      ++found->users;
      return found;
    }
    if (found->users == 0) s.put_first(*found);
    return nullptr;
  }

  /// The end of a call that enter() gave `e`: f(its state) under the lock.
  template <class F>
  void leave(entry& e, const F& f) noexcept {
    shard& s = shard_of(e.hash);
    const std::lock_guard hold(s.lock);
    f(e.state);
    if (--e.users == 0) s.put_first(e);
  }

  /// f(state of `c`) under its lock, if there is one yet.
  template <class F>
  void look(const call& c, const F& f) const noexcept {
    const state_key key(c, per_);
    shard& s = shard_of(key.hash);
    const std::lock_guard hold(s.lock);
    if (entry* const found = s.find(key)) f(found->state);
  }

  /// States there are.
  [[nodiscard]] std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  /// Calls that came.
  [[nodiscard]] std::uint64_t entered() const noexcept {
    std::uint64_t sum = 0;
    for (shard& s : shards_) {
      const std::lock_guard hold(s.lock);
      sum += s.entered;
    }
    return sum;
  }

 private:
  struct alignas(64) shard {
    tandem::detail::spin_lock lock;
    std::vector<entry*> buckets;  // as many as a power of two
    entry* newest = nullptr;
    entry* oldest = nullptr;
    std::uint64_t entered = 0;

    // The upper bits: the lower ones chose the shard.
    [[nodiscard]] entry*& bucket(std::size_t hash) noexcept { return buckets[(hash >> 8) & (buckets.size() - 1)]; }
    [[nodiscard]] entry* find(const state_key& key) noexcept {
      for (entry* e = bucket(key.hash); e; e = e->next)
        if (e->hash == key.hash && e->target == key.target && e->method == key.method) return e;
      return nullptr;
    }
    void link(entry& e) noexcept {
      e.next = std::exchange(bucket(e.hash), &e);
      put_first(e);
    }
    void put_first(entry& e) noexcept {
      e.newer = nullptr;
      e.older = newest;
      (newest ? newest->newer : oldest) = &e;
      newest = &e;
    }
    void take_out(entry& e) noexcept {
      (e.newer ? e.newer->older : newest) = e.older;
      (e.older ? e.older->newer : oldest) = e.newer;
    }
    // Of the few that were used longest ago, the first that may go, or else the first. Null: all are in use.
    [[nodiscard]] entry* drop_one() noexcept {
      entry* chosen = oldest;
      if (!chosen) return nullptr;
      int looks = 8;
      for (entry* e = oldest; e && looks > 0; e = e->newer, --looks) {
        if (!e->state.may_go()) continue;
        chosen = e;
        break;
      }
      take_out(*chosen);
      entry** link = &bucket(chosen->hash);
      while (*link != chosen) link = &(*link)->next;
      *link = chosen->next;
      return chosen;
    }
  };
  static constexpr std::size_t shard_count = 8;

  [[nodiscard]] shard& shard_of(std::size_t hash) const noexcept { return shards_[hash % shard_count]; }

  Owner& owner_;
  const state_per per_;
  const std::size_t most_;
  std::atomic<std::size_t> count_{0};  // relaxed: a bound that need not be exact, and reports
  mutable std::array<shard, shard_count> shards_;
};

}  // namespace tandem::resilience::detail
