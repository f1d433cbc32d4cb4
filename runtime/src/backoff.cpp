#include <tandem/runtime/backoff.hpp>

#include <algorithm>
#include <stdexcept>

namespace tandem {
namespace {

double nanoseconds(duration d) noexcept { return static_cast<double>(d.count()); }

}  // namespace

backoff::backoff(const backoff_options& options, std::uint64_t seed)
    : options_(options), delay_(nanoseconds(options.initial)), random_(options.seed != 0 ? options.seed : seed) {
  if (const auto fine = detail::check_backoff(options); !fine) throw std::invalid_argument(fine.error().message());
}

// SplitMix64: any seed will do, neighbouring ones too.
double backoff::draw() noexcept {
  std::uint64_t z = random_ += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double backoff::grown() const noexcept {
  const double by_growth = options_.growth == backoff_growth::linear ? delay_ + nanoseconds(options_.initial)
                                                                     : delay_ * options_.factor;
  return std::min(by_growth, nanoseconds(options_.max));
}

duration backoff::next() noexcept {
  if (options_.initial <= duration::zero()) return duration::zero();
  double made = 0;
  if (options_.growth == backoff_growth::decorrelated) {
    const double least = nanoseconds(options_.initial);
    made = delay_ = least + (grown() - least) * draw();
  } else {
    made = delay_ * (1 - options_.jitter * draw());
    delay_ = grown();
  }
  // As a double, the greatest count would be one too many.
  if (made >= nanoseconds(duration::max())) return options_.max;
  return std::min(options_.max, duration(static_cast<duration::rep>(made)));
}

void backoff::ran_for(duration lasted) noexcept {
  if (options_.stable_after > duration::zero() && lasted >= options_.stable_after)
    delay_ = nanoseconds(options_.initial);
}

namespace detail {

result<void> check_backoff(const backoff_options& options) {
  if (options.initial < duration::zero())
    return fail(errc::invalid_argument, "a backoff's initial delay is below zero");
  if (options.max < options.initial)
    return fail(errc::invalid_argument, "a backoff's initial delay is above the max");
  if (!(options.factor >= 1)) return fail(errc::invalid_argument, "a backoff's factor is below 1");
  if (!(options.jitter >= 0 && options.jitter <= 1))
    return fail(errc::invalid_argument, "a backoff's jitter is not from 0 to 1");
  return {};
}

}  // namespace detail
}  // namespace tandem
