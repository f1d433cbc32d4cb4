// The work-stealing scheduler: workers, the injection queue, parking, and how many tasks live.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/worker.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/wall_clock.hpp>

#include "blocking_pool.hpp"
#include "context_state.hpp"
#include "crew.hpp"
#include "fork.hpp"
#include "io_ring.hpp"
#include "pipe_pool.hpp"
#include "reactor.hpp"
#include "sched_trace.hpp"
#include "timer_heap.hpp"
#include "watchdog.hpp"

namespace tandem::detail {

/// One worker: a thread (or, under simulation, the test's thread) with its queue and timers.
///
/// (K1) helped_, polled_at_ and the fields of worker_base are touched by the worker's thread only.
struct worker final : worker_base, seat {
  worker(scheduler& of, unsigned number) noexcept;

  /// Runs until the scheduler stops.
  void run() noexcept;

  /// One item, or 0 if there is nothing runnable here (simulation: nothing at all).
  queue_item next_local() noexcept;
  void execute(queue_item item) noexcept;

  /// Any thread: the task that ran here a moment ago, to be looked up in the table of live tasks before it is touched.
  [[nodiscard]] const task_record* running_task() noexcept {
    return std::atomic_ref(current).load(std::memory_order_relaxed);
  }

  void push_next(queue_item item) noexcept;
  void push_back(queue_item item, bool wake_thief) noexcept;

  [[nodiscard]] time_point next_due() const noexcept override { return timers.next_due(); }
  [[nodiscard]] bool anything_due() const noexcept override;
  [[nodiscard]] time_point keep_time() noexcept override;
  void stop_keeping_time() noexcept override;
  void poll() noexcept override;
  bool sleep(time_point deadline) noexcept override;

  timer_heap timers;

  std::atomic<std::uint64_t> tasks_begun{0};  // written by the worker's thread
  std::atomic<std::uint64_t> tasks_ended{0};
  std::atomic<std::uint64_t> io_begun{0};  // likewise: operations of io_wait
  std::atomic<std::uint64_t> io_ended{0};

  // For the watchdog; written by the worker's thread. A stale value only delays a report.
  std::atomic<bool> active{false};  // neither looking for work nor asleep (D2)
  stack_probe probe;

 private:
  queue_item find_elsewhere() noexcept;
  void become_active() noexcept;
  void overflow(queue_item item) noexcept;
  void poll_while_busy() noexcept;

  unsigned helped_ = 0;  // whose timers this worker looked at last while it was busy
  time_point polled_at_{};  // when it looked at io last while it was busy
};

/// Everything the workers of one runtime share. Kept in memory by contexts and threads, so that late timers and
/// handles find their locks.
class scheduler : public std::enable_shared_from_this<scheduler> {
 public:
  enum class mode : std::uint8_t { threads, manual };

  scheduler(unsigned workers, unsigned blocking_threads, mode how, bool detect_deadlock = false);
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// As in runtime_options; `trace_every` zero: no trace.
  void start_threads(duration held_limit, duration trace_every, const watchdog::sink& report);
  [[nodiscard]] watchdog* guard() noexcept { return guard_.get(); }
  result<void> shutdown(duration limit);
  /// True on a thread that shutdown() waits for.
  [[nodiscard]] bool is_thread_of_its_own() const noexcept;
  /// Ends the root context and the waits below it. False if not all workers came to rest within `patience`: waits right
  /// below the root may go on then, of the tasks those workers run or, if that cannot be known, of any.
  bool cancel_all(duration patience = {});

  /// To be called where threads other than the caller's are needed for `what`.
  void check_not_orphaned(const char* what) const noexcept {
    if (is_orphan() && !manual()) [[unlikely]]
      abort_orphan(what);
  }

  /// Any thread: queues items from outside the workers and wakes one.
  void inject(const queue_item* items, std::size_t n) noexcept;

  void arm(timer_node& node, time_point when);

  /// Fires what is due in the heap of `self`, and what is overdue in the next other heap (`helped` counts them round)
  /// or, if `all`, in all of them. Gives the number of timers fired.
  std::size_t fire_due(worker& self, unsigned& helped, bool all) noexcept;

