#include <tandem/resilience/timeout.hpp>

#include <stdexcept>

#include "text.hpp"

namespace tandem::resilience {
namespace detail {

timeout_state::timeout_state(duration limit, std::string name)
    : policy_state("timeout", std::move(name)), limit_(limit) {
  if (limit <= duration::zero()) throw std::invalid_argument("timeout: the limit must be more than zero");
}

error timeout_state::timed_out(const call& c, error said) noexcept {
  timed_out_.fetch_add(1, std::memory_order_relaxed);  // a number for reports
  const std::string what = c.method.empty() ? std::string("no outcome") : std::string(c.method) + ": no outcome";
  return wrap(std::move(said), errc::timed_out, what + " within " + text_of(limit_));
}

std::string timeout_state::settings() const { return text_of(limit_); }
std::string timeout_state::state() const {
  return std::to_string(timed_out_.load(std::memory_order_relaxed)) + " of " +
         std::to_string(calls_.load(std::memory_order_relaxed)) + " calls timed out";
}
std::vector<policy_counter> timeout_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)}, {"timed_out", timed_out_.load(std::memory_order_relaxed)}};
}

}  // namespace detail

timeout::timeout(duration limit, std::string name)
    : policy(std::make_shared<detail::listed<detail::timeout_state>>(limit, std::move(name))) {}

}  // namespace tandem::resilience
