// shed: a limit to the calls that are inside at once, of which those that matter least get the smallest part: for
// servers. adaptive_limit does it with a limit that it finds itself.
//
//   const auto shedding = with(shed({.limit = 200}));
//   shedding.run({.matters = criticality::sheddable}, handle)
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/criticality_shares.hpp>
#include <tandem/resilience/detail/guarded.hpp>
#include <tandem/resilience/detail/mean_time.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct shed_options {
  std::uint32_t limit = 100;                ///< At least 1.
  criticality_shares shares = least_first;  ///< Shares of it.
  std::string name = {};
};

namespace detail {

class shed_state : public policy_state {
 public:
  explicit shed_state(shed_options options);

  [[nodiscard]] bool admits(const call& c) const noexcept;

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class shed_call;
  const shed_options options_;
  // All relaxed: numbers that publish nothing.
  std::atomic<std::uint32_t> inside_{0};
  std::atomic<std::uint64_t> let_in_{0};
  std::array<std::atomic<std::uint64_t>, 4> rejected_{};  // by criticality
  mean_time takes_;
};

/// A call inside: the Guard of guarded().
class shed_call {
 public:
  shed_call(shed_state& s, const call& c) noexcept;
  shed_call(const shed_call&) = delete;
  shed_call& operator=(const shed_call&) = delete;
  ~shed_call();
  [[nodiscard]] error refused();
  void ended(const error*) noexcept {}

 private:
  shed_state& shed_;
  const call& call_;
  time_point began_{};
  bool inside_ = false;
};

}  // namespace detail

/// Load shedding by priority: sheddable calls are rejected first, critical_plus ones last.
///
/// Errors: errc::overloaded, with the time a call takes at present as retry_after.
class shed final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit shed(shed_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    return detail::guarded<T, detail::shed_call>(state_as<detail::shed_state>(), c, std::move(next));
  }

  [[nodiscard]] bool admits(const call& c) const noexcept { return state_as<detail::shed_state>().admits(c); }
};

}  // namespace tandem::resilience
