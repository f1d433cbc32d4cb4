#include <tandem/resilience/rate_limit.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <tandem/runtime/context.hpp>

#include "refusal.hpp"
#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

rate_limit_options checked(rate_limit_options o) {
  constexpr double day = 24 * 60 * 60;
  if (!(o.per_second >= 1 / day && o.per_second <= 1e6))
    throw std::invalid_argument("rate_limit: per_second must be from one in a day to 10^6");
  if (o.burst < 1) throw std::invalid_argument("rate_limit: the burst must be at least 1: nothing else would get in");
  if (o.burst / o.per_second > 365 * day)
    throw std::invalid_argument("rate_limit: a burst that takes more than a year to come together");
  if (o.max_wait < duration::zero() || o.max_wait > std::chrono::days(365))
    throw std::invalid_argument("rate_limit: max_wait must be from zero to a year");
  return o;
}

}  // namespace

rate_state::rate_state(const char* kind, rate_limit_options options)
    : policy_state(kind, options.name),
      options_(checked(std::move(options))),
      each_(std::llround(1e9 / options_.per_second)),
      within_(each_ * options_.burst) {}

// Who is let in moves full_at_ on by each_; it goes when that is no more than within_ from now.
rate_state::place rate_state::take(time_point at) noexcept {
  const time_point::rep time = at.time_since_epoch().count();
  calls_.fetch_add(1, std::memory_order_relaxed);
  place p;
  p.full_before = full_at_.load(std::memory_order_relaxed);
  do {
    p.full_after = sane(p.full_before, time) + each_;
    p.wait = std::max(duration(p.full_after - within_ - time), duration::zero());
    if (p.wait > options_.max_wait) return p;
    if (p.wait > duration::zero() && at + p.wait >= this_task::context().deadline()) return p;
  } while (!full_at_.compare_exchange_weak(p.full_before, p.full_after, std::memory_order_relaxed));
  p.taken = true;
  if (p.wait > duration::zero()) waited_.fetch_add(1, std::memory_order_relaxed);
  return p;
}

void rate_state::give_back(const place& p) noexcept {
  time_point::rep expected = p.full_after;
  full_at_.compare_exchange_strong(expected, p.full_before, std::memory_order_relaxed);
}

time_point::rep rate_state::sane(time_point::rep full_at, time_point::rep at) const noexcept {
  // Nobody can have been given a place beyond that: the clock went back.
  if (full_at > at + within_ + options_.max_wait.count()) [[unlikely]]
    return at + within_ - each_;
  return std::max(full_at, at);
}

bool rate_state::admits() const noexcept {
  const time_point::rep at = now().time_since_epoch().count();
  return sane(full_at_.load(std::memory_order_relaxed), at) + each_ <= at + within_;
}

error rate_state::refusal_of(const place& p) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  return refusal(errc::overloaded, *this, "too many calls in too little time", p.wait);
}

std::string rate_state::settings() const {
  std::string text = fmt::format("{:.4g}/s", options_.per_second);
  if (options_.burst > 1) text += fmt::format(", {} at once", options_.burst);
  if (options_.max_wait > duration::zero()) text += ", wait up to " + text_of(options_.max_wait);
  return text;
}
std::string rate_state::state() const {
  return fmt::format("{} of {} calls rejected, {} waited", rejected_.load(std::memory_order_relaxed),
                     calls_.load(std::memory_order_relaxed), waited_.load(std::memory_order_relaxed));
}
std::vector<policy_counter> rate_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)},
          {"rejected", rejected_.load(std::memory_order_relaxed)},
          {"waited", waited_.load(std::memory_order_relaxed)}};
}

}  // namespace detail

rate_limit::rate_limit(const char* kind, rate_limit_options options)
    : policy(std::make_shared<detail::listed<detail::rate_state>>(kind, std::move(options))) {}
rate_limit::rate_limit(rate_limit_options options) : rate_limit("rate_limit", std::move(options)) {}

rate_limit pacing(double per_second, duration max_wait, std::string name) {
  return {"pacing", {.per_second = per_second, .burst = 1, .max_wait = max_wait, .name = std::move(name)}};
}

}  // namespace tandem::resilience
