// throttle: calls less the more of the calls fail, so that one who is overloaded is not kept busy saying no.
//
//   const auto sparing = with(throttle(), timeout(1s));
//   sparing.run({.target = "10.0.0.7:80"}, fetch)
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/detail/guarded.hpp>
#include <tandem/resilience/detail/keyed.hpp>
#include <tandem/resilience/detail/window.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/state_per.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct throttle_options {
  /// Lets through about so many times the calls that were accepted: more notices sooner when it gets better, less
  /// spares the target more. At least 1.
  double k = 1.5;
  /// Rejects no larger share than that, however few are accepted: else nobody notices that it is over. From 0 to 1.
  double most_rejected = 0.9;
  duration window = std::chrono::seconds(10);  ///< Of which calls, in steps of a tenth.
  state_per per = state_per::target;
  std::size_t most_states = 1024;
  failure_test is_failure = {};  ///< Which errors are failures. Default: is_failure_of_target().
  std::string name = {};
};

namespace detail {

/// Of one target, or whatever is kept apart.
class throttle_history {
 public:
  explicit throttle_history(const throttle_options& o) noexcept : options_(o), window_(o.window.count()) {}
  [[nodiscard]] double chance_of_rejection(time_point at) noexcept;
  void count(bool accepted, time_point at) noexcept;
  [[nodiscard]] bool may_go() const noexcept { return true; }

 private:
  struct tally {
    std::uint32_t requests = 0;
    std::uint32_t accepts = 0;
    tally& operator+=(const tally& o) noexcept;
    tally& operator-=(const tally& o) noexcept;
  };
  const throttle_options& options_;
  window<tally> window_;
};

class throttle_state : public policy_state {
 public:
  using histories = keyed<throttle_history, const throttle_options>;

  explicit throttle_state(throttle_options options);

  [[nodiscard]] bool admits(const call& c) noexcept;

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class throttle_call;
  const throttle_options options_;
  std::atomic<std::uint64_t> rejected_{0};  // relaxed: numbers for reports
  std::atomic<std::uint64_t> failed_{0};
  histories histories_;
};

/// A call inside a throttle: the Guard of guarded().
class throttle_call {
 public:
  throttle_call(throttle_state& t, const call& c);
  throttle_call(const throttle_call&) = delete;
  throttle_call& operator=(const throttle_call&) = delete;
  ~throttle_call() {
    if (entry_) leave(verdict_without_outcome());
  }
  [[nodiscard]] error refused();
  void ended(const error* e) { leave(verdict_of(e, throttle_.options_.is_failure)); }

 private:
  void leave(verdict v) noexcept;

  throttle_state& throttle_;
  throttle_state::histories::entry* entry_ = nullptr;
};

}  // namespace detail

/// Adaptive throttling on the client's side (Beyer et al., "Site Reliability Engineering", O'Reilly 2016, chapter 21,
/// "Client-Side Throttling"): rejects a call with probability max(0, (requests - k * accepts) / (requests + 1)), over
/// the window's calls, but with most_rejected at most: where everything fails the formula alone lets one call through
/// in a window, and needs minutes to recover. Requests are those that ended, and those that were rejected here; accepts
/// are those of them that did not fail. What the caller gave up counts as accepted. An exception is a failure.
/// A clock that jumps, or goes back, by a window or more empties the window.
///
/// Errors: errc::overloaded, with a step of the window as retry_after: by then the numbers are others.
class throttle final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit throttle(throttle_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    return detail::guarded<T, detail::throttle_call>(state_as<detail::throttle_state>(), c, std::move(next));
  }

  /// False while it rejects any calls like `c`: no time for hedges.
  [[nodiscard]] bool admits(const call& c) const noexcept { return state_as<detail::throttle_state>().admits(c); }
};

}  // namespace tandem::resilience
