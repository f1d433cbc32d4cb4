#include <array>
#include <ctime>
#include <stdexcept>
#include <string>

#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <tandem/runtime/detail/biased_lock.hpp>
#include <tandem/runtime/detail/completion.hpp>

#include "scheduler.hpp"

namespace tandem::detail {

constinit thread_local worker_base* tls_worker = nullptr;

void not_on_a_worker(const char* what) {
  throw std::logic_error(std::string("tandem: ") + what +
                         " was called where no task runs; start one by runtime::spawn() or runtime::block_on()");
}

namespace {

constexpr unsigned fairness_period = 64;  // tasks between two looks at timers, the injection queue and io
std::uint32_t coarse_milliseconds() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<std::uint32_t>(t.tv_sec) * 1000U + static_cast<std::uint32_t>(t.tv_nsec / 1'000'000);
}

constexpr duration poll_period = std::chrono::microseconds(50);  // at least, between a busy worker's looks at io

}  // namespace

worker::worker(scheduler& of, unsigned number) noexcept : seat(of.io()) {
  owner = &of;
  index = number;
  random = 2463534242U + number * 0x9e3779b9U;
}

void worker::execute(queue_item item) noexcept {
  void* const what = reinterpret_cast<void*>(item & ~item_kind);
  if ((item & item_kind) == task_item) {
    static_cast<task_record*>(what)->run();
  } else if ((item & item_kind) == job_item) {
    job& j = *static_cast<job*>(what);
    j.run(j);
  } else if ((item & item_kind) == join_item) {
    static_cast<completion_wait*>(what)->look();
  } else if (owner->host.run(owner->host.host, item, index)) {
    push_back(item, false);
  }
}

void worker::push_next(queue_item item) noexcept {
  if (const queue_item displaced = next.take()) push_back(displaced, true);
  next.put(item);
  owner->hands_.ensure_watch(*this);
}

void worker::push_back(queue_item item, bool wake_thief) noexcept {
  if (!ring.push(item)) overflow(item);
  if (wake_thief) owner->hands_.added_work(*this);
}

void worker::overflow(queue_item item) noexcept {
  std::array<queue_item, run_queue::capacity / 2 + 1> moved;
  std::size_t n = ring.steal({moved.data(), run_queue::capacity / 2});
  moved[n++] = item;
  owner->inject(moved.data(), n);
}

queue_item worker::next_local() noexcept {
  // Relaxed: written here only, and read as a sign of life.
  const std::uint32_t turn = turns.load(std::memory_order_relaxed) + 1;
  turns.store(turn, std::memory_order_relaxed);
  if (turn % fairness_period == 0) {
    coarse_ms = coarse_milliseconds();
    owner->fire_due(*this, helped_, false);
    poll_while_busy();
    if (const queue_item item = owner->hands_.take_injected(*this)) {
      slice = slice_length;
      return item;
    }
  }
  if (const queue_item item = next.take()) {
    if (--slice > 0) return item;
    push_back(item, false);  // it had its slice: the others first, and no thief for it
  }
  slice = slice_length;
  if (const queue_item item = ring.pop()) return item;
  return owner->hands_.take_injected(*this);
}

void worker::run() noexcept {
  tls_worker = this;
  const bias_seat_holder own_bias_seat;
  // The first stack of a thread may allocate what the unwinder keeps for the thread; the watchdog's signal must not.
  if (owner->guard()) (void)stack_trace::capture();
  (void)pthread_getcpuclockid(pthread_self(), &probe.cpu_clock);  // fails only where there are no such clocks
  probe.thread.store(gettid(), std::memory_order_relaxed);
  // The kernel rounds a thread's sleeps up by 50 us unless asked not to. Refused: timers are that much later.
  (void)prctl(PR_SET_TIMERSLACK, 1UL);
  become_active();
  while (!owner->hands_.stopped()) {
    if (owner->hands_.rest_asked()) {
      active.store(false, std::memory_order_relaxed);
      owner->rest_if_asked();
      become_active();
    }
    queue_item item = next_local();
    if (!item) item = find_elsewhere();
    if (item) execute(item);
  }
  if (is_orphan()) abort_orphan("a task that forked went on to wait, or ended,");
  tls_worker = nullptr;
}

void worker::become_active() noexcept {
  coarse_ms = coarse_milliseconds();
  active.store(true, std::memory_order_release);  // publishes, at the first time, what probe says of the thread
  if (watchdog* const guard = owner->guard()) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // D2
    guard->worker_is_active();
  }
}

queue_item worker::find_elsewhere() noexcept {
  const std::size_t fired = owner->fire_due(*this, helped_, true);
  if (owner->io().poll() + fired > 0) return next_local();
  active.store(false, std::memory_order_relaxed);
  const queue_item item = owner->hands_.search(*this, next_random());
  // A timer or an item may have come in the meantime; park() looks for items once more before it sleeps.
  if (!item) owner->hands_.park(*this);
  become_active();
  return item;
}

bool worker::anything_due() const noexcept { return owner->anything_due(*this); }

time_point worker::keep_time() noexcept { return owner->keep_time(*this); }

void worker::stop_keeping_time() noexcept { owner->stop_keeping_time(*this); }

// While searching and asleep, io is left to workers that run: what it wakes talks to what they run, or will when they
// are idle. If one computes for long, whoever keeps watch polls when he begins to search.
void worker::poll() noexcept {
  if (!owner->hands_.any_runs() && owner->io().poll() > 0) polled = true;
}

bool worker::sleep(time_point deadline) noexcept {
  reactor& io = owner->io();
  if (owner->hands_.any_runs() || !io.try_sit()) return sleeper.park(deadline);  // V3
  const bool woken = sleeper.park_elsewhere(deadline);
  if (io.stand_up() > 0) polled = true;
  return woken;
}

// A look costs as much as some dozen short tasks.
void worker::poll_while_busy() noexcept {
  if (!owner->io().in_use()) return;
  const time_point now = std::chrono::steady_clock::now();
  if (now - polled_at_ < poll_period) return;
  polled_at_ = now;
  owner->io().poll();
}

}  // namespace tandem::detail
