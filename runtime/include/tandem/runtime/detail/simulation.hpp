// What tandem::testing needs to drive a scheduler by hand, on the test's own thread and a virtual clock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/wall_clock.hpp>

namespace asio {
class io_context;
}

namespace tandem::detail {

class scheduler;
struct context_state;

/// A scheduler with one worker and no threads. `shuffled`: the seed decides which ready task runs next, not only what
/// select() chooses. All calls below must come from one thread at a time.
[[nodiscard]] std::shared_ptr<scheduler> make_simulated_scheduler(std::uint32_t seed, bool shuffled);

/// Runs until nothing is runnable at the current virtual time, and no handler of io. Gives the number of items run.
std::size_t run_until_idle(scheduler& s) noexcept;

/// Moves the virtual clock to `when` (never backwards) and fires what is due, without running tasks.
void move_clock(scheduler& s, time_point when) noexcept;

[[nodiscard]] asio::io_context& io_of(scheduler& s);
/// While tasks wait for operations on io: waits up to `patience` of real time for a handler to be ready, and runs it.
/// False if none came.
bool let_io_come(scheduler& s, duration patience) noexcept;

/// Sets the virtual wall clock, forward or back. It goes on from there as the virtual clock does.
void set_wall_clock(scheduler& s, wall_time t) noexcept;

[[nodiscard]] wall_time wall_clock_of(const scheduler& s) noexcept;
[[nodiscard]] time_point next_timer(scheduler& s) noexcept;
[[nodiscard]] std::size_t live_task_count(const scheduler& s) noexcept;
[[nodiscard]] std::string describe_live_tasks(scheduler& s);
[[nodiscard]] context_state& root_context_of(scheduler& s) noexcept;

/// Cancels everything, runs it to its end, and names what would not end.
result<void> end_simulation(scheduler& s);

}  // namespace tandem::detail
