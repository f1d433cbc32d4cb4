// cache: values that were loaded, kept for a while; a value is loaded once, however many want it.
//
//   const cache<std::string, page> pages({.max_entries = 100'000, .ttl = 30s, .refresh_after = 0.8, .stale_for = 1h});
//   auto load = [path] { return fetch(path); };
//   result<page> got = co_await pages.get(path, load);
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/resilience/detail/cache_shard.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/singleflight.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/worker.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::resilience {

struct cache_options {
  std::size_t max_entries = 10'000;  ///< From 1 to 2^31. Room for so many is reserved when the cache is made.
  /// Of all entries, as the weigher has it; 0: no bound, and no weigher.
  std::uint64_t max_weight = 0;
  duration ttl = std::chrono::minutes(1);  ///< More than zero; duration::max(): for ever.
  /// A value lives for up to this share of the TTL less, at random: so what was loaded at the same time does not expire
  /// at the same time. From 0 to 0.5.
  double ttl_jitter = 0.1;
  /// Once this share of its life has passed, the next hit lets the value be loaded anew, in the background. From 0 to
  /// less than 1; 0: never.
  double refresh_after = 0;
  /// For so long after it expired, a value is better than an error that says the loader's source is in trouble.
  duration stale_for = {};
  /// What a load may fail with so that the error is kept, for negative_ttl; zero: none is.
  std::vector<errc> negative = {errc::not_found};
  duration negative_ttl = {};
  /// Calls in different shards do not meet; each has its part of the bounds. Rounded up to a power of two, at most
  /// 4096 and max_entries; 0: as many as give each a thousand entries, up to four for each CPU.
  std::size_t shards = 0;
  std::string name = {};
};

namespace detail {

/// What a cache is, but for its entries.
class cache_state_base : public policy_state, public std::enable_shared_from_this<cache_state_base> {
 public:
  /// Errors: throws std::invalid_argument.
  cache_state_base(cache_options options, bool weighs);
  ~cache_state_base() override;

  [[nodiscard]] const cache_options& options() const noexcept { return options_; }
  [[nodiscard]] const cache_times& times() const noexcept { return times_; }
  /// Now, if that makes a difference.
  [[nodiscard]] time_point clock() const noexcept { return reads_clock_ ? now() : time_point(); }
  [[nodiscard]] time_point end_of_value(time_point from) const noexcept;
  [[nodiscard]] time_point end_of_error(time_point from) const noexcept;
  [[nodiscard]] bool keeps_error(errc code) const noexcept;
  /// The old value is better than this.
  [[nodiscard]] bool prefers_stale(const error& e) const noexcept;

  [[nodiscard]] std::size_t shard_count() const noexcept { return std::size_t{1} << bits_; }
  /// By the upper bits: the lower ones choose a chain.
  [[nodiscard]] std::size_t shard_of(std::uint64_t hash) const noexcept { return (hash >> 1) >> (63 - bits_); }
  /// The part of `total` that shard i has.
  [[nodiscard]] std::uint64_t part_of(std::uint64_t total, std::size_t i) const noexcept {
    return (total >> bits_) + (i < (total & (shard_count() - 1)) ? 1 : 0);
  }

  /// Waits in the background for what `again` gives, until that is there, or the cache or the runtime goes.
  template <class V>
  void await_refresh(subscription<V> again) const {
    spawn(wait_in_background(std::move(again), life_.context()), refresh_options()).disown();
  }

  [[nodiscard]] virtual cache_counts counts() const noexcept = 0;
  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  template <class V>
  static task<void> wait_in_background(subscription<V> again, context life) {
    after_handle when_gone;
    try {
      const cancel_source own;
      when_gone = after_func(life, [own] { own.cancel(); });
      const tandem::detail::context_swap inside(own.context().state());
      (void)co_await again.wait();
    } catch (...) {  // counted as a failed load
    }
    when_gone.stop();
  }
  /// Under the runtime's root: not the caller's context, which may end.
  [[nodiscard]] static spawn_options refresh_options();

  const cache_options options_;
  const cache_times times_;
  const bool reads_clock_;
  const unsigned bits_;
  const cancel_source life_{context()};
};

template <class K, class V, class Eq>
class cache_state : public cache_state_base {
 public:
  using shard = cache_shard<K, V>;

  cache_state(cache_options options, bool weighs)
      : cache_state_base(std::move(options), weighs), shards_(new shard[shard_count()]) {
    const cache_options& o = this->options();
    for (std::size_t i = 0; i < shard_count(); ++i)
      shards_[i].reserve(part_of(o.max_entries, i), o.max_weight ? part_of(o.max_weight, i) : ~std::uint64_t{0});
  }

  [[nodiscard]] shard& at(std::uint64_t hash) const noexcept { return shards_[shard_of(hash)]; }
  [[nodiscard]] shard& operator[](std::size_t i) const noexcept { return shards_[i]; }
  [[nodiscard]] cache_counts counts() const noexcept override {
    cache_counts all;
    for (std::size_t i = 0; i < shard_count(); ++i) all += shards_[i].counts();
    return all;
  }

 private:
  const std::unique_ptr<shard[]> shards_;
};

}  // namespace detail

/// Keeps what loaders gave, by key, within bounds of time, number and weight.
///
/// | there is                        | get(key, loader)                                                              |
/// |---------------------------------|-------------------------------------------------------------------------------|
/// | a fresh value                   | gives it; may let it be loaded anew in the background                         |
/// | an error that is kept           | gives it                                                                      |
/// | nothing, or what has expired    | loads it, or waits for a load of the key that is under way (singleflight)     |
///
/// | the load gives                  | then get()                                                                    |
/// |---------------------------------|-------------------------------------------------------------------------------|
/// | a value                         | keeps it, and gives it                                                        |
/// | an error that is in `negative`  | keeps it for negative_ttl, and gives it                                       |
/// | an error of a source in trouble | gives the value that expired less than stale_for ago; else the error          |
/// | another error, or an exception  | gives it, or throws it                                                        |
///
/// In trouble: is_failure_of_target(), or errc::circuit_open. A refresh that fails is not repeated: the value is loaded
/// when it has expired.
///
/// What is evicted is chosen by SIEVE (Zhang et al., NSDI 2024): a hit only sets a mark, so there is no list that each
/// hit moves an entry of, as LRU has, and no sketch that each lookup counts in, as W-TinyLFU has; on traces of the web
/// its hit rates are as good as theirs; and those that came once, as by a scan, go first. What expired goes when it is
/// looked for or evicted: no task sweeps.
///
/// A clock that jumps makes values expire early, never stay: if it goes back, those that then seem to live for longer
/// than any may are gone.
///
/// A handle: copies share the entries. `Hash` may be poor. V must be copyable: each get() copies it under a spin lock,
/// so let it be a shared_ptr if it is large. K and V must be movable without exceptions.
///
/// Owns:    the handle, or a copy, must be there until each get() has returned. Loads under way may outlive it; when
///          the last copy goes, refreshes are cancelled.
/// Threads: any, at once; get() by tasks.
/// Order:   put(), invalidate() and clear() win over loads that began before: what those give is not kept. Who waits
///          for one gets it nevertheless; who comes later does not wait for it.
/// Memory:  memory_bytes() for the entries, from the start, and what K and V own. An insert takes constant time,
///          however many entries there are: nothing is moved. But a heavy one may evict many light ones, with the lock
///          released after each.
template <class K, class V, class Hash = std::hash<K>, class Eq = std::equal_to<K>>
  requires std::copy_constructible<K> && std::copy_constructible<V> && std::is_nothrow_move_constructible_v<K> &&
           std::is_nothrow_move_constructible_v<V>
class cache final : public policy {
 public:
  using weigher = std::function<std::uint64_t(const K&, const V&)>;

  /// `weigh` tells the weight of a value, in any unit; an error weighs 1. One that weighs more than its shard's part of
  /// max_weight is not kept.
  /// Errors: throws std::invalid_argument for options out of range, or one of `weigh` and max_weight without the other;
  ///         std::bad_alloc.
  explicit cache(cache_options options = {}, weigher weigh = {}, Hash hash = Hash(), Eq equal = Eq())
      : policy(std::make_shared<detail::listed<entries>>(std::move(options), static_cast<bool>(weigh))),
        weigh_(weigh ? std::make_shared<const weigher>(std::move(weigh)) : nullptr),
        hash_(std::move(hash)),
        equal_(std::move(equal)),
        loads_(singleflight_options{.shards = 0, .name = name() + ".loads"}, hash_, equal_) {}

  /// The value of `key`, which `loader` gives if it must be loaded; it is called as by singleflight::run().
  /// Owns:     `loader`, until a little after it has ended; it must not refer to what may be gone when the caller has
  ///           left.
  /// Suspends: while it is loaded; for a hit only once in a while, to let others run.
  /// Cancel:   safe: a load goes on for the others who wait for it.
  /// Errors:   see above; errc::cancelled, errc::deadline_exceeded.
  template <gives_once<V> F>
  [[nodiscard]] task<result<V>> get(K key, F loader) const {
    const entries& all = state();
    const std::uint64_t hash = hash_of(key);
    typename shard::look_result seen = all.at(hash).look(hash, key, equal_, all.clock(), all.times(), true);
    if (seen.found && !seen.refresh) [[likely]] {
      if (!tandem::detail::spend_slice()) [[unlikely]] co_await this_task::yield();
      co_return *std::move(seen.found);
    }
    load<F> loads{weak_state(), weigh_, equal_, hash, key, seen.refresh, std::move(loader)};
    if (seen.refresh) {
      all.await_refresh(loads_.subscribe(std::move(key), std::move(loads)));
      co_return *std::move(seen.found);
    }
    co_return co_await loads_.run(std::move(key), std::move(loads));
  }

  /// The value of `key` if it is there, and fresh. Loads nothing, and counts nothing.   Suspends: never; any thread.
  [[nodiscard]] std::optional<V> find(const K& key) const {
    const std::uint64_t hash = hash_of(key);
    auto seen = state().at(hash).look(hash, key, equal_, state().clock(), state().times(), false);
    if (!seen.found || !*seen.found) return std::nullopt;
    return **std::move(seen.found);
  }

  /// Makes `value` that of `key`.   Suspends: never; any thread.
  void put(K key, V value) const {
    const std::uint64_t hash = hash_of(key);
    const std::uint64_t weight = weigh_ ? (*weigh_)(key, value) : 1;
    const time_point at = state().clock();
    const time_point end = state().end_of_value(at);
    state().at(hash).keep(hash, {key, std::move(value)}, equal_, weight, end, at, state().times(), nullptr);
    loads_.forget(key);
  }

  /// Forgets the value of `key`. True if there was an entry, fresh or not.   Suspends: never; any thread.
  bool invalidate(const K& key) const {
    const std::uint64_t hash = hash_of(key);
    const bool was_there = state().at(hash).erase(hash, key, equal_);
    loads_.forget(key);
    return was_there;
  }

  /// Forgets all that is there, in time in proportion to it; what others put meanwhile may go too.
  /// Suspends: never; any thread. No lock is held for longer than an entry takes.
  void clear() const {
    for (std::size_t i = 0; i < state().shard_count(); ++i) state()[i].clear();
    loads_.forget_all();
  }

  /// How many entries there are, expired ones included, counted shard by shard.
  [[nodiscard]] std::size_t size() const noexcept { return state().counts().entries; }
  /// What they weigh; without a weigher, their number.
  [[nodiscard]] std::uint64_t weight() const noexcept { return state().counts().weight; }
  /// What is reserved for max_entries: entry_bytes for each, and from 4 to 8 more to find it by. The system gives pages
  /// of it as they are used.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < state().shard_count(); ++i)
      sum += shard::bytes_for(state().part_of(state().options().max_entries, i));
    return sum;
  }

 private:
  using entries = detail::cache_state<K, V, Eq>;
  using shard = detail::cache_shard<K, V>;

 public:
  static constexpr std::size_t entry_bytes = shard::slot_bytes();

 private:
  // What is called in place of a loader. It may outlive the cache.
  template <class F>
  struct load {
    std::weak_ptr<const entries> cached;
    std::shared_ptr<const weigher> weigh;
    [[no_unique_address]] Eq equal;
    std::uint64_t hash;
    K key;
    bool refresh;
    F loader;

    // In the shard's list of loads while it lives, and the shard does.
    struct under_way {
      explicit under_way(const load& l) : mark(l.hash, l.key), where(l.cached) {
        if (const auto all = where.lock()) all->at(mark.hash).begin_load(mark);
      }
      under_way(const under_way&) = delete;
      under_way& operator=(const under_way&) = delete;
      ~under_way() {
        if (const auto all = where.lock()) all->at(mark.hash).end_load(mark, failed);
      }
      typename shard::load_mark mark;
      const std::weak_ptr<const entries>& where;
      bool failed = true;
    };

    task<result<V>> operator()() {
      if (std::optional<result<V>> came = meanwhile()) co_return *std::move(came);
      under_way now(*this);
      result<V> outcome = co_await detail::lift(loader());
      now.failed = !outcome;
      co_return kept(std::move(outcome), now.mark);
    }

    // Another load may have ended after the caller had looked, and before it asked for this one.
    [[nodiscard]] std::optional<result<V>> meanwhile() const {
      const auto all = cached.lock();
      if (!all || refresh) return std::nullopt;
      return all->at(hash).look(hash, key, equal, all->clock(), all->times(), false).found;
    }

    [[nodiscard]] result<V> kept(result<V> outcome, const typename shard::load_mark& mark) const {
      const auto all = cached.lock();
      if (!all) return outcome;
      const time_point at = all->clock();
      if (outcome) {
        const std::uint64_t weight = weigh ? (*weigh)(key, *outcome) : 1;
        all->at(hash).keep(hash, {key, outcome}, equal, weight, all->end_of_value(at), at, all->times(), &mark);
      } else if (all->keeps_error(outcome.error().code())) {
        all->at(hash).keep(hash, {key, outcome}, equal, 1, all->end_of_error(at), at, all->times(), &mark);
      } else if (all->prefers_stale(outcome.error())) {
        if (std::optional<V> old = all->at(hash).stale(hash, key, equal, at, all->times())) return *std::move(old);
      }
      return outcome;
    }
  };

  [[nodiscard]] const entries& state() const noexcept { return state_as<entries>(); }
  [[nodiscard]] std::weak_ptr<const entries> weak_state() const noexcept {
    return std::static_pointer_cast<const entries>(state().shared_from_this());
  }
  [[nodiscard]] std::uint64_t hash_of(const K& key) const {
    return detail::mixed(static_cast<std::uint64_t>(std::invoke(hash_, key)));
  }

  std::shared_ptr<const weigher> weigh_;
  [[no_unique_address]] Hash hash_;
  [[no_unique_address]] Eq equal_;
  singleflight<K, V, Hash, Eq> loads_;
};

}  // namespace tandem::resilience
