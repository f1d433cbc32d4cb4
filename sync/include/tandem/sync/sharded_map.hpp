// A hash map that many read and few write: reads take no lock and write nothing that is shared.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/sync/detail/hazard_domain.hpp>
#include <tandem/sync/detail/map_shard.hpp>

namespace tandem::sync {

struct sharded_map_options {
  /// Writers of different shards do not meet. Rounded up to a power of two; 0: four for each CPU. At most 4096.
  std::size_t shards = 0;
};

/// Values of V by keys of K. An entry never changes: writers replace it by another one.
///
/// No lock is held while user code runs (hash, equality, copies, functions passed in), so all of that may take its time
/// and use the map. Writers search without a lock, then hold their shard's for a few instructions if nothing of the
/// shard has changed meanwhile, otherwise search again. One write in a while is longer: a shard with more entries than
/// chains relinks them under its lock; reserve() does that before.
///
/// `Hash` may be poor (std::hash of an integer is): it is mixed. A hash that is the same for all keys works, slowly.
///
/// Owns:    the entries. One that was erased or replaced is destroyed by a later write to its shard, by clear(), or
///          with the map: at most 32 for each shard stay, and those that are being read. No call may go on when the map
///          is destroyed.
/// Threads: every member may be called from any thread at any time, inside of a runtime or not.
/// Order:   calls for one key take effect one after the other; each reads what the last one left.
/// Suspends: never, and no function passed in may keep a reference to an entry when it returns.
/// Errors:  what hash, equality, copies and functions passed in throw, and std::bad_alloc; the map is then as it was
///          before the call, but clear(), which may have emptied some shards.
/// Memory:  what came before a write is visible to whoever reads what it wrote.
template <class K, class V, class Hash = std::hash<K>, class Eq = std::equal_to<K>>
  requires std::is_nothrow_destructible_v<K> && std::is_nothrow_destructible_v<V> && std::move_constructible<K> &&
      std::move_constructible<V>
class sharded_map {
  using shard = detail::map_shard<K, V>;
  using node = typename shard::node;
  using node_ptr = typename shard::node_ptr;
  using place = typename shard::place;

 public:
  /// Errors: throws std::invalid_argument for more than 4096 shards.
  explicit sharded_map(const sharded_map_options& options = {}, Hash hash = Hash(), Eq equal = Eq())
      : bits_(shard_bits(options.shards)),
        shards_(new shard[std::size_t{1} << bits_]),
        hash_(std::move(hash)),
        equal_(std::move(equal)) {}
  sharded_map(const sharded_map&) = delete;
  sharded_map& operator=(const sharded_map&) = delete;
  ~sharded_map() = default;

  /// A copy of the value of `key`.
  [[nodiscard]] std::optional<V> find(const K& key) const
    requires std::copy_constructible<V>
  {
    std::optional<V> found;
    visit(key, [&](const V& value) { found.emplace(value); });
    return found;
  }

  /// Calls `look` with the value of `key`, which stays as it is during the call. False, and no call, if there is none.
  template <std::invocable<const V&> F>
  bool visit(const K& key, F&& look) const {
    const where at = locate(key);
    const reading r;
    const node* const n = at.in.find(*r, at.hash, is(key));
    if (!n) return false;
    std::invoke(std::forward<F>(look), n->value);
    return true;
  }

  [[nodiscard]] bool contains(const K& key) const {
    const where at = locate(key);
    const reading r;
    return at.in.find(*r, at.hash, is(key)) != nullptr;
  }

  /// False, and nothing changes, if `key` has a value.
  bool insert(K key, V value) {
    const where at = locate(key);
    const reading r;
    place p = search(*r, at, key);
    if (p.at) return false;
    auto made = std::make_unique<node>(at.hash, std::move(key), std::move(value));
    const K& k = made->key;  // the map's, once it is in there: not read any more then
    while (!at.in.insert(made, p)) {
      p = search(*r, at, k);
      if (p.at) return false;
    }
    grow_if_full(at.in, *p.in);
    return true;
  }

