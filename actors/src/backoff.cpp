#include <tandem/actors/backoff.hpp>

#include <algorithm>

namespace tandem::actors {

backoff::backoff(const backoff_options& options, std::uint64_t seed) noexcept
    : options_(options),
      delay_(static_cast<double>(options.first.count())),
      random_(options.seed != 0 ? options.seed : seed) {}

// SplitMix64: any seed will do, neighbouring ones too.
double backoff::draw() noexcept {
  std::uint64_t z = random_ += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

duration backoff::next() noexcept {
  if (options_.first <= duration::zero()) return duration::zero();
  const double whole = delay_;
  delay_ = std::min(delay_ * options_.factor, static_cast<double>(options_.most.count()));
  const double kept = whole * (1 - options_.jitter * draw());
  // As a double, the greatest count would be one too many.
  if (kept >= static_cast<double>(duration::max().count())) return options_.most;
  return std::min(options_.most, duration(static_cast<duration::rep>(kept)));
}

void backoff::ran_for(duration lasted) noexcept {
  if (options_.stable_after > duration::zero() && lasted >= options_.stable_after)
    delay_ = static_cast<double>(options_.first.count());
}

namespace detail {

result<void> check(const backoff_options& options) {
  if (options.first < duration::zero()) return fail(errc::invalid_argument, "a backoff's first delay is below zero");
  if (options.most < options.first) return fail(errc::invalid_argument, "a backoff's first delay is above the most");
  if (!(options.factor >= 1)) return fail(errc::invalid_argument, "a backoff's factor is below 1");
  if (!(options.jitter >= 0 && options.jitter <= 1))
    return fail(errc::invalid_argument, "a backoff's jitter is not from 0 to 1");
  return {};
}

}  // namespace detail
}  // namespace tandem::actors
