// A part of a cache: entries of a fixed number, found by key, evicted by SIEVE.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// Counted since the cache was made.
struct cache_counts {
  std::uint64_t hits = 0, negative_hits = 0, misses = 0, expired = 0, loads = 0, failed_loads = 0, stale_served = 0,
                refreshes = 0, evictions = 0;
  std::uint64_t entries = 0, weight = 0;  // now

  cache_counts& operator+=(const cache_counts& other) noexcept;
};

/// The times of a cache's entries, of which the shards know no more.
struct cache_times {
  duration longest;         // of the lives of values and errors
  duration stale_for;       // for so long values can be had after that, if need be
  duration refresh_window;  // so long before its end a value is to be loaded anew; zero: never

  /// How an entry that expires at `end` is at `t`. One that would live longer than any can, as after a clock went back,
  /// is gone: so what a clock does makes entries go early, never stay.
  enum class phase : std::uint8_t { fresh, stale, gone };
  [[nodiscard]] phase at(time_point t, time_point end) const noexcept {
    const duration age = t - end;
    if (age < duration::zero()) return age >= -longest ? phase::fresh : phase::gone;
    return age < stale_for ? phase::stale : phase::gone;
  }
};

/// Entries live in slots, which are allocated at once and refer to each other by number: an insert neither allocates
/// nor moves what is there, and what all of it takes is known from the start.
///
/// SIEVE: the entries are a queue in the order of their coming. A hit marks its entry, and moves nothing. A hand goes
/// from the oldest towards the newest and round again; where it finds an entry with a mark, it takes the mark, without
/// one, the entry.
///
/// (C1) Everything is guarded by the lock. Under it of the user's run only the comparison of keys, copies and moves.
/// (C2) What goes is moved to a `removed` of the caller's, which destroys it after the lock was released.
template <class K, class V>
class alignas(64) cache_shard {
 public:
  struct entry {
    K key;
    result<V> value;
  };
  using removed = std::optional<entry>;

  /// A load under way, whose outcome is not kept if its key was written meanwhile. In the list of the shard until
  /// end_load().
  struct load_mark {
    load_mark(std::uint64_t h, const K& k) noexcept : hash(h), key(k) {}
    load_mark(const load_mark&) = delete;
    load_mark& operator=(const load_mark&) = delete;
    const std::uint64_t hash;
    const K& key;
    load_mark* previous = nullptr;
    load_mark* next = nullptr;
    bool spoiled = false;
  };

  cache_shard() = default;
  cache_shard(const cache_shard&) = delete;
  cache_shard& operator=(const cache_shard&) = delete;
  ~cache_shard() {
    for (std::uint32_t at = oldest_; at != none; at = slots_[at].newer) std::destroy_at(&slots_[at].held);
  }

  /// Before anything else. `capacity` is from 1 to 2^31.   Errors: throws std::bad_alloc.
  void reserve(std::uint64_t capacity, std::uint64_t max_weight) {
    const std::size_t chains = std::bit_ceil(capacity);
    slots_.reset(static_cast<slot*>(::operator new(capacity * sizeof(slot), slot_alignment)));
    // Zeroed by the system, page by page as they are used.
    chains_.reset(static_cast<std::uint32_t*>(std::calloc(chains, sizeof(std::uint32_t))));
    if (!chains_) throw std::bad_alloc();
    capacity_ = capacity;
    max_weight_ = max_weight;
    mask_ = static_cast<std::uint32_t>(chains - 1);
  }
  [[nodiscard]] static std::size_t bytes_for(std::uint64_t capacity) noexcept {
    return capacity * sizeof(slot) + std::bit_ceil(capacity) * sizeof(std::uint32_t);
  }

  [[nodiscard]] static consteval std::size_t slot_bytes() noexcept { return sizeof(slot); }

