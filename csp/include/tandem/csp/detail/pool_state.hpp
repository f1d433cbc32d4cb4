// What a worker pool, its workers and its waiting submitters share.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/channel.hpp>
#include <tandem/csp/detail/pool_list.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/worker_pool_options.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/after.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::csp::detail {

/// Errors: throws std::invalid_argument for numbers that cannot be.
void check_pool_sizes(std::size_t min_workers, std::size_t max_workers, duration keep_alive, duration job_limit);
/// The runtime that the calling task is of.   Errors: throws std::logic_error outside of tasks.
[[nodiscard]] std::shared_ptr<tandem::detail::scheduler> runtime_of_pool(const context& of_pool);
/// Print what nobody asked for.
void report_failed_job(const std::source_location& pool, const error& what) noexcept;
void report_lost_jobs(const std::source_location& pool, std::uint64_t lost) noexcept;
void report_throwing_callback(const std::source_location& pool) noexcept;
/// What shutdown() fails with.
[[nodiscard]] error jobs_lost(error why, const std::source_location& pool, std::uint64_t lost, std::uint64_t cut_off);

/// The pool whose job a task is, or was started by.
inline constexpr context_key<const void*> pool_of_worker("worker pool");

/// What became of a job that was offered.
enum class taking : std::uint8_t { taken, full, closed };
/// What became of one that was taken; `running` is none of the ends.
enum class job_end : std::uint8_t { running, done, failed, cut_off, expired, lost };

template <class Job>
struct queued_job {
  Job job;
  time_point submitted;
};

/// Where a new worker's first job came from, until its submitter goes on: a worker that never runs gives it back.
template <class Job>
struct job_source {
  Job* from;  // guarded by the pool's lock
};

template <class Job>
class pool_state;

/// A worker, for as long as its task's frame lives.
template <class Job>
struct pool_worker : pool_node {
  explicit pool_worker(std::shared_ptr<pool_state<Job>> of) : pool_node(of->site()), pool(std::move(of)) {
    pool->arrived();
  }
  ~pool_worker() { pool->gone(*this); }

  const std::shared_ptr<pool_state<Job>> pool;
  std::optional<queued_job<Job>> slot;      // written by who hands over a job, under the lock; then the worker's own
  std::shared_ptr<job_source<Job>> source;  // of what is in the slot at first; null once that runs
  bool counted = false;                     // among the workers; guarded by the lock, as the next
  bool busy = false;                        // its job is counted as running
  job_end last = job_end::running;          // the worker's own: how its job ended, and how long that took
  duration waited{};
  duration ran{};
};

/// A submit() that waits for room.
template <class Job>
struct pool_submitter : pool_node {
  pool_submitter(pool_state<Job>& to, Job& j, time_point when)
      : pool_node(to.site()), pool(to), job(j), submitted(when) {}
  ~pool_submitter() { (void)pool.leave(*this); }

  pool_state<Job>& pool;
  Job& job;
  const time_point submitted;
  bool taken = false;  // guarded by the lock
};

/// Room for the queue's jobs.
template <class T>
struct queue_memory {
  /// Errors: throws std::bad_alloc; std::bad_array_new_length, which is one, if no memory can be that large.
  explicit queue_memory(std::size_t n) : size(n), first(std::allocator<T>().allocate(n)) {}
  ~queue_memory() { std::allocator<T>().deallocate(first, size); }
  queue_memory(const queue_memory&) = delete;
  queue_memory& operator=(const queue_memory&) = delete;

  const std::size_t size;
  T* const first;
};

/// (W1) While jobs queue or submitters wait, there are as many workers as there may be, and none is idle. So a job goes
///      to an idle worker, a new one, the queue, or nowhere, in this order; and jobs begin as they were taken. (If a
///      worker could not be started for lack of memory, jobs may queue all the same; the next submit() starts one.)
/// (W2) Under lock_ every job that was taken is counted in exactly one place, so a snapshot always adds up.
/// (W3) Nothing of the user's but moves of jobs, and the end of what was moved from, runs under lock_; no task is
///      started or woken, no context looked at or ended.
/// (W4) A worker stops counting as one in the same section in which it finds that there is nothing for it to do.
/// (W5) done_ is closed once the pool is closed and no frame of a worker is left.
template <class Job>
class pool_state : public std::enable_shared_from_this<pool_state<Job>> {
 public:
  using handler = std::move_only_function<task<result<void>>(Job)>;
  using worker = pool_worker<Job>;
  using submitter = pool_submitter<Job>;

