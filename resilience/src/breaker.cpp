#include <tandem/resilience/breaker.hpp>

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "refusal.hpp"
#include "text.hpp"

namespace tandem::resilience {

namespace detail {
namespace {

breaker_options checked(breaker_options o) {
  const auto demand = [](bool so, const char* what) {
    if (!so) throw std::invalid_argument(std::string("breaker: ") + what);
  };
  demand(o.failure_rate >= 0 && o.failure_rate <= 1, "failure_rate must be from 0 to 1; 0 turns it off");
  demand(o.slow_rate >= 0 && o.slow_rate <= 1, "slow_rate must be from 0 to 1; 0 turns it off");
  demand(o.slow >= duration::zero(), "slow must not be less than zero");
  demand((o.slow_rate > 0) == (o.slow > duration::zero()), "slow and slow_rate go together: give both, or none");
  demand(o.failures_in_a_row > 0 || o.failure_rate > 0 || o.slow_rate > 0, "nothing would ever open it");
  demand(o.window > duration::zero(), "the window must be more than zero");
  demand(o.least_calls >= 1, "least_calls must be at least 1");
  demand(o.window_calls == 0 || o.window_calls >= o.least_calls, "window_calls must not be less than least_calls");
  demand(o.isolation > duration::zero(), "the isolation time must be more than zero");
  demand(o.longest_isolation >= o.isolation, "longest_isolation must not be less than isolation");
  demand(o.longest_isolation <= std::chrono::days(1), "longest_isolation must be no more than a day");
  demand(o.reset_after >= duration::zero(), "reset_after must not be less than zero");
  demand(o.jitter >= 0 && o.jitter < 1, "the jitter must be from 0 to less than 1");
  demand(o.probes >= 1 && o.successes >= 1, "probes and successes must be at least 1: nothing else would close it");
  demand(o.most_states >= 1, "most_states must be at least 1");
  return o;
}

std::string text_of(const circuit_change& c) {
  switch (c.why) {
    case circuit_change::cause::in_a_row: break;
    case circuit_change::cause::failure_rate: return fmt::format("{} of {} calls failed", c.count, c.of);
    case circuit_change::cause::slow_rate: return fmt::format("{} of {} calls were slow", c.count, c.of);
    case circuit_change::cause::isolation_over: return "the isolation time is over";
    case circuit_change::cause::probe_failed: return "a probe failed";
    case circuit_change::cause::probes_succeeded: return "the probes succeeded";
  }
  return fmt::format("{} failures in a row", c.count);
}

void add(std::atomic<std::uint64_t>& counter) noexcept { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

breaker_state::breaker_state(breaker_options options)
    : policy_state("breaker", options.name),
      circuit_group(options_),
      options_(checked(std::move(options))),
      circuits_(*this, options_.per, options_.most_states) {}

bool breaker_state::all_isolated() const noexcept {
  if (options_.per != state_per::target && options_.per != state_per::target_and_method) return false;
  const std::size_t kept = circuits_.count();
  return kept >= 2 && not_closed.load(std::memory_order_relaxed) >= kept;
}

bool breaker_state::admits(const call& c) const noexcept {
  const mode m = mode_.load(std::memory_order_relaxed);
  if (m != mode::automatic) return m == mode::forced_closed;
  bool admitted = true;
  circuits_.look(c, [&](const circuit& one) { admitted = one.keeps_out_for(now()) <= duration::zero(); });
  return admitted;
}

circuit_state breaker_state::state_of(const call& c) const noexcept {
  const mode m = mode_.load(std::memory_order_relaxed);
  if (m != mode::automatic) return m == mode::forced_open ? circuit_state::open : circuit_state::closed;
  circuit_state found = circuit_state::closed;
  circuits_.look(c, [&](const circuit& one) { found = one.state(); });
  return found;
}

void breaker_state::tell(const call& c, const circuit_change& change) noexcept {
  if (change.to == circuit_state::open) add(opened_);
  if (options_.on_change) options_.on_change({change.from, change.to, c.target, c.method, text_of(change)});
}

std::string breaker_state::settings() const {
  std::string text;
  const auto part = [&](const std::string& p) { text += (text.empty() ? "" : " or ") + p; };
  const std::string among =
      options_.window_calls > 0 ? fmt::format("{} calls", options_.window_calls) : detail::text_of(options_.window);
  if (options_.failures_in_a_row > 0) part(fmt::format("{} failures in a row", options_.failures_in_a_row));
  if (options_.failure_rate > 0) part(fmt::format("{} failed in {}", percent(options_.failure_rate), among));
  if (options_.slow_rate > 0)
    part(fmt::format("{} over {} in {}", percent(options_.slow_rate), detail::text_of(options_.slow), among));
  text += fmt::format(", open for {} to {}", detail::text_of(options_.isolation),
                      detail::text_of(options_.longest_isolation));
  if (options_.per != state_per::policy) text += fmt::format(", per {}", to_string(options_.per));
  return text;
}

std::string breaker_state::state() const {
  const mode m = mode_.load(std::memory_order_relaxed);
  if (m != mode::automatic) return m == mode::forced_open ? "forced open" : "forced closed";
  const std::uint64_t rejected = rejected_.load(std::memory_order_relaxed);
  if (options_.per == state_per::policy) return fmt::format("{}, {} rejected", to_string(state_of(call{})), rejected);
  const std::size_t kept = circuits_.count();
  const std::size_t isolated = not_closed.load(std::memory_order_relaxed);
  return fmt::format("{} of {} closed, {} rejected", kept - std::min(kept, isolated), kept, rejected);
}

std::vector<policy_counter> breaker_state::counters() const {
  return {{"calls", circuits_.entered()},
          {"rejected", rejected_.load(std::memory_order_relaxed)},
          {"failed", failed_.load(std::memory_order_relaxed)},
          {"slow", slow_.load(std::memory_order_relaxed)},
          {"opened", opened_.load(std::memory_order_relaxed)}};
}

breaker_call::breaker_call(breaker_state& b, const call& c) : breaker_(b), call_(c) {
  const auto mode = b.mode_.load(std::memory_order_relaxed);
  if (mode != breaker_state::mode::automatic) [[unlikely]] {
    let_in_ = mode == breaker_state::mode::forced_closed;
    wait_ = b.options_.longest_isolation;
    return;
  }
  circuit_change change;
  began_ = now();
  entry_ = b.circuits_.enter(c, [&](circuit& one) {
    one.notice(began_);
    wait_ = one.keeps_out_for(began_);
    if (wait_ > duration::zero()) return false;
    change = one.let_in(began_);
    generation_ = one.generation();
    return true;
  });
  let_in_ = entry_ != nullptr;
  if (change) [[unlikely]]
    b.tell(c, change);
}

error breaker_call::refused() {
  if (let_in_) [[likely]]
    return {};
  add(breaker_.rejected_);
  std::string why = "open";
  if (!call_.target.empty()) why.append(" for ").append(call_.target);
  return refusal(errc::circuit_open, breaker_, why, wait_);
}

void breaker_call::leave(verdict v) noexcept {
  const time_point at = now();
  const bool slow = breaker_.options_.slow > duration::zero() && at - began_ > breaker_.options_.slow;
  circuit_change change;
  breaker_.circuits_.leave(*std::exchange(entry_, nullptr), [&](circuit& one) {
    one.notice(at);
    change = one.ended(generation_, v, slow, at);
  });
  if (v == verdict::failure) add(breaker_.failed_);
  if (slow) add(breaker_.slow_);
  if (change) [[unlikely]]
    breaker_.tell(call_, change);
}

}  // namespace detail

breaker::breaker(breaker_options options)
    : policy(std::make_shared<detail::listed<detail::breaker_state>>(std::move(options))) {}

}  // namespace tandem::resilience
