// singleflight: what several want at the same time is done once, and all get the outcome.
//
//   const singleflight<std::string, page> flights;
//   auto load = [path] { return fetch(path); };
//   result<page> got = co_await flights.run(path, load);  // also if a thousand tasks do the same
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/resilience/detail/flight.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>

namespace tandem::resilience {

struct singleflight_options {
  /// Calls in different shards do not meet. Rounded up to a power of two; 0: four for each CPU. At most 4096.
  std::size_t shards = 0;
  std::string name = {};
};

/// What can be done once for many: a function that gives a task<result<V>>, or a task<V>.
template <class F, class V>
concept gives_once = std::invocable<F&> && std::same_as<detail::value_of<F>, V>;

namespace detail {

template <class V, class F>
task<void> fly(landing<V> lands, F function) {
  try {
    result<V> outcome = co_await lift(function());
    lands.with(std::move(outcome));
  } catch (...) {
    lands.threw(std::current_exception());
  }
}

}  // namespace detail

/// A call that singleflight::subscribe() started, or joined.
///
/// Owns:    a share in the call. Dropping it is leaving.
/// Threads: one at a time.
template <class V>
class [[nodiscard]] subscription {
 public:
  subscription(subscription&&) noexcept = default;
  subscription& operator=(subscription other) noexcept {  // what it had goes as in the destructor: the seat first
    std::swap(keeps_, other.keeps_);
    std::swap(seat_, other.seat_);
    return *this;
  }

  /// Waits for the outcome; once. To wait for it in a select(), spawn() this and use the handle.
  /// Suspends, Cancel, Errors: as singleflight::run(). A wait that was cancelled may be repeated.
  ///         Throws std::logic_error after the outcome was given out, or if it was moved away.
  [[nodiscard]] task<result<V>> wait() {
    if (!seat_) throw std::logic_error("subscription: the outcome was taken, or the subscription is moved from");
    const result<void> waited = co_await detail::landing_wait(seat_.flight());
    if (!waited && !seat_.flight().has_landed()) co_return fail(waited.error());
    const detail::seat<V> taken = std::move(seat_);
    co_return taken.outcome();
  }
  /// True if wait() would not wait.
  [[nodiscard]] bool done() const noexcept { return !seat_ || seat_.flight().has_landed(); }

 private:
  template <class, class, class, class>
  friend class singleflight;
  subscription(detail::seat<V> mine, std::shared_ptr<const detail::flights_state> keeps) noexcept
      : keeps_(std::move(keeps)), seat_(std::move(mine)) {}

  std::shared_ptr<const detail::flights_state> keeps_;
  detail::seat<V> seat_;
};

/// Lets calls of one key that come while one is under way share its outcome: value, error or exception. Nothing is kept
/// beyond that: see cache. (Go's golang.org/x/sync/singleflight.)
///
/// | the key has | run(), subscribe()                             | forget()                                             |
/// |-------------|------------------------------------------------|------------------------------------------------------|
/// | no flight   | starts one: calls its function                 | nothing                                              |
/// | a flight    | joins it; its own function is dropped uncalled | the next call starts another; who waits, waits on    |
///
/// The function is nobody's alone. It runs with the context values of the caller that started it, but under no deadline
/// of a single caller: a caller that is cancelled, or whose deadline passes, leaves, and the others wait on. When the
/// last one has left, the function's context ends with errc::cancelled, and a new call starts anew. So the function may
/// take until the latest deadline of those who wait; its context shows no deadline(), as others with a later one may
/// join.
///
/// A caller that has neither a deadline nor a cancel above it cannot leave: then the function runs in its task and
/// context, which ends with the runtime, and what need not wait costs no task. For others it gets a task of its own.
///
/// A handle: copies share the flights. `Hash` may be poor: it is mixed. V must be copyable: each gets a copy, the last
/// one the original. A function that waits for its own key waits for itself.
///
/// Owns:    the handle, or a copy, must be there until each run() has returned. Subscriptions and functions under way
///          may outlive it.
/// Threads: any, at once; run() and subscribe() by tasks.
/// Memory:  what the function did is visible to all who get its outcome.
template <class K, class V, class Hash = std::hash<K>, class Eq = std::equal_to<K>>
  requires(std::is_void_v<V> || std::copy_constructible<V>)
class singleflight final : public policy {
 public:
  /// Errors: throws std::invalid_argument for more than 4096 shards.
  explicit singleflight(singleflight_options options = {}, Hash hash = Hash(), Eq equal = Eq())
      : policy(std::make_shared<detail::listed<detail::flights_state>>(options.shards, std::move(options.name))),
        hash_(std::move(hash)),
        equal_(std::move(equal)) {}

