// The end of a context meets every wait at a channel: nothing is lost, nothing is taken twice.
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>

#include <chrono>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(ChannelCancel, CancelledSendHasNotSent) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(0);
  auto value = std::make_unique<int>(1);
  auto body = [&]() -> task<result<void>> { co_return co_await tx.send(std::move(value)); };
  auto sending = sim.spawn(body, source.context());
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  source.cancel(make_error(errc::unavailable, "the disk is full"));
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  sim.run_until_idle();
  const error why = sim.get(sending).error();
  EXPECT_EQ(why, errc::cancelled);
  EXPECT_TRUE(why.is(errc::unavailable));
  EXPECT_TRUE(value);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(ChannelCancel, CancelledRecvHasNotTaken) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto [tx, rx] = make_channel<int>(1);
  auto cancelled = sim.spawn(recv_one(rx), source.context());
  auto waiting = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  ASSERT_FALSE(cancelled.done() || waiting.done());
  source.cancel();
  ASSERT_TRUE(tx.try_send(1).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(cancelled).error(), errc::cancelled);
  EXPECT_EQ(*sim.get(waiting), 1);
}

TEST(ChannelCancel, ValueHandedOverBeforeTheCancelIsKept) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto [tx, rx] = make_channel<int>(0);
  auto receiving = sim.spawn(recv_one(rx), source.context());
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(1).has_value());
  source.cancel();  // the task is runnable, but has not run
  sim.run_until_idle();
  EXPECT_EQ(*sim.get(receiving), 1);
}

TEST(ChannelCancel, OverContextStopsAWaitBeforeItBegins) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  source.cancel();
  auto [tx, rx] = make_channel<int>(0);
  auto sending = sim.spawn(send_one(tx, 1), source.context());
  auto receiving = sim.spawn(recv_one(rx), source.context());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(sending).error(), errc::cancelled);
  EXPECT_EQ(sim.get(receiving).error(), errc::cancelled);
}

TEST(ChannelCancel, LoopOfReadyOperationsNoticesWithinASlice) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto [tx, rx] = make_channel<int>(1);
  int done = 0;
  auto body = [&]() -> task<> {
    for (;;) {
      if (auto sent_one = co_await tx.send(1); !sent_one) break;
      if (auto got = co_await rx.recv(); !got) break;
      ++done;
    }
  };
  source.cancel();
  auto spinning = sim.spawn(body, source.context());
  sim.run_until_idle();
  EXPECT_TRUE(spinning.done());
  EXPECT_LE(done, tandem::detail::slice_length);
}

TEST(ChannelDeadline, EndsTheWaitAtTheDeadlineAndNotBefore) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto receiving = sim.spawn([&rx = rx] { return with_timeout(milliseconds(5), recv_by(rx)); });
  auto sending = sim.spawn([&tx = tx] {
    return with_timeout(milliseconds(5), send_by(tx, 1));
  });
  sim.run_until_idle();
  EXPECT_TRUE(receiving.done() && sending.done());  // they met
  (void)sim.get(receiving);
  (void)sim.get(sending);

  auto alone = sim.spawn([&rx = rx] { return with_timeout(milliseconds(5), recv_by(rx)); });
  sim.run_until_idle();
  sim.advance(milliseconds(5) - nanoseconds(1));
  ASSERT_FALSE(alone.done());
  sim.advance(nanoseconds(1));
  ASSERT_TRUE(alone.done());
  EXPECT_EQ(sim.get(alone).error(), errc::deadline_exceeded);
  EXPECT_EQ(tx.try_send(2).error(), errc::would_block);  // nobody waits any more
}

TEST(SelectCancel, NoArmTakesEffect) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto [a_out, a_in] = make_channel<int>(0);
  auto [b_out, b_in] = make_channel<int>(0);
  auto body = [&a = a_in, &b = b_out]() -> task<result<void>> {
    auto chosen = co_await select(on_recv(a), on_send(b, 1));
    if (!chosen) co_return fail(chosen.error());
    co_return result<void>();
  };
  auto selecting = sim.spawn(body, source.context());
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  source.cancel();
  EXPECT_EQ(a_out.try_send(1).error(), errc::would_block);
  EXPECT_EQ(b_in.try_recv().error(), errc::would_block);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).error(), errc::cancelled);
}

TEST(SelectCancel, DeadlineEndsItAtTheDeadlineAndNotBefore) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&rx = rx]() -> task<result<std::size_t>> {
    auto chosen = co_await select(on_recv(rx), on_timeout(milliseconds(6)));
    if (!chosen) co_return fail(chosen.error());
    co_return chosen->index();
  };
  auto selecting = sim.spawn([&] { return with_timeout(milliseconds(5), body()); });
  sim.run_until_idle();
  sim.advance(milliseconds(5) - nanoseconds(1));
  ASSERT_FALSE(selecting.done());
  sim.advance(nanoseconds(1));
  EXPECT_EQ(sim.get(selecting).error(), errc::deadline_exceeded);
}

// A producer and a consumer, each cancelled after any number of turns of the other: what was sent is what was
// received plus what is still buffered.
TEST(ChannelCancel, ConservesValuesWhereverItStrikes) {
  for (std::size_t capacity : {0u, 1u, 3u}) {
    for (int strike = 0; strike < 12; ++strike) {
      sim_runtime sim;
      const cancel_source producers(sim.root_context());
      const cancel_source consumers(sim.root_context());
      auto [tx, rx] = make_channel<int>(capacity);
      int sent = 0;
      int received = 0;
      auto produce = [&sent, &tx = tx]() -> task<> {
        while (auto done = co_await tx.send(1)) ++sent;
      };
      auto consume = [&received, &consumers, strike, &rx = rx]() -> task<> {
        while (auto got = co_await rx.recv())
          if (++received == strike) consumers.cancel();
      };
      auto stop = [&producers, &sent, strike]() -> task<> {
        if (sent >= strike) producers.cancel();
        co_return;
      };
      std::vector<join_handle<void>> tasks;
      for (int i = 0; i < 2; ++i) {
        tasks.push_back(sim.spawn(produce, producers.context()));
        tasks.push_back(sim.spawn(consume, consumers.context()));
      }
      if (strike == 0) consumers.cancel();
      sim.run_until_idle();
      tasks.push_back(sim.spawn(stop));
      sim.run_until_idle();
      producers.cancel();
      consumers.cancel();
      sim.run_until_idle();
      EXPECT_EQ(sim.live_tasks(), 0u);
      EXPECT_EQ(sent, received + static_cast<int>(rx.size())) << "capacity " << capacity << " strike " << strike;
    }
  }
}

// Such a loop cannot be ended, but it must not keep the worker to itself.
TEST(ChannelCancel, ALoopThatIgnoresCancelledOperationsLetsOthersRun) {
  sim_runtime sim;
  const cancel_source over(sim.root_context());
  over.cancel();
  auto [tx, rx] = make_channel<int>(0);
  bool stop = false;
  auto receives = [](const receiver<int>& in, bool& until) -> task<> {
    while (!until) (void)co_await in.recv();
  };
  auto selects = [](const receiver<int>& in, bool& until) -> task<> {
    while (!until) (void)co_await select(on_recv(in));
  };
  auto receiving = sim.spawn(receives(rx, stop), over.context());
  auto selecting = sim.spawn(selects(rx, stop), over.context());
  auto stopping = sim.spawn([&stop]() -> task<> {
    stop = true;
    co_return;
  });
  sim.run_until_idle();  // hangs if one of the loops never yields
  EXPECT_TRUE(receiving.done() && selecting.done() && stopping.done());
}

}  // namespace
}  // namespace tandem::csp