  /// True if `key` had no value.
  bool insert_or_assign(K key, V value) {
    const where at = locate(key);
    const reading r;
    auto made = std::make_unique<node>(at.hash, std::move(key), std::move(value));
    const K& k = made->key;
    for (;;) {
      const place p = search(*r, at, k);
      if (p.at ? !at.in.replace(made, p) : !at.in.insert(made, p)) continue;
      if (p.at)
        free_retired(at.in);
      else
        grow_if_full(at.in, *p.in);
      return !p.at;
    }
  }

  /// False if `key` has no value.
  bool erase(const K& key) {
    const where at = locate(key);
    {
      const reading r;
      for (;;) {
        const place p = search(*r, at, key);
        if (!p.at) return false;
        if (at.in.erase(p)) break;
      }
    }
    free_retired(at.in);
    return true;
  }

  /// Replaces the value of `key` by a copy that `change` changed. False, and no call, if there is none. Calls `change`
  /// again, with a new copy, if another writer replaced that value meanwhile: it must not mind.
  template <std::invocable<V&> F>
    requires std::copy_constructible<K> && std::copy_constructible<V>
  bool update(const K& key, F&& change) {
    return compute(
        key,
        [&](std::optional<V>& value) {
          if (value) std::invoke(change, *value);
        },
        existing_only);
  }

  /// Calls `change` with a copy of the value of `key`, or nullopt, and makes that the value what it leaves there;
  /// erases the entry if it leaves nullopt. Calls it again as update() does. True if `key` has a value then.
  template <std::invocable<std::optional<V>&> F>
    requires std::copy_constructible<K> && std::copy_constructible<V>
  bool compute(const K& key, F&& change) { return compute(key, change, existing_or_not); }

  /// Calls `look` with each key and its value, in no order. Weakly consistent: an entry that is there all the time
  /// comes once, with a value it had during the walk; one that comes or goes meanwhile comes once or not at all.
  template <std::invocable<const K&, const V&> F>
  void for_each(F&& look) const {
    walk w;
    for (std::size_t i = 0; i < shard_count(); ++i) {
      std::uint64_t position = 0;
      do {
        position = w.collect(shards_[i], position);
        for (const node* n : w.nodes()) std::invoke(look, n->key, n->value);
      } while (position != 0);
    }
  }

  /// Erases everything, shard by shard: what others insert meanwhile may stay.
  void clear() {
    for (std::size_t i = 0; i < shard_count(); ++i) {
      shard& s = shards_[i];
      auto [table, nodes] = s.clear(shard::empty_table());
      detail::retire(*table);
      s.keep(nodes);
      free_retired(s, 0);
    }
  }

  /// Makes room for `n` entries, so that no write relinks a shard before about so many are there.
  /// Errors: throws std::length_error if no memory could hold them.
  void reserve(std::size_t n) {
    // A shard's part is not the same for all: some have a few more than others.
    const std::size_t each = (n >> bits_) + (n >> (bits_ + 3)) + 1;
    const auto wanted = static_cast<unsigned>(std::bit_width(each - 1));
    if (wanted > shard::most_bits) throw std::length_error("tandem: a sharded_map cannot hold so many entries");
    for (std::size_t i = 0; i < shard_count(); ++i) {
      const reading r;
      auto* const now = shards_[i].protect_table(*r);
      if (now->bits < wanted) detail::retire(*shards_[i].widen(now, shard::wider_than(*now, wanted)));
    }
  }

