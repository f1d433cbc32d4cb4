#include <tandem/runtime/detail/simulation.hpp>

#include <limits>
#include <mutex>

#include <tandem/runtime/detail/inspect.hpp>

#include "acting_worker.hpp"
#include "scheduler.hpp"

namespace tandem::detail {
namespace {

constexpr std::size_t named_in_report = 64;
constexpr std::size_t turns_to_end = 100'000;  // for what is cancelled at the end
constexpr std::size_t turns_to_end_each = 1'000;
constexpr duration patience_at_end = std::chrono::seconds(10);  // for operations that cannot be cancelled

// Neighbouring seeds of a xorshift generator draw alike at first; this tears them apart. Never 0.
std::uint32_t spread(std::uint32_t seed) noexcept {
  std::uint64_t x = seed + 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return static_cast<std::uint32_t>(x >> 32) | 1U;
}

// All that is ready goes into a bag, out of which one is drawn. The worker's own order is lost, which is the point.
queue_item draw(scheduler& s, worker& w) {
  while (const queue_item item = w.next_local()) s.ready.push_back(item);
  if (s.ready.empty()) return 0;
  std::swap(s.ready[next_random() % s.ready.size()], s.ready.back());
  const queue_item drawn = s.ready.back();
  s.ready.pop_back();
  w.slice = slice_length;
  return drawn;
}

/// Makes the calling thread the worker of `s`.
class player {
 public:
  explicit player(scheduler& s) : plays_(s.play_lock), inside_(s.worker_at(0)) {}

 private:
  const std::lock_guard<std::recursive_mutex> plays_;
  const acting_worker inside_;
};

}  // namespace

void set_wall_clock(scheduler& s, wall_time t) noexcept {
  s.virtual_epoch =
      wall_time(deadline_after(time_point(t.time_since_epoch()), -s.virtual_now.time_since_epoch()).time_since_epoch());
}
wall_time wall_clock_of(const scheduler& s) noexcept { return s.wall_now(); }

std::shared_ptr<scheduler> make_simulated_scheduler(std::uint32_t seed, bool shuffled) {
  auto made = std::make_shared<scheduler>(1, 1, scheduler::mode::manual);
  made->worker_at(0).random = seed == 0 ? 1 : seed;
  if (shuffled) made->worker_at(0).random = spread(seed);
  made->shuffled = shuffled;
  register_scheduler(made);
  // Not zero, so that a deadline computed backwards from now is still a point in time.
  made->virtual_now = time_point(std::chrono::hours(24));
  set_wall_clock(*made, std::chrono::sys_days(std::chrono::year(2000) / 1 / 1));
  return made;
}

namespace {

std::size_t run_for(scheduler& s, std::size_t turns) noexcept {
  const player inside(s);
  worker& w = s.worker_at(0);
  std::size_t ran = 0;
  while (ran < turns) {
    if (const queue_item item = s.shuffled ? draw(s, w) : w.next_local()) {
      w.execute(item);
      ++ran;
    } else if (s.io().poll() + w.timers.fire_due(s.now()) == 0) {
      break;
    }
  }
  return ran;
}

}  // namespace

std::size_t run_until_idle(scheduler& s) noexcept { return run_for(s, std::numeric_limits<std::size_t>::max()); }

asio::io_context& io_of(scheduler& s) { return s.use_io(); }

bool let_io_come(scheduler& s, duration patience) noexcept {
  if (s.io_in_flight() == 0) return false;
  const player inside(s);
  const time_point end = deadline_after(std::chrono::steady_clock::now(), patience);
  while (s.io().try_sit()) {
    s.io().sleep(end);
    if (s.io().stand_up() > 0) return true;
    if (std::chrono::steady_clock::now() >= end) break;
  }
  return false;
}

void move_clock(scheduler& s, time_point when) noexcept {
  const player inside(s);
  if (when > s.virtual_now) s.virtual_now = when;
  s.worker_at(0).timers.fire_due(s.now());
}

time_point next_timer(scheduler& s) noexcept { return s.worker_at(0).timers.next_due(); }
std::size_t live_task_count(const scheduler& s) noexcept { return s.live_tasks(); }
std::string describe_live_tasks(scheduler& s) { return summarize(take_census(s), named_in_report); }
context_state& root_context_of(scheduler& s) noexcept { return s.root(); }

result<void> end_simulation(scheduler& s) {
  {
    const player inside(s);
    s.cancel_all();
  }
  do {  // some tasks yield for ever
    run_for(s, turns_to_end + s.live_tasks() * turns_to_end_each);
  } while (let_io_come(s, patience_at_end));
  if (s.live_tasks() == 0) return {};
  return fail(errc::failed_precondition, "tasks that do not end when cancelled: " + describe_live_tasks(s));
}

}  // namespace tandem::detail
