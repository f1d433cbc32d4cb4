#include <tandem/resilience/adaptive_limit.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "refusal.hpp"
#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

adaptive_limit_options checked(adaptive_limit_options o) {
  if (!(o.least >= 1 && o.least <= o.initial && o.initial <= o.most && o.most <= 1e6))
    throw std::invalid_argument("adaptive_limit: it must be 1 <= least <= initial <= most <= 10^6");
  if (o.window <= duration::zero()) throw std::invalid_argument("adaptive_limit: the window must be more than zero");
  if (o.window_calls < 1 || o.window_calls > 1'000'000)
    throw std::invalid_argument("adaptive_limit: window_calls must be from 1 to 10^6");
  if (o.remeasure < 1) throw std::invalid_argument("adaptive_limit: remeasure must be at least 1");
  check(o.shares, "adaptive_limit");
  return o;
}

}  // namespace

adaptive_state::adaptive_state(adaptive_limit_options options)
    : policy_state("adaptive_limit", options.name), options_(checked(std::move(options))), limit_(options_.initial) {}

double adaptive_state::limit_now() const noexcept { return measuring() ? std::max(1.0, limit_ / 2) : limit_; }
bool adaptive_state::has_room_for(criticality matters) const noexcept {
  return has_room(options_.shares, matters, inside_, limit_now());
}

bool adaptive_state::admits(const call& c) const noexcept {
  const std::lock_guard hold(lock_);
  return has_room_for(c.matters);
}
double adaptive_state::limit() const noexcept {
  const std::lock_guard hold(lock_);
  return limit_;
}

void adaptive_state::begin_window(time_point at) noexcept {
  since_ = at;
  most_inside_ = inside_;
  ++sample_;
  begun_ = 0;
  left_ = 0;
  done_ = 0;
  failed_ = 0;
  sum_ = 0;
}

void adaptive_state::count(verdict v, duration took) noexcept {
  const double length = static_cast<double>(std::max(took, duration::zero()).count());
  ++left_;
  if (v == verdict::failure) {
    ++failed_;
  } else if (v == verdict::success || length > base_) {
    ++done_;
    sum_ += length;
  }
}

bool adaptive_state::window_is_over(time_point at) const noexcept {
  const double length = static_cast<double>((at - since_).count());
  // Not before what it changes shows in how long calls take: else it would swing.
  if (!measuring())
    return done_ + failed_ >= options_.window_calls && at - since_ >= options_.window && length >= mean_;
  // All of the sample, for the short ones end first; but what hangs is not waited for.
  const std::uint32_t all = sample_size();
  return left_ >= all || (left_ >= all / 2 && done_ > 0 && length > 30 * sum_ / done_);
}

void adaptive_state::end_window(time_point at) noexcept {
  if (at < since_) return begin_window(at);  // the clock went back
  if (!window_is_over(at)) return;
  if (done_ > 0) mean_ = sum_ / done_;
  if (failed_ * 10ULL > done_ + failed_) {
    limit_ = std::max(limit_ * 0.9, options_.least);
  } else if (!measuring()) {
    adapt();
    // A limit that falls so far more likely has a base that is none any more.
    windows_left_ = limit_ < limit_at_base_ / 2 ? 0 : windows_left_ - 1;
  } else if (done_ > 0) {
    const bool near = mean_ > 0.8 * base_ && mean_ < 1.25 * base_;  // noise, rather than that things have changed
    base_ = near ? (3 * base_ + mean_) / 4 : mean_;
    limit_at_base_ = limit_;
    windows_left_ = options_.remeasure;
  }
  begin_window(at);
}

void adaptive_state::adapt() noexcept {
  const double gradient = mean_ > 0 ? std::clamp(1.1 * base_ / mean_, 0.5, 1.0) : 1.0;
  const double aim = limit_ * gradient + std::max(0.25, limit_ / 20);
  if (aim > limit_ && most_inside_ < 0.8 * limit_) return;
  limit_ = std::clamp((limit_ + aim) / 2, options_.least, options_.most);
}

std::string adaptive_state::settings() const {
  return fmt::format("{:.4g} to {:.4g} at once, changed each {}", options_.least, options_.most,
                     text_of(options_.window));
}
std::string adaptive_state::state() const {
  const std::lock_guard hold(lock_);
  return fmt::format("{} of {:.1f} inside, {} rejected", inside_, limit_now(), rejected_);
}
std::vector<policy_counter> adaptive_state::counters() const {
  const std::lock_guard hold(lock_);
  return {{"let_in", let_in_}, {"rejected", rejected_}};
}

adaptive_call::adaptive_call(adaptive_state& s, const call& c) noexcept : state_(s), began_(now()) {
  const std::lock_guard hold(s.lock_);
  inside_ = s.has_room_for(c.matters);
  if (!inside_) {
    ++s.rejected_;
    return;
  }
  if (s.let_in_++ == 0) s.begin_window(began_);
  s.most_inside_ = std::max(s.most_inside_, ++s.inside_);
  if (s.begun_ < s.sample_size()) {
    ++s.begun_;
    sample_ = s.sample_;
  }
}

error adaptive_call::refused() {
  if (inside_) [[likely]]
    return {};
  double mean = 0;
  {
    const std::lock_guard hold(state_.lock_);
    mean = state_.mean_;
  }
  const duration wait(static_cast<duration::rep>(mean));
  return refusal(errc::overloaded, state_, "too many calls at once",
                 wait > duration::zero() ? wait : state_.options_.window);
}

void adaptive_call::leave(verdict v) noexcept {
  inside_ = false;
  const time_point at = now();
  const std::lock_guard hold(state_.lock_);
  --state_.inside_;
  if (!state_.measuring() || sample_ == state_.sample_) state_.count(v, at - began_);
  state_.end_window(at);
}

}  // namespace detail

adaptive_limit::adaptive_limit(adaptive_limit_options options)
    : policy(std::make_shared<detail::listed<detail::adaptive_state>>(std::move(options))) {}

}  // namespace tandem::resilience
