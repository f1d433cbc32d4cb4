#include <tandem/resilience/shed.hpp>

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "refusal.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

shed_options checked(shed_options o) {
  if (o.limit < 1) throw std::invalid_argument("shed: the limit must be at least 1: nothing else would get in");
  check(o.shares, "shed");
  return o;
}

}  // namespace

void check(const criticality_shares& shares, const char* who) {
  double least = 0;
  for (const double share : shares) {
    if (!(share >= least && share <= 1))
      throw std::invalid_argument(std::string(who) + ": the shares must rise from 0 to 1, sheddable first");
    least = share;
  }
  if (least < 1) throw std::invalid_argument(std::string(who) + ": the last share must be 1, or a part is never used");
}

shed_state::shed_state(shed_options options)
    : policy_state("shed", options.name), options_(checked(std::move(options))) {}

bool shed_state::admits(const call& c) const noexcept {
  return has_room(options_.shares, c.matters, inside_.load(std::memory_order_relaxed), options_.limit);
}

std::string shed_state::settings() const {
  return fmt::format("{} at once; {:.3g}/{:.3g}/{:.3g}/{:.3g}% by criticality", options_.limit,
                     options_.shares[0] * 100, options_.shares[1] * 100, options_.shares[2] * 100,
                     options_.shares[3] * 100);
}
std::string shed_state::state() const {
  return fmt::format("{} of {} inside", inside_.load(std::memory_order_relaxed), options_.limit);
}
std::vector<policy_counter> shed_state::counters() const {
  const auto count = [](const auto& n) { return n.load(std::memory_order_relaxed); };
  return {{"let_in", count(let_in_)},
          {"rejected_sheddable", count(rejected_[0])},
          {"rejected_sheddable_plus", count(rejected_[1])},
          {"rejected_critical", count(rejected_[2])},
          {"rejected_critical_plus", count(rejected_[3])}};
}

shed_call::shed_call(shed_state& s, const call& c) noexcept : shed_(s), call_(c) {
  std::uint32_t had = s.inside_.load(std::memory_order_relaxed);
  while (has_room(s.options_.shares, c.matters, had, s.options_.limit) &&
         !(inside_ = s.inside_.compare_exchange_weak(had, had + 1, std::memory_order_relaxed))) {}
  if (!inside_) [[unlikely]]
    return;
  s.let_in_.fetch_add(1, std::memory_order_relaxed);
  began_ = now();
}

shed_call::~shed_call() {
  if (!inside_) return;
  shed_.takes_.add(now() - began_);
  shed_.inside_.fetch_sub(1, std::memory_order_relaxed);
}

error shed_call::refused() {
  if (inside_) [[likely]]
    return {};
  shed_.rejected_[place_of(call_.matters)].fetch_add(1, std::memory_order_relaxed);
  return refusal(errc::overloaded, shed_, "too many calls inside", shed_.takes_.get());
}

}  // namespace detail

shed::shed(shed_options options) : policy(std::make_shared<detail::listed<detail::shed_state>>(std::move(options))) {}

}  // namespace tandem::resilience
