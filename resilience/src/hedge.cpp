#include <tandem/resilience/hedge.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/retry_after.hpp>
#include <tandem/runtime/detail/worker.hpp>

#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t least_for_failure_rate = 20;

hedge_options checked(hedge_options o) {
  const auto must = [](bool fine, const char* advice) {
    if (!fine) throw std::invalid_argument(std::string("hedge: ") + advice);
  };
  must(!o.delay || *o.delay > 0ns, "the delay must be more than zero; to send two copies at once there is send_tied()");
  must(o.quantile > 0 && o.quantile < 1, "the quantile must be between 0 and 1, as 0.95 is");
  must(o.floor > 0ns, "the floor must be more than zero");
  must(o.window >= 1ms && o.window <= 24h, "the window must be from 1 ms to a day");
  must(o.copies >= 2 && o.copies <= max_hedge_copies, "copies must be from 2, the first one included, to 8");
  must(o.max_failure_rate >= 0 && o.max_failure_rate <= 1, "max_failure_rate must be from 0 to 1");
  for (auto at = o.targets.begin(); at != o.targets.end(); ++at) {
    must(!at->empty(), "a target has no name");
    must(std::find(std::next(at), o.targets.end(), *at) == o.targets.end(), "a target is given twice");
  }
  return o;
}

std::size_t random_below(std::size_t n) noexcept { return tandem::detail::next_random() % n; }

}  // namespace

const error& another_copy_won() noexcept {
  static const error why = make_sentinel(errc::cancelled, "another copy won");
  return why;
}

bool targets_asked::contains(std::size_t target) const noexcept {
  return std::find(index.begin(), index.begin() + count, target) != index.begin() + count;
}

hedge_state::hedge_state(hedge_options options)
    : policy_state("hedge", options.name),
      options_(checked(std::move(options))),
      budget_(options_.budget ? *options_.budget : retry_budget({.share = 0.05, .name = name() + " budget"})),
      latencies_(options_.quantile, options_.window, options_.warm_up),
      targets_(std::max<std::size_t>(options_.targets.size(), 1)) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    targets_[i].left_alone_until.store(time_point::min().time_since_epoch().count(), std::memory_order_relaxed);
    if (!options_.targets.empty()) targets_[i].name = options_.targets[i];
  }
}

std::optional<duration> hedge_state::delay(time_point at) noexcept {
  if (options_.delay) return options_.delay;
  const auto live = latencies_.quantile(at);
  if (!live) return live;
  return std::max(*live, options_.floor);
}

std::optional<duration> hedge_state::begin(call& c, time_point at) noexcept {
  count(counter::calls);
  budget_.called(c);
  const auto until_next = delay(at);
  if (!until_next && c.idempotent) count(counter::warming_up);
  return until_next;
}

hedge_state::suits hedge_state::suitable(std::size_t target, call& c, const inner_policies& inside,
                                         const targets_asked& asked, time_point at) const noexcept {
  if (!options_.targets.empty()) {
    if (asked.contains(target)) return suits::no;
    c.target = targets_[target].name;
  }
  if (!inside.admit(c)) return suits::no;
  const bool wants_peace =
      at.time_since_epoch().count() < targets_[target].left_alone_until.load(std::memory_order_relaxed);
  return wants_peace ? suits::pushback : suits::yes;
}

// From a random place on, the first that suits; and from another one, so that a choice between two spreads the load.
hedge_state::suits hedge_state::pick(call& c, const inner_policies& inside, const targets_asked& asked, time_point at,
                                     std::size_t& picked) const noexcept {
  const std::size_t n = targets_.size();
  const std::size_t start = n == 1 ? 0 : random_below(n);
  suits best = suits::no;
  picked = start;
  for (std::size_t i = 0; i < n && best != suits::yes; ++i) {
    const std::size_t t = (start + i) % n;
    const suits s = suitable(t, c, inside, asked, at);
    if (s == suits::yes || (s == suits::pushback && best == suits::no)) {
      best = s;
      picked = t;
    }
  }
  if (best != suits::yes || n == 1) return best;
  const auto load = [this](std::size_t of) { return targets_[of].inflight.load(std::memory_order_relaxed); };
  const std::size_t second = random_below(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t t = (second + i) % n;
    if (t == picked || suitable(t, c, inside, asked, at) != suits::yes) continue;
    if (load(t) < load(picked)) picked = t;
    break;
  }
  return best;
}

