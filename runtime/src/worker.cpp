#include <array>

#include <unistd.h>

#include "scheduler.hpp"

namespace tandem::detail {

constinit thread_local worker_base* tls_worker = nullptr;

namespace {

constexpr unsigned fairness_period = 64;  // tasks between two looks at timers and the injection queue

// The reluctant thief: a task moves only if its worker does not get to it soon. Tasks that share a channel are faster on
// one worker than on two, so a queue that is being worked off is left alone.
constexpr duration first_look = std::chrono::microseconds(10);
constexpr duration longest_nap = std::chrono::milliseconds(1);
constexpr duration worth_moving = std::chrono::microseconds(50);  // a queue this long in time is shared
constexpr int dry_looks_before_parking = 2;

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace

void worker::execute(queue_item item) noexcept {
  if (item & 1) {
    job& j = *reinterpret_cast<job*>(item & ~queue_item{1});
    j.run(j);
  } else if (owner->host.run(owner->host.host, item, index)) {
    push_back(item, false);
  }
}

void worker::push_next(queue_item item) noexcept {
  if (next_) push_back(next_, true);
  next_ = item;
}

void worker::push_back(queue_item item, bool wake_thief) noexcept {
  if (!ring.push(item)) overflow(item);
  if (wake_thief && owner->worker_count() > 1) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // W1
    owner->wake_a_thief();
  }
}

void worker::overflow(queue_item item) noexcept {
  std::array<queue_item, run_queue::capacity / 2 + 1> moved;
  std::size_t n = ring.steal({moved.data(), run_queue::capacity / 2});
  moved[n++] = item;
  owner->inject_many(moved.data(), n);
}

queue_item worker::next_local() noexcept {
  const unsigned now_turn = turn.load(std::memory_order_relaxed) + 1;  // own variable
  turn.store(now_turn, std::memory_order_relaxed);
  if (now_turn % fairness_period == 0) {
    if (timers.next_due() != no_deadline) timers.fire_due(owner->now());
    if (const queue_item item = owner->take_injected(*this)) {
      slice = slice_length;
      return item;
    }
  }
  if (next_) {
    const queue_item item = std::exchange(next_, 0);
    if (--slice > 0) return item;
    push_back(item, false);  // it had its slice: the others first, and no thief for it
  }
  slice = slice_length;
  if (const queue_item item = ring.pop()) return item;
  return owner->take_injected(*this);
}

void worker::run() noexcept {
  tls_worker = this;
  // The first stack of a thread may allocate what the unwinder keeps for the thread; the watchdog's signal must not.
  if (owner->guard()) (void)stack_trace::capture();
  probe.thread.store(gettid(), std::memory_order_relaxed);
  become_active();
  while (!owner->stop_.load(std::memory_order_acquire)) {
    if (owner->rest_asked_.load(std::memory_order_acquire)) {
      active.store(false, std::memory_order_relaxed);
      owner->rest_if_asked();
      become_active();
    }
    queue_item item = next_local();
    if (!item) item = find_elsewhere();
    if (item) execute(item);
  }
  tls_worker = nullptr;
}

void worker::become_active() noexcept {
  active.store(true, std::memory_order_relaxed);
  if (watchdog* const guard = owner->guard()) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // D2
    guard->worker_is_active();
  }
}

queue_item worker::find_elsewhere() noexcept {
  if (timers.next_due() != no_deadline && timers.fire_due(owner->now()) > 0) return next_local();
  active.store(false, std::memory_order_relaxed);
  const queue_item item = search();
  // A timer or an item may have come in the meantime; park() looks for items once more before it sleeps.
  if (!item) park();
  become_active();
  return item;
}

queue_item worker::try_steal(worker& victim, run_queue::sample before, duration window) noexcept {
  const run_queue::sample after = victim.ring.look();
  if (after.size == 0) return 0;
  const std::uint32_t taken = after.head - before.head;
  const bool stuck = taken == 0;
  const bool long_queue = !stuck && window * after.size / taken > worth_moving;
  if (!stuck && !long_queue) return 0;
  std::array<queue_item, run_queue::capacity / 2> loot;
  const std::uint32_t n = victim.ring.steal(loot);
  if (n == 0) return 0;
  for (std::uint32_t i = 1; i < n; ++i) ring.push(loot[i]);  // fits: the ring was empty
  return loot[0];
}

queue_item worker::search() noexcept {
  const unsigned n = owner->worker_count();
  if (n == 1) return 0;
  owner->searching_.fetch_add(1, std::memory_order_seq_cst);
  queue_item found = 0;
  duration nap = first_look;
  int dry = 0;
  while (!found && dry < dry_looks_before_parking && !owner->stop_.load(std::memory_order_relaxed) &&
         !owner->rest_asked_.load(std::memory_order_relaxed)) {
    const unsigned offset = next_random() % n;
    worker* busiest = nullptr;
    run_queue::sample before{};
    for (unsigned i = 0; i < n; ++i) {
      worker& w = owner->worker_at((offset + i) % n);
      if (&w == this) continue;
      const run_queue::sample s = w.ring.look();
      if (!busiest || s.size > before.size) {
        busiest = &w;
        before = s;
      }
    }
    const time_point start = steady_now();
    if (nap <= first_look) {
      while (steady_now() - start < nap && owner->injected_size_.load(std::memory_order_relaxed) == 0) cpu_pause();
    } else {
      owner->napping_.store(this, std::memory_order_seq_cst);
      if (owner->injected_size_.load(std::memory_order_seq_cst) == 0) {
        const time_point wake = start + nap;
        sleeper.park(timers.next_due() < wake ? timers.next_due() : wake);
      }
      worker* self = this;
      owner->napping_.compare_exchange_strong(self, nullptr, std::memory_order_seq_cst);
    }
    nap = nap * 2 < longest_nap ? nap * 2 : longest_nap;
    if ((found = owner->take_injected(*this))) break;
    if (timers.next_due() <= owner->now()) break;
    found = try_steal(*busiest, before, steady_now() - start);
    dry = busiest->ring.look().size == 0 ? dry + 1 : 0;
  }
  const bool last = owner->searching_.fetch_sub(1, std::memory_order_seq_cst) == 1;
  // Whoever pushed while we were looking left it to us to find it: if we leave with an item, another may look on.
  if (found && last) owner->wake_a_thief();
  return found;
}

void worker::park() noexcept {
  {
    const std::lock_guard hold(owner->inject_lock_);
    if (!owner->injected_.empty()) return;
    owner->idle_.push_back(this);
    owner->idle_count_.store(static_cast<unsigned>(owner->idle_.size()), std::memory_order_seq_cst);
    ++owner->times_parked_;
    if (owner->idle_.size() == owner->workers_.size())
      for (parker* const blocked : owner->blocked_threads_) blocked->unpark();
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);  // W1
  bool work = owner->stop_.load(std::memory_order_acquire) || owner->rest_asked_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < owner->worker_count() && !work; ++i) work = owner->worker_at(i).ring.look().size > 0;
  // Other threads may have armed a timer here; they unpark us after that, so a stale next_due() only costs a turn.
  if (!work) sleeper.park(timers.next_due());
  const std::lock_guard hold(owner->inject_lock_);
  std::erase(owner->idle_, this);
  owner->idle_count_.store(static_cast<unsigned>(owner->idle_.size()), std::memory_order_seq_cst);
}

}  // namespace tandem::detail
