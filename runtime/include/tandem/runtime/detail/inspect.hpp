// What the tasks of a runtime are doing, as data: for dumps, deadlock reports and leak checks.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include <tandem/runtime/time.hpp>

namespace tandem::detail {

class census_taker;
class scheduler;
struct task_record;
struct wait_kind;

/// Live tasks that look the same from outside.
struct task_group {
  enum class state : std::uint8_t { running, ready, waiting };
  static constexpr std::size_t longest_name = 63;
  static constexpr std::size_t most_awaits = 16;

  std::size_t count = 0;
  std::array<char, longest_name + 1> name{};  // of one of them, cut to fit: the task's own may be gone by now
  bool other_names = false;                   // not all have that one
  std::source_location site;                  // where they were spawned
  const char* actor = nullptr;                // the class of actors, which have no such place; static
  bool background = false;                    // nobody will join them
  state doing = state::ready;
  unsigned worker = 0;              // of a running task
  const char* waits_for = nullptr;  // of waiting tasks
  std::source_location origin;      // where what they wait for was made; line 0 if that is unknown
  std::array<const void*, most_awaits> awaits{};  // where their coroutines await, innermost first
  std::size_t await_count = 0;                    // how many do; no more than most_awaits are kept
};

struct task_census {
  std::vector<task_group> groups;  // the most numerous first
  std::size_t tasks = 0;           // all, also those there was no room for in a group
  bool exact = false;              // nothing ran meanwhile
};

/// Who is counted: actors that have nothing to do hold up nobody, but there may be the most of them.
enum class census_of : std::uint8_t { live_tasks, idle_actors_too };

/// Counts the tasks of `s`. Stops the workers for the moment it takes, if they come to rest within `patience` and the
/// caller is none of them; otherwise tasks go on meanwhile: each is shown as it was at some moment, without origin and
/// awaits.
/// Threads: any.
[[nodiscard]] task_census take_census(scheduler& s, census_of whom = census_of::live_tasks,
                                      duration patience = std::chrono::milliseconds(50));

/// take_census() of those that are not among `known`, which is sorted.
[[nodiscard]] task_census take_census_without(scheduler& s, const std::vector<std::uint64_t>& known);

/// The ids of the live tasks of `s`, in no order.   Threads: any.
[[nodiscard]] std::vector<std::uint64_t> live_task_ids(const scheduler& s);

/// The census as text: at most `limit` groups, a line for each and one for each of its awaits.
[[nodiscard]] std::string describe(const task_census& census, std::size_t limit = 64);

/// "name (file:line), waiting for …" for up to `limit` groups, with the innermost awaits, on one line.
[[nodiscard]] std::string summarize(const task_census& census, std::size_t limit);

/// Has tasks of its own, which spawn() did not make: an actor system.
class task_source {
 public:
  /// Tells add_task() of them: of those that are in the table of live tasks, or of all.
  /// Threads: any; what runs may go on meanwhile. Must neither allocate nor wait for tasks.
  virtual void list(census_taker& out, census_of whom) noexcept = 0;

 protected:
  ~task_source() = default;
};
void add_task_source(scheduler& s, task_source& source);
/// When it returns, `source` is not used any more.
void remove_task_source(scheduler& s, task_source& source) noexcept;

/// For a task_source, under a lock that keeps `task` in memory. `waits_for` is null unless it waits; `actor` is static.
void add_task(census_taker& out, const task_record& task, const wait_kind* waits_for, const char* actor) noexcept;

/// Timers that are armed.   Threads: any.
[[nodiscard]] std::size_t armed_timers(scheduler& s) noexcept;

/// Makes `s` known to all_schedulers(), for as long as it lives.
void register_scheduler(const std::shared_ptr<scheduler>& s);
[[nodiscard]] std::vector<std::shared_ptr<scheduler>> all_schedulers();

}  // namespace tandem::detail