  /// How many entries there are, counted shard by shard: exact if nobody writes.
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < shard_count(); ++i) n += shards_[i].size();
    return n;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] std::size_t shard_count() const noexcept { return std::size_t{1} << bits_; }

 private:
  struct where {
    shard& in;
    std::uint64_t hash;  // without the bits that chose the shard
  };

  // A record, in a call that reads.
  class reading {
   public:
    reading() = default;
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
      const detail::hazardous* const table = lease_->reads[0].load(std::memory_order_relaxed);  // its own
      lease_->leave(1);
      lease_->leave(2);
      if (lease_->leave_first()) [[unlikely]]
        detail::left_noted(*lease_, table);
    }
    [[nodiscard]] detail::hazard_record& operator*() const noexcept { return *lease_; }

   private:
    detail::hazard_lease lease_;
  };

  // Chain after chain, all nodes of one protected at a time.
  class walk {
   public:
    [[nodiscard]] std::uint64_t collect(const shard& s, std::uint64_t position) {
      const reading r;
      return s.collect(
          *r, position, [this] { nodes_.clear(); },
          [this](const node& n) {
            const std::size_t i = nodes_.size() / slots;
            if (i == records_.size()) records_.emplace_back(std::make_unique<reading>());
            nodes_.push_back(&n);
            (**records_[i]).announce(1 + (nodes_.size() - 1) % slots, &n);
          });
    }
    [[nodiscard]] const std::vector<const node*>& nodes() const noexcept { return nodes_; }

   private:
    static constexpr std::size_t slots = 2;  // but the first: nodes are not handed over
    std::vector<std::unique_ptr<reading>> records_;
    std::vector<const node*> nodes_;
  };

  static unsigned shard_bits(std::size_t wanted) {
    if (wanted > 4096) throw std::invalid_argument("tandem: a sharded_map has at most 4096 shards");
    if (wanted == 0) wanted = std::clamp<std::size_t>(4 * std::size_t{std::thread::hardware_concurrency()}, 8, 4096);
    return static_cast<unsigned>(std::bit_width(wanted - 1));
  }

  // Each bit of the user's hash reaches the upper ones, which choose shard and chain.
  [[nodiscard]] where locate(const K& key) const {
    std::uint64_t h = static_cast<std::uint64_t>(std::invoke(hash_, key));
    h = (h ^ (h >> 32)) * 0x9E37'79B9'7F4A'7C15;
    return {shards_[(h >> 1) >> (63 - bits_)], h << bits_};
  }

  [[nodiscard]] auto is(const K& key) const {
    return [this, &key](const node& n) { return static_cast<bool>(std::invoke(equal_, n.key, key)); };
  }
  [[nodiscard]] place search(detail::hazard_record& r, const where& at, const K& key) const {
    return at.in.find_place(r, at.hash, is(key));
  }

  static constexpr bool existing_only = true;
  static constexpr bool existing_or_not = false;

  template <class F>
  bool compute(const K& key, F&& change, bool only_existing) {
    const where at = locate(key);
    bool there = false;
    {
      // Two records take turns, so that what was read for the last attempt is still protected when the next one has
      // searched: the same address is the same entry, and what was made of it still holds.
      const std::array<reading, 2> records;
      const node* base = nullptr;
      node_ptr made;
      bool computed = false;
      for (std::size_t turn = 0;; turn = 1 - turn) {
        const place p = search(*records[turn], at, key);
        if (!p.at && only_existing) return false;
        if (!computed || p.at != base) {
          std::optional<V> value;
          if (p.at) value.emplace(p.at->value);
          std::invoke(change, value);
          made = value ? std::make_unique<node>(at.hash, p.at ? p.at->key : key, *std::move(value)) : nullptr;
          base = p.at;
          computed = true;
        }
        there = made != nullptr;
        if (!there && !p.at) return false;
        if (there ? !(p.at ? at.in.replace(made, p) : at.in.insert(made, p)) : !at.in.erase(p)) continue;
        if (!p.at) grow_if_full(at.in, *p.in);
        break;
      }
    }
    free_retired(at.in);
    return there;
  }

  // Called with the table protected. A table that cannot be had is no reason to fail: chains are longer then.
  void grow_if_full(shard& s, typename shard::table& t) noexcept {
    if (!s.is_full(t)) return;
    try {
      detail::retire(*s.widen(&t, shard::wider_than(t, t.bits + 1)));
    } catch (const std::bad_alloc&) {}
  }

  // Under no lock: destructors of entries may take their time.
  static void free_retired(shard& s, std::size_t at_least = shard::most_retired) noexcept {
    detail::hazardous* retired = s.take_retired(at_least);
    if (!retired) return;
    detail::hazardous* const unread = detail::take_unread(retired);
    s.keep(retired);
    shard::free_nodes(unread);
  }

  const unsigned bits_;
  const std::unique_ptr<shard[]> shards_;
  [[no_unique_address]] const Hash hash_;
  [[no_unique_address]] const Eq equal_;
};

}  // namespace tandem::sync
