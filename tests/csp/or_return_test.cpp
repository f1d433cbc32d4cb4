// Channel operations in or_return().
#include <tandem/runtime/or_return.hpp>

#include <cstddef>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

task<result<int>> sum_all(const receiver<int>& in, int& sum) {
  for (;;) {
    const int v = co_await or_return(in.recv());
    sum += v;
  }
}
task<result<void>> send_three(const sender<int>& out) {
  for (int i = 1; i <= 3; ++i) co_await or_return(out.send(i));
  out.close();
  co_return {};
}

TEST(OrReturn, OfARecvEndsWhenTheChannelCloses) {
  testing::sim_runtime sim;
  for (const std::size_t capacity : {0u, 1u, 8u}) {
    auto [tx, rx] = make_channel<int>(capacity);
    int sum = 0;
    auto receiving = sim.spawn(sum_all(rx, sum));
    auto sending = sim.spawn(send_three(tx));
    EXPECT_EQ(sim.wait(receiving).error().code(), errc::closed);
    EXPECT_TRUE(sim.wait(sending).has_value());
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(sim.live_tasks(), 0u);
  }
}

TEST(OrReturn, OfASendEndsWhenTheReceiverIsGone) {
  testing::sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto sending = sim.spawn(send_three(tx));
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  rx.close();
  EXPECT_EQ(sim.wait(sending).error().code(), errc::closed);
}

TEST(OrReturn, FailsAGroup) {
  testing::sim_runtime sim;
  auto body = []() -> task<result<void>> {
    auto [tx, rx] = make_channel<int>(0);
    int sum = 0;
    group g;
    g.go([&rx = rx, &sum]() -> task<result<void>> {
      (void)co_await or_return(sum_all(rx, sum));
      co_return {};
    });
    g.go(send_three(tx));
    co_await or_return(g.wait());
    co_return {};
  };
  EXPECT_EQ(sim.run(body()).error().code(), errc::closed);
}

}  // namespace
}  // namespace tandem::csp
