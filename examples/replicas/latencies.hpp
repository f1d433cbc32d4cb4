// What the clients of one kind saw.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace replicas {

/// Threads: one task at a time.
class latencies {
 public:
  void add(tandem::duration took, bool failed) {
    all_.push_back(took);
    failed_ += failed;
  }
  [[nodiscard]] std::size_t calls() const noexcept { return all_.size(); }
  [[nodiscard]] std::size_t failed() const noexcept { return failed_; }
  /// In milliseconds; 0 if there are none.
  [[nodiscard]] double quantile(double q) {
    if (all_.empty()) return 0;
    const auto at = all_.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(all_.size() - 1));
    std::ranges::nth_element(all_, at);
    return std::chrono::duration<double, std::milli>(*at).count();
  }
  void clear() noexcept {
    all_.clear();
    failed_ = 0;
  }

 private:
  std::vector<tandem::duration> all_;
  std::size_t failed_ = 0;
};

}  // namespace replicas
