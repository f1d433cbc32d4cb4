// How long calls took of late: for delays that follow what is measured.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// Counts latencies from 1 us to 137 s in buckets of which each is 1/16 of a power of two wide, so that what it gives
/// is within 3.2 % of what was recorded; what is shorter or longer counts as the shortest or longest. It knows the last
/// one to two windows: counts are kept in two halves, of which the older is forgotten when the younger is a window old.
///
/// Threads: any, at once. Everything is relaxed: these are numbers that publish nothing, and who is counted just while
///          a half is forgotten may be forgotten with it.
/// A clock that jumps by more than a window, either way, makes it forget everything.
class latency_histogram {
 public:
  /// Of `quantile` (between 0 and 1) it speaks once it knows `least` latencies.
  latency_histogram(double quantile, duration window, std::uint64_t least) noexcept;

  /// A latency, noted at `at`; less than zero, as a clock that goes back may give, is the shortest.
  void record(duration took, time_point at) noexcept;
  /// A failure: it has no latency, only a share.
  void record_failure(time_point at) noexcept;

  /// The quantile, at most 100 ms old; nothing while it knows too little.
  [[nodiscard]] std::optional<duration> quantile(time_point at) noexcept;
  /// The share of failures among all that was recorded; 0 while that is less than `least`.
  [[nodiscard]] double failure_rate(std::uint64_t least) const noexcept;

 private:
  static constexpr int first_bit = 10, last_bit = 36, sub_bits = 4;  // 1024 ns to 2^37 ns
  static constexpr std::size_t buckets = std::size_t{last_bit - first_bit + 1} << sub_bits;
  static constexpr time_point::rep unknown = -1;

  struct half {
    std::array<std::atomic<std::uint32_t>, buckets> counts{};
    std::atomic<std::uint64_t> failures{0};
    void clear() noexcept;
  };

  [[nodiscard]] static std::size_t bucket_of(duration took) noexcept;
  [[nodiscard]] static duration middle_of(std::size_t bucket) noexcept;
  /// The half that counts at `at`.
  half& turn(time_point at) noexcept;
  /// The counts of both halves, and their sum.
  std::uint64_t read(std::array<std::uint64_t, buckets>& counts) const noexcept;
  [[nodiscard]] time_point::rep compute() const noexcept;

  const double quantile_;
  const duration window_;
  const std::uint64_t least_;
  std::array<half, 2> halves_;
  std::atomic<unsigned> young_{0};
  std::atomic<time_point::rep> young_since_{0};
  std::atomic<time_point::rep> compute_from_{0};  // when the quantile is too old
  std::atomic<time_point::rep> computed_{unknown};
};

}  // namespace tandem::resilience::detail
