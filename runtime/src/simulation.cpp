#include <tandem/runtime/detail/simulation.hpp>

#include "scheduler.hpp"

namespace tandem::detail {
namespace {

// The test's thread plays the worker while it is inside one of these calls.
class playing_worker {
 public:
  explicit playing_worker(scheduler& s) noexcept : outer_(std::exchange(tls_worker, &s.worker_at(0))) {}
  ~playing_worker() { tls_worker = outer_; }
  playing_worker(const playing_worker&) = delete;
  playing_worker& operator=(const playing_worker&) = delete;

 private:
  worker_base* outer_;
};

}  // namespace

void set_wall_clock(scheduler& s, wall_time t) noexcept { s.virtual_epoch = t - s.virtual_now.time_since_epoch(); }
wall_time wall_clock_of(const scheduler& s) noexcept { return s.wall_now(); }

std::shared_ptr<scheduler> make_simulated_scheduler(std::uint32_t seed) {
  auto made = std::make_shared<scheduler>(1, 1, scheduler::mode::manual);
  made->worker_at(0).random = seed == 0 ? 1 : seed;
  // Not zero, so that a deadline computed backwards from now is still a point in time.
  made->virtual_now = time_point(std::chrono::hours(24));
  set_wall_clock(*made, std::chrono::sys_days(std::chrono::year(2000) / 1 / 1));
  return made;
}

std::size_t run_until_idle(scheduler& s) noexcept {
  const playing_worker inside(s);
  worker& w = s.worker_at(0);
  std::size_t ran = 0;
  for (;;) {
    if (const queue_item item = w.next_local()) {
      w.execute(item);
      ++ran;
    } else if (w.timers.fire_due(s.now()) == 0) {
      return ran;
    }
  }
}

void move_clock(scheduler& s, time_point when) noexcept {
  const playing_worker inside(s);
  if (when > s.virtual_now) s.virtual_now = when;
  s.worker_at(0).timers.fire_due(s.now());
}

time_point clock_of(const scheduler& s) noexcept { return s.now(); }
time_point next_timer(scheduler& s) noexcept { return s.worker_at(0).timers.next_due(); }
std::size_t live_task_count(const scheduler& s) noexcept { return s.live_tasks(); }
std::string describe_live_tasks(const scheduler& s) { return s.describe_live(64); }
context_state& root_context_of(scheduler& s) noexcept { return s.root(); }

result<void> end_simulation(scheduler& s) {
  {
    const playing_worker inside(s);
    s.cancel_all();
  }
  run_until_idle(s);
  if (s.live_tasks() == 0) return {};
  return fail(errc::failed_precondition, "tasks that do not end when cancelled: " + s.describe_live(64));
}

}  // namespace tandem::detail
