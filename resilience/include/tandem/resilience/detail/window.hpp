// What happened lately: sums over a window that slides in ten steps.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem::resilience::detail {

/// Sums of Tally, which has += and -=, over the last `width` of something that moves on: nanoseconds, or calls. As it
/// slides in steps of a tenth, it covers more than nine tenths of the width, and no more than all. It stands still
/// while that goes back a little, as between two threads; a jump of a whole width, ahead or back, empties it.
///
/// Threads: none of its own; whoever has it locks.
template <class Tally>
class window {
 public:
  explicit window(std::int64_t width) noexcept : step_(width / steps + (width % steps != 0 ? 1 : 0)) {}

  void add(std::int64_t position, const Tally& what) noexcept {
    move_to(position);
    buckets_[static_cast<std::size_t>(at_ % steps)] += what;
    total_ += what;
  }
  [[nodiscard]] const Tally& total(std::int64_t position) noexcept {
    move_to(position);
    return total_;
  }
  void clear() noexcept {
    buckets_ = {};
    total_ = {};
    at_ = 0;
  }

 private:
  static constexpr std::int64_t steps = 10;

  void move_to(std::int64_t position) noexcept {
    const std::int64_t to = position / step_;
    if (to <= at_ && to > at_ - steps) [[likely]]
      return;
    if (to < at_ || to - at_ >= steps) {
      clear();
    } else {
      for (std::int64_t i = at_ + 1; i <= to; ++i) {
        Tally& old = buckets_[static_cast<std::size_t>(i % steps)];
        total_ -= old;
        old = {};
      }
    }
    at_ = to;
  }

  std::int64_t step_;
  std::int64_t at_ = 0;  // the step that is being filled
  std::array<Tally, steps> buckets_{};
  Tally total_{};
};

}  // namespace tandem::resilience::detail
