#include <tandem/csp/channel.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;

// The table in channel.hpp, column by column.

TEST(ChannelNeverReady, WaitsUntilTheContextEnds) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto sending = sim.spawn(send_one(sender<int>(), 1), source.context());
  auto receiving = sim.spawn(recv_one(receiver<int>()), source.context());
  auto outside = sim.spawn(recv_one(receiver<int>()));
  sim.run_until_idle();
  ASSERT_FALSE(sending.done() || receiving.done() || outside.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(sending).error(), errc::cancelled);
  EXPECT_EQ(sim.get(receiving).error(), errc::cancelled);
  EXPECT_FALSE(outside.done());
  outside.detach();  // the simulation's end cancels it
}

TEST(ChannelNeverReady, TryWouldBlockAndCloseFails) {
  const sender<int> tx;
  const receiver<int> rx;
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  EXPECT_EQ(tx.close().error(), errc::failed_precondition);
  EXPECT_EQ(rx.close().error(), errc::failed_precondition);
  EXPECT_FALSE(tx.is_closed());
  EXPECT_FALSE(tx);
  EXPECT_EQ(tx.size() + tx.capacity() + rx.size() + rx.capacity(), 0u);
  EXPECT_THROW((void)tx.blocking_send(1), std::logic_error);
  EXPECT_THROW((void)rx.blocking_recv(), std::logic_error);
}

TEST(ChannelOpen, TryTellsWhetherItWouldWait) {
  auto [tx, rx] = make_channel<int>(2);
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  EXPECT_TRUE(tx.try_send(1).has_value());
  EXPECT_TRUE(tx.try_send(2).has_value());
  EXPECT_EQ(tx.try_send(3).error(), errc::would_block);
  EXPECT_EQ(tx.size(), 2u);
  EXPECT_EQ(rx.capacity(), 2u);
  EXPECT_EQ(*rx.try_recv(), 1);
  EXPECT_EQ(*rx.try_recv(), 2);
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
}

TEST(ChannelOpen, FailedTrySendLeavesTheValue) {
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(0);
  auto value = std::make_unique<int>(7);
  EXPECT_EQ(tx.try_send(std::move(value)).error(), errc::would_block);
  ASSERT_TRUE(value);
  tx.close();
  EXPECT_EQ(tx.try_send(std::move(value)).error(), errc::closed);
  EXPECT_TRUE(value);
}

TEST(ChannelOpen, SendWaitsForRoomAndKeepsOrder) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(0).has_value());
  auto first = sim.spawn(send_one(tx, 1));
  auto second = sim.spawn(send_one(tx, 2));
  sim.run_until_idle();
  ASSERT_FALSE(first.done() || second.done());
  EXPECT_EQ(*rx.try_recv(), 0);
  sim.run_until_idle();
  EXPECT_TRUE(first.done());
  EXPECT_FALSE(second.done());
  EXPECT_EQ(*rx.try_recv(), 1);
  EXPECT_EQ(*rx.try_recv(), 2);  // moved into the buffer by the receive before
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(first).has_value());
  EXPECT_TRUE(sim.get(second).has_value());
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(ChannelOpen, RecvWaitsAndWaitersAreServedInOrder) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(4);
  auto first = sim.spawn(recv_one(rx));
  auto second = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  ASSERT_FALSE(first.done() || second.done());
  ASSERT_TRUE(tx.try_send(1).has_value());
  EXPECT_EQ(tx.size(), 0u);  // handed over, not buffered
  ASSERT_TRUE(tx.try_send(2).has_value());
  sim.run_until_idle();
  EXPECT_EQ(*sim.get(first), 1);
  EXPECT_EQ(*sim.get(second), 2);
}

TEST(ChannelRendezvous, SendAndReceiveMeet) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::string>(0);
  EXPECT_EQ(tx.try_send("a").error(), errc::would_block);
  auto sending = sim.spawn(send_one(tx, std::string("b")));
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  EXPECT_EQ(*rx.try_recv(), "b");
  auto receiving = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(sending).has_value());
  ASSERT_FALSE(receiving.done());
  EXPECT_TRUE(tx.try_send("c").has_value());
  sim.run_until_idle();
  EXPECT_EQ(*sim.get(receiving), "c");
}

TEST(ChannelClose, WakesEverySenderWaitingForRoom) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(0).has_value());
  auto a = sim.spawn(send_one(tx, 1));
  auto b = sim.spawn(send_one(tx, 2));
  sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_TRUE(rx.close().has_value());
  EXPECT_EQ(tx.close().error(), errc::closed);
  EXPECT_EQ(rx.close().error(), errc::closed);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).error(), errc::closed);
  EXPECT_EQ(sim.get(b).error(), errc::closed);
  EXPECT_EQ(*rx.try_recv(), 0);  // what was buffered stays receivable
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(ChannelClose, WakesEveryReceiver) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto a = sim.spawn(recv_one(rx));
  auto b = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_TRUE(tx.close().has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).error(), errc::closed);
  EXPECT_EQ(sim.get(b).error(), errc::closed);
}

