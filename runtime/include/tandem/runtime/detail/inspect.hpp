// What the tasks of a runtime are doing, as data: for dumps, deadlock reports and leak checks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

namespace tandem::detail {

class scheduler;

/// Live tasks that look the same from outside.
struct task_group {
  enum class state : std::uint8_t { running, ready, waiting };

  std::size_t count = 0;
  const char* name = nullptr;
  std::source_location site;  // where they were spawned
  bool background = false;    // nobody will join them
  state doing = state::ready;
  unsigned worker = 0;              // of a running task
  const char* waits_for = nullptr;  // of waiting tasks
  std::source_location origin;      // where what they wait for was made; line 0 if that is unknown
};

struct task_census {
  std::vector<task_group> groups;  // the most numerous first
  std::size_t tasks = 0;           // all, also those of no group
  std::size_t ungrouped = 0;       // there was no room for more groups
  bool exact = false;              // nothing ran meanwhile
};

/// Counts the live tasks of `s`. Stops the workers for the moment it takes, if they come to rest within 50 ms and the
/// caller is none of them; otherwise tasks go on meanwhile: each is shown as it was at some moment, and without origin.
/// Threads: any.
[[nodiscard]] task_census take_census(scheduler& s);

/// The census as text, one line per group, at most `limit` of them.
[[nodiscard]] std::string describe(const task_census& census, std::size_t limit = 64);

/// "name (file:line), waiting for …" for up to `limit` groups, on one line.
[[nodiscard]] std::string summarize(const task_census& census, std::size_t limit);

/// Timers that are armed.   Threads: any.
[[nodiscard]] std::size_t armed_timers(scheduler& s) noexcept;

/// Makes `s` known to all_schedulers(), for as long as it lives.
void register_scheduler(const std::shared_ptr<scheduler>& s);
[[nodiscard]] std::vector<std::shared_ptr<scheduler>> all_schedulers();

}  // namespace tandem::detail
