#include <tandem/resilience/throttle.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <tandem/runtime/detail/worker.hpp>

#include "refusal.hpp"
#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

throttle_options checked(throttle_options o) {
  if (!(o.k >= 1 && o.k <= 1e6)) throw std::invalid_argument("throttle: k must be from 1 to 10^6");
  if (!(o.most_rejected >= 0 && o.most_rejected <= 1))
    throw std::invalid_argument("throttle: most_rejected must be from 0 to 1");
  if (o.window <= duration::zero()) throw std::invalid_argument("throttle: the window must be more than zero");
  if (o.most_states < 1) throw std::invalid_argument("throttle: most_states must be at least 1");
  return o;
}

}  // namespace

throttle_history::tally& throttle_history::tally::operator+=(const tally& o) noexcept {
  requests += o.requests;
  accepts += o.accepts;
  return *this;
}
throttle_history::tally& throttle_history::tally::operator-=(const tally& o) noexcept {
  requests -= o.requests;
  accepts -= o.accepts;
  return *this;
}

double throttle_history::chance_of_rejection(time_point at) noexcept {
  const tally& all = window_.total(at.time_since_epoch().count());
  const double requests = all.requests;
  return std::clamp((requests - options_.k * all.accepts) / (requests + 1), 0.0, options_.most_rejected);
}

void throttle_history::count(bool accepted, time_point at) noexcept {
  window_.add(at.time_since_epoch().count(), {1, accepted ? 1U : 0U});
}

throttle_state::throttle_state(throttle_options options)
    : policy_state("throttle", options.name),
      options_(checked(std::move(options))),
      histories_(options_, options_.per, options_.most_states) {}

bool throttle_state::admits(const call& c) noexcept {
  bool admitted = true;
  histories_.look(c, [&](throttle_history& h) { admitted = h.chance_of_rejection(now()) <= 0; });
  return admitted;
}

std::string throttle_state::settings() const {
  std::string text = fmt::format("k {:.3g} over {}", options_.k, text_of(options_.window));
  if (options_.per != state_per::policy) text += fmt::format(", per {}", to_string(options_.per));
  return text;
}
std::string throttle_state::state() const {
  return fmt::format("{} of {} calls rejected", rejected_.load(std::memory_order_relaxed), histories_.entered());
}
std::vector<policy_counter> throttle_state::counters() const {
  return {{"calls", histories_.entered()},
          {"rejected", rejected_.load(std::memory_order_relaxed)},
          {"failed", failed_.load(std::memory_order_relaxed)}};
}

throttle_call::throttle_call(throttle_state& t, const call& c) : throttle_(t) {
  const time_point at = now();
  const double chosen = tandem::detail::next_random() * 0x1p-32;
  entry_ = t.histories_.enter(c, [&](throttle_history& h) {
    if (chosen >= h.chance_of_rejection(at)) return true;
    h.count(false, at);
    return false;
  });
}

error throttle_call::refused() {
  if (entry_) [[likely]]
    return {};
  throttle_.rejected_.fetch_add(1, std::memory_order_relaxed);
  return refusal(errc::overloaded, throttle_, "too many calls fail", throttle_.options_.window / 10);
}

void throttle_call::leave(verdict v) noexcept {
  const time_point at = now();
  throttle_.histories_.leave(*std::exchange(entry_, nullptr),
                             [&](throttle_history& h) { h.count(v != verdict::failure, at); });
  if (v == verdict::failure) throttle_.failed_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace detail

throttle::throttle(throttle_options options)
    : policy(std::make_shared<detail::listed<detail::throttle_state>>(std::move(options))) {}

}  // namespace tandem::resilience
