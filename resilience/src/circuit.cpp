#include <tandem/resilience/detail/circuit.hpp>

#include <algorithm>

#include <tandem/resilience/breaker.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::resilience {

std::string_view to_string(circuit_state s) noexcept {
  switch (s) {
    case circuit_state::closed: break;
    case circuit_state::open: return "open";
    case circuit_state::half_open: return "half open";
  }
  return "closed";
}

namespace detail {
namespace {

std::int64_t width_of(const breaker_options& o) noexcept {
  return o.window_calls > 0 ? o.window_calls : o.window.count();
}

bool reached(double rate, std::uint32_t count, std::uint32_t calls) noexcept {
  return rate > 0 && static_cast<double>(count) >= rate * static_cast<double>(calls);
}

}  // namespace

circuit::tally& circuit::tally::operator+=(const tally& o) noexcept {
  calls += o.calls;
  failures += o.failures;
  slow += o.slow;
  return *this;
}
circuit::tally& circuit::tally::operator-=(const tally& o) noexcept {
  calls -= o.calls;
  failures -= o.failures;
  slow -= o.slow;
  return *this;
}

circuit::circuit(circuit_group& group) noexcept : group_(group), window_(width_of(group.rules)) {}

duration circuit::isolation() const noexcept {
  return group_.all_isolated() ? std::min(isolation_, group_.rules.isolation) : isolation_;
}

void circuit::notice(time_point at) noexcept {
  if (at < since_) [[unlikely]]
    since_ = at;
}

duration circuit::keeps_out_for(time_point at) const noexcept {
  if (state_ == circuit_state::closed) [[likely]]
    return duration::zero();
  if (state_ == circuit_state::half_open && probes_out_ < group_.rules.probes) return duration::zero();
  const duration wait = isolation();
  return wait - std::clamp(at - since_, duration::zero(), wait);
}

circuit_change circuit::let_in(time_point at) noexcept {
  if (state_ == circuit_state::closed) [[likely]]
    return {};
  circuit_change change;
  if (state_ == circuit_state::open)
    change = go(circuit_state::half_open, circuit_change::cause::isolation_over, 0, 0, at);
  ++probes_out_;
  since_ = at;
  return change;
}

circuit_change circuit::ended(std::uint32_t generation, verdict v, bool slow, time_point at) noexcept {
  if (generation != generation_) return {};
  return state_ == circuit_state::half_open ? probed(v, slow, at) : count(v, slow, at);
}

circuit_change circuit::count(verdict v, bool slow, time_point at) noexcept {
  using enum circuit_change::cause;
  if (v == verdict::neither && !slow) return {};
  const breaker_options& o = group_.rules;
  const bool failed = v == verdict::failure;
  in_a_row_ = failed ? in_a_row_ + 1 : v == verdict::success ? 0 : in_a_row_;
  if (failed && o.failures_in_a_row > 0 && in_a_row_ >= o.failures_in_a_row) return open(in_a_row, in_a_row_, 0, at);
  if (o.failure_rate <= 0 && o.slow_rate <= 0) return {};
  const std::int64_t position = o.window_calls > 0 ? calls_++ : at.time_since_epoch().count();
  window_.add(position, {1, failed ? 1U : 0U, slow ? 1U : 0U});
  const tally& all = window_.total(position);
  if (all.calls < o.least_calls) return {};
  if (failed && reached(o.failure_rate, all.failures, all.calls))
    return open(failure_rate, all.failures, all.calls, at);
  if (slow && reached(o.slow_rate, all.slow, all.calls)) return open(slow_rate, all.slow, all.calls, at);
  return {};
}

circuit_change circuit::probed(verdict v, bool slow, time_point at) noexcept {
  using enum circuit_change::cause;
  if (probes_out_ > 0) --probes_out_;
  if (v == verdict::failure || (slow && group_.rules.slow_rate > 0)) return open(probe_failed, 0, 0, at);
  if (v == verdict::neither || ++in_a_row_ < group_.rules.successes) return {};
  return go(circuit_state::closed, probes_succeeded, in_a_row_, 0, at);
}

circuit_change circuit::open(circuit_change::cause why, std::uint32_t count, std::uint32_t of, time_point at) noexcept {
  const breaker_options& o = group_.rules;
  const bool anew = doubled_ == duration::zero() || (state_ == circuit_state::closed && at - since_ >= o.reset_after);
  doubled_ = anew || group_.all_isolated() ? o.isolation : std::min(2 * doubled_, o.longest_isolation);
  const double less = o.jitter * static_cast<double>(tandem::detail::next_random()) * 0x1p-32;
  isolation_ = doubled_ - duration(static_cast<duration::rep>(static_cast<double>(doubled_.count()) * less));
  return go(circuit_state::open, why, count, of, at);
}

circuit_change circuit::go(circuit_state to, circuit_change::cause why, std::uint32_t count, std::uint32_t of,
                           time_point at) noexcept {
  const circuit_change change{state_, to, why, count, of};
  count_as(to);
  state_ = to;
  ++generation_;
  since_ = at;
  in_a_row_ = 0;
  probes_out_ = 0;
  calls_ = 0;
  window_.clear();
  return change;
}

void circuit::count_as(circuit_state s) noexcept {
  const bool was = state_ != circuit_state::closed;
  const bool is = s != circuit_state::closed;
  if (is && !was) group_.not_closed.fetch_add(1, std::memory_order_relaxed);
  if (was && !is) group_.not_closed.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace tandem::resilience