  [[nodiscard]] time_point now() const noexcept {
    return how_ == mode::threads ? time_point(std::chrono::steady_clock::now()) : virtual_now;
  }

  [[nodiscard]] wall_time wall_now() const noexcept {
    if (how_ == mode::threads) return wall_time(std::chrono::system_clock::now());
    return wall_time(deadline_after(time_point(virtual_epoch.time_since_epoch()), virtual_now.time_since_epoch())
                         .time_since_epoch());
  }

  /// False once close_table() has: then the task is not live, and must not be started.
  [[nodiscard]] bool add_live(task_record& task) noexcept;
  void remove_live(task_record& task) noexcept;
  [[nodiscard]] std::size_t live_tasks() const noexcept;
  /// Adds the tasks to `out`. `stopped`: no worker runs one meanwhile. Those of the sorted `known` do not count. See
  /// take_census().
  void count_tasks(task_census& out, census_of whom, bool stopped, const std::vector<std::uint64_t>& known);
  [[nodiscard]] std::size_t armed_timers() noexcept;

  [[nodiscard]] reactor& io() noexcept { return io_; }
  /// reactor::context(); from the first call on some worker looks for events of io, if it sleeps.
  [[nodiscard]] asio::io_context& use_io();
  /// A task of this scheduler begins to wait for an operation, or has done so.   Threads: its workers'.
  void io_begins() noexcept;
  void io_ends() noexcept;
  [[nodiscard]] std::size_t io_in_flight() const noexcept;

  // For threads in block_on(): `sleeper` is unparked when shutdown is over. False if it is already.
  bool add_blocked(parker& sleeper);
  void remove_blocked(parker& sleeper) noexcept;
  [[nodiscard]] bool shutdown_is_over() const noexcept;
  [[nodiscard]] bool detects_deadlock() const noexcept { return detect_deadlock_; }
  /// What goes on that may make a task runnable: tasks, timers or io, only calls on the blocking pool, nothing at all.
  enum class activity : std::uint8_t { tasks, calls, none };
  [[nodiscard]] activity look_for_activity();

  /// Runs `visit` while no worker runs a task. False if some worker did not come to rest by `deadline`.
  /// Threads: any but a worker's own.
  bool while_stopped(time_point deadline, const std::function<void()>& visit);

  [[nodiscard]] unsigned worker_count() const noexcept { return static_cast<unsigned>(workers_.size()); }
  [[nodiscard]] worker& worker_at(unsigned i) noexcept { return *workers_[i]; }
  [[nodiscard]] crew& hands() noexcept { return hands_; }
  [[nodiscard]] cancel_scope& root() noexcept { return *root_; }
  [[nodiscard]] blocking_pool& blocking() noexcept { return blocking_; }
  /// Made at the first call; null if there is none.
  [[nodiscard]] io_ring* ring();
  [[nodiscard]] pipe_pool& pipes() noexcept { return pipes_; }
  void forbid_ring() noexcept { may_have_ring_ = false; }  // before the first call
  [[nodiscard]] bool manual() const noexcept { return how_ == mode::manual; }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }
  /// The workers have left or are leaving: what is queued from now on never runs.
  [[nodiscard]] bool stopped() const noexcept { return hands_.stopped(); }

  foreign_host host{nullptr, nullptr, nullptr};  // set once, before the first foreign item

  // Simulation only. While somebody plays the worker, he holds play_lock.
  std::recursive_mutex play_lock;
  // Touched by the test's thread.
  time_point virtual_now{};
  wall_time virtual_epoch{};      // the wall time at virtual_now zero
  bool shuffled = false;          // what is ready runs in an order drawn by the worker's generator
  std::vector<queue_item> ready;  // what is ready, while it is being shuffled

 private:
  friend struct worker;
  friend void add_task_source(scheduler& s, task_source& source);
  friend void remove_task_source(scheduler& s, task_source& source) noexcept;
  [[nodiscard]] std::vector<seat*> make_workers(unsigned n);

