// Tells stderr what goes wrong, but not each time of a flood.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>

#include <tandem/runtime/time.hpp>

namespace tandem::actors::detail {

/// At most some lines in a second, and then one that tells how many it left out: when the next comes after that second,
/// or at the end. No timer is armed for it, so that a line keeps no simulation going.
/// Threads: any.
class stderr_log {
 public:
  /// `what` it counts, in the plural; a string literal.
  explicit stderr_log(const char* what) noexcept : what_(what) {}

  /// False: this one is left out; it is counted here.
  [[nodiscard]] bool admits(time_point now) noexcept;
  /// What cannot be written is lost.
  static void write(const std::string& line) noexcept;
  /// What was left out and not told yet.
  void finish() noexcept;

 private:
  static constexpr unsigned lines_in_a_second = 5;

  void tell_left_out() noexcept;

  const char* const what_;
  std::mutex lock_;
  // Guarded by lock_.
  time_point begin_ = time_point::min();  // of the second
  unsigned lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace tandem::actors::detail
