// What a worker pool is told, and what it tells. The pool is in worker_pool.hpp.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::csp {

/// What submit() does when no worker is free and the queue is full.
enum class pool_full : std::uint8_t {
  wait,    ///< Waits for room.
  reject,  ///< Fails with errc::overloaded; the caller keeps the job.
  drop,    ///< Succeeds; the job is destroyed, and counted.
};

template <class Job>
struct worker_pool_options {
  std::size_t min_workers = 0;       ///< Are there from the start, and stay.
  std::size_t max_workers = 16;      ///< Run at most at a time. At least 1, and min_workers.
  std::size_t queue_capacity = 128;  ///< Jobs that wait for a worker. With 0 a job needs a free one.
  pool_full when_full = pool_full::wait;
  /// A worker beyond min_workers that was idle for that long ends. Zero: as soon as it finds nothing to do.
  duration keep_alive = std::chrono::seconds(10);
  /// The deadline of a job's context, counted from the call of submit(); what has not begun by then never begins.
  duration job_limit = duration::max();
  const char* name = "pool worker";  ///< Of the workers' tasks, in reports. A literal.
  /// Is told what a job failed with, and what a handler threw. Default: it is printed to stderr, unless it only says
  /// that the pool's context is over.
  std::function<void(const error&)> on_failed = {};
  /// Is given the jobs that were taken but never begun: errc::deadline_exceeded if there was no free worker within
  /// job_limit, otherwise what ended the pool. Default: they are destroyed.
  ///
  /// Both functions are called by workers, by shutdown() and by the pool's destructor, several at a time. What they
  /// throw is printed to stderr.
  std::function<void(Job, const error&)> on_lost = {};
};

/// One moment of a pool. Always: submitted == queued + running + done + failed + expired + lost.
struct worker_pool_stats {
  std::uint64_t submitted = 0;  ///< Jobs that the pool took.
  std::uint64_t done = 0;       ///< … whose handler succeeded.
  std::uint64_t failed = 0;     ///< … whose handler failed, threw, or was destroyed by the runtime's shutdown.
  std::uint64_t expired = 0;    ///< … that did not begin within job_limit.
  std::uint64_t lost = 0;       ///< … that did not begin because the pool was ended.
  std::uint64_t rejected = 0;   ///< Jobs that found the pool full and stayed with the caller, of try_submit() too.
  std::uint64_t dropped = 0;    ///< Jobs that found it full and were destroyed.

  std::size_t queued = 0;
  std::size_t running = 0;  ///< With a worker, even if that has not begun.
  std::size_t waiting = 0;  ///< Calls of submit() that wait for room.
  std::size_t workers = 0;
  std::size_t idle = 0;  ///< Workers without a job.
  std::size_t peak_workers = 0;

  // Of the jobs that are done, failed, expired or lost by a worker:
  duration queue_time{};  ///< From submit() until a worker had them; the sum.
  duration longest_queue_time{};
  duration run_time{};  ///< In the handler; the sum.
  duration longest_run_time{};
};

}  // namespace tandem::csp
