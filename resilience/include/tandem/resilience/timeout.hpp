// timeout: a limit to how long a call may take.
//
//   with(timeout(200ms)).run(fetch)
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::resilience {

namespace detail {

class timeout_state : public policy_state {
 public:
  timeout_state(duration limit, std::string name);

  [[nodiscard]] duration limit() const noexcept { return limit_; }
  /// What the function gave because of our limit, as what it means to the caller.
  [[nodiscard]] error timed_out(const call& c, error said) noexcept;
  void begun() noexcept { calls_.fetch_add(1, std::memory_order_relaxed); }  // a number for reports

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  const duration limit_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> timed_out_{0};
};

}  // namespace detail

/// Ends the context of what it is around after a time. A function that does not look at its context, and waits for
/// nothing, is waited for nevertheless: nothing is left running behind the caller's back.
/// A clock that jumps ends it early, one that goes back late.
///
/// Errors: errc::timed_out if the limit ended it; a value that comes too late but comes is passed on.
class timeout final : public policy {
 public:
  /// Errors: throws std::invalid_argument if `limit` is not more than zero.
  explicit timeout(duration limit, std::string name = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    auto& mine = state_as<detail::timeout_state>();
    mine.begun();
    const time_point ends = deadline_in(mine.limit());
    const cancel_source limited(this_task::context(), ends);
    std::optional<tandem::detail::context_swap> inside;
    inside.emplace(limited.context().state());
    result<T> outcome = co_await next(c);
    inside.reset();
    if (!outcome && outcome.error().is(errc::deadline_exceeded) && limited.context().is_over() &&
        !this_task::context().is_over()) [[unlikely]]
      outcome = std::unexpected(mine.timed_out(c, std::move(outcome).error()));
    co_return outcome;
  }
};

}  // namespace tandem::resilience
