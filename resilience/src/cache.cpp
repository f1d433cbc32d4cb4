#include <tandem/resilience/cache.hpp>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include <fmt/format.h>

#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/detail/worker.hpp>

#include "text.hpp"

namespace tandem::resilience::detail {
namespace {

cache_options checked(cache_options o, bool weighs) {
  if (o.max_entries < 1 || o.max_entries > std::size_t{1} << 31)
    throw std::invalid_argument("cache: max_entries must be from 1 to 2^31");
  if (weighs != (o.max_weight > 0))
    throw std::invalid_argument("cache: a weigher and max_weight make sense together only");
  if (o.ttl <= duration::zero()) throw std::invalid_argument("cache: the ttl must be more than zero");
  if (!(o.ttl_jitter >= 0 && o.ttl_jitter <= 0.5))
    throw std::invalid_argument("cache: ttl_jitter must be from 0 to 0.5");
  if (!(o.refresh_after >= 0 && o.refresh_after < 1))
    throw std::invalid_argument("cache: refresh_after is a share of the ttl, from 0 to less than 1");
  if (o.stale_for < duration::zero() || o.negative_ttl < duration::zero())
    throw std::invalid_argument("cache: stale_for and negative_ttl must not be less than zero");
  if (o.shards > o.max_entries) throw std::invalid_argument("cache: each shard must have room for an entry");
  return o;
}

constexpr bool is_for_ever(duration d) noexcept { return d == duration::max(); }

cache_times times_of(const cache_options& o) noexcept {
  // Of the shortest life: so a longer one has passed more than its share by then.
  const double window = static_cast<double>(o.ttl.count()) * (1 - o.ttl_jitter) * (1 - o.refresh_after);
  const bool refreshes = o.refresh_after > 0 && !is_for_ever(o.ttl);
  return {.longest = std::max(o.ttl, o.negative_ttl),
          .stale_for = o.stale_for,
          .refresh_window = refreshes ? duration(static_cast<duration::rep>(window)) : duration::zero()};
}

unsigned shard_bits_of(const cache_options& o) {
  constexpr std::size_t worth_it = 1024;
  const unsigned bits = shard_bits(o.shards, "cache");
  const auto most = static_cast<unsigned>(std::bit_width(o.shards ? o.max_entries : o.max_entries / worth_it));
  return std::min(bits, most ? most - 1 : 0);  // rounding up must leave each an entry, too
}

// From 0 to less than 1. By threads that are no workers, from the time.
double random_share(time_point seed) noexcept {
  if (tandem::detail::tls_worker) return static_cast<double>(tandem::detail::next_random()) * 0x1p-32;
  return static_cast<double>(mixed(static_cast<std::uint64_t>(seed.time_since_epoch().count())) >> 11) * 0x1p-53;
}

}  // namespace

cache_counts& cache_counts::operator+=(const cache_counts& other) noexcept {
  hits += other.hits;
  negative_hits += other.negative_hits;
  misses += other.misses;
  expired += other.expired;
  loads += other.loads;
  failed_loads += other.failed_loads;
  stale_served += other.stale_served;
  refreshes += other.refreshes;
  evictions += other.evictions;
  entries += other.entries;
  weight += other.weight;
  return *this;
}

cache_state_base::cache_state_base(cache_options options, bool weighs)
    : policy_state("cache", options.name),
      options_(checked(std::move(options), weighs)),
      times_(times_of(options_)),
      reads_clock_(!is_for_ever(options_.ttl) || options_.negative_ttl > duration::zero()),
      bits_(shard_bits_of(options_)) {}

cache_state_base::~cache_state_base() { life_.cancel(); }

time_point cache_state_base::end_of_value(time_point from) const noexcept {
  if (is_for_ever(options_.ttl)) return no_deadline;
  const double less = static_cast<double>(options_.ttl.count()) * options_.ttl_jitter * random_share(from);
  return deadline_after(from, options_.ttl - duration(static_cast<duration::rep>(less)));
}
time_point cache_state_base::end_of_error(time_point from) const noexcept {
  return deadline_after(from, options_.negative_ttl);
}

bool cache_state_base::keeps_error(errc code) const noexcept {
  return options_.negative_ttl > duration::zero() && std::ranges::count(options_.negative, code) > 0;
}
bool cache_state_base::prefers_stale(const error& e) const noexcept {
  return options_.stale_for > duration::zero() && (is_failure_of_target(e) || e.code() == errc::circuit_open);
}

spawn_options cache_state_base::refresh_options() {
  tandem::detail::context_state& root =
      tandem::detail::root_context_of(tandem::detail::scheduler_of_caller("a cache's refresh"));
  tandem::detail::retain(root);
  return spawn_options("cache refresh", context(&root));
}

std::string cache_state_base::settings() const {
  std::string text = fmt::format("{} entries", options_.max_entries);
  if (options_.max_weight) text += fmt::format(" of weight {}", options_.max_weight);
  if (!is_for_ever(options_.ttl)) text += ", ttl " + text_of(options_.ttl);
  if (times_.refresh_window > duration::zero()) text += ", refresh after " + percent(options_.refresh_after);
  if (options_.stale_for > duration::zero()) text += ", stale for " + text_of(options_.stale_for);
  if (options_.negative_ttl > duration::zero()) text += ", errors for " + text_of(options_.negative_ttl);
  return text;
}

std::string cache_state_base::state() const {
  const cache_counts c = counts();
  const std::uint64_t hits = c.hits + c.negative_hits;
  const std::uint64_t looks = hits + c.misses;
  std::string text = fmt::format("{} entries", c.entries);
  if (options_.max_weight) text += fmt::format(" of weight {}", c.weight);
  return text + ", " + percent(looks ? static_cast<double>(hits) / static_cast<double>(looks) : 0) + " hits";
}

std::vector<policy_counter> cache_state_base::counters() const {
  const cache_counts c = counts();
  return {{"hits", c.hits},           {"negative hits", c.negative_hits}, {"misses", c.misses},
          {"expired", c.expired},     {"loads", c.loads},                 {"failed loads", c.failed_loads},
          {"refreshes", c.refreshes}, {"stale served", c.stale_served},   {"evictions", c.evictions}};
}

}  // namespace tandem::resilience::detail