  /// What a lookup finds.
  struct look_result {
    std::optional<result<V>> found;  // fresh
    bool refresh = false;            // the caller is to load it anew: it is told so once
  };
  /// Not `counted`: nor asked to refresh.
  template <class Eq>
  [[nodiscard]] look_result look(std::uint64_t hash, const K& key, const Eq& equal, time_point at,
                                 const cache_times& times, bool counted) {
    look_result told;
    removed gone;
    const std::lock_guard hold(lock_);
    slot* const s = find(hash, key, equal);
    if (!s) {
      if (counted) ++counts_.misses;
      return told;
    }
    switch (times.at(at, s->expires)) {
      case cache_times::phase::fresh:
        told.found = s->held.value;
        if (!s->visited) s->visited = true;
        if (!counted) return told;
        ++(s->held.value ? counts_.hits : counts_.negative_hits);
        if (s->expires - at <= times.refresh_window && !s->refreshing && s->held.value) {
          s->refreshing = told.refresh = true;
          ++counts_.refreshes;
        }
        return told;
      case cache_times::phase::gone:
        remove(*s, gone);
        [[fallthrough]];
      case cache_times::phase::stale:
        break;
    }
    if (counted) {
      ++counts_.misses;
      ++counts_.expired;
    }
    return told;
  }

  /// The value of `key` even if it has expired, unless that was too long ago.
  template <class Eq>
  [[nodiscard]] std::optional<V> stale(std::uint64_t hash, const K& key, const Eq& equal, time_point at,
                                       const cache_times& times) {
    const std::lock_guard hold(lock_);
    const slot* const s = find(hash, key, equal);
    if (!s || !s->held.value || times.at(at, s->expires) == cache_times::phase::gone) return std::nullopt;
    if (s->expires <= at) ++counts_.stale_served;
    return *s->held.value;
  }

  void begin_load(load_mark& load) noexcept {
    const std::lock_guard hold(lock_);
    load.next = first_load_;
    if (first_load_) first_load_->previous = &load;
    first_load_ = &load;
    ++counts_.loads;
  }
  void end_load(load_mark& load, bool failed) noexcept {
    const std::lock_guard hold(lock_);
    (load.previous ? load.previous->next : first_load_) = load.next;
    if (load.next) load.next->previous = load.previous;
    if (failed) ++counts_.failed_loads;
  }

  /// Keeps `e` until `expires`. By a `load`: unless that is spoiled; otherwise spoils the loads of its key.
  template <class Eq>
  void keep(std::uint64_t hash, entry e, const Eq& equal, std::uint64_t weight, time_point expires, time_point at,
            const cache_times& times, const load_mark* load) {
    removed gone;
    for (;;) {
      gone.reset();  // of the last round, without the lock
      const std::lock_guard hold(lock_);
      if (load && load->spoiled) return;
      if (!load) spoil(hash, e.key, equal);
      slot* s = find(hash, e.key, equal);
      if (weight > max_weight_) {  // it will never fit, and what was there is old
        if (s) remove(*s, gone);
        return;
      }
      const std::uint64_t others = counts_.weight - (s ? s->weight : 0);
      const bool full = (!s && counts_.entries == capacity_) || others > max_weight_ - weight;
      if (full) {
        evict(at, times, gone);
        continue;
      }
      if (s) {
        gone.emplace(std::move(s->held.key), std::move(s->held.value));
        std::destroy_at(&s->held);
        --counts_.entries;
        counts_.weight -= s->weight;
      } else {
        s = &take_slot(hash);
      }
      std::construct_at(&s->held, std::move(e));
      s->weight = weight;
      s->expires = expires;
      s->refreshing = false;
      ++counts_.entries;
      counts_.weight += weight;
      return;
    }
  }

  /// True if there was an entry.
  template <class Eq>
  bool erase(std::uint64_t hash, const K& key, const Eq& equal) {
    removed gone;
    const std::lock_guard hold(lock_);
    spoil(hash, key, equal);
    slot* const s = find(hash, key, equal);
    if (s) remove(*s, gone);
    return s != nullptr;
  }

  /// Erases as many as there are when it is called, the oldest first, in short turns of the lock.
  void clear() {
    std::uint64_t left = 0;
    {
      const std::lock_guard hold(lock_);
      left = counts_.entries;
      for (load_mark* l = first_load_; l; l = l->next) l->spoiled = true;
    }
    for (; left > 0; --left) {
      removed gone;
      const std::lock_guard hold(lock_);
      if (oldest_ == none) return;
      remove(slots_[oldest_], gone);
    }
  }

