#include <tandem/sync/mutex.hpp>

#include <gtest/gtest.h>

#include <tandem/testing/sim_runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

TEST(Mutex, IsHeldByOneTaskAtATime) {
  testing::sim_runtime sim;
  struct {
    mutex lock;
    int inside = 0, most = 0, entries = 0;
  } room;
  auto body = [](decltype(room)& r) -> task<> {
    for (int i = 0; i < 3; ++i) {
      auto held = co_await r.lock.lock();
      EXPECT_TRUE(held.has_value());
      r.most = std::max(r.most, ++r.inside);
      (void)co_await sleep_for(1us);
      --r.inside;
      ++r.entries;
    }
  };
  for (int i = 0; i < 4; ++i) sim.spawn(body(room)).disown();
  sim.run_to_end();
  EXPECT_EQ(room.most, 1);
  EXPECT_EQ(room.entries, 12);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

}  // namespace
}  // namespace tandem::sync
