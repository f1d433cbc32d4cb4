// What happened lately: sums over a window that slides in about ten steps.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem::resilience::detail {

/// Sums of Tally, which has += and -=, over the last `width` of something that moves on: nanoseconds, or calls. It
/// slides in steps of a tenth, rounded up, of which it covers as many as fit, the one that is being filled included: no
/// more than the width. It stands still while that goes back a little, as between two threads; a jump of a whole width,
/// ahead or back, empties it.
///
/// Threads: none of its own; whoever has it locks.
template <class Tally>
class window {
 public:
  /// `width` is at least 1.
  explicit window(std::int64_t width) noexcept
      : step_(width / most_steps + (width % most_steps != 0 ? 1 : 0)), steps_(width / step_) {}

  void add(std::int64_t position, const Tally& what) noexcept {
    move_to(position);
    buckets_[static_cast<std::size_t>(at_ % steps_)] += what;
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
  static constexpr std::int64_t most_steps = 10;

  void move_to(std::int64_t position) noexcept {
    const std::int64_t to = position / step_;
    if (to <= at_ && to > at_ - steps_) [[likely]]
      return;
    if (to < at_ || to - at_ >= steps_) {
      clear();
    } else {
      for (std::int64_t i = at_ + 1; i <= to; ++i) {
        Tally& old = buckets_[static_cast<std::size_t>(i % steps_)];
        total_ -= old;
        old = {};
      }
    }
    at_ = to;
  }

  std::int64_t step_;
  std::int64_t steps_;   // from 5 to 10, or as many as the width
  std::int64_t at_ = 0;  // the step that is being filled
  std::array<Tally, most_steps> buckets_{};
  Tally total_{};
};

}  // namespace tandem::resilience::detail
