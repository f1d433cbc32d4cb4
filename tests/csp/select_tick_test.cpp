#include <gtest/gtest.h>

#include <tandem/csp/select.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using tandem::testing::sim_runtime;

template <class F>
void in_task(sim_runtime& sim, F body) {
  ASSERT_TRUE(sim.run([&body]() -> task<> { co_await body(); }).has_value());
}

TEST(SelectTick, ATimerEndsTheWaitForAChannel) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    auto [out, in] = make_channel<int>(1);
    timer late(10ms);
    const time_point start = now();
    const auto chosen = co_await select(on_recv(in), on_tick(late));
    EXPECT_EQ(chosen->index(), 1U);
    EXPECT_EQ(std::get<1>(*chosen).value(), (tick{start + 10ms, 0}));
    EXPECT_EQ(now(), start + 10ms);
    EXPECT_FALSE(late.stop());  // received
  });
}

TEST(SelectTick, ALosingTimerKeepsItsTick) {
  sim_runtime sim;
  in_task(sim, [&]() -> task<> {
    auto [out, in] = make_channel<int>(0);
    timer late(10ms);
    auto sending = sim.spawn([](sender<int> to) -> task<> {
      (void)co_await sleep_for(5ms);
      (void)co_await to.send(7);
    }(std::move(out)));
    const auto chosen = co_await select(on_recv(in), on_tick(late));
    EXPECT_EQ(std::get<0>(*chosen).value(), 7);
    const time_point start = now();
    EXPECT_TRUE((co_await late.wait()).has_value());
    EXPECT_EQ(now(), start + 5ms);
    (void)co_await sending.join();
  });
}

TEST(SelectTick, ATickerThatIsDueIsAReadyArm) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    ticker t(10ms);
    const time_point start = now();
    const auto early = co_await select(on_tick(t), otherwise());
    EXPECT_EQ(early->index(), 1U);
    (void)co_await sleep_for(25ms);
    const auto due = co_await select(on_tick(t), otherwise());
    EXPECT_EQ(std::get<0>(*due).value(), (tick{start + 20ms, 1}));
    const auto next = co_await select(on_tick(t), on_timeout(1s));
    EXPECT_EQ(std::get<0>(*next).value(), (tick{start + 30ms, 0}));
  });
}

TEST(SelectTick, StopAndResetReachASelectThatWaits) {
  sim_runtime sim;
  in_task(sim, [&]() -> task<> {
    timer late(10ms);
    auto selecting = sim.spawn([](timer& t) -> task<std::size_t> {
      const auto chosen = co_await select(on_tick(t), on_timeout(100ms));
      co_return chosen->index();
    }(late));
    (void)co_await sleep_for(1ms);
    EXPECT_TRUE(late.stop());
    (void)co_await sleep_for(50ms);
    EXPECT_FALSE(selecting.done());
    EXPECT_FALSE(late.reset(20ms));
    const auto index = co_await selecting.join();
    EXPECT_EQ(index.value(), 0U);
  });
}

TEST(SelectTick, ATimerIsForOneWaitAtATime) {
  sim_runtime sim;
  in_task(sim, []() -> task<> {
    timer t(10ms);
    const auto chosen = co_await select(on_tick(t), on_tick(t));
    EXPECT_EQ(chosen->index(), 1U);
    EXPECT_EQ(std::get<1>(*chosen).error().code(), errc::failed_precondition);
    EXPECT_TRUE(t.stop());
  });
}

TEST(SelectTick, AMomentLimitsSeveralSelectsTogether) {
  sim_runtime sim;
  in_task(sim, [&]() -> task<> {
    auto [out, in] = make_channel<int>(0);
    auto sending = sim.spawn([](sender<int> to) -> task<> {
      for (int i = 0;; ++i) {
        (void)co_await sleep_for(3ms);
        if (const auto sent = co_await to.send(i); !sent) break;
      }
    }(std::move(out)));
    const after late(10ms);
    const time_point start = now();
    int received = 0;
    for (;;) {
      const auto chosen = co_await select(on_recv(in), on_timeout(late));
      if (chosen->index() == 1) break;
      ++received;
    }
    EXPECT_EQ(received, 3);
    EXPECT_EQ(now(), start + 10ms);
    in.close();
    (void)co_await sending.join();
  });
}

}  // namespace
}  // namespace tandem::csp
