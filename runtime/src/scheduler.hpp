// The work-stealing scheduler: workers, the injection queue, parking, and the table of live tasks.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/worker.hpp>
#include <tandem/runtime/runtime.hpp>

#include "blocking_pool.hpp"
#include "context_state.hpp"
#include "parker.hpp"
#include "run_queue.hpp"
#include "timer_heap.hpp"
#include "watchdog.hpp"

namespace tandem::detail {

/// One worker: a thread (or, under simulation, the test's thread) with its queue and timers.
///
/// (K1) next_ and the inherited fields are touched by the worker's thread only.
struct worker : worker_base {
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

  run_queue ring;
  timer_heap timers;
  parker sleeper;

  // For the watchdog; written by the worker's thread, relaxed because a stale value only delays a report.
  std::atomic<unsigned> turn{0};    // items taken so far; counted in any case
  std::atomic<bool> active{false};  // neither looking for work nor asleep (D2)
  stack_probe probe;

 private:
  queue_item find_elsewhere() noexcept;
  queue_item search() noexcept;
  queue_item try_steal(worker& victim, run_queue::sample before, duration window) noexcept;
  void park() noexcept;
  void become_active() noexcept;
  void overflow(queue_item item) noexcept;

  queue_item next_ = 0;  // the LIFO slot: what this worker made runnable last
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

  /// `held_limit` and `report` as in runtime_options.
  void start_threads(duration held_limit, watchdog::sink report);
  [[nodiscard]] watchdog* guard() noexcept { return guard_.get(); }
  result<void> shutdown(duration limit);
  /// Ends the root context and every wait below it. False if a worker did not come to rest by `deadline`, so that
  /// waits right below the root could not be ended.
  bool cancel_all(time_point deadline = {});

  /// Any thread: queues an item from outside the workers and wakes one.
  void inject(queue_item item) noexcept;
  /// Items from the injection queue: gives one, moves some more into the worker's ring. 0 if there is none.
  queue_item take_injected(worker& self) noexcept;
  void inject_many(const queue_item* items, std::size_t n) noexcept;

  /// Wakes an idle worker to look for work, unless one is looking already.
  void wake_a_thief() noexcept;

  void arm(timer_node& node, time_point when);

  [[nodiscard]] time_point now() const noexcept {
    return how_ == mode::threads ? time_point(std::chrono::steady_clock::now()) : virtual_now;
  }

  void add_live(task_record& task) noexcept;
  void remove_live(task_record& task) noexcept;
  [[nodiscard]] std::size_t live_tasks() const noexcept;
  /// Adds the live tasks to `out`. `stopped`: no worker runs a task meanwhile. See take_census().
  void count_tasks(task_census& out, bool stopped);
  [[nodiscard]] std::size_t armed_timers() noexcept;

  // For threads in block_on().
  [[nodiscard]] bool detects_deadlock() const noexcept { return detect_deadlock_; }
  /// What goes on that may make a task runnable: tasks or timers, only calls on the blocking pool, nothing at all.
  enum class activity : std::uint8_t { tasks, calls, none };
  [[nodiscard]] activity look_for_activity();
  /// `sleeper` is unparked whenever the last worker falls asleep.
  void add_blocked_thread(parker& sleeper);
  void remove_blocked_thread(parker& sleeper) noexcept;

  /// Runs `visit` while no worker runs a task. False if some worker did not come to rest by `deadline`.
  /// Threads: any but a worker's own.
  bool while_stopped(time_point deadline, const std::function<void()>& visit);

  [[nodiscard]] unsigned worker_count() const noexcept { return static_cast<unsigned>(workers_.size()); }
  [[nodiscard]] worker& worker_at(unsigned i) noexcept { return *workers_[i]; }
  [[nodiscard]] context_state& root() noexcept { return *root_; }
  [[nodiscard]] blocking_pool& blocking() noexcept { return blocking_; }
  [[nodiscard]] bool manual() const noexcept { return how_ == mode::manual; }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }
  /// The workers have left or are leaving: what is queued from now on never runs.
  [[nodiscard]] bool stopped() const noexcept { return stop_.load(std::memory_order_acquire); }

  foreign_host host{nullptr, nullptr, nullptr};  // set once, before the first foreign item

  // Simulation only, touched by the test's thread.
  time_point virtual_now{};
  bool shuffled = false;          // what is ready runs in an order drawn by the worker's generator
  std::vector<queue_item> ready;  // what is ready, while it is being shuffled

 private:
  friend struct worker;

  struct live_shard {
    mutable spin_lock lock;
    task_record* first = nullptr;  // guarded by lock
    std::size_t count = 0;         // guarded by lock
  };

  void rest_if_asked() noexcept;
  void end_waits_below_root() noexcept;
  bool wait_for_no_tasks(time_point deadline);
  bool stop_threads(time_point deadline);
  void discard_leftovers() noexcept;

  const mode how_;
  const bool detect_deadlock_;
  std::vector<std::unique_ptr<worker>> workers_;  // constant after construction
  std::vector<std::thread> threads_;              // touched by the starting and the stopping thread
  context_state* root_;                           // constant; the scheduler's own share

  // Injection and parking. Pairing W1: whoever adds work makes it visible, then looks at idle_count_ and searching_;
  // whoever goes idle announces that, then looks at all queues once more. Both with a seq_cst fence in between, so at
  // least one of them sees the other.
  std::mutex inject_lock_;
  std::deque<queue_item> injected_;         // guarded by inject_lock_
  std::vector<worker*> idle_;               // guarded by inject_lock_
  std::uint64_t times_parked_ = 0;          // guarded by inject_lock_: entries into idle_ so far
  std::vector<parker*> blocked_threads_;    // guarded by inject_lock_; filled if detect_deadlock_
  std::atomic<std::size_t> injected_size_{0};  // written under inject_lock_, read as a hint
  std::atomic<unsigned> idle_count_{0};        // written under inject_lock_
  std::atomic<unsigned> searching_{0};         // workers awake and looking for work
  std::atomic<worker*> napping_{nullptr};      // a searcher asleep between two looks

  std::vector<std::unique_ptr<live_shard>> live_;  // the vector is constant

  std::atomic<bool> stopping_{false};       // shutdown has begun
  std::atomic<bool> stop_{false};           // threads must leave
  std::atomic<bool> rest_asked_{false};     // workers must rest between two tasks
  std::mutex stop_lock_;                    // one while_stopped() at a time; taken before control_lock_
  std::mutex control_lock_;
  std::condition_variable control_changed_;
  unsigned resting_ = 0;                    // guarded by control_lock_
  unsigned exited_ = 0;                     // guarded by control_lock_
  bool shut_down_ = false;                  // guarded by control_lock_

  blocking_pool blocking_;
  std::unique_ptr<watchdog> guard_;  // made before the workers' threads start; may be null
};

}  // namespace tandem::detail
