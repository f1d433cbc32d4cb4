#include <tandem/resilience/detail/latency_histogram.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace tandem::resilience::detail {

using namespace std::chrono_literals;

latency_histogram::latency_histogram(double quantile, duration window, std::uint64_t least) noexcept
    : quantile_(quantile), window_(window), least_(std::max<std::uint64_t>(least, 1)) {}

void latency_histogram::half::clear() noexcept {
  for (auto& count : counts) count.store(0, std::memory_order_relaxed);
  records.store(0, std::memory_order_relaxed);
  failures.store(0, std::memory_order_relaxed);
}

std::size_t latency_histogram::bucket_of(duration took) noexcept {
  const auto least = std::uint64_t{1} << first_bit;
  const auto most = (std::uint64_t{1} << (last_bit + 1)) - 1;
  const auto ns = std::clamp(static_cast<std::uint64_t>(std::max<duration::rep>(took.count(), 0)), least, most);
  const int top = std::bit_width(ns) - 1;
  return (static_cast<std::size_t>(top - first_bit) << sub_bits) + ((ns >> (top - sub_bits)) & ((1U << sub_bits) - 1));
}

duration latency_histogram::middle_of(std::size_t bucket) noexcept {
  const auto top = first_bit + static_cast<int>(bucket >> sub_bits);
  const auto steps = (std::uint64_t{1} << sub_bits) + (bucket & ((1U << sub_bits) - 1));
  return duration((2 * steps + 1) << (top - sub_bits - 1));
}

latency_histogram::half& latency_histogram::turn(time_point at) noexcept {
  const time_point::rep to = at.time_since_epoch().count();
  time_point::rep since = young_since_.load(std::memory_order_relaxed);
  const time_point::rep window = window_.count();
  const time_point::rep age = to - since;
  const unsigned young = young_.load(std::memory_order_relaxed);
  if ((age < window && age >= -window) ||
      !young_since_.compare_exchange_strong(since, to, std::memory_order_relaxed)) [[likely]]
    return halves_[young];
  // Nobody writes to the old half any more, unless it was held up for a whole window.
  half& old = halves_[1 - young];
  old.clear();
  if (age < 0 || age >= 2 * window) halves_[young].clear();
  young_.store(1 - young, std::memory_order_relaxed);
  return old;
}

void latency_histogram::record(duration took, time_point at) noexcept {
  half& here = turn(at);
  here.counts[bucket_of(took)].fetch_add(1, std::memory_order_relaxed);
  here.records.fetch_add(1, std::memory_order_relaxed);
}

void latency_histogram::record_failure(time_point at) noexcept {
  turn(at).failures.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t latency_histogram::records() const noexcept {
  return halves_[0].records.load(std::memory_order_relaxed) + halves_[1].records.load(std::memory_order_relaxed);
}

std::optional<duration> latency_histogram::quantile(time_point at) noexcept {
  (void)turn(at);
  const std::uint64_t known = records();
  const time_point::rep now = at.time_since_epoch().count();
  time_point::rep before = computed_at_.load(std::memory_order_relaxed);
  const std::uint64_t added = known - computed_of_.load(std::memory_order_relaxed);  // huge if some were forgotten
  const time_point::rep age = now - before;
  const bool enough = computed_.load(std::memory_order_relaxed) == unknown && known >= least_;
  const bool stale = enough || added >= 1000 || age >= duration(100ms).count() || age < 0;
  if (added != 0 && stale && computed_at_.compare_exchange_strong(before, now, std::memory_order_relaxed)) {
    computed_of_.store(known, std::memory_order_relaxed);
    computed_.store(compute(), std::memory_order_relaxed);
  }
  const time_point::rep got = computed_.load(std::memory_order_relaxed);
  if (got == unknown) return std::nullopt;
  return duration(got);
}

time_point::rep latency_histogram::compute() const noexcept {
  std::array<std::uint64_t, buckets> counts;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    counts[i] = halves_[0].counts[i].load(std::memory_order_relaxed);
    counts[i] += halves_[1].counts[i].load(std::memory_order_relaxed);
    all += counts[i];
  }
  if (all < least_) return unknown;
  // The shortest that so many are not longer than; 0.9 of 20 is 18, though not quite in binary.
  const double many = static_cast<double>(all) * quantile_ - 1e-6;
  std::uint64_t not_longer = counts[0];
  std::size_t i = 0;
  while (static_cast<double>(not_longer) < many) not_longer += counts[++i];
  return middle_of(i).count();
}

double latency_histogram::failure_rate(std::uint64_t least) const noexcept {
  const auto failed = static_cast<double>(halves_[0].failures.load(std::memory_order_relaxed) +
                                          halves_[1].failures.load(std::memory_order_relaxed));
  const double all = failed + static_cast<double>(records());
  return all < static_cast<double>(std::max<std::uint64_t>(least, 1)) ? 0 : failed / all;
}

}  // namespace tandem::resilience::detail
