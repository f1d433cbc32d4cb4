// Tied requests: the same request in two queues, done by whoever comes to it first.
//
//   struct read { std::string what; tie tied; };
//   csp::worker_pool<read> a([](read r) -> task<result<void>> {
//     if (!r.tied.claim()) co_return {};  // the twin was faster
//     …
//   });
//
//   const read r{key, {}};
//   auto to_a = [&] { return a.submit(r); };
//   auto to_b = [&] { return b.submit(r); };
//   auto sent = co_await send_tied(r.tied, to_a, to_b);
//
// The same goes for messages of actors: a message with a tie in it, and a handler that asks it first. What waits in
// queues is thus taken from the shorter one, however long the entries before it take, which nobody knew when it was
// sent. (Dean & Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013.)
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/event.hpp>

namespace tandem::resilience {

/// What the copies of a request share: the right to do it, which one of them gets.
///
/// Threads: any. Copies are cheap, and the same tie. One that was moved from is good for nothing.
/// Memory:  what came before claim() is visible to those who find it claimed.
class tie {
 public:
  tie() : claimed_(std::make_shared<sync::event>()) {}

  /// True for the one who comes first; the others drop their copy. Claimed by who has sent it, it takes all copies back
  /// that have not begun.
  [[nodiscard]] bool claim() const noexcept { return claimed_->set(); }
  [[nodiscard]] bool is_claimed() const noexcept { return claimed_->is_set(); }

  /// Waits until it is claimed, for at most `limit`. The tie must live until then.
  /// Errors: errc::timed_out, errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] auto claimed_within(duration limit) const noexcept { return claimed_->wait_for(limit); }

 private:
  std::shared_ptr<sync::event> claimed_;
};

/// Sends a request by `first()`, and unless it was claimed within `delay`, by `second()` too; both give a
/// task<result<void>>. Two idle queues would otherwise both begin it. The paper takes twice the time that a message
/// takes, for a queue to hear of the other's claim: 1 ms or less. Zero or less: at once.
///
/// If the first cannot be sent, the second is at once; success means that one of them was sent at least.
///
/// Cancel: as the two. If `delay` was cut short, the first was sent: claim() takes it back, unless it returns false.
/// Errors: errc::cancelled, errc::deadline_exceeded; if neither could be sent, both errors, joined.
template <task_function First, task_function Second>
task<result<void>> send_tied(tie tied, First first, Second second, duration delay = std::chrono::milliseconds(1)) {
  result<void> sent = co_await first();
  if (sent && delay > duration::zero()) {
    const result<void> waited = co_await tied.claimed_within(delay);
    if (waited) co_return sent;
    if (!waited.error().is(errc::timed_out)) co_return waited;
  }
  result<void> sent_too = co_await second();
  if (sent || sent_too) co_return result<void>();
  co_return std::unexpected(join(std::move(sent).error(), std::move(sent_too).error()));
}

namespace detail {

template <class F>
using tied_value = typename std::invoke_result_t<F&, std::size_t>::value_type::value_type;

/// What the two jobs of run_tied() and its caller share: jobs that nobody needs may stay in a queue for long.
template <class F>
struct tied_run {
  explicit tied_run(F f) : function(std::move(f)) {}

  F function;
  const cancel_source stop;  // below the context of the caller, which the function runs under
  tie tied;
  sync::event ended;  // the function has, or there is no job left to call it
  // Written by the job that claimed the tie, read after `ended`.
  std::optional<result<tied_value<F>>> outcome;
  std::exception_ptr thrown;
  std::atomic<int> jobs{0};
};

/// A job's share of a run: where no job is left, the run has ended.
template <class F>
class tied_share {
 public:
  explicit tied_share(std::shared_ptr<tied_run<F>> of) noexcept : of_(std::move(of)) {
    of_->jobs.fetch_add(1, std::memory_order_relaxed);  // by the caller, who has a share until both are made
  }
  tied_share(tied_share&&) noexcept = default;
  tied_share(const tied_share&) = delete;
  tied_share& operator=(const tied_share&) = delete;
  ~tied_share() {
    // Release and acquire: the last one comes after what the other did.
    if (of_ && of_->jobs.fetch_sub(1, std::memory_order_acq_rel) == 1) of_->ended.set();
  }
  tied_run<F>* operator->() const noexcept { return of_.get(); }

 private:
  std::shared_ptr<tied_run<F>> of_;
};

template <class F>
task<result<void>> tied_job(tied_share<F> mine, std::size_t which) {
  if (!mine->tied.claim()) co_return result<void>();
  // The job's own context ends with its pool, or by its job_limit.
  auto stop = [run = mine->stop, own = error_of(errc::cancelled)] { run.cancel(own); };
  after_handle with_pool = after_func(this_task::context(), std::move(stop));
  try {
    mine->outcome.emplace(co_await with_context(mine->stop.context(), mine->function(which)));
  } catch (...) {
    mine->thrown = std::current_exception();
  }
  with_pool.stop();
  mine->ended.set();
  co_return result<void>();
}

/// Keeps the job while submit() refers to it.
template <class Pool>
task<result<void>> submit_tied(Pool& to, task<result<void>> job) {
  co_return co_await to.submit(std::move(job));
}

}  // namespace detail

/// Runs `function(which)`, a task<result<T>>, once: in the one of two pools that comes to it first, which is 0 or 1.
/// The pools take tasks, as csp::worker_pool<task<result<void>>> does.
///
/// Runs under the caller's context, which also ends when the pool's job is cancelled.
/// Owns:   `function`, for as long as a copy is in a queue, which may be longer than this takes.
/// Cancel: what has not begun never will; what has is cancelled, and waited for.
/// Errors: those of the function, whose exceptions pass through, and of send_tied(); errc::closed if both pools ended
///         before they came to it.
template <class Pool, class F>
  requires task_function<F&, std::size_t>
task<result<detail::tied_value<F>>> run_tied(Pool& a, Pool& b, F function,
                                             duration delay = std::chrono::milliseconds(1)) {
  const auto run = std::make_shared<detail::tied_run<F>>(std::move(function));
  result<void> waited;
  {
    detail::tied_share<F> mine(run);  // until both are sent
    auto to_a = [&a, &run] { return detail::submit_tied(a, detail::tied_job(detail::tied_share<F>(run), 0)); };
    auto to_b = [&b, &run] { return detail::submit_tied(b, detail::tied_job(detail::tied_share<F>(run), 1)); };
    try {
      waited = co_await send_tied(run->tied, std::move(to_a), std::move(to_b), delay);
    } catch (...) {
      waited = std::unexpected(from_exception(std::current_exception()));
    }
  }
  if (waited) waited = co_await run->ended.wait();
  if (!waited) {
    if (run->tied.claim()) co_return std::unexpected(std::move(waited).error());
    const tandem::detail::context_swap to_the_end(nullptr);
    (void)co_await run->ended.wait();
  }
  if (run->thrown) std::rethrow_exception(run->thrown);
  if (!run->outcome) co_return std::unexpected(with_message(error_of(errc::closed), "both pools had ended"));
  co_return std::move(*run->outcome);
}

}  // namespace tandem::resilience
