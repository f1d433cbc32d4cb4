// One greedy task, that takes the lock again as soon as it has let it go, and one polite, that pauses as long as it
// holds it.
#include <tandem/sync/mutex.hpp>

#include <algorithm>

#include <tandem/runtime/sleep.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

struct contest {
  mutex lock;
  duration held = 100us;
  duration pause = 100us;
  bool over = false;
  int greedy = 0, polite = 0;
  duration longest_wait{};

  [[nodiscard]] double polite_share() const { return static_cast<double>(polite) / (greedy + polite); }
};

task<> be_greedy(contest& c) {
  while (!c.over) {
    const auto held = co_await c.lock.lock();
    ++c.greedy;
    (void)co_await sleep_for(c.held);
  }
}

task<> be_polite(contest& c) {
  while (!c.over) {
    (void)co_await sleep_for(c.pause);
    const time_point came = now();
    const auto held = co_await c.lock.lock();
    c.longest_wait = std::max(c.longest_wait, now() - came);
    ++c.polite;
    (void)co_await sleep_for(c.held);
  }
}

void expect_fair(duration held, duration pause) {
  testing::sim_runtime sim;
  contest c;
  c.held = held;
  c.pause = pause;
  sim.spawn(be_greedy(c)).disown();
  sim.spawn(be_polite(c)).disown();
  sim.advance(1000 * held);
  c.over = true;
  sim.run_to_end();
  EXPECT_GE(c.polite_share(), 0.3) << held.count() << " ns held, " << pause.count() << " ns paused";
  EXPECT_LE(c.longest_wait, 2 * held) << held.count() << " ns held, " << pause.count() << " ns paused";

}

TEST(MutexFairness, APoliteTaskGetsThreeTenthsBesideAGreedyOne) {
  for (const duration held : {100us, 300us, 1000us, 10000us})
    for (const int percent : {90, 99, 100, 101, 110, 120}) expect_fair(held, held * percent / 100);
}

}  // namespace
}  // namespace tandem::sync