  pool_state(handler h, worker_pool_options<Job> o, const std::source_location& where)
      : handler_(std::move(h)), options_(std::move(o)), site_(where), home_(runtime_of_pool(source_.context())),
        queue_memory_(options_.queue_capacity), queue_(queue_memory_.first, options_.queue_capacity) {
    auto [tx, rx] = make_channel<wake_up>(0, where);
    done_ = std::move(tx);
    all_gone_ = std::move(rx);
  }

  void start_first_workers() {
    for (std::size_t n = 0; n < options_.min_workers; ++n) {
      auto made = std::make_unique<worker>(this->shared_from_this());
      {
        const std::lock_guard hold(lock_);
        count(*made);
        link_idle(*made);
      }
      launch(std::move(made));
    }
  }

  /// Takes `job`, or says why not: then it is untouched. If the pool is full, `waiting` is linked, if there is one.
  taking take(Job& job, time_point submitted, submitter* waiting) {
    if (context().is_over()) return taking::closed;
    sender<wake_up> bell;
    std::unique_ptr<worker> fresh;
    for (;;) {
      {
        const std::lock_guard hold(lock_);
        if (closed_) return taking::closed;
        if (pool_node* const first = idle_.first()) {
          auto& idle = static_cast<worker&>(*first);
          unlink_idle(idle);
          accept(idle, job, submitted);
          bell = idle.bell;
          break;
        }
        if (workers_ >= options_.max_workers) return enqueue(job, submitted, waiting);
        if (fresh) {
          count(*fresh);
          accept(*fresh, job, submitted);
          fresh->source->from = &job;
          break;
        }
      }
      fresh = std::make_unique<worker>(this->shared_from_this());
      fresh->source = std::make_shared<job_source<Job>>();
    }
    if (!bell) return start(std::move(fresh));
    sound(bell);
    return taking::taken;
  }

  /// Ends the wait of a submitter, if it still waits, and tells what became of its job; taking::full: nothing.
  taking leave(submitter& s) noexcept {
    const std::lock_guard hold(lock_);
    if (s.linked) unlink_waiting(s);
    if (s.taken) return taking::taken;
    return closed_ ? taking::closed : taking::full;
  }

  /// Counts a job that found the pool full and does not wait. Gives what the options say about it.
  pool_full refuse() noexcept {
    const std::lock_guard hold(lock_);
    ++(options_.when_full == pool_full::drop ? totals_.dropped : totals_.rejected);
    return options_.when_full;
  }

  /// No job is taken any more; those that were are still run.
  void close() noexcept {
    while (const sender<wake_up> bell = close_and_pick()) sound(bell);
    close_done_if_gone();
  }

  /// Closes, cancels what runs, and gives up what queues. Gives the number of those.
  std::uint64_t end(const error& why) noexcept {
    close();
    {
      const std::lock_guard hold(lock_);
      if (!ended_) ended_ = why;
    }
    source_.cancel(why);
    std::uint64_t lost = 0;
    for (std::optional<queued_job<Job>> next; take_to_lose(next); ++lost) tell_lost(std::move(next->job), why);
    return lost;
  }

  /// The pool is gone.
  void abandon() noexcept {
    const std::uint64_t lost = end(error_of(errc::cancelled));
    if (lost > 0 && !options_.on_lost) report_lost_jobs(site_, lost);
  }

  /// What shutdown() says, at its end.
  [[nodiscard]] result<void> verdict() const {
    std::unique_lock hold(lock_);
    if (!ended_ || totals_.lost + cut_off_ == 0) return {};
    const error why = ended_;
    const std::uint64_t lost = totals_.lost;
    const std::uint64_t cut_off = cut_off_;
    hold.unlock();
    return fail(jobs_lost(why, site_, lost, cut_off));
  }