  void rest_if_asked() noexcept;
  void end_waits_below_root(std::span<const task_record* const> running);
  [[nodiscard]] bool find_running_tasks(std::vector<const task_record*>& running);
  /// No task becomes live any more. Unless `whatever_lives`, only if none is: true if it was done.
  bool close_table(bool whatever_lives) noexcept;
  std::mutex table_lock_;
  std::atomic<bool> table_closes_{false};  // written under table_lock_
  bool end_tasks(time_point deadline);
  bool wait_for_no_tasks(time_point deadline);
  bool stop_threads(time_point deadline);
  result<void> shut_down_once(time_point deadline);

  // In leftovers.cpp; for the thread that shuts down, when the workers have ended.
  void drain_queues() noexcept;
  void await_item_of(const task_record& task) noexcept;
  void destroy(task_record& task) noexcept;
  void destroy_tasks();

  const mode how_;
  const bool detect_deadlock_;
  std::vector<std::unique_ptr<worker>> workers_;  // constant after construction
  crew hands_;
  std::vector<std::thread> threads_;              // touched by the starting and the stopping thread
  std::optional<has_threads> has_threads_;        // likewise; those of the blocking pool, too
  cancel_scope* root_;                            // constant; the scheduler's own share

  // The timekeeper: of the workers asleep, the one that also sees to the heaps of workers that are busy for long.
  // (T1) The keeper alone writes watched_, and resets it to no_deadline before it lets go of keeper_.
  // (T2) keeper_ and watched_ are written before the heaps are looked at under their locks, and read after a timer was
  //      put into a heap under its lock. So the keeper that comes or goes sees the timer, or whoever armed it sees the
  //      change, and wakes a sleeper if the new timer is earlier than what is watched.
  // (T3) A worker is among the sleepers of the crew, with a seq_cst fence after that, before it tries to become the
  //      keeper; a keeper that goes looks there after it let go. The sleeper becomes the keeper, or the other sees it
  //      and wakes it.
  [[nodiscard]] time_point keep_time(worker& self) noexcept;
  void stop_keeping_time(worker& self) noexcept;
  [[nodiscard]] bool anything_due(const worker& self) const noexcept;  // for fire_due(self, …, true)
  std::atomic<worker*> keeper_{nullptr};
  std::atomic<duration::rep> watched_{no_deadline.time_since_epoch().count()};  // the others' earliest known deadline
  std::atomic<unsigned> next_home_{0};  // heap of the next timer armed from outside of the workers

  // Tasks that threads outside of the workers have begun and ended; those of a worker are in it.
  void count_of(std::atomic<std::uint64_t> worker::* of_worker, std::atomic<std::uint64_t>& outside) noexcept;
  std::atomic<std::uint64_t> outside_begun_{0};
  std::atomic<std::uint64_t> outside_ended_{0};

  std::mutex sources_lock_;
  std::vector<task_source*> sources_;  // guarded by sources_lock_, as is their use

  std::atomic<bool> stopping_{false};       // shutdown has begun
  std::mutex stop_lock_;                    // one while_stopped() at a time; taken before control_lock_
  mutable std::mutex control_lock_;
  std::condition_variable control_changed_;
  unsigned resting_ = 0;                    // guarded by control_lock_
  unsigned exited_ = 0;                     // guarded by control_lock_
  bool shut_down_ = false;                  // guarded by control_lock_: somebody has called shutdown()
  std::optional<result<void>> shutdown_outcome_;  // guarded by control_lock_: and that is over
  std::vector<parker*> blocked_;            // guarded by control_lock_: threads in block_on()

  bool stop_ring(time_point deadline);

  blocking_pool blocking_;
  pipe_pool pipes_;
  bool may_have_ring_ = true;
  std::once_flag ring_made_;
  std::atomic<io_ring*> made_ring_{nullptr};  // release by who makes it, acquire by who looks without ring_made_
  std::unique_ptr<io_ring> ring_;             // written under ring_made_
  std::unique_ptr<watchdog> guard_;  // made before the workers' threads start; may be null
  std::unique_ptr<sched_trace> trace_;  // as guard_
  reactor io_;  // goes first: what it destroys may use the rest
};

/// Keeps `s` in memory: threads or suspended tasks are left that refer to it.
void keep_for_ever(std::shared_ptr<scheduler> s);

}  // namespace tandem::detail
