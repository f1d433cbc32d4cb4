// breaker: stops calling who does not answer, and finds out by a few calls whether that is over.
//
//   const breaker b({.failures_in_a_row = 5, .slow_rate = 0.5, .slow = 200ms});
//   const auto careful = with(b, timeout(1s));
//   const call get{.target = "10.0.0.7:80"};
//   auto got = co_await careful.run(get, fetch);
//   if (!got && got.error().is(errc::circuit_open)) …  // retry_after_of(got.error()): when it makes sense again
//
//   state      a call                                      an outcome
//   closed     goes through                                may open it: see breaker_options
//   open       is rejected until the isolation time is     is of a call from before, and ignored
//              over; the one after that makes it half open
//   half open  goes through as one of few probes, others   a failure opens it again, for twice the time; enough
//              are rejected                                successes in a row close it
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tandem/resilience/detail/circuit.hpp>
#include <tandem/resilience/detail/guarded.hpp>
#include <tandem/resilience/detail/keyed.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/state_per.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

/// A breaker went from one state to another. The texts live as long as the call of on_change.
struct breaker_change {
  circuit_state from;
  circuit_state to;
  std::string_view target;  ///< Of the call that made it change.
  std::string_view method;
  std::string_view why;  ///< E.g. "5 failures in a row".
};

struct breaker_options {
  // What opens it, whichever comes first.
  std::uint32_t failures_in_a_row = 5;  ///< 0: however many.
  double failure_rate = 0.5;  ///< So large a share of the window's calls failed. From 0 to 1; 0: whatever it is.
  double slow_rate = 0;       ///< The same, of calls that were slow.
  duration slow = {};         ///< Longer is slow, however the call ended. With slow_rate, or not at all.
  duration window = std::chrono::seconds(10);  ///< The rates are those of the last so long, in steps of a tenth, …
  /// … or, if not 0, those of the last so many calls, also in such steps. Not less than least_calls.
  std::uint32_t window_calls = 0;
  std::uint32_t least_calls = 20;  ///< Rates of fewer calls in the window mean nothing. At least 1.

  // For how long, and what closes it.
  duration isolation = std::chrono::milliseconds(100);    ///< The first time; then doubled each time it opens …
  duration longest_isolation = std::chrono::seconds(30);  ///< … up to this, a day at most,
  duration reset_after = std::chrono::minutes(1);         ///< unless it stayed closed for so long in between.
  /// Each time is shortened at random by up to this share: clients do not come back as one. Less than 1.
  double jitter = 0.1;
  std::uint32_t probes = 1;     ///< At most so many calls at once while half open; at least 1. See breaker.
  std::uint32_t successes = 1;  ///< So many of them in a row close it; at least 1.

  state_per per = state_per::target;
  std::size_t most_states = 1024;
  failure_test is_failure = {};  ///< Which errors are failures. Default: is_failure_of_target().
  /// Is told of each change, by the task that made it, outside of locks. Must not throw. Two changes at almost the same
  /// time may be told in either order.
  std::function<void(const breaker_change&)> on_change = {};
  std::string name = {};
};

namespace detail {

class breaker_state : public policy_state, private circuit_group {
 public:
  enum class mode : std::uint8_t { automatic, forced_open, forced_closed };
  using circuits = keyed<circuit, circuit_group>;

  explicit breaker_state(breaker_options options);

  [[nodiscard]] bool admits(const call& c) const noexcept;
  [[nodiscard]] circuit_state state_of(const call& c) const noexcept;
  // relaxed: which calls see it first does not matter.
  void set(mode m) noexcept { mode_.store(m, std::memory_order_relaxed); }

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class breaker_call;
  [[nodiscard]] bool all_isolated() const noexcept override;
  void tell(const call& c, const circuit_change& change) noexcept;

  const breaker_options options_;
  std::atomic<mode> mode_{mode::automatic};
  // All relaxed: numbers for reports.
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> slow_{0};
  std::atomic<std::uint64_t> opened_{0};
  circuits circuits_;
};

/// A call inside a breaker: the Guard of guarded().
class breaker_call {
 public:
  breaker_call(breaker_state& b, const call& c);
  breaker_call(const breaker_call&) = delete;
  breaker_call& operator=(const breaker_call&) = delete;
  ~breaker_call() {
    if (entry_) leave(verdict_without_outcome());
  }
  [[nodiscard]] error refused();
  void ended(const error* e) {
    if (entry_) leave(verdict_of(e, breaker_.options_.is_failure));
  }

 private:
  void leave(verdict v) noexcept;

  breaker_state& breaker_;
  const call& call_;
  breaker_state::circuits::entry* entry_ = nullptr;  // null: let in, or rejected, without a look at the circuit
  time_point began_{};
  std::uint32_t generation_ = 0;
  bool let_in_ = false;
  duration wait_{};
};

}  // namespace detail

/// A circuit breaker, with a state for each target, or as its options say.
///
/// - A call whose context ended counts neither as success nor as failure, but may be slow: so put a timeout inside,
///   with(breaker, timeout), where it counts as failure. An exception is a failure.
/// - What a call gives that began before the last change of the state is ignored.
/// - While half open, a probe that does not end keeps others away for one isolation time at most: then one more is let
///   through.
/// - Who judges all others to be broken is likely wrong, or has nothing to lose: while every state that is kept apart
///   by target, of two or more, is not closed, each isolation time is at most options.isolation, and what fails then
///   does not make a later one longer. So each target gets a trickle: `probes` calls at first, and then one in each
///   such time; and what failed together is back together.
/// - A clock that goes back starts the isolation time anew, one that jumps ends it.
///
/// Errors: errc::circuit_open, with the time until the next probe as retry_after; while it is forced open, with
///         options.longest_isolation.
class breaker final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit breaker(breaker_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    return detail::guarded<T, detail::breaker_call>(state_as<detail::breaker_state>(), c, std::move(next));
  }

  /// True if it would let `c` through now, also as a probe.
  [[nodiscard]] bool admits(const call& c) const noexcept { return state_as<detail::breaker_state>().admits(c); }
  /// Of the state that calls as `c` have. Open ends with the first call after the isolation time.
  [[nodiscard]] circuit_state state_of(const call& c) const noexcept {
    return state_as<detail::breaker_state>().state_of(c);
  }

  /// All calls are rejected, or go through, until automatic(). Their outcomes count for nothing, so the states are what
  /// they were then.
  void force_open() const noexcept { state_as<detail::breaker_state>().set(detail::breaker_state::mode::forced_open); }
  void force_closed() const noexcept {
    state_as<detail::breaker_state>().set(detail::breaker_state::mode::forced_closed);
  }
  void automatic() const noexcept { state_as<detail::breaker_state>().set(detail::breaker_state::mode::automatic); }
};

}  // namespace tandem::resilience