TEST(ChannelClose, FailsLaterOperationsAndHandsTheValueBack) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(4);
  ASSERT_TRUE(tx.try_send(std::make_unique<int>(1)).has_value());
  tx.close();
  EXPECT_TRUE(rx.is_closed());
  auto body = [&]() -> task<> {
    auto value = std::make_unique<int>(2);
    EXPECT_EQ((co_await tx.send(std::move(value))).error(), errc::closed);
    EXPECT_TRUE(value);
    EXPECT_EQ(**co_await rx.recv(), 1);
    EXPECT_EQ((co_await rx.recv()).error(), errc::closed);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(ChannelDrop, LastSenderClosesAndBufferedValuesStay) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(2);
  ASSERT_TRUE(tx.try_send(1).has_value());
  {
    const sender<int> copy = tx;
    tx = {};
    EXPECT_FALSE(rx.is_closed());
  }
  EXPECT_TRUE(rx.is_closed());
  EXPECT_EQ(*sim.run(recv_by(rx)), 1);
  EXPECT_EQ(sim.run(recv_by(rx)).error(), errc::closed);
}

TEST(ChannelDrop, LastSenderWakesReceivers) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto receiving = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  ASSERT_FALSE(receiving.done());
  tx = {};
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).error(), errc::closed);
}

TEST(ChannelDrop, LastReceiverFailsSendersAndDestroysBufferedValues) {
  sim_runtime sim;
  const auto counted = std::make_shared<int>(0);
  auto [tx, rx] = make_channel<std::shared_ptr<int>>(2);
  ASSERT_TRUE(tx.try_send(counted).has_value());
  ASSERT_TRUE(tx.try_send(counted).has_value());
  auto sending = sim.spawn(send_by(tx, counted));
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  EXPECT_EQ(counted.use_count(), 4);
  rx = {};
  EXPECT_EQ(tx.size(), 0u);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(sending).error(), errc::closed);
  EXPECT_EQ(counted.use_count(), 1);
  EXPECT_EQ(tx.try_send(counted).error(), errc::closed);
}

TEST(ChannelDrop, ValueMayHoldTheLastHandleOfItsOwnChannel) {
  struct envelope {
    sender<envelope> reply_to;
  };
  auto [tx, rx] = make_channel<envelope>(1);
  ASSERT_TRUE(tx.try_send(envelope{tx}).has_value());
  tx = {};
  EXPECT_FALSE(rx.is_closed());
  rx = {};  // destroys the value, and with it the last sender; the leak checker sees the rest
}

TEST(Channel, MovesValuesOfAnyNothrowMovableType) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<std::string>>(3);
  auto produce = [&]() -> task<> {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE((co_await tx.send(std::make_unique<std::string>(40, 'x'))).has_value());
    tx.close();
  };
  std::size_t received = 0;
  auto consume = [&]() -> task<> {
    while (auto value = co_await rx.recv()) received += (*value)->size();
  };
  auto producing = sim.spawn(produce);
  EXPECT_TRUE(sim.run(consume).has_value());
  EXPECT_TRUE(sim.get(producing).has_value());
  EXPECT_EQ(received, 400u);
}

TEST(Channel, ReadyOperationsLetOthersRun) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  bool stop = false;
  int turns = 0;
  auto spin = [&]() -> task<> {  // never waits
    while (!stop) {
      EXPECT_TRUE((co_await tx.send(1)).has_value());
      EXPECT_TRUE((co_await rx.recv()).has_value());
      ++turns;
    }
  };
  auto end = [&]() -> task<> {
    stop = true;
    co_return;
  };
  auto spinning = sim.spawn(spin);
  auto ending = sim.spawn(end);
  sim.run_until_idle();
  EXPECT_TRUE(spinning.done() && ending.done());
  EXPECT_LE(turns, tandem::detail::slice_length);
}

TEST(ChannelBlocking, ThreadsAndTasksExchangeValues) {
  runtime workers({.workers = 1});
  auto [ask_out, ask_in] = make_channel<int>(0);
  auto [answer_out, answer_in] = make_channel<int>(1);
  auto serve = [](receiver<int> in, sender<int> out) -> task<> {
    while (auto value = co_await in.recv())
      if (auto sent = co_await out.send(*value * 2); !sent) break;
  };
  auto serving = workers.spawn(serve(ask_in, answer_out));
  answer_out = {};
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(ask_out.blocking_send(i).has_value());
    ASSERT_EQ(*answer_in.blocking_recv(), 2 * i);
  }
  ask_out.close();
  EXPECT_EQ(ask_out.blocking_send(1).error(), errc::closed);
  EXPECT_EQ(answer_in.blocking_recv().error(), errc::closed);  // the server has dropped the last sender
  serving.detach();
}

TEST(ChannelBlocking, CloseWakesThreads) {
  auto [tx, rx] = make_channel<int>(0);
  std::thread receiving([&rx = rx] { EXPECT_EQ(rx.blocking_recv().error(), errc::closed); });
  while (!tx.target()->may_send()) std::this_thread::yield();
  tx.close();
  receiving.join();
}

TEST(ChannelBlocking, IsRefusedOnAWorker) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&]() -> task<> {
    EXPECT_THROW((void)tx.blocking_send(1), std::logic_error);
    EXPECT_THROW((void)rx.blocking_recv(), std::logic_error);
    co_return;
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

}  // namespace
}  // namespace tandem::csp
