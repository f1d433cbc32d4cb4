#include "watchdog.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scheduler.hpp"
#include "signals.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

// Ignored by default, so a late one does no harm, and hardly used by programs: Go preempts with it for the same
// reasons.
constexpr int probe_signal = SIGURG;
constexpr duration longest_answer = std::chrono::seconds(1);
constexpr duration shortest_period = std::chrono::milliseconds(1);  // or it would look all the time

struct sigaction replaced;  // written before the handler can run

void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  if (replaced.sa_flags & SA_SIGINFO) {
    if (replaced.sa_sigaction) replaced.sa_sigaction(signal, info, context);
  } else if (replaced.sa_handler != SIG_DFL && replaced.sa_handler != SIG_IGN) {
    replaced.sa_handler(signal);
  }
}

// Runs in the middle of anything. It calls: atomics, the unwinder (which neither locks nor allocates once it has run on
// the thread, see worker::run()), and a futex.
extern "C" void take_stack(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  worker* const w = static_cast<worker*>(tls_worker);
  int expected = stack_probe::asked;
  if (!w || !w->probe.state.compare_exchange_strong(expected, stack_probe::taking, std::memory_order_acq_rel)) {
    pass_on(signal, info, context);
  } else {
    stack_probe& probe = w->probe;
    const bool same_turn = w->turns.load(std::memory_order_relaxed) == probe.turn;  // own variable
    if (same_turn) {
      probe.stack = stack_trace::capture(2);  // without this function and the one the kernel returns through
      task_record* const task = w->current;
      probe.seen_before = task && !task_table::first_report(*task);
    }
    watchdog* const dog = w->owner->guard();
    probe.state.store(same_turn ? stack_probe::taken : stack_probe::gone, std::memory_order_release);
    if (dog) dog->answered();
  }
  errno = saved;
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = take_stack;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(probe_signal, nullptr, &replaced);
    sigaction(probe_signal, &action, nullptr);
  });
}

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

thread_times spent_by(worker& w) noexcept {
  return times_of(w.probe.thread.load(std::memory_order_relaxed), w.probe.cpu_clock);
}

}  // namespace

watchdog::watchdog(scheduler& s, duration limit, sink report)
    : scheduler_(s), limit_(limit), report_(std::move(report)) {
  install_handler();
  const signals_blocked inherited;
  thread_ = std::thread([this] { run(); });
}

void watchdog::stop() noexcept {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_release);
  sleeper_.unpark();
  thread_.join();
}

bool watchdog::any_active() const noexcept {
  for (unsigned i = 0; i < scheduler_.worker_count(); ++i)
    if (scheduler_.worker_at(i).active.load(std::memory_order_relaxed)) return true;
  return false;
}

void watchdog::sleep_until_work() {
  asleep_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // D2
  if (!any_active() && !stop_.load(std::memory_order_acquire)) sleeper_.park(no_deadline);
  asleep_.store(false, std::memory_order_relaxed);
}

void watchdog::run() noexcept {
  std::vector<sighting> seen(scheduler_.worker_count());
  const duration period = std::max(limit_ / 2, shortest_period);
  const pid_t self = gettid();
  time_point last = steady_now();
  duration queued = queue_time_of(self);  // what this thread had waited for a CPU by then
  while (!stop_.load(std::memory_order_acquire)) {
    if (!any_active()) {
      sleep_until_work();
      seen.assign(seen.size(), {});
      last = steady_now();
      queued = queue_time_of(self);
    }
    sleeper_.park(last + period);
    const time_point now = steady_now();
    if (now - last < period) continue;
    const duration queued_before = std::exchange(queued, queue_time_of(self));
    // Late, and not for lack of a CPU: the whole process stood still, and that is nobody's fault.
    if (now - last - (queued - queued_before) > 2 * period) seen.assign(seen.size(), {});
    look(seen, now);
    last = now;
  }
}

void watchdog::look(std::vector<sighting>& seen, time_point now) {
  for (unsigned i = 0; i < seen.size(); ++i) {
    worker& w = scheduler_.worker_at(i);
    sighting& s = seen[i];
    const std::uint32_t turn = w.turns.load(std::memory_order_relaxed);
    if (!w.active.load(std::memory_order_acquire)) {  // pairs with become_active()
      s.watched = false;
    } else if (!s.watched || s.turn != turn) {
      s = {.turn = turn, .since = now, .before = spent_by(w), .watched = true};
    } else if (!s.reported && now - s.since >= limit_) {
      const duration held = now - s.since;
      const thread_times spent = spent_by(w) - s.before;
      const hold how = judge(held, spent, is_asleep(w.probe.thread.load(std::memory_order_relaxed)), limit_);
      if (how == hold::innocent) continue;
      s.reported = true;
      report(w, {turn, how, held, spent.on_cpu});
    }
  }
}

void watchdog::report(worker& w, const finding& found) {
  stack_probe& probe = w.probe;
  probe.turn = found.turn;
  probe.state.store(stack_probe::asked, std::memory_order_release);
  const time_point deadline = steady_now() + longest_answer;
  syscall(SYS_tgkill, getpid(), probe.thread.load(std::memory_order_relaxed), probe_signal);
  int state = stack_probe::asked;
  while ((state = probe.state.load(std::memory_order_acquire)) < stack_probe::taken) {
    const bool given_up = steady_now() >= deadline || stop_.load(std::memory_order_acquire);
    if (given_up && state == stack_probe::asked &&
        probe.state.compare_exchange_strong(state, stack_probe::idle, std::memory_order_acq_rel)) {
      break;  // the signal is blocked there, or its handler was replaced
    }
    sleeper_.park(steady_now() + std::chrono::milliseconds(1));
  }
  const bool has_stack = state == stack_probe::taken;
  if (state >= stack_probe::taken) probe.state.store(stack_probe::idle, std::memory_order_relaxed);
  if (state == stack_probe::gone || (has_stack && probe.seen_before)) return;
  try {
    const auto ms = [](duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); };
    const std::string deed = fmt::format("has held worker {} for {} ms, {} ({} ms on a CPU)", w.index, ms(found.held),
                                         found.how == hold::computes ? "computing" : "blocked in the kernel",
                                         ms(found.on_cpu));
    if (!has_stack) {
      report_(fmt::format("tandem: something {}, and its stack cannot be had\n", deed));
      return;
    }
    const stack_trace& stack = probe.stack;
    std::string text = stack.task_name() ? fmt::format("tandem: task {} ({}:{})", stack.task_name(),
                                                       stack.spawn_site().file_name(), stack.spawn_site().line())
                                         : std::string("tandem: a runnable that is no task");
    text += fmt::format(" {}; it is at\n", deed);
    for (const std::string& line :
         describe_stack({stack.calls(), stack.awaiters(), stack.task_name(), stack.spawn_site()}))
      text += fmt::format("  {}\n", line);
    report_(text);
  } catch (...) {
    // Without memory there is no report; the task holds its worker all the same.
  }
}

}  // namespace tandem::detail
