#include <tandem/resilience/retry.hpp>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include <tandem/errors/retry_after.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/worker.hpp>

#include "text.hpp"

namespace tandem::resilience {
namespace {

constexpr std::size_t first_kept = 3;
constexpr std::size_t last_kept = 5;

void count(std::atomic<std::uint64_t>& counter) noexcept { counter.fetch_add(1, std::memory_order_relaxed); }

retry_options checked(retry_options o) {
  if (o.attempts == 0) throw std::invalid_argument("retry: attempts must be at least 1: the first is one of them");
  if (o.total < duration::zero()) throw std::invalid_argument("retry: the total must not be less than zero");
  if (o.backoff.seed != 0)
    throw std::invalid_argument("retry: with a seed all calls would make the same pauses; leave it zero");
  if (const auto fine = tandem::detail::check_backoff(o.backoff); !fine)
    throw std::invalid_argument("retry: " + fine.error().message());
  if (!o.retriable) o.retriable = [](const error& e) { return retry_advice(e); };
  return o;
}

std::uint64_t some_seed() noexcept {
  const std::uint64_t high = tandem::detail::next_random();
  return high << 32 | tandem::detail::next_random();
}

}  // namespace

bool had_no_effect(const error& e) noexcept {
  switch (e.code()) {
    case errc::aborted:
    case errc::would_block:
    case errc::overloaded:
    case errc::circuit_open:
      return true;
    default:
      return false;
  }
}

namespace detail {

retry_state::retry_state(retry_options options)
    : policy_state("retry", options.name), options_(checked(std::move(options))) {}

std::string retry_state::settings() const {
  const backoff_options& b = options_.backoff;
  std::string text = fmt::format("{} attempts, pauses {} to {}", options_.attempts, text_of(b.initial), text_of(b.max));
  if (options_.total > duration::zero()) text += ", within " + text_of(options_.total);
  if (options_.budget) text += ", budget " + options_.budget->name();
  return text;
}
std::string retry_state::state() const {
  return fmt::format("{} retries of {} calls, {} recovered", retries_.load(std::memory_order_relaxed),
                     calls_.load(std::memory_order_relaxed), recovered_.load(std::memory_order_relaxed));
}
std::vector<policy_counter> retry_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)},
          {"retries", retries_.load(std::memory_order_relaxed)},
          {"recovered", recovered_.load(std::memory_order_relaxed)},
          {"exhausted", exhausted_.load(std::memory_order_relaxed)},
          {"refused_by_budget", refused_.load(std::memory_order_relaxed)},
          {"stopped_by_deadline", out_of_time_.load(std::memory_order_relaxed)}};
}

retry_course::retry_course(retry_state& state, const call& c) noexcept
    : state_(state), call_(c), start_(tandem::now()) {
  call_.attempt = 1;
  count(state_.calls_);
  if (state_.options_.budget && c.copy == 0) state_.options_.budget->called(call_);
}

void retry_course::succeeded() noexcept {
  if (call_.attempt > 1) count(state_.recovered_);
}

bool retry_course::goes_on_after(error e) {
  const tandem::retry advice = state_.options_.retriable(e);
  const bool is_over = this_task::context().is_over();
  const bool makes_sense = (advice == tandem::retry::now || advice == tandem::retry::after_backoff) &&
                           (call_.idempotent || had_no_effect(e)) && !is_over;
  if (!makes_sense && call_.attempt == 1) {
    verdict_ = std::move(e);
    return false;
  }
  std::string why;
  if (makes_sense) {
    plan_pause(advice, e);
    why = obstacle();
  } else {
    why = is_over ? "the context is over" : "the last error is not to be tried again";
  }
  const errc code = e.code();
  keep(std::move(e));
  if (!why.empty()) give_up(why, code);
  return why.empty();
}

void retry_course::plan_pause(tandem::retry advice, const error& e) {
  pause_ = retry_after_of(e).value_or(duration::zero());
  if (advice == tandem::retry::now) return;
  if (!backoff_) backoff_.emplace(state_.options_.backoff, some_seed());
  pause_ += std::min<duration>(backoff_->next(), std::chrono::years(100));  // the sum must not overflow
}

std::string retry_course::obstacle() {
  const retry_options& options = state_.options_;
  if (call_.attempt == options.attempts) {
    count(state_.exhausted_);
    return fmt::format("gave up after {} attempt{}", call_.attempt, call_.attempt == 1 ? "" : "s");
  }
  const time_point next = deadline_in(pause_);
  const bool past_total = options.total > duration::zero() && next > deadline_after(start_, options.total);
  if (past_total || next >= this_task::context().deadline()) {
    count(state_.out_of_time_);
    return fmt::format("the next pause, of {}, would pass {}", text_of(pause_),
                       past_total ? "the total of " + text_of(options.total) : "the deadline");
  }
  if (options.budget && !options.budget->spend()) {
    count(state_.refused_);
    return "the budget for retries is spent";
  }
  return {};
}

void retry_course::next() noexcept {
  ++call_.attempt;
  count(state_.retries_);
}

void retry_course::end_in_pause(error why) {
  const errc code = why.code();
  if (state_.options_.budget) state_.options_.budget->give_back();
  errors_.push_back(std::move(why));
  give_up(fmt::format("the context ended before attempt {}", call_.attempt + 1), code);
}

void retry_course::keep(error e) {
  if (errors_.size() == first_kept + last_kept) {
    errors_.erase(errors_.begin() + first_kept);
    ++left_out_;
  }
  errors_.push_back(
      with_message(std::move(e), fmt::format("attempt {} after {}", call_.attempt, text_of(tandem::now() - start_))));
}

void retry_course::give_up(const std::string& why, errc code) {
  const std::string all = left_out_ == 0 ? why : fmt::format("{} ({} left out)", why, left_out_);
  verdict_ = errors_.size() == 1 ? wrap(std::move(errors_.front()), all) : wrap(join(std::move(errors_)), code, all);
}

}  // namespace detail

retry::retry(retry_options options)
    : policy(std::make_shared<detail::listed<detail::retry_state>>(std::move(options))) {}

}  // namespace tandem::resilience
