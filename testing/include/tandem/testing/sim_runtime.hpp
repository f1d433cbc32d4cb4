// A runtime for tests: one thread, a virtual clock, nothing runs unless the test says so.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/wall_clock.hpp>

namespace tandem::testing {

/// Which of several ready tasks runs next.
enum class task_order : std::uint8_t {
  fair,      ///< As on a worker: what was made ready last first, the others in turn. The seed decides what select()
             ///< chooses.
  shuffled,  ///< Any of them, as the seed has it: finds what only an unlucky schedule breaks. explore() tries many
             ///< seeds.
};

struct sim_options {
  std::uint32_t seed = 1;  ///< TANDEM_SEED overrides it.
  task_order order = task_order::fair;
  /// How far run(), wait() and run_to_end() move the clock at most: a heartbeat that never ends must not hide that what
  /// the test waits for never comes.
  duration time_limit = std::chrono::days(365);
  /// Real time that operations on io() get to complete, while tasks wait for them and everything else waits too, before
  /// the clock moves on. More makes tests with sockets slower, less makes them see timeouts that were none.
  duration io_patience = std::chrono::milliseconds(10);
};

/// Runs tasks on the calling thread, deterministically for a seed, which it prints to stderr if the test fails while it
/// lives (with gtest.hpp, or another test_framework).
///
/// Sockets and signals of io() are real: their order is that of the kernel, not of the seed, and Asio's timers run on
/// the real clock; use tandem's. While a task waits with use_task, the virtual clock waits for up to io_patience at
/// each step.
///
/// Threads: one. Calls on the blocking pool run at once, on the same thread.
class sim_runtime {
 public:
  /// TANDEM_SEED overrides `seed`, unless it is empty.
  /// Errors: throws std::invalid_argument if that is no number from 0 to 4294967295.
  explicit sim_runtime(std::uint32_t seed = 1);
  explicit sim_runtime(const sim_options& options);

  /// Cancels what is left and runs it to its end; what does not end, or yields on and on, is named on stderr and aborts
  /// the test program.
  ~sim_runtime();
  sim_runtime(const sim_runtime&) = delete;
  sim_runtime& operator=(const sim_runtime&) = delete;

  template <class T>
  join_handle<T> spawn(task<T> body, const spawn_options& options = {},
                       std::source_location where = std::source_location::current()) {
    return detail::spawn_on(*core_, std::move(body), options, where);
  }
  template <class F>
    requires task_function<F&>
  auto spawn(F function, const spawn_options& options = {},
             std::source_location where = std::source_location::current()) {
    return spawn(detail::keep_alive(std::move(function)), options, where);
  }

  /// Runs until every task waits for something that only time, the test, or io that has not come yet can bring. Gives
  /// the number of turns run. Does not return while a task keeps yielding: in virtual time nothing else ever happens
  /// then. The same is true of whatever runs tasks below.
  std::size_t run_until_idle() noexcept { return detail::run_until_idle(*core_); }

  /// Moves the clock forward by `d`, running what becomes due at each deadline in between, and then until idle.
  /// A `d` of less than zero moves nothing; one too long for the clock runs to the last deadline, as run_to_end() does.
  void advance(duration d);

  /// Runs, and moves the clock to the next deadline whenever everything waits, until no timer is left within the time
  /// limit.
  void run_to_end();

  /// What to fail with when tasks are left though nothing can wake them: errc::failed_precondition, naming who waits
  /// for what, and the seed.
  [[nodiscard]] error stuck() const;

  /// Spawns `body`, runs until it has ended, moving the clock as needed, and gives its result.
  /// Errors: those of the task; errc::failed_precondition, naming the tasks that wait, if it waits for ever, or
  ///         longer than the time limit; "for ever" is 10 s of real time if tasks wait for io.
  template <class T>
  result<detail::plain_value_t<T>> run(task<T> body, std::source_location where = std::source_location::current()) {
    auto handle = spawn(std::move(body), "test body", where);
    return wait(handle);
  }
  template <class F>
    requires task_function<F&>
  auto run(F function, std::source_location where = std::source_location::current()) {
    return run(detail::keep_alive(std::move(function)), where);
  }

  /// Runs as run() does until `handle` is done, and gives its result.
  template <class T>
  result<typename join_handle<T>::value_type> wait(join_handle<T>& handle) {
    while (!handle.done())
      if (run_until_idle() == 0 && !handle.done() && !go_on()) return fail(stuck());
    return get(handle);
  }

  /// The result of a handle that is done.   Errors: throws std::logic_error if it is not.
  template <class T>
  result<typename join_handle<T>::value_type> get(join_handle<T>& handle) {
    if (!handle.done()) throw std::logic_error("the task has not ended");
    auto outcome = handle.target().take();
    handle.detach();
    return outcome;
  }

  /// Sets the virtual wall clock, forward or back, as an administrator would: timers and now() notice nothing. It
  /// starts at 2000-01-01 00:00 UTC and goes on with the virtual clock.
  void set_wall_clock(wall_time t) noexcept { detail::set_wall_clock(*core_, t); }
  [[nodiscard]] wall_time wall_now() const noexcept { return detail::wall_clock_of(*core_); }

  /// As runtime::io(): tasks find it as this_task::io(). Handlers run on the test's thread, whenever tasks do.
  [[nodiscard]] asio::io_context& io() { return detail::io_of(*core_); }

  [[nodiscard]] time_point now() const noexcept { return detail::clock_of(*core_); }
  [[nodiscard]] std::size_t live_tasks() const noexcept { return detail::live_task_count(*core_); }
  [[nodiscard]] context root_context() const noexcept;
  [[nodiscard]] std::uint32_t seed() const noexcept { return seed_; }

  /// Not for users.
  [[nodiscard]] detail::scheduler& core() const noexcept { return *core_; }

 private:
  bool go_on() noexcept;
  bool timer_within_limit() noexcept;
  bool step_to_next_timer() noexcept;
  void move_to_next_timer() noexcept;

  std::uint32_t seed_;
  bool failed_before_;
  std::shared_ptr<detail::scheduler> core_;
  time_point time_limit_;
  duration io_patience_;
};

}  // namespace tandem::testing
