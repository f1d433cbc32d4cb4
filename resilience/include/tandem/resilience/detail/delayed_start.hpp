// Starting a task after a while, unless that turns out to be unnecessary, which then has cost no task and no memory.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// Calls `start` on a worker when the time has come. Lives in the frame of a task that may end before that: see stop().
///
/// (D1) The timer's function runs under a lock, and may start nothing: it says `starting`, and leaves the rest to a
///      job, which runs right after, on the same worker. So this must not go while it is `starting`.
class delayed_start : tandem::detail::timer_node, tandem::detail::job {
 public:
  /// Gives the task that it started, or an empty handle. On a worker, but not of a task.
  using start_function = join_handle<error> (*)(void* of, std::uint32_t which) noexcept;

  delayed_start(start_function start, void* of, std::uint32_t which) noexcept
      : timer_node([](timer_node& node) noexcept -> tandem::detail::job* {
          auto& self = static_cast<delayed_start&>(node);
          self.stage_.store(stage::starting, std::memory_order_relaxed);  // stop() takes the same lock afterwards
          return &self;
        }),
        job([](job& self) noexcept { static_cast<delayed_start&>(self).run_start(); }),
        start_(start),
        of_(of),
        which_(which) {}
  ~delayed_start() { tandem::detail::disarm_timer(*this); }  // of a frame that the runtime's shutdown destroys

  /// Once. By a task.   Errors: throws std::bad_alloc.
  void arm(time_point when) { tandem::detail::arm_timer(*tandem::detail::current_task().owner, *this, when); }

  /// True if nothing was started, nor will be. False: then done() follows.
  [[nodiscard]] bool stop() noexcept {
    tandem::detail::disarm_timer(*this);
    return stage_.load(std::memory_order_relaxed) == stage::waiting;
  }
  /// False for the few moments in which a worker is at it. Acquire pairs with the release in run_start(): a true answer
  /// makes started() visible.
  [[nodiscard]] bool done() const noexcept { return stage_.load(std::memory_order_acquire) == stage::done; }
  [[nodiscard]] join_handle<error>& started() noexcept { return started_; }

 private:
  enum class stage : std::uint8_t { waiting, starting, done };

  void run_start() noexcept {
    started_ = start_(of_, which_);
    stage_.store(stage::done, std::memory_order_release);  // the last touch: the frame may go
  }

  const start_function start_;
  void* const of_;
  const std::uint32_t which_;
  std::atomic<stage> stage_{stage::waiting};
  join_handle<error> started_;
};

}  // namespace tandem::resilience::detail
