// What a supervisor decides, as it tells the hook in its options.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include <tandem/actors/child_spec.hpp>
#include <tandem/errors/error.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

/// What happened to a child.
enum class child_incident : std::uint8_t {
  ended,          ///< By itself: `reason` says why, if not normally.
  start_failed,   ///< When it was to be started again, or with its supervisor.
  stopped_badly,  ///< It was told to end, and ended with an error of its own.
  left_behind,    ///< It was told to end, and did not within its time; if it is a task, it still runs.
};

/// What the supervisor does about it.
enum class supervision_action : std::uint8_t {
  none,       ///< It was stopping the child anyway.
  restart,    ///< Starts it again, after `delay`, and others as its strategy says.
  keep,       ///< Leaves it stopped, with its spec, for supervisor::restart_child().
  remove,     ///< Deletes its spec.
  shut_down,  ///< Ends, as the child was significant; see auto_shutdown.
  give_up,    ///< Ends, as there were too many restarts, or as a child could not be started with it.
};

struct supervision_event {
  std::string supervisor;  ///< Its name.
  std::string child;       ///< The child's id; "#7" for the seventh of a dynamic_supervisor.
  child_type type = child_type::worker;
  child_incident what = child_incident::ended;
  error reason;  ///< No error: it ended normally.
  supervision_action next = supervision_action::none;
  /// Restarts within the last `period`, this one included if it is one; more than `intensity` are too many.
  std::size_t restarts = 0;
  std::size_t intensity = 0;
  duration period{};
  duration delay{};
};

/// One line: "supervisor prices: child feed failed: timed out [timed_out 4K2Z]; restart 1 of 3 in 5 s: starts again
/// after 100 ms".
[[nodiscard]] std::string to_string(const supervision_event& event);

}  // namespace tandem::actors