std::size_t hedge_state::choose(call& c, const inner_policies& inside, targets_asked& asked,
                                time_point at) const noexcept {
  if (options_.targets.empty()) return 0;
  std::size_t picked = 0;
  (void)pick(c, inside, asked, at, picked);
  c.target = targets_[picked].name;
  asked.index[asked.count++] = picked;
  return picked;
}

std::optional<std::size_t> hedge_state::choose_another(call& c, const inner_policies& inside, targets_asked& asked,
                                                       time_point at) noexcept {
  const auto suppressed = [this](counter why) {
    count(why);
    return std::nullopt;
  };
  if (latencies_.failure_rate(least_for_failure_rate) > options_.max_failure_rate)
    return suppressed(counter::failure_rate);
  if (inflight() > options_.max_inflight) return suppressed(counter::load);
  std::size_t picked = 0;
  switch (pick(c, inside, asked, at, picked)) {
    case suits::no: return suppressed(counter::no_other_target);
    case suits::pushback: return suppressed(counter::pushback);
    case suits::yes: break;
  }
  if (!budget_.spend()) return suppressed(counter::budget);
  if (!options_.targets.empty()) c.target = targets_[picked].name;
  asked.index[asked.count++] = picked;
  count(counter::hedged);
  return picked;
}

hedge_state::copy_in_flight::copy_in_flight(hedge_state& of, std::size_t target) noexcept
    : target_(&of.targets_[target]) {
  target_->inflight.fetch_add(1, std::memory_order_relaxed);
}
void hedge_state::copy_in_flight::end() noexcept {
  if (target_) std::exchange(target_, nullptr)->inflight.fetch_sub(1, std::memory_order_relaxed);
}
std::size_t hedge_state::inflight() const noexcept {
  std::size_t all = 0;
  for (const target_state& t : targets_) all += t.inflight.load(std::memory_order_relaxed);
  return all;
}

void hedge_state::failed(std::size_t target, const error& e, time_point at) noexcept {
  if (is_failure_of_target(e)) latencies_.record_failure(at);
  const auto wait = retry_after_of(e);
  if (!wait) return;
  const time_point::rep until = deadline_after(at, *wait).time_since_epoch().count();
  auto& noted = targets_[target].left_alone_until;
  time_point::rep before = noted.load(std::memory_order_relaxed);
  while (before < until && !noted.compare_exchange_weak(before, until, std::memory_order_relaxed)) {
  }
}

std::string hedge_state::settings() const {
  std::string text = options_.delay ? "after " + text_of(*options_.delay)
                                    : fmt::format("after p{:.4g}, at least {}", options_.quantile * 100,
                                                  text_of(options_.floor));
  text += fmt::format(", {} copies", options_.copies);
  if (!options_.targets.empty()) text += fmt::format(", {} targets", options_.targets.size());
  return text;
}

std::string hedge_state::state() const {
  return fmt::format("{} in flight; {} calls, {} hedges sent, {} of them won", inflight(),
                     read(counter::calls), read(counter::hedged), read(counter::won));
}

std::vector<policy_counter> hedge_state::counters() const {
  static constexpr std::array<std::string_view, counter_count> names{
      "calls",
      "hedged",
      "won",
      "wasted",
      "suppressed_not_idempotent",
      "suppressed_warm_up",
      "suppressed_failure_rate",
      "suppressed_load",
      "suppressed_no_other_target",
      "suppressed_pushback",
      "suppressed_budget"};
  std::vector<policy_counter> all;
  for (std::size_t i = 0; i < counter_count; ++i) all.push_back({names[i], read(static_cast<counter>(i))});
  return all;
}

}  // namespace detail

hedge::hedge(hedge_options options)
    : policy(std::make_shared<detail::listed<detail::hedge_state>>(std::move(options))) {}

}  // namespace tandem::resilience
