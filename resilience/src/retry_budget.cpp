#include <tandem/resilience/retry_budget.hpp>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

const retry_budget_options& checked(const retry_budget_options& o) {
  if (!(o.share >= 0 && o.share <= 1)) throw std::invalid_argument("retry_budget: the share must be from 0 to 1");
  if (!(o.per_second >= 0 && o.per_second <= 1e9))
    throw std::invalid_argument("retry_budget: per_second must be from 0 to 10^9");
  if (!(o.most >= 1 && o.most <= 1e9)) throw std::invalid_argument("retry_budget: most must be from 1 to 10^9");
  return o;
}

}  // namespace

budget_state::budget_state(retry_budget_options options)
    : policy_state("retry_budget", options.name),
      options_(checked(options)),
      per_call_(static_cast<std::int64_t>(options.share * one)),
      most_(static_cast<std::int64_t>(options.most * one)),
      saved_(most_),
      counted_to_(0) {}

void budget_state::add(std::int64_t parts) noexcept {
  std::int64_t had = saved_.load(std::memory_order_relaxed);
  while (had < most_ &&
         !saved_.compare_exchange_weak(had, std::min(most_, had + parts), std::memory_order_relaxed)) {
  }
}

void budget_state::called() noexcept {
  calls_.fetch_add(1, std::memory_order_relaxed);
  add(per_call_);
}

void budget_state::add_for_time(time_point at) noexcept {
  if (options_.per_second == 0) return;
  const time_point::rep to = at.time_since_epoch().count();
  time_point::rep from = counted_to_.load(std::memory_order_relaxed);
  // Who moves it on adds what that time is worth. A clock that goes back adds nothing until it is where it was.
  while (to > from && !counted_to_.compare_exchange_weak(from, to, std::memory_order_relaxed)) {
  }
  if (to <= from || from == 0) return;
  const double worth = static_cast<double>(to - from) * 1e-9 * options_.per_second * one;
  add(static_cast<std::int64_t>(std::min(worth, static_cast<double>(most_))));
}

bool budget_state::spend(time_point at) noexcept {
  add_for_time(at);
  std::int64_t had = saved_.load(std::memory_order_relaxed);
  do {
    if (had < one) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
  } while (!saved_.compare_exchange_weak(had, had - one, std::memory_order_relaxed));
  spent_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void budget_state::give_back() noexcept {
  spent_.fetch_sub(1, std::memory_order_relaxed);
  add(one);
}

double budget_state::left() const noexcept {
  return static_cast<double>(saved_.load(std::memory_order_relaxed)) / static_cast<double>(one);
}

std::string budget_state::settings() const {
  std::string text = percent(options_.share) + " of calls";
  if (options_.per_second > 0) text += fmt::format(" and {:.3g}/s", options_.per_second);
  return text + fmt::format(", at most {:.4g} saved", options_.most);
}
std::string budget_state::state() const {
  return fmt::format("{:.1f} of {:.4g} left, {} refused", left(), options_.most,
                     refused_.load(std::memory_order_relaxed));
}
std::vector<policy_counter> budget_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)},
          {"spent", spent_.load(std::memory_order_relaxed)},
          {"refused", refused_.load(std::memory_order_relaxed)}};
}

}  // namespace detail

retry_budget::retry_budget(retry_budget_options options)
    : policy(std::make_shared<detail::listed<detail::budget_state>>(std::move(options))) {}

}  // namespace tandem::resilience