  /// What ended the pool: shutdown() and the destructor say so, else it was its context.
  [[nodiscard]] error why_ended() const {
    {
      const std::lock_guard hold(lock_);
      if (ended_) return ended_;
    }
    return context().why();
  }

  [[nodiscard]] worker_pool_stats stats() const noexcept {
    const std::lock_guard hold(lock_);
    worker_pool_stats now = totals_;
    now.queued = queue_.size();
    now.workers = workers_;
    return now;
  }
  [[nodiscard]] const tandem::context& context() const noexcept { return source_.context(); }
  [[nodiscard]] const worker_pool_options<Job>& options() const noexcept { return options_; }
  [[nodiscard]] const std::source_location& site() const noexcept { return site_; }
  /// Errors: throws std::logic_error if a job of the pool is the caller, which would wait for itself.
  void check_not_inside() const {
    const void* const* const inside = this_task::context().value(pool_of_worker);
    if (inside && *inside == this)
      throw std::logic_error(
          "a job of a worker pool cannot wait for the pool's end; have another task call shutdown()");
  }
  /// Closed when all workers have gone, and no other can come.
  [[nodiscard]] receiver<wake_up> all_gone() const noexcept { return all_gone_; }

  /// For pool_worker alone.
  void arrived() noexcept {
    const std::lock_guard hold(lock_);
    ++frames_;
  }
  void gone(worker& w) noexcept {
    std::optional<queued_job<Job>> lost;
    {
      const std::lock_guard hold(lock_);
      --frames_;
      stop_counting(w);
      if (w.slot && w.source && w.source->from) {
        *std::exchange(w.source->from, nullptr) = std::move(w.slot->job);
        w.busy = false;
        --totals_.running;
        --totals_.submitted;
      } else if (w.slot) {
        w.last = job_end::lost;
        lost = std::move(w.slot);
      }
      settle(w);
    }
    if (lost) tell_lost(std::move(lost->job), error_of(errc::cancelled));
    close_done_if_gone();
  }

 private:
  enum class turn : std::uint8_t { run, wait, leave };

  // What a worker does.
  static task<> work(std::unique_ptr<worker> self) {
    pool_state& pool = *self->pool;
    for (turn next = pool.look(*self, false);;) {
      if (next == turn::wait) next = co_await pool.wait_for_job(*self);
      if (next == turn::leave) co_return;
      co_await pool.run(*self);
      if (!tandem::detail::spend_slice()) co_await yield();
      if (pool.context().is_over()) pool.end(pool.context().why());
      next = pool.look(*self, false);
    }
  }

  task<turn> wait_for_job(worker& w) {
    after patience(options_.keep_alive);
    for (;;) {
      bool out_of_patience = false;
      if (const auto rung = co_await select(on_recv(w.ear), on_timeout(patience)); !rung) {
        end(context().why());
      } else {
        out_of_patience = rung->index() == 1;
      }
      const turn next = look(w, out_of_patience);
      if (next != turn::wait) co_return next;
      if (out_of_patience) patience = after(duration::max());  // one of those that stay
    }
  }

  // Runs what is in the slot, unless it is too late for that.
  task<> run(worker& w) {
    queued_job<Job> own = std::move(*w.slot);
    w.slot.reset();
    w.source.reset();  // what comes into the slot next has another submitter
    const time_point begun = now();
    const time_point deadline = deadline_after(own.submitted, options_.job_limit);
    w.waited = begun - own.submitted;
    if (context().is_over()) {
      w.last = job_end::lost;
      tell_lost(std::move(own.job), why_ended());
      co_return;
    }
    if (begun >= deadline) {
      w.last = job_end::expired;
      tell_lost(std::move(own.job), error_of(errc::deadline_exceeded));
      co_return;
    }
    error failure;
    try {
      task<result<void>> handling = handler_(std::move(own.job));
      if (deadline != no_deadline) handling = with_deadline(deadline, std::move(handling));
      if (auto ended = co_await std::move(handling); !ended) failure = std::move(ended).error();
    } catch (...) {
      failure = from_exception(std::current_exception());
    }
    w.ran = now() - begun;
    w.last = judge(failure);
  }

