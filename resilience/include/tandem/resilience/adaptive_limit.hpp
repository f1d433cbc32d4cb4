// adaptive_limit: finds out how many calls at once whoever is called can do, and lets no more through.
//
//   const auto limited = with(adaptive_limit(), timeout(1s));
//   limited.run({.method = "query"}, query)
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/criticality_shares.hpp>
#include <tandem/resilience/detail/guarded.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct adaptive_limit_options {
  double initial = 20;
  double least = 1;  ///< The limit stays between these. From 1 to 10^6.
  double most = 1000;
  duration window = std::chrono::milliseconds(100);  ///< The limit changes once in a window, or in a call's time, …
  std::uint32_t window_calls = 50;                   ///< … which has at least so many calls. At least 1.
  std::uint32_t remeasure = 50;                      ///< So many windows later the base is measured anew. At least 1.
  criticality_shares shares = all_alike;             ///< least_first sheds what matters least first.
  failure_test is_failure = {};                      ///< Which errors are failures. Default: is_failure_of_target().
  std::string name = {};
};

namespace detail {

class adaptive_state : public policy_state {
 public:
  explicit adaptive_state(adaptive_limit_options options);

  [[nodiscard]] bool admits(const call& c) const noexcept;
  [[nodiscard]] double limit() const noexcept;

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class adaptive_call;
  [[nodiscard]] bool has_room_for(criticality matters) const noexcept;
  [[nodiscard]] bool measuring() const noexcept { return windows_left_ == 0; }
  [[nodiscard]] double limit_now() const noexcept;
  /// Of the calls by which the base is measured.
  [[nodiscard]] std::uint32_t sample_size() const noexcept { return 4 * options_.window_calls; }
  void begin_window(time_point at) noexcept;
  void count(verdict v, duration took) noexcept;
  [[nodiscard]] bool window_is_over(time_point at) const noexcept;
  void end_window(time_point at) noexcept;
  void adapt() noexcept;

  const adaptive_limit_options options_;
  mutable tandem::detail::spin_lock lock_;  // guards all below
  double limit_;
  std::uint32_t inside_ = 0;
  std::uint32_t windows_left_ = 0;  // until the base is measured; 0: it is being measured
  double base_ = 0;                 // how long a call takes that waits for no others, in ns; 0: not known
  double limit_at_base_ = 0;        // the limit when the base was measured
  double mean_ = 0;                 // in the last window
  // The window that is being filled.
  time_point since_{};
  std::uint32_t most_inside_ = 0;
  std::uint32_t sample_ = 1;  // the number of the window; the first sample_size() calls that begin in it have it
  std::uint32_t begun_ = 0;   // of these
  std::uint32_t left_ = 0;    // calls that count
  std::uint32_t done_ = 0;    // of them, those that say how long they took
  std::uint32_t failed_ = 0;
  double sum_ = 0;  // how long those that are done took, in ns
  // For reports.
  std::uint64_t let_in_ = 0;
  std::uint64_t rejected_ = 0;
};

/// A call inside: the Guard of guarded().
class adaptive_call {
 public:
  adaptive_call(adaptive_state& s, const call& c) noexcept;
  adaptive_call(const adaptive_call&) = delete;
  adaptive_call& operator=(const adaptive_call&) = delete;
  ~adaptive_call() {
    if (inside_) leave(verdict_without_outcome());
  }
  [[nodiscard]] error refused();
  void ended(const error* e) { leave(verdict_of(e, state_.options_.is_failure)); }

 private:
  void leave(verdict v) noexcept;

  adaptive_state& state_;
  time_point began_;
  std::uint32_t sample_ = 0;
  bool inside_ = false;
};

}  // namespace detail

/// A limit to the calls at once that follows from how long they take, as in Netflix's concurrency-limits (its
/// Gradient2) and Envoy's adaptive concurrency filter: where calls wait for each other, they take longer the more of
/// them there are. So after each window the limit goes half way to
///
///   limit * min(1, 1.1 * base / mean) + limit / 20
///
/// where `mean` is how long calls took in the window, and `base` how long they take if they need not wait. The first
/// term bears a tenth of noise, and at most halves the limit; the last one finds out whether there is room for more. It
/// comes to rest where 1.16 times as many calls are let in as are served at once, so there is always a little to do.
///
/// To measure the base, now and then, and when the limit has fallen by half since, only half of the limit is let in,
/// and the next four windows' calls that begin are the sample. That is not the shortest time ever seen, which would be
/// that of the easiest call, and of how things were long ago; nor the mean of a long time, as in Gradient2, which under
/// lasting load grows with the queue.
///
/// - Nobody grows who does not use what he has: the limit rises only if four fifths of it were in use.
/// - If more than one of ten calls fail, the limit is cut by a tenth. What fails says nothing of how long calls take.
/// - A call that its caller gave up counts if it had taken longer than the base by then.
/// - A call that does not end is inside for ever: put a timeout inside.
/// - A clock that goes back, or jumps, spoils one window.
///
/// Errors: errc::overloaded, with the time a call takes at present as retry_after.
class adaptive_limit final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit adaptive_limit(adaptive_limit_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    return detail::guarded<T, detail::adaptive_call>(state_as<detail::adaptive_state>(), c, std::move(next));
  }

  [[nodiscard]] bool admits(const call& c) const noexcept { return state_as<detail::adaptive_state>().admits(c); }
  /// Calls at once, as it is now; while the base is measured only half of that are let in.
  [[nodiscard]] double limit() const noexcept { return state_as<detail::adaptive_state>().limit(); }
};

}  // namespace tandem::resilience
