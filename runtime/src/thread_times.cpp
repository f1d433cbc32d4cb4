#include "thread_times.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

// The beginning of /proc/self/task/THREAD/NAME; empty if it cannot be read.
class proc_file {
 public:
  proc_file(pid_t thread, const char* name) noexcept {
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/%s", static_cast<int>(thread), name);
    const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    const ssize_t n = read(file, text_.data(), text_.size());
    if (n > 0) size_ = static_cast<std::size_t>(n);
    close(file);
  }
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, 512> text_;
  std::size_t size_ = 0;
};

}  // namespace

// "ON_CPU IN_QUEUE TIMESLICES", in nanoseconds.
duration queue_time_of(pid_t thread) noexcept {
  const proc_file schedstat(thread, "schedstat");
  const std::string_view text = schedstat.text();
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return {};
  long long nanoseconds = 0;
  std::from_chars(text.data() + space + 1, text.data() + text.size(), nanoseconds);
  return std::chrono::nanoseconds(nanoseconds);
}

thread_times times_of(pid_t thread, clockid_t cpu_clock) noexcept {
  thread_times times;
  timespec cpu{};
  if (clock_gettime(cpu_clock, &cpu) == 0)
    times.on_cpu = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
  times.in_queue = queue_time_of(thread);
  return times;
}

// "PID (NAME) STATE …", where the name may contain anything.
bool is_asleep(pid_t thread) noexcept {
  const proc_file stat(thread, "stat");
  const std::size_t name_end = stat.text().rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.text().size()) return false;
  const char state = stat.text()[name_end + 2];
  return state == 'S' || state == 'D';
}

}  // namespace tandem::detail
