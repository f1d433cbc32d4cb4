#include "scheduler.hpp"

#include <algorithm>

#include "task_walk.hpp"

namespace tandem::detail {
namespace {

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace

scheduler::scheduler(unsigned workers, unsigned blocking_threads, mode how, bool detect_deadlock)
    : how_(how), detect_deadlock_(detect_deadlock), root_(new context_state(*this)), blocking_(blocking_threads) {
  install_task_walk();
  for (unsigned i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<worker>());
    worker& w = *workers_.back();
    w.owner = this;
    w.index = i;
    w.random = 2463534242U + i * 0x9e3779b9U;
    live_.push_back(std::make_unique<live_shard>());
  }
  live_.push_back(std::make_unique<live_shard>());  // for spawns from other threads
  idle_.reserve(workers);
}

scheduler::~scheduler() { release(*root_); }

void scheduler::start_threads(duration held_limit, watchdog::sink report) {
  if (held_limit > duration::zero()) guard_ = std::make_unique<watchdog>(*this, held_limit, std::move(report));
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
    stop_threads(steady_now() + std::chrono::seconds(10));  // they are idle, and leave at once
    throw;
  }
}

void scheduler::inject(queue_item item) noexcept { inject_many(&item, 1); }

void scheduler::inject_many(const queue_item* items, std::size_t n) noexcept {
  // Once an item is published its task may run, end, and be the last thing the runtime waited for.
  const std::shared_ptr<scheduler> keep = shared_from_this();
  {
    const std::lock_guard hold(inject_lock_);
    injected_.insert(injected_.end(), items, items + n);
    injected_size_.store(injected_.size(), std::memory_order_seq_cst);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);  // W1
  if (worker* const napper = napping_.load(std::memory_order_seq_cst)) napper->sleeper.unpark();
  wake_a_thief();
}

queue_item scheduler::take_injected(worker& self) noexcept {
  if (injected_size_.load(std::memory_order_relaxed) == 0) return 0;  // stale: found at the next look, or by park()
  const std::lock_guard hold(inject_lock_);
  if (injected_.empty()) return 0;
  const queue_item first = injected_.front();
  injected_.pop_front();
  // A fair share of the rest, so that the lock is not taken for each item.
  std::size_t more = std::min<std::size_t>(injected_.size() / workers_.size(), run_queue::capacity / 4);
  while (more > 0 && self.ring.push(injected_.front())) {
    injected_.pop_front();
    --more;
  }
  injected_size_.store(injected_.size(), std::memory_order_relaxed);
  return first;
}

void scheduler::wake_a_thief() noexcept {
  if (idle_count_.load(std::memory_order_relaxed) == 0 || searching_.load(std::memory_order_relaxed) != 0) return;
  worker* chosen = nullptr;
  {
    const std::lock_guard hold(inject_lock_);
    if (idle_.empty()) return;
    chosen = idle_.back();
    idle_.pop_back();
    idle_count_.store(static_cast<unsigned>(idle_.size()), std::memory_order_relaxed);
  }
  chosen->sleeper.unpark();
}

void scheduler::arm(timer_node& node, time_point when) {
  if (when == no_deadline) return;
  worker_base* const here = tls_worker;
  const bool mine = here && here->owner == this;
  worker& home = *workers_[mine ? here->index : 0];
  const bool first = home.timers.add(node, when);
  if (first && !mine) home.sleeper.unpark();
}

void arm_timer(scheduler& s, timer_node& node, time_point when) { s.arm(node, when); }

void disarm_timer(timer_node& node) noexcept {
  if (node.heap) node.heap->remove(node);
}

void scheduler::add_live(task_record& task) noexcept {
  worker_base* const here = tls_worker;
  task.live_shard = here && here->owner == this ? here->index : worker_count();
  live_shard& shard = *live_[task.live_shard];
  const std::lock_guard hold(shard.lock);
  task.live_next = shard.first;
  if (shard.first) shard.first->live_previous = &task;
  shard.first = &task;
  ++shard.count;
}

void scheduler::remove_live(task_record& task) noexcept {
  live_shard& shard = *live_[task.live_shard];
  {
    const std::lock_guard hold(shard.lock);
    if (task.live_previous) task.live_previous->live_next = task.live_next;
    if (task.live_next) task.live_next->live_previous = task.live_previous;
    if (shard.first == &task) shard.first = task.live_next;
    --shard.count;
  }
  if (stopping()) {  // shutdown waits for the last one
    const std::lock_guard hold(control_lock_);
    control_changed_.notify_all();
  }
}

std::size_t scheduler::live_tasks() const noexcept {
  std::size_t n = 0;
  for (const auto& shard : live_) {
    const std::lock_guard hold(shard->lock);
    n += shard->count;
  }
  return n;
}

void submit(scheduler& s, queue_item item) noexcept {
  worker_base* const here = tls_worker;
  if (here && here->owner == &s) {
    static_cast<worker*>(here)->push_next(item);
  } else {
    s.inject(item);
  }
}

void set_foreign_host(scheduler& s, foreign_host host) noexcept {
  if (!s.host.run) s.host = host;
}

unsigned worker_count(const scheduler& s) noexcept { return s.worker_count(); }

bool is_stopping(const scheduler& s) noexcept { return s.stopping(); }

void make_ready(task_record& task) noexcept { submit(*task.owner, item_of(task)); }

void yield_to_others(task_record& task) noexcept { static_cast<worker*>(tls_worker)->push_back(item_of(task), false); }

void add_live_task(task_record& task) noexcept { task.owner->add_live(task); }
void remove_live_task(task_record& task) noexcept { task.owner->remove_live(task); }

void schedule_new(task_record& task) noexcept {
  worker_base* const here = tls_worker;
  if (here && here->owner == task.owner) {
    static_cast<worker*>(here)->push_back(item_of(task), true);
  } else {
    task.owner->inject(item_of(task));
  }
}

context_state* context_for_spawn(scheduler& s, const spawn_options& options) noexcept {
  if (options.context) return options.context->state();
  worker_base* const here = tls_worker;
  if (here && here->owner == &s && here->current) return here->current->context;
  return &s.root();
}

TANDEM_DETAIL_RUNS_TASKS static void run_task(job& self) noexcept {
  auto& task = static_cast<task_record&>(self);
  worker_base& worker = *tls_worker;
  set_running(worker, &task);
  resume_directly(task.resume_point);  // the record may be gone after this
  set_running(worker, nullptr);
}

task_record::task_record(scheduler& s, context_state* inherited, const char* task_name,
                         std::source_location spawn_site) noexcept
    : job(&run_task),
      owner(&s),
      context(inherited),
      spawn_context(inherited),
      name(task_name),
      site(spawn_site) {
  if (spawn_context) retain(*spawn_context);
}

task_record::~task_record() {
  if (spawn_context) release(*spawn_context);
}

}  // namespace tandem::detail

namespace tandem {

time_point now() noexcept {
  const detail::scheduler* const s = detail::current_scheduler();
  return s ? s->now() : time_point(std::chrono::steady_clock::now());
}

}  // namespace tandem
