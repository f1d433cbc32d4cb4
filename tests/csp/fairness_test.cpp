// Tasks that pass control to each other for ever leave room for those that do not.
#include <tandem/csp/channel.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

struct counts {
  std::uint64_t exchanges = 0;
  std::uint64_t longest_wait = 0;  // exchanges between two turns of the third party
  bool over = false;
};

task<> ping(sender<int> out, receiver<int> in, counts& all) {
  while (!all.over) {
    (void)co_await out.send(1);
    ++all.exchanges;
    (void)co_await in.recv();
  }
}

task<> pong(sender<int> out, receiver<int> in) {
  for (;;) {
    auto got = co_await in.recv();
    if (!got) co_return;
    auto sent = co_await out.send(*got);
    if (!sent) co_return;
  }
}

task<> third_party(counts& all, int turns) {
  for (int i = 0; i < turns; ++i) {
    const std::uint64_t before = all.exchanges;
    co_await yield();
    all.longest_wait = std::max(all.longest_wait, all.exchanges - before);
  }
  all.over = true;
}

// In turns, which are the same everywhere: 200 tasks may use up a slice each before the third party's next turn. An
// exchange takes some 100 ns, so that is below 10 ms.
TEST(Fairness, AHundredPairsThatPingPongLetAThirdTaskRunAfterASliceEach) {
  testing::sim_runtime sim;
  counts all;
  constexpr int pairs = 100;
  for (int i = 0; i < pairs; ++i) {
    auto [there, arrived] = make_channel<int>(0);
    auto [back, returned] = make_channel<int>(0);
    sim.spawn(ping(std::move(there), std::move(returned), all)).detach();
    sim.spawn(pong(std::move(back), std::move(arrived))).detach();
  }
  sim.spawn(third_party(all, 50)).detach();
  sim.run_until_idle();
  EXPECT_TRUE(all.over);
  EXPECT_GT(all.exchanges, 1'000U);  // they did ping-pong meanwhile
  EXPECT_LE(all.longest_wait, 2U * pairs * 256U);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

}  // namespace
}  // namespace tandem::csp
