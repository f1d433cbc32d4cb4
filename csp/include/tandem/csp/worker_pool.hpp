// A pool of workers that run one handler for each job it is given: bounded in jobs, in workers, and in time.
//
//   task<result<void>> store_all(csp::receiver<document> in) {
//     worker_pool<document> pool(&store, {.max_workers = 4, .job_limit = 5s});  // task<result<void>> store(document)
//     while (auto next = co_await in.recv()) co_await or_return(pool.submit(std::move(*next)));
//     co_return co_await pool.shutdown(10s);
//   }
#pragma once
#include <concepts>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/pool_state.hpp>
#include <tandem/csp/worker_pool_options.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::csp {

/// Runs `handler(job)` for each job, in up to max_workers tasks. A job goes to the worker that became idle last, so
/// that those not needed end; if none is idle, to a new one; then into the queue; then it is as pool_full says:
///
/// | state               | wait                                     | reject           | drop               |
/// |---------------------|------------------------------------------|------------------|--------------------|
/// | a worker, or room   | taken                                    | taken            | taken              |
/// | full                | waits; try_submit() errc::would_block    | errc::overloaded | success; destroyed |
/// | shut down, or ended | errc::closed                             | errc::closed     | errc::closed       |
///
/// `handler(Job)` gives a task<result<void>>; it may be move-only, and must not block (make_async() helps). What it fails
/// with, or throws, goes to on_failed, and the pool goes on.
///
/// Jobs may be tasks: `worker_pool<task<result<void>>> pool([](task<result<void>> job) { return job; });`.
///
/// Workers run under the pool's context, a child of the context it was made in, and jobs with a job_limit under a child
/// of that. A job does not inherit the submitter's context. When the pool's context is over the pool is ended, as by a
/// shutdown() whose limit has passed.
///
/// Owns:    the handler, the jobs it took, and the workers. Destroying it ends it, and does not wait: jobs that have
///          not begun are lost (on_lost; else their number is printed to stderr), those that run are cancelled and go
///          on until they notice, so they must not refer to the scope the pool was in. shutdown_after() always waits.
/// Threads: submit() and shutdown…() by tasks, the rest by any thread. Made by a task. The handler is called by
///          several workers at a time. Neither moved nor copied.
/// Order:   jobs begin in the order they were taken; submitters that wait are served in the order they came.
/// Memory:  everything before submit() is visible to the handler, and everything a handler did to who sees shutdown()
///          return. The room for all that may queue is allocated when the pool is made.
template <class Job>
class worker_pool {
  static_assert(std::is_object_v<Job> && std::is_nothrow_move_constructible_v<Job> &&
                    std::is_nothrow_move_assignable_v<Job> && std::is_nothrow_destructible_v<Job>,
                "a job must be movable without throwing");

 public:
  using handler = typename detail::pool_state<Job>::handler;

  /// Errors: throws std::invalid_argument for no handler, a max_workers of 0 or below min_workers, a keep_alive below
  ///         zero, or a job_limit not above zero; std::logic_error outside of tasks; std::bad_alloc.
  explicit worker_pool(handler h, worker_pool_options<Job> options = {},
                       std::source_location where = std::source_location::current()) {
    if (!h) throw std::invalid_argument("a worker pool needs a handler");
    detail::check_pool_sizes(options.min_workers, options.max_workers, options.keep_alive, options.job_limit);
    state_ = std::make_shared<detail::pool_state<Job>>(std::move(h), std::move(options), where);
    try {
      state_->start_first_workers();
    } catch (...) {
      state_->end(error_of(errc::cancelled));
      throw;
    }
  }
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;
  ~worker_pool() { state_->abandon(); }