  [[nodiscard]] cache_counts counts() const noexcept {
    const std::lock_guard hold(lock_);
    return counts_;
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct slot {
    time_point expires;
    std::uint64_t weight;
    std::uint32_t hash;
    std::uint32_t next;          // in its chain, or of the free ones
    std::uint32_t older, newer;  // in the queue
    bool visited;
    bool refreshing;
    union {
      entry held;  // there while the slot is in the queue
    };
    slot() noexcept {}
    ~slot() {}
  };
  // So that small entries lie in a cache line each.
  static constexpr std::align_val_t slot_alignment{std::max<std::size_t>(alignof(slot), 64)};
  struct free_slots {
    void operator()(slot* s) const noexcept { ::operator delete(s, slot_alignment); }
  };
  struct free_chains {
    void operator()(std::uint32_t* c) const noexcept { std::free(c); }
  };

  // Chains hold a number + 1, so that zeroes are empty chains.
  [[nodiscard]] std::uint32_t& chain_of(std::uint32_t hash) const noexcept { return chains_[hash & mask_]; }
  [[nodiscard]] std::uint32_t number_of(const slot& s) const noexcept {
    return static_cast<std::uint32_t>(&s - slots_.get());
  }

  template <class Eq>
  [[nodiscard]] slot* find(std::uint64_t hash, const K& key, const Eq& equal) const {
    const auto h = static_cast<std::uint32_t>(hash);
    for (std::uint32_t at = chain_of(h); at != 0; at = slots_[at - 1].next) {
      slot& s = slots_[at - 1];
      if (s.hash == h && equal(s.held.key, key)) return &s;
    }
    return nullptr;
  }

  template <class Eq>
  void spoil(std::uint64_t hash, const K& key, const Eq& equal) {
    for (load_mark* l = first_load_; l; l = l->next)
      if (l->hash == hash && equal(l->key, key)) l->spoiled = true;
  }

  // A slot that is in its chain, and the newest of the queue. There is one.
  [[nodiscard]] slot& take_slot(std::uint64_t hash) noexcept {
    std::uint32_t at = free_;
    if (at == none) {
      at = used_++;
      std::construct_at(&slots_[at]);
    } else {
      free_ = slots_[at].next;
    }
    slot& s = slots_[at];
    s.hash = static_cast<std::uint32_t>(hash);
    s.next = std::exchange(chain_of(s.hash), at + 1);
    s.newer = none;
    s.older = std::exchange(newest_, at);
    (s.older == none ? oldest_ : slots_[s.older].newer) = at;
    s.visited = false;
    return s;
  }

  void remove(slot& s, removed& to) {
    to.emplace(std::move(s.held.key), std::move(s.held.value));
    std::destroy_at(&s.held);
    const std::uint32_t number = number_of(s);
    std::uint32_t* at = &chain_of(s.hash);
    while (*at != number + 1) at = &slots_[*at - 1].next;
    *at = s.next;
    if (hand_ == number) hand_ = s.newer;
    (s.older == none ? oldest_ : slots_[s.older].newer) = s.newer;
    (s.newer == none ? newest_ : slots_[s.newer].older) = s.older;
    s.next = std::exchange(free_, number);
    --counts_.entries;
    counts_.weight -= s.weight;
  }

  // There is an entry.
  void evict(time_point at, const cache_times& times, removed& to) {
    // The hand takes a mark for each that a hit has made, so it goes a step or two; but after many hits in a row one
    // insert could find marks only. It gives up then, and takes a marked one: among so many that matters little.
    constexpr int most_steps = 256;
    if (hand_ == none) hand_ = oldest_;
    for (int i = 0; i < most_steps; ++i) {
      slot& s = slots_[hand_];
      if (!s.visited || times.at(at, s.expires) == cache_times::phase::gone) break;
      s.visited = false;
      hand_ = s.newer == none ? oldest_ : s.newer;
    }
    remove(slots_[hand_], to);
    ++counts_.evictions;
  }

  mutable tandem::detail::spin_lock lock_;
  std::unique_ptr<slot[], free_slots> slots_;
  std::unique_ptr<std::uint32_t[], free_chains> chains_;
  std::uint64_t capacity_ = 0;
  std::uint64_t max_weight_ = 0;
  std::uint32_t mask_ = 0;
  std::uint32_t used_ = 0;  // slots that were ever used
  std::uint32_t free_ = none;
  std::uint32_t oldest_ = none, newest_ = none;
  std::uint32_t hand_ = none;  // none: where the queue begins
  load_mark* first_load_ = nullptr;
  cache_counts counts_;
};

}  // namespace tandem::resilience::detail
