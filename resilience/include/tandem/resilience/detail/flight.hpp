// What singleflight is made of: a flight is one run of a function, and those who wait for its outcome.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/wait_list.hpp>
#include <tandem/sync/detail/operation.hpp>

namespace tandem::resilience::detail {

class flight_shard;

/// (F1) A flight has a share for each seat, of a caller or a subscription, and one for its landing, which gives the
///      outcome. Until it has landed, the number of shares changes under the shard's lock only. So "the last seat was
///      left" and "somebody else takes one" exclude each other.
/// (F2) The outcome is written before `landed`, by the landing, and constant afterwards.
/// (F3) Who leads it writes `life` before it gives up its seat. Null: the function runs in the leader's own task, which
///      cannot leave.
struct flight_base : tandem::detail::pooled {
  flight_base(flight_shard& s, std::uint64_t h) noexcept : shard(s), hash(h) {}
  flight_base(const flight_base&) = delete;
  flight_base& operator=(const flight_base&) = delete;
  virtual ~flight_base() = default;

  // As the place of an operation of sync.
  [[nodiscard]] tandem::detail::spin_lock& section() const noexcept;
  void link(tandem::detail::task_record& task) noexcept { waiters.push_back(task); }
  void unlink(tandem::detail::task_record& task) noexcept { waiters.unlink(task); }