  /// Gives the pool a job. `job` is moved from only if it was taken (or dropped): after an error the caller still has
  /// it. Await it in the expression that calls it: it refers to `job`.
  ///
  /// Suspends: with pool_full::wait while the pool is full; and once in a while before it does anything, to let others
  ///           run.
  /// Cancel:   safe; on error the job was not taken. A job that need not wait may be taken in a context that is over.
  /// Errors:   errc::closed, errc::overloaded, errc::cancelled, errc::deadline_exceeded. Throws std::bad_alloc; the job
  ///           was not taken then.
  [[nodiscard]] task<result<void>> submit(Job&& job) {
    if (!tandem::detail::spend_slice()) {
      co_await yield();
      if (auto go_on = this_task::check(); !go_on) co_return fail(std::move(go_on).error());
    }
    const time_point when = now();
    const taking outcome = state_->take(job, when, nullptr);
    if (outcome != taking::full || state_->options().when_full != pool_full::wait) co_return answer(outcome, job);
    co_return co_await detail::wait_for_room(state_, job, when);
  }
  /// submit() of a copy of `job`.
  [[nodiscard]] task<result<void>> submit(const Job& job)
    requires std::copy_constructible<Job>
  {
    return submit_copy(Job(job));
  }

  /// Gives the pool a job if that needs no waiting.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block (pool_full::wait), errc::overloaded, errc::closed: `job` is untouched. Throws
  ///           std::bad_alloc; so it is then.
  [[nodiscard]] result<void> try_submit(Job&& job) { return answer(state_->take(job, now(), nullptr), job); }
  [[nodiscard]] result<void> try_submit(const Job& job)
    requires std::copy_constructible<Job>
  {
    return try_submit(Job(job));
  }

  /// Takes no more jobs (submitters that wait fail with errc::closed), runs those that queue, and waits until all
  /// workers have ended. When `limit` has passed, or the caller's context is over, it gives up what still queues (see
  /// on_lost), cancels what runs, and waits until that has noticed: which takes as long as the handlers need.
  ///
  /// Several may wait for the end; called after it, it gives the same outcome.
  ///
  /// Suspends: until no worker is left.
  /// Cancel:   hastens the end, as said.
  /// Errors:   if a job was lost or failed because of that: errc::timed_out, or what ended the pool's or the caller's
  ///           context; the message has the numbers. Throws std::logic_error if a job of the pool, or a task that one
  ///           has started, is the caller: it would wait for itself.
  [[nodiscard]] task<result<void>> shutdown(duration limit) { return detail::shut_down(state_, limit); }

  /// Runs `body()`, a task<void> or a task<result<void>>, and then shutdown(limit), however it ends: so what jobs refer
  /// to may be in the scope of the pool.
  /// Errors: the body's (an exception arrives as from_exception() makes it), else those of shutdown().
  template <class F>
    requires task_function<F&>
  [[nodiscard]] task<result<void>> shutdown_after(F body, duration limit) {
    result<void> outcome;
    try {
      if constexpr (std::is_void_v<typename std::invoke_result_t<F&>::value_type>) {
        co_await body();
      } else {
        outcome = co_await body();
      }
    } catch (...) {
      outcome = fail(from_exception(std::current_exception()));
    }
    auto ended = co_await shutdown(limit);
    if (!outcome) co_return outcome;
    co_return ended;
  }

  /// How things stand, at some moment during the call.
  [[nodiscard]] worker_pool_stats stats() const noexcept { return state_->stats(); }

 private:
  using taking = detail::taking;

  result<void> answer(taking outcome, Job& job) {
    switch (outcome) {
      case taking::taken: return {};
      case taking::closed: return fail(errc::closed);
      case taking::full: break;
    }
    switch (state_->refuse()) {
      case pool_full::wait: return fail(errc::would_block);
      case pool_full::reject: return fail(errc::overloaded);
      case pool_full::drop: break;
    }
    [[maybe_unused]] const Job dropped(std::move(job));
    return {};
  }

  task<result<void>> submit_copy(Job job) { co_return co_await submit(std::move(job)); }

  std::shared_ptr<detail::pool_state<Job>> state_;
};

}  // namespace tandem::csp
