// Contexts by the million: what ends or frees them may neither recurse nor need a second look at any of them.
#include <tandem/runtime/context.hpp>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/detail/config.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

// Sanitizers make each step tens of times slower, and stack frames large: a tenth overflows the stack as surely.
constexpr int million = TANDEM_NESTED_RESUME ? 100'000 : 1'000'000;

bool all_over(const std::vector<context>& contexts) {
  return std::all_of(contexts.begin(), contexts.end(), [](const context& c) { return c.is_over(); });
}

TEST(ContextSize, ACancelReachesAFanOfAMillion) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  std::vector<context> leaves;
  leaves.reserve(million);
  for (int i = 0; i < million; ++i) leaves.push_back(cancel_source(top.context()).context());
  EXPECT_TRUE(top.cancel(make_error(errc::unavailable, "all of you")));
  EXPECT_TRUE(all_over(leaves));
  EXPECT_TRUE(leaves.back().why().is(errc::unavailable));
  leaves.clear();
}

TEST(ContextSize, ACancelReachesAChainOfHalfAMillionWithALeafAtEachLink) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  std::vector<context> leaves;
  leaves.reserve(million / 2);
  context link = top.context();
  for (int i = 0; i < million / 2; ++i) {
    link = cancel_source(link).context();
    leaves.push_back(cancel_source(link).context());
  }
  top.cancel();
  EXPECT_TRUE(link.is_over() && all_over(leaves));
  link = context();
  leaves.clear();
}

TEST(ContextSize, AMillionThatNobodyCancelledAreFreedOneByOneAndAllAtOnce) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  for (int i = 0; i < million; ++i) (void)cancel_source(top.context());  // each is gone before the next
  std::vector<context> fan;
  for (int i = 0; i < million; ++i) fan.push_back(cancel_source(top.context()).context());
  for (std::size_t i = 0; i < fan.size(); i += 2) fan[i] = context();  // from the middle of the list
  EXPECT_TRUE(top.cancel());
  for (std::size_t i = 1; i < fan.size(); i += 2) ASSERT_TRUE(fan[i].is_over());
}

TEST(ContextSize, ACancelReachesAMillionWaitsUnderOneContext) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  int ended = 0;
  auto body = [](int& n) -> task<> {
    const auto slept = co_await sleep_until(no_deadline);
    if (!slept) ++n;
  };
  for (int i = 0; i < million; ++i) sim.spawn(body(ended), source.context()).detach();
  sim.run_until_idle();
  ASSERT_EQ(ended, 0);
  ASSERT_EQ(sim.live_tasks(), static_cast<std::size_t>(million));
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(ended, million);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

// While one thread ends the context, others come and go below it.
TEST(ContextSizeStress, ChildrenComeAndGoWhileTheirParentIsCancelled) {
  for (int round = 0; round < 50; ++round) {
    const cancel_source top;
    std::vector<context> standing;
    for (int i = 0; i < 1'000; ++i) standing.push_back(cancel_source(top.context()).context());
    std::atomic<bool> begun{false};
    std::thread visitor([&] {
      begun = true;
      for (int i = 0; i < 1'000; ++i) {
        const cancel_source child(top.context());
        const cancel_source grandchild(child.context());
        if (i % 2 == 0) child.cancel();
        if (!standing.empty() && i % 4 == 0) standing[static_cast<std::size_t>(i)] = context();
      }
    });
    while (!begun) std::this_thread::yield();
    top.cancel();
    visitor.join();
    for (const context& c : standing) ASSERT_TRUE(!c.state() || c.is_over());
    EXPECT_TRUE(cancel_source(top.context()).context().is_over());
  }
}

}  // namespace
}  // namespace tandem
