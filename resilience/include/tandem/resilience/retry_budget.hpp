// retry_budget: how many calls may be made in addition to those that were asked for.
//
//   const retry_budget extra({.share = 0.05});
//   const auto careful = with(retry({.budget = extra}), hedge({.budget = extra}));
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct retry_budget_options {
  double share = 0.05;     ///< Of the calls that are made, how many extra ones may be. From 0 to 1.
  double per_second = 0;   ///< Extra calls that may be made in any case: for clients with few calls. Not less than 0.
  double most = 10;        ///< How many extra calls may be saved up. At least 1; that many there are at the start.
  std::string name = {};
};

namespace detail {

class budget_state : public policy_state {
 public:
  explicit budget_state(retry_budget_options options);

  void called() noexcept;
  [[nodiscard]] bool spend(time_point at) noexcept;
  void give_back() noexcept;
  [[nodiscard]] double left() const noexcept;

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  void add(std::int64_t parts) noexcept;
  void add_for_time(time_point at) noexcept;

  // In millionths of a call. All relaxed: numbers that publish nothing.
  static constexpr std::int64_t one = 1'000'000;
  const retry_budget_options options_;
  const std::int64_t per_call_;
  const std::int64_t most_;
  std::atomic<std::int64_t> saved_;
  std::atomic<time_point::rep> counted_to_;  // the clock's reading up to which per_second was added; 0: not yet
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> spent_{0};
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace detail

/// What retries and hedges together may add to the load: a share of the calls. So that those who are called and are
/// slow, or fail, are not called the more often for it. It is no policy around a call by itself: give it to retry and
/// hedge.
///
/// Threads: any, at once. Copies share what is left. On one clock: not by tasks of a simulation and others. A clock
///          that goes back adds nothing until it is where it was.
class retry_budget final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit retry_budget(retry_budget_options options = {});

  /// A call was made that was asked for: the outermost policy that has the budget says so, once.
  void called() const noexcept { state_as<detail::budget_state>().called(); }
  /// called(), unless a policy outside has said so of this call; it tells those inside by `c`, which goes inwards.
  void called(call& c) const noexcept {
    const void* const mine = &state_as<detail::budget_state>();
    if (std::exchange(c.counted_in, mine) != mine) called();
  }
  /// True if one more call may be made, which is then counted.
  [[nodiscard]] bool spend() const noexcept { return state_as<detail::budget_state>().spend(now()); }
  /// After spend(), by who has not made that call after all.
  void give_back() const noexcept { state_as<detail::budget_state>().give_back(); }
  /// Calls that could be made now, but for what each second adds.
  [[nodiscard]] double left() const noexcept { return state_as<detail::budget_state>().left(); }
};

}  // namespace tandem::resilience
