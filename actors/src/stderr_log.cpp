#include "stderr_log.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

namespace tandem::actors::detail {

bool stderr_log::admits(time_point now) noexcept {
  const std::lock_guard hold(lock_);
  if (lines_ == 0 || now - begin_ >= std::chrono::seconds(1)) {
    tell_left_out();
    begin_ = now;
    lines_ = 0;
  }
  if (lines_ == lines_in_a_second) {
    ++left_out_;
    return false;
  }
  ++lines_;
  return true;
}

// Not by fmt, which throws if stderr is closed, or on a full disk: a report must not end what it reports on.
void stderr_log::write(const std::string& line) noexcept { std::fprintf(stderr, "tandem: %s\n", line.c_str()); }

void stderr_log::finish() noexcept {
  const std::lock_guard hold(lock_);
  tell_left_out();
}

void stderr_log::tell_left_out() noexcept {
  if (left_out_ == 0) return;
  std::fprintf(stderr, "tandem: %llu more %s in the last second\n",
               static_cast<unsigned long long>(std::exchange(left_out_, 0)), what_);
}

}  // namespace tandem::actors::detail
