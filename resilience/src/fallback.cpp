#include <tandem/resilience/fallback.hpp>

#include <fmt/format.h>

#include <tandem/runtime/context.hpp>

namespace tandem::resilience::detail {

fallback_state::fallback_state(fallback_options options, const char* what)
    : policy_state("fallback", options.name), options_(std::move(options)), what_(what) {}

bool fallback_state::stands_in_for(const error& e) {
  const bool may_be_the_callers = e.code() == errc::cancelled || e.code() == errc::deadline_exceeded;
  if (may_be_the_callers && this_task::context().is_over()) return false;
  const bool chosen =
      options_.when ? options_.when(e) : is_failure_of_target(e) || e.code() == errc::circuit_open;
  if (chosen) used_.fetch_add(1, std::memory_order_relaxed);
  return chosen;
}

error fallback_state::failed(error first, error second) {
  failed_.fetch_add(1, std::memory_order_relaxed);
  return join(std::move(first), with_message(std::move(second), "the fallback failed too"));
}

std::string fallback_state::settings() const { return what_; }
std::string fallback_state::state() const {
  return fmt::format("used for {} of {} calls", used_.load(std::memory_order_relaxed),
                     calls_.load(std::memory_order_relaxed));
}
std::vector<policy_counter> fallback_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)},
          {"used", used_.load(std::memory_order_relaxed)},
          {"failed", failed_.load(std::memory_order_relaxed)}};
}

}  // namespace tandem::resilience::detail