  void release() noexcept {
    // Release orders this seat's accesses before the delete; acquire lets the last one see them all. Whoever has the
    // only share of what has landed need not write it: nobody can take another.
    if (shares.load(std::memory_order_acquire) == 1 || shares.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  flight_shard& shard;
  const std::uint64_t hash;
  flight_base* next = nullptr;                // in its chain; guarded by the shard's lock, as `listed` and `waiters`
  bool listed = true;                         // callers find it
  std::atomic<bool> landed{false};            // written under the lock; release, pairs with acquire at has_landed()
  std::atomic<std::uint32_t> shares{2};       // F1
  tandem::detail::wait_list waiters;
  std::optional<cancel_source> life;          // F3: ends the function's context
  std::exception_ptr thrown;                  // F2

  [[nodiscard]] bool has_landed() const noexcept { return landed.load(std::memory_order_acquire); }
};

template <class V>
struct flight_to : flight_base {
  using flight_base::flight_base;
  std::optional<result<V>> outcome;  // F2; none: `thrown`
};

template <class K, class V>
struct flight final : flight_to<V> {
  flight(flight_shard& s, std::uint64_t h, K k) : flight_to<V>(s, h), key(std::move(k)) {}
  const K key;
};

/// Some of the flights, with a lock, under which nothing of the user's runs but the comparison of keys.
class alignas(64) flight_shard {
 public:
  struct counts {
    std::uint64_t led = 0, joined = 0, left = 0, abandoned = 0;
  };

  // Under the lock, these.
  /// The first one of this hash for which is(flight); null if there is none.
  template <class F>
  [[nodiscard]] flight_base* find(std::uint64_t hash, F is) const {
    flight_base* f = chains_.empty() ? nullptr : chains_[hash & (chains_.size() - 1)];
    while (f && !(f->hash == hash && is(*f))) f = f->next;
    return f;
  }
  /// Errors: throws std::bad_alloc.
  void add(flight_base& f) {
    if (size_ == chains_.size()) grow();
    flight_base*& chain = chains_[f.hash & (chains_.size() - 1)];
    f.next = std::exchange(chain, &f);
    ++size_;
    ++counts_.led;
  }
  /// From here on callers do not find it.
  void remove(flight_base& f) noexcept;

  /// No flight is found any more.
  void remove_all() noexcept;

  void join(flight_base& f) noexcept {
    f.shares.store(f.shares.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // under the lock (F1)
    ++counts_.joined;
  }

  // Not under the lock, from here on.
  /// A seat is given up. If it was the last one, the function's context ends, and callers start another flight.
  void leave(flight_base& f) noexcept;
  /// The outcome is there: takes the landing's share.
  void land(flight_base& f) noexcept;
  [[nodiscard]] std::pair<counts, std::size_t> report() noexcept;

  tandem::detail::spin_lock lock;

 private:
  void grow();

  // Guarded by lock.
  std::vector<flight_base*> chains_;  // a power of two of them
  std::size_t size_ = 0;
  counts counts_;
};

inline tandem::detail::spin_lock& flight_base::section() const noexcept { return shard.lock; }

/// The state of a singleflight, for all types of keys and values.
class flights_state : public policy_state, public std::enable_shared_from_this<flights_state> {
 public:
  flights_state(std::size_t shards, std::string name);

  [[nodiscard]] flight_shard& shard_of(std::uint64_t hash) const noexcept {
    return shards_[(hash >> 1) >> (63 - bits_)];
  }

  void forget_all() const noexcept;

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  [[nodiscard]] std::pair<flight_shard::counts, std::size_t> sum() const noexcept;

  const unsigned bits_;
  const std::unique_ptr<flight_shard[]> shards_;
};

/// Each bit of the user's hash, which may be poor, reaches both ends: the upper ones choose a shard, the lower ones a
/// chain.
[[nodiscard]] inline std::uint64_t mixed(std::uint64_t h) noexcept {
  h = (h ^ (h >> 32)) * 0x9E37'79B9'7F4A'7C15;
  return h ^ (h >> 32);
}

/// How many shards, as a power of two, if so many are wanted; 0: by the number of CPUs.
/// Errors: throws std::invalid_argument, on behalf of `what`, for more than 4096.
[[nodiscard]] unsigned shard_bits(std::size_t wanted, const char* what);

/// A right to the outcome of a flight. Giving it up early is leaving.
template <class V>
class seat {
 public:
  seat(flight_to<V>& f, bool leads) noexcept : flight_(&f), leads_(leads) {}
  seat(seat&& other) noexcept : flight_(std::exchange(other.flight_, nullptr)), leads_(other.leads_) {}
  seat& operator=(seat other) noexcept {
    std::swap(flight_, other.flight_);
    std::swap(leads_, other.leads_);
    return *this;
  }
  ~seat() {
    if (!flight_) return;
    if (flight_->has_landed()) {
      flight_->release();
    } else {
      flight_->shard.leave(*flight_);
    }
  }

  /// It must see to it that the flight lands.
  [[nodiscard]] bool leads() const noexcept { return leads_; }
  [[nodiscard]] flight_to<V>& flight() const noexcept { return *flight_; }
  [[nodiscard]] explicit operator bool() const noexcept { return flight_ != nullptr; }

  /// After the landing.   Errors: throws what the function threw.
  [[nodiscard]] result<V> outcome() const {
    if (flight_->thrown) [[unlikely]] std::rethrow_exception(flight_->thrown);
    // Acquire: pairs with the release of those who had a share, and have read it.
    if (flight_->shares.load(std::memory_order_acquire) == 1) return *std::move(flight_->outcome);
    return *flight_->outcome;
  }

 private:
  flight_to<V>* flight_;
  bool leads_;
};

/// The duty to give the outcome. Dropped without one, as when the runtime has been shut down, it gives errc::cancelled.
template <class V>
class landing {
 public:
  /// `keeps`: null if the state outlives it anyway.
  landing(flight_to<V>& f, std::shared_ptr<const flights_state> keeps) noexcept
      : flight_(&f), keeps_(std::move(keeps)) {}
  landing(landing&& other) noexcept : flight_(std::exchange(other.flight_, nullptr)), keeps_(std::move(other.keeps_)) {}
  landing& operator=(landing&&) = delete;
  ~landing() {
    if (flight_) with(fail(error_of(errc::cancelled)));
  }

  void with(result<V> outcome) noexcept {
    flight_->outcome.emplace(std::move(outcome));
    land();
  }
  void threw(std::exception_ptr what) noexcept {
    flight_->thrown = std::move(what);
    land();
  }

 private:
  void land() noexcept {
    flight_to<V>& f = *std::exchange(flight_, nullptr);
    f.shard.land(f);
  }

  flight_to<V>* flight_;
  std::shared_ptr<const flights_state> keeps_;
};

/// Waits for the landing.
class [[nodiscard]] landing_wait : public sync::detail::operation<landing_wait, sync::detail::unlimited> {
  using base = sync::detail::operation<landing_wait, sync::detail::unlimited>;

 public:
  explicit landing_wait(flight_base& f) noexcept : flight_(f) {}
  bool await_ready() noexcept {
    tandem::detail::current_task().waited = false;
    return tandem::detail::spend_slice() && flight_.has_landed();
  }
  result<void> await_resume() { return finish(); }

 private:
  friend base;
  using waiter = landing_wait;
  static constexpr const char* name = "a call that others share";
  flight_base& where() noexcept { return flight_; }
  bool attempt(sync::detail::wake_list&) noexcept { return flight_.landed.load(std::memory_order_relaxed); }
  void give_back() noexcept {}

  flight_base& flight_;
};

}  // namespace tandem::resilience::detail