  /// The outcome of `function`, or of the flight of `key` that is under way.
  /// Owns:     `function`, until a little after it has ended; it must not refer to what may be gone when the caller has
  ///           left.
  /// Suspends: until the outcome is there, or the caller's context is over.
  /// Cancel:   safe: the caller leaves, see above.
  /// Errors:   those of the function, the same chain for all; errc::cancelled, errc::deadline_exceeded of the caller's
  ///           context, or if the runtime was shut down before the outcome came. What the function throws is thrown to
  ///           each.
  template <gives_once<V> F>
  [[nodiscard]] task<result<V>> run(K key, F function) const {
    tandem::detail::task_record& task = tandem::detail::current_task();
    if (tandem::detail::context_over(task)) [[unlikely]] co_return fail(tandem::detail::context_error(task));
    const detail::seat<V> mine = take_seat(std::move(key));
    if (mine.leads()) {
      if (!task.enlists()) {  // its context ends with the runtime, or not at all
        detail::landing<V> lands(mine.flight(), nullptr);
        co_await detail::fly(std::move(lands), std::move(function));
      } else {
        take_off(mine, std::move(function));
      }
    }
    const result<void> waited = co_await detail::landing_wait(mine.flight());
    if (!waited && !mine.flight().has_landed()) co_return fail(waited.error());
    co_return mine.outcome();
  }

  /// Starts or joins a flight now, to wait for it later. The function runs in a task of its own.
  /// Suspends: never.
  /// Errors:   throws std::bad_alloc.
  template <gives_once<V> F>
  [[nodiscard]] subscription<V> subscribe(K key, F function) const {
    detail::seat<V> mine = take_seat(std::move(key));
    if (mine.leads()) take_off(mine, std::move(function));
    return subscription<V>(std::move(mine), state().shared_from_this());
  }

  /// Lets the next call of `key` start anew, as when what is under way is known to be stale. True if something was.
  /// Suspends: never; any thread.
  bool forget(const K& key) const {
    const std::uint64_t hash = hash_of(key);
    detail::flight_shard& shard = state().shard_of(hash);
    const std::lock_guard hold(shard.lock);
    detail::flight_base* const f = shard.find(hash, is(key));
    if (f) shard.remove(*f);
    return f != nullptr;
  }

  /// forget() of every key, shard by shard.
  void forget_all() const noexcept { state().forget_all(); }

 private:
  using flight = detail::flight<K, V>;

  [[nodiscard]] detail::flights_state& state() const noexcept { return state_as<detail::flights_state>(); }
  [[nodiscard]] std::uint64_t hash_of(const K& key) const {
    return detail::mixed(static_cast<std::uint64_t>(std::invoke(hash_, key)));
  }
  [[nodiscard]] auto is(const K& key) const {
    return [this, &key](const detail::flight_base& f) {
      return static_cast<bool>(std::invoke(equal_, static_cast<const flight&>(f).key, key));
    };
  }

  [[nodiscard]] detail::seat<V> take_seat(K key) const {
    const std::uint64_t hash = hash_of(key);
    detail::flight_shard& shard = state().shard_of(hash);
    const std::lock_guard hold(shard.lock);
    if (detail::flight_base* const f = shard.find(hash, is(key))) {
      shard.join(*f);
      return detail::seat<V>(static_cast<flight&>(*f), false);
    }
    auto made = std::make_unique<flight>(shard, hash, std::move(key));
    shard.add(*made);
    return detail::seat<V>(*made.release(), true);
  }

  template <class F>
  void take_off(const detail::seat<V>& mine, F function) const {
    detail::landing<V> lands(mine.flight(), state().shared_from_this());
    const cancel_source life(without_cancel(this_task::context()));
    mine.flight().life.emplace(life);
    spawn(detail::fly(std::move(lands), std::move(function)), spawn_options("singleflight", life.context())).disown();
  }

  [[no_unique_address]] Hash hash_;
  [[no_unique_address]] Eq equal_;
};

}  // namespace tandem::resilience
