// Waiting on a thread that is no worker, and noticing that nothing is left that could end the wait.
#include <string>

#include <fmt/format.h>

#include <tandem/runtime/runtime.hpp>

#include "parker.hpp"
#include "scheduler.hpp"

namespace tandem::detail {
namespace {

constexpr duration rest_limit = std::chrono::seconds(10);       // for workers that are idle anyway
constexpr duration look_again = std::chrono::milliseconds(20);  // while only calls on the blocking pool go on

struct thread_waiter : completion_waiter {
  thread_waiter() noexcept
      : completion_waiter(
            [](completion_waiter& self) noexcept { static_cast<thread_waiter&>(self).sleeper.unpark(); }) {}
  parker sleeper;
};

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

// While it lives, the end of shutdown wakes the thread.
class blocked_thread {
 public:
  blocked_thread(scheduler& s, parker& sleeper) : scheduler_(s), sleeper_(sleeper), added_(s.add_blocked(sleeper)) {}
  ~blocked_thread() {
    if (added_) scheduler_.remove_blocked(sleeper_);
  }
  blocked_thread(const blocked_thread&) = delete;
  blocked_thread& operator=(const blocked_thread&) = delete;

  [[nodiscard]] bool is_in_vain() const noexcept { return !added_ || scheduler_.shutdown_is_over(); }

 private:
  scheduler& scheduler_;
  parker& sleeper_;
  const bool added_;
};

}  // namespace

scheduler::activity scheduler::look_for_activity() {
  // (A1) The first and the second look find every worker asleep, and no worker woke between them. So
  // no task ran in between, and what else could make one runnable was looked at while none could start it: a call on
  // the blocking pool, or a request to the ring, starts only from a task, and one that ended before had its effect seen
  // by the second look. An operation is in flight until its task has run on.
  std::uint64_t parked = 0;
  if (host.run || !hands_.all_asleep(parked)) return activity::tasks;
  const io_ring* const ring = made_ring_.load(std::memory_order_acquire);
  const bool calls = !blocking_.quiet() || (ring && !ring->quiet());
  const bool awaited = armed_timers() != 0 || io_in_flight() != 0;
  if (!hands_.all_asleep(parked) || awaited) return activity::tasks;
  return calls ? activity::calls : activity::none;
}

void block_until_ready(scheduler& s, completion_base& what) {
  thread_waiter waiter;
  const blocked_thread blocked(s, waiter.sleeper);
  if (what.add_waiter(waiter) != completion_base::registration::registered) return;
  if (!s.detects_deadlock()) {
    while (!what.is_ready() && !blocked.is_in_vain()) waiter.sleeper.park(no_deadline);
    what.remove_waiter(waiter);  // the waker is done with `waiter` once it has released the lock
    return;
  }
  std::string asleep;
  s.hands().add_onlooker(waiter.sleeper);
  while (!what.is_ready() && !blocked.is_in_vain()) {
    const auto going_on = s.look_for_activity();
    if (going_on == scheduler::activity::none && !what.is_ready()) {
      if (!asleep.empty()) break;  // not even cancelled tasks end
      asleep = describe(take_census(s, census_of::live_tasks, rest_limit));
      s.root().cancel(make_error(errc::cancelled, "all tasks are asleep"));
      (void)s.cancel_all(rest_limit);
      continue;
    }
    waiter.sleeper.park(going_on == scheduler::activity::calls ? steady_now() + look_again : no_deadline);
  }
  s.hands().remove_onlooker(waiter.sleeper);
  what.remove_waiter(waiter);
  if (!asleep.empty()) throw deadlock("tandem: all tasks are asleep and nothing can wake them\n" + asleep);
}

}  // namespace tandem::detail
