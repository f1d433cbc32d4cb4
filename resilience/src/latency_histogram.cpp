#include <tandem/resilience/detail/latency_histogram.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace tandem::resilience::detail {

namespace {
constexpr time_point::rep kept = duration(std::chrono::milliseconds(100)).count();
}

latency_histogram::latency_histogram(double quantile, duration window, std::uint64_t least) noexcept
    : quantile_(quantile), window_(window), least_(std::max<std::uint64_t>(least, 1)) {}

void latency_histogram::half::clear() noexcept {
  for (auto& count : counts) count.store(0, std::memory_order_relaxed);
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
  turn(at).counts[bucket_of(took)].fetch_add(1, std::memory_order_relaxed);
}

void latency_histogram::record_failure(time_point at) noexcept {
  turn(at).failures.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t latency_histogram::read(std::array<std::uint64_t, buckets>& counts) const noexcept {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    counts[i] = halves_[0].counts[i].load(std::memory_order_relaxed);
    counts[i] += halves_[1].counts[i].load(std::memory_order_relaxed);
    all += counts[i];
  }
  return all;
}

std::optional<duration> latency_histogram::quantile(time_point at) noexcept {
  const time_point::rep to = at.time_since_epoch().count();
  time_point::rep from = compute_from_.load(std::memory_order_relaxed);
  // One of those who find it too old computes it anew; a clock that went back makes it too old as well.
  const bool too_old = to >= from || to < from - kept;
  if (too_old && compute_from_.compare_exchange_strong(from, to + kept, std::memory_order_relaxed)) {
    (void)turn(at);
    computed_.store(compute(), std::memory_order_relaxed);
  }
  const time_point::rep got = computed_.load(std::memory_order_relaxed);
  if (got == unknown) return std::nullopt;
  return duration(got);
}

time_point::rep latency_histogram::compute() const noexcept {
  std::array<std::uint64_t, buckets> counts;
  const std::uint64_t all = read(counts);
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
  std::array<std::uint64_t, buckets> counts;
  const double all = failed + static_cast<double>(read(counts));
  return all < static_cast<double>(std::max<std::uint64_t>(least, 1)) ? 0 : failed / all;
}

}  // namespace tandem::resilience::detail