  job_end judge(const error& failure) noexcept {
    if (!failure) return job_end::done;
    const bool cut_off = context().is_over() && (failure == errc::cancelled || failure == errc::deadline_exceeded);
    if (options_.on_failed) {
      try {
        options_.on_failed(failure);
      } catch (...) {
        report_throwing_callback(site_);
      }
    } else if (!cut_off) {
      report_failed_job(site_, failure);
    }
    return cut_off ? job_end::cut_off : job_end::failed;
  }

  void tell_lost(Job&& job, const error& why) noexcept {
    Job lost(std::move(job));
    if (!options_.on_lost) return;
    try {
      options_.on_lost(std::move(lost), why);
    } catch (...) {
      report_throwing_callback(site_);
    }
  }

  // Whether a worker has a job in its slot, should wait to be rung for, or leave: then it does not count any more.
  turn look(worker& w, bool out_of_patience) noexcept {
    sender<wake_up> bell;  // of a submitter whose job was taken
    {
      const std::lock_guard hold(lock_);
      if (w.slot) return turn::run;
      settle(w);
      if (queue_.size() == 0 && waiting_.empty()) {
        if (closed_ || (out_of_patience && workers_ > options_.min_workers)) {
          stop_counting(w);
          return turn::leave;
        }
        if (!w.linked) link_idle(w);
        return turn::wait;
      }
      if (w.linked) unlink_idle(w);
      if (queue_.size() > 0) {
        pop_into(w.slot);
        if (!waiting_.empty()) queue_.push(take_from_waiting(bell));
      } else {
        w.slot.emplace(take_from_waiting(bell));
      }
      begin(w);
    }
    sound(bell);
    return turn::run;
  }

  void launch(std::unique_ptr<worker> w) {
    const spawn_options as_worker(options_.name, with_value(source_.context(), pool_of_worker, this));
    tandem::detail::spawn_on(*home_, work(std::move(w)), as_worker, site_).disown();
  }

  // Launches a worker that has its first job. After an exception, and after taking::closed because the runtime takes no
  // tasks any more, the job is back where it came from.
  taking start(std::unique_ptr<worker> w) {
    const std::shared_ptr<job_source<Job>> source = w->source;
    launch(std::move(w));
    const std::lock_guard hold(lock_);
    return std::exchange(source->from, nullptr) ? taking::taken : taking::closed;
  }

  // These are called under lock_.

  void count(worker& w) noexcept {
    w.counted = true;
    totals_.peak_workers = std::max(totals_.peak_workers, ++workers_);
  }
  void stop_counting(worker& w) noexcept {
    if (w.linked) unlink_idle(w);
    if (std::exchange(w.counted, false)) --workers_;
  }
  void link_idle(worker& w) noexcept {
    idle_.push_front(w);
    ++totals_.idle;
  }
  void unlink_idle(worker& w) noexcept {
    idle_.unlink(w);
    --totals_.idle;
  }
  void unlink_waiting(submitter& s) noexcept {
    waiting_.unlink(s);
    --totals_.waiting;
  }
  void begin(worker& w) noexcept {
    w.busy = true;
    w.last = job_end::running;
    w.waited = w.ran = {};
    ++totals_.running;
  }
  void accept(worker& w, Job& job, time_point submitted) noexcept {
    w.slot.emplace(std::move(job), submitted);
    ++totals_.submitted;
    begin(w);
  }
  taking enqueue(Job& job, time_point submitted, submitter* waiting) noexcept {
    if (!queue_.full()) {
      queue_.push({std::move(job), submitted});
      ++totals_.submitted;
      return taking::taken;
    }
    if (waiting) {
      waiting_.push_back(*waiting);
      ++totals_.waiting;
    }
    return taking::full;
  }
  void pop_into(std::optional<queued_job<Job>>& to) noexcept {
    to.emplace(std::move(queue_.front()));
    (void)queue_.pop();  // there is no chunk to free
  }
  // The job of the submitter that has waited the longest, and its bell.
  queued_job<Job> take_from_waiting(sender<wake_up>& bell) noexcept {
    auto& first = static_cast<submitter&>(*waiting_.first());
    unlink_waiting(first);
    first.taken = true;
    ++totals_.submitted;
    bell = first.bell;
    return {std::move(first.job), first.submitted};
  }
  // Counts the job that the worker had as what it became.
  void settle(worker& w) noexcept {
    if (!std::exchange(w.busy, false)) return;
    --totals_.running;
    switch (w.last) {
      case job_end::done: ++totals_.done; break;
      case job_end::cut_off: ++cut_off_; [[fallthrough]];
      case job_end::running:  // its frame was destroyed
      case job_end::failed: ++totals_.failed; break;
      case job_end::expired: ++totals_.expired; break;
      case job_end::lost: ++totals_.lost; break;
    }
    totals_.queue_time += w.waited;
    totals_.longest_queue_time = std::max(totals_.longest_queue_time, w.waited);
    totals_.run_time += w.ran;
    totals_.longest_run_time = std::max(totals_.longest_run_time, w.ran);
  }

