#include "scheduler.hpp"

#include <algorithm>

#include "task_table.hpp"
#include "task_walk.hpp"

namespace tandem::detail {
namespace {

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

// A worker that is this late with its timers is taken to be held up by a task; others fire them then. Sooner would only
// take tasks away from a worker that is about to run them.
constexpr duration overdue_after = std::chrono::milliseconds(1);

// When more is due than can be run, the tasks must run as fast as timers wake them: else they pile up in the queues.
constexpr std::size_t fired_at_once = 64;

}  // namespace

scheduler::scheduler(unsigned workers, unsigned blocking_threads, mode how, bool detect_deadlock)
    : how_(how),
      detect_deadlock_(detect_deadlock),
      hands_(make_workers(workers)),
      root_(new cancel_scope(*this)),
      blocking_(blocking_threads) {
  install_task_walk();
  sync::prepare_heavy_fence();
}

std::vector<seat*> scheduler::make_workers(unsigned n) {
  std::vector<seat*> seats;
  for (unsigned i = 0; i < n; ++i) {
    workers_.push_back(std::make_unique<worker>(*this, i));
    seats.push_back(workers_.back().get());
  }
  return seats;
}

scheduler::~scheduler() { release(*root_); }

void scheduler::start_threads(duration held_limit, duration trace_every, const watchdog::sink& report) {
  constexpr duration shortest = std::chrono::milliseconds(1), longest = std::chrono::days(365);
  if (held_limit > duration::zero()) held_limit = std::clamp(held_limit, shortest, longest);
  if (trace_every > duration::zero()) trace_every = std::clamp(trace_every, shortest, longest);
  has_threads_.emplace();
  if (held_limit > duration::zero()) guard_ = std::make_unique<watchdog>(*this, held_limit, report);
  if (trace_every > duration::zero()) trace_ = std::make_unique<sched_trace>(*this, trace_every, report);
  try {
    for (auto& w : workers_) {
      // The thread's share keeps the scheduler in memory if shutdown has to leave a thread behind.
      threads_.emplace_back([self = shared_from_this(), &w = *w] {
        w.run();
        const std::lock_guard hold(self->control_lock_);
        ++self->exited_;
        self->control_changed_.notify_all();
      });
    }
  } catch (...) {
    if (guard_) guard_->stop();
    stop_threads(steady_now() + std::chrono::seconds(10));  // they are idle, and leave at once
    throw;
  }
}

io_ring* scheduler::ring() {
  std::call_once(ring_made_, [this] {
    if (!may_have_ring_ || manual()) return;
    ring_ = io_ring::make(*this);
    made_ring_.store(ring_.get(), std::memory_order_release);
  });
  return ring_.get();
}

void scheduler::inject(const queue_item* items, std::size_t n) noexcept {
  check_not_orphaned("a task was spawned or woken");
  // Once an item is published its task may run, end, and be the last thing the runtime waited for.
  const std::shared_ptr<scheduler> keep = shared_from_this();
  hands_.inject(items, n);
}

void scheduler::arm(timer_node& node, time_point when) {
  if (when == no_deadline) return;
  worker_base* const here = tls_worker;
  const bool mine = here && here->owner == this;
  // Stale: any heap will do, the counter only spreads them.
  worker& home = *workers_[mine ? here->index : next_home_.fetch_add(1, std::memory_order_relaxed) % worker_count()];
  if (!home.timers.add(node, when)) return;
  if (!mine) home.sleeper.unpark();
  if (when.time_since_epoch().count() >= watched_.load(std::memory_order_relaxed)) return;  // T2
  if (worker* const keeper = keeper_.load(std::memory_order_relaxed)) {
    keeper->sleeper.unpark();
  } else if (hands_.any_asleep()) {
    hands_.wake_longest_asleep(nullptr);  // finds nothing to do and no keeper, and becomes it
  }
}

std::size_t scheduler::fire_due(worker& self, unsigned& helped, bool all) noexcept {
  time_point now{};  // read at most once, and only if there is a timer at all
  const auto fire = [&](worker& w, duration grace) -> std::size_t {
    const time_point due = w.timers.next_due();
    if (due == no_deadline) return 0;
    if (now == time_point{}) now = this->now();
    return now - grace >= due ? w.timers.fire_due(now, fired_at_once) : 0;
  };
  std::size_t fired = fire(self, duration::zero());
  for (unsigned i = all ? worker_count() : 2; i > 1; --i) {
    helped = helped + 1 < worker_count() ? helped + 1 : 0;
    if (worker& other = *workers_[helped]; &other != &self) fired += fire(other, overdue_after);
  }
  return fired;
}

bool scheduler::anything_due(const worker& self) const noexcept {
  const time_point now = this->now();
  return std::any_of(workers_.begin(), workers_.end(), [&](const std::unique_ptr<worker>& w) {
    return w->timers.next_due() <= (w.get() == &self ? now : now - overdue_after);
  });
}

time_point scheduler::keep_time(worker& self) noexcept {
  const time_point own = self.timers.next_due();
  worker* nobody = nullptr;
  const bool keeps_already = keeper_.load(std::memory_order_relaxed) == &self;  // nobody else writes our name
  // T3. Reads what stop_keeping_time() stored: the last keeper's reset of watched_ comes before our writes (T1).
  if (!keeps_already &&
      (worker_count() == 1 || !keeper_.compare_exchange_strong(nobody, &self, std::memory_order_seq_cst)))
    return own;
  const auto earliest_of_others = [&](auto look) {
    time_point earliest = no_deadline;
    for (const auto& w : workers_)
      if (w.get() != &self) earliest = std::min(earliest, look(w->timers));
    return earliest;
  };
  time_point others = earliest_of_others([](timer_heap& h) { return h.next_due(); });
  watched_.store(others.time_since_epoch().count(), std::memory_order_relaxed);
  const time_point exact = earliest_of_others([](timer_heap& h) { return h.first_due(); });  // T2
  if (exact < others) {
    others = exact;  // whoever arms meanwhile compares with a later time, which costs at most a wake
    watched_.store(others.time_since_epoch().count(), std::memory_order_relaxed);
  }
  return std::min(own, others < no_deadline - overdue_after ? others + overdue_after : no_deadline);
}

void scheduler::stop_keeping_time(worker& self) noexcept {
  if (keeper_.load(std::memory_order_relaxed) != &self) return;  // nobody else writes our name
  watched_.store(no_deadline.time_since_epoch().count(), std::memory_order_relaxed);  // T1
  keeper_.store(nullptr, std::memory_order_seq_cst);                                  // T3
  if (!hands_.any_asleep()) return;
  const auto armed = [](const std::unique_ptr<worker>& w) { return w->timers.first_due() != no_deadline; };  // T2
  if (std::any_of(workers_.begin(), workers_.end(), armed)) hands_.wake_longest_asleep(&self);
}

void arm_timer(scheduler& s, timer_node& node, time_point when) { s.arm(node, when); }

void disarm_timer(timer_node& node) noexcept {
  if (node.heap) node.heap->remove(node);
}

bool scheduler::add_live(task_record& task) noexcept {
  task_table::list(task);
  count_of(&worker::tasks_begun, outside_begun_);
  sync::light_fence();  // see close_table()
  if (!table_closes_.load(std::memory_order_relaxed)) [[likely]]
    return true;
  {
    const std::lock_guard hold(table_lock_);
    if (!table_closes_.load(std::memory_order_relaxed)) return true;  // there were others, and it is open again
  }
  remove_live(task);
  return false;
}

void scheduler::remove_live(task_record& task) noexcept {
  count_of(&worker::tasks_ended, outside_ended_);
  task_table::unlist(task);  // its fence is also between the count and stopping_: see wait_for_no_tasks()
  if (stopping_.load(std::memory_order_relaxed)) {  // shutdown waits for the last one
    const std::lock_guard hold(control_lock_);
    control_changed_.notify_all();
  }
}

// A worker's counts are written by its thread only, so that they cost no atomic read-modify-write.
void scheduler::count_of(std::atomic<std::uint64_t> worker::* of_worker, std::atomic<std::uint64_t>& outside) noexcept {
  if (worker_base* const here = tls_worker; here && here->owner == this) {
    std::atomic<std::uint64_t>& count = static_cast<worker*>(here)->*of_worker;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  } else {
    outside.fetch_add(1, std::memory_order_release);
  }
}

// A task that spawns another counts it before its own end. So if the ends are read first, whoever is not counted as
// begun has not been counted as ended either, and zero means that there is none.
std::size_t scheduler::live_tasks() const noexcept {
  std::uint64_t ended = outside_ended_.load(std::memory_order_acquire);
  for (const auto& w : workers_) ended += w->tasks_ended.load(std::memory_order_acquire);
  std::uint64_t begun = outside_begun_.load(std::memory_order_acquire);
  for (const auto& w : workers_) begun += w->tasks_begun.load(std::memory_order_acquire);
  return begun - ended;
}

void submit(scheduler& s, queue_item item) noexcept {
  worker_base* const here = tls_worker;
  if (here && here->owner == &s) {
    static_cast<worker*>(here)->push_next(item);
  } else {
    s.inject(&item, 1);
  }
}

void set_foreign_host(scheduler& s, foreign_host host) noexcept {
  if (!s.host.run) s.host = host;
}

unsigned worker_count(const scheduler& s) noexcept { return s.worker_count(); }

time_point clock_of(const scheduler& s) noexcept { return s.now(); }

bool is_stopping(const scheduler& s) noexcept { return s.stopping(); }

void make_ready(task_record& task) noexcept { submit(*task.owner, item_of(task)); }

void queue_behind_others(queue_item item) noexcept { static_cast<worker*>(tls_worker)->push_back(item, false); }

void yield_to_others(task_record& task) noexcept { queue_behind_others(item_of(task)); }

void yield_to_all(task_record& task) noexcept {
  if (!task.owner->hands().any_injected()) return yield_to_others(task);
  const queue_item item = item_of(task);
  task.owner->inject(&item, 1);
}

bool add_live_task(task_record& task) noexcept { return task.owner->add_live(task); }
void remove_live_task(task_record& task) noexcept { task.owner->remove_live(task); }

void schedule_behind_others(task_record& task) noexcept {
  worker_base* const here = tls_worker;
  if (here && here->owner == task.owner) {
    static_cast<worker*>(here)->push_back(item_of(task), true);
  } else {
    const queue_item item = item_of(task);
    task.owner->inject(&item, 1);
  }
}

context_state* context_for_spawn(scheduler& s, const spawn_options& options) noexcept {
  s.check_not_orphaned("a task was spawned");
  if (options.context) return options.context->state();
  worker_base* const here = tls_worker;
  if (here && here->owner == &s && here->current) return here->current->context();
  return &s.root();
}

}  // namespace tandem::detail

namespace tandem {

time_point now() noexcept {
  const detail::scheduler* const s = detail::current_scheduler();
  return s ? s->now() : time_point(std::chrono::steady_clock::now());
}

}  // namespace tandem