  // These take lock_.

  // Closes, and gives the bell of one who waits, unlinked; none if nobody does.
  sender<wake_up> close_and_pick() noexcept {
    const std::lock_guard hold(lock_);
    closed_ = true;
    if (pool_node* const first = waiting_.first()) {
      unlink_waiting(static_cast<submitter&>(*first));
      return first->bell;
    }
    if (pool_node* const first = idle_.first()) {
      unlink_idle(static_cast<worker&>(*first));
      return first->bell;
    }
    return {};
  }
  bool take_to_lose(std::optional<queued_job<Job>>& next) noexcept {
    const std::lock_guard hold(lock_);
    if (queue_.size() == 0) return false;
    pop_into(next);
    ++totals_.lost;
    return true;
  }
  void close_done_if_gone() noexcept {
    {
      const std::lock_guard hold(lock_);
      if (!closed_ || frames_ > 0) return;
    }
    done_.close();
  }

  handler handler_;
  const worker_pool_options<Job> options_;
  const std::source_location site_;
  const cancel_source source_;
  const std::shared_ptr<tandem::detail::scheduler> home_;
  sender<wake_up> done_;  // constant, as the next
  receiver<wake_up> all_gone_;

  mutable tandem::detail::spin_lock lock_;  // guards the rest
  queue_memory<queued_job<Job>> queue_memory_;
  ring<queued_job<Job>> queue_;
  pool_list idle_;     // workers; the one that became idle last is first
  pool_list waiting_;  // submitters; the one that has waited the longest is first
  std::size_t workers_ = 0;
  std::size_t frames_ = 0;  // workers that exist, counted or not
  bool closed_ = false;
  error ended_;                // why it was ended; none if it was not
  std::uint64_t cut_off_ = 0;  // of the failed jobs
  worker_pool_stats totals_;   // without queued and workers
};

template <class Job>
task<result<void>> wait_for_room(std::shared_ptr<pool_state<Job>> pool, Job& job, time_point submitted) {
  pool_submitter<Job> self(*pool, job, submitted);
  taking outcome = pool->take(job, submitted, &self);
  if (outcome == taking::full) {
    const auto rung = co_await self.ear.recv();
    outcome = pool->leave(self);
    if (outcome == taking::full) co_return fail(rung.error());  // only the context ends the wait without an outcome
  }
  if (outcome == taking::closed) co_return fail(errc::closed);
  co_return {};
}

inline task<result<wake_up>> wait_for_workers(receiver<wake_up> all_gone) { co_return co_await all_gone.recv(); }

template <class Job>
task<result<void>> shut_down(std::shared_ptr<pool_state<Job>> pool, duration limit) {
  pool->check_not_inside();
  pool->close();
  const receiver<wake_up> all_gone = pool->all_gone();
  auto ended = co_await select_biased(on_recv(all_gone), on_timeout(limit));
  if (!ended || ended->index() == 1) {
    pool->end(ended ? error_of(errc::timed_out) : ended.error());
    (void)co_await without_cancel(wait_for_workers(all_gone));
  }
  co_return pool->verdict();
}

}  // namespace tandem::csp::detail
