// What the Go language specification says of channels, sentence by sentence, and what tandem does. Each test names the
// section and says in its own words what it promises there; "Ours:" marks where tandem differs on purpose. The select
// statement is in go_semantics_select_test.cpp, the memory model in go_semantics_memory_test.cpp.
#include <tandem/csp/channel.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/for_each.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/gtest.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

template <class End, class T>
concept can_send = requires(const End& end, T value) { end.send(std::move(value)); };
template <class End>
concept can_receive = requires(const End& end) { end.recv(); };

// --- Channel types ---

// Functions that run at the same time communicate by values of a given type: any type that moves without throwing, a
// channel's end included.
TEST(GoChannelTypes, CarryValuesOfTheirTypeBetweenConcurrentFunctions) {
  const leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::pair<std::string, sender<std::string>>>(0);
  auto answer = [](receiver<std::pair<std::string, sender<std::string>>> requests) -> task<> {
    while (auto request = co_await requests.recv())
      EXPECT_TRUE((co_await request->second.send("re: " + request->first)).has_value());
  };
  auto ask = [](sender<std::pair<std::string, sender<std::string>>> requests) -> task<std::string> {
    auto [reply, replies] = make_channel<std::string>(0);
    std::pair<std::string, sender<std::string>> request("hello", reply);
    EXPECT_TRUE((co_await requests.send(std::move(request))).has_value());
    auto answered = co_await replies.recv();
    co_return std::move(answered).value();
  };
  auto answering = sim.spawn(answer(std::move(rx)));
  EXPECT_EQ(sim.run(ask(std::move(tx))).value(), "re: hello");
  sim.run_until_idle();
  EXPECT_TRUE(answering.done());
}

// A channel variable without a value is nil. Ours: a default-constructed end.
TEST(GoChannelTypes, AnEndWithoutAChannelIsFalse) {
  EXPECT_FALSE(sender<int>());
  EXPECT_FALSE(receiver<int>());
  EXPECT_EQ(sender<int>(), sender<int>());
  auto [tx, rx] = make_channel<int>(0);
  EXPECT_TRUE(tx && rx);
  EXPECT_NE(tx, sender<int>());
}

// A channel may be used in one direction only, by its type. Ours: always; there are two ends and no bidirectional
// channel, so an end converts to nothing.
TEST(GoChannelTypes, TheTypeOfAnEndDecidesItsDirection) {
  static_assert(can_send<sender<int>, int> && !can_receive<sender<int>>);
  static_assert(can_receive<receiver<int>> && !can_send<receiver<int>, int>);
  static_assert(!std::convertible_to<sender<int>, receiver<int>> && !std::convertible_to<receiver<int>, sender<int>>);
}

// make gives a new channel; two of them are different, and copies of an end are the same.
TEST(GoChannelTypes, MakeGivesANewChannelAndCopiesShareIt) {
  auto [tx, rx] = make_channel<int>(1);
  auto [other_tx, other_rx] = make_channel<int>(1);
  EXPECT_NE(tx, other_tx);
  EXPECT_NE(rx, other_rx);
  const sender<int> copy = tx;
  EXPECT_EQ(copy, tx);
  ASSERT_TRUE(copy.try_send(1).has_value());
  EXPECT_EQ(other_rx.try_recv().error(), errc::would_block);
  EXPECT_EQ(rx.try_recv().value(), 1);
}

// The capacity is the number of elements that the buffer takes.
TEST(GoChannelTypes, TheCapacityIsTheNumberOfValuesTheBufferHolds) {
  for (const std::size_t capacity : {0u, 1u, 2u, 7u, 100u}) {
    auto [tx, rx] = make_channel<std::size_t>(capacity);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(tx.try_send(i).has_value());
    EXPECT_EQ(tx.try_send(capacity).error(), errc::would_block);
    EXPECT_EQ(rx.size(), capacity);
  }
}

// Without a buffer communication succeeds only when both sides are ready.
TEST(GoChannelTypes, UnbufferedCommunicationNeedsBothSides) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  auto sending = sim.spawn(send_one(tx, 1));
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  auto receiving = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(sending).has_value());
  EXPECT_EQ(sim.get(receiving).value(), 1);
}

// With one it succeeds without blocking while the buffer is not full (send), or not empty (receive).
TEST(GoChannelTypes, BufferedCommunicationBlocksOnlyOnAFullOrEmptyBuffer) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(2);
  auto first = sim.spawn(send_one(tx, 1));
  auto second = sim.spawn(send_one(tx, 2));
  auto third = sim.spawn(send_one(tx, 3));
  sim.run_until_idle();
  ASSERT_TRUE(first.done() && second.done());
  ASSERT_FALSE(third.done());
  auto take = [&rx = rx]() -> task<int> {
    int sum = 0;
    for (int i = 0; i < 3; ++i) sum += (co_await rx.recv()).value();
    co_return sum;
  };
  EXPECT_EQ(sim.run(take).value(), 6);
  EXPECT_TRUE(third.done());
  auto fourth = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  ASSERT_FALSE(fourth.done());
  ASSERT_TRUE(tx.try_send(4).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(fourth).value(), 4);
}

// A nil channel is never ready, in either direction.
TEST(GoChannelTypes, AnEndWithoutAChannelIsNeverReady) {
  EXPECT_EQ(sender<int>().try_send(1).error(), errc::would_block);
  EXPECT_EQ(receiver<int>().try_recv().error(), errc::would_block);
}

// Who receives is told whether the value was sent before the close: here by the result.
TEST(GoChannelTypes, AReceiveTellsWhetherTheValueWasSentBeforeTheClose) {
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(0).has_value());
  tx.close();
  EXPECT_EQ(rx.try_recv().value(), 0);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

class GoChannelTypesOnWorkers : public ::testing::TestWithParam<unsigned> {};

// Any number of goroutines may send, receive and ask for length and capacity without further synchronization.
TEST_P(GoChannelTypesOnWorkers, AnyNumberOfTasksUseAChannelWithoutSynchronization) {
  const leak_check nothing_left;
  runtime workers({.workers = GetParam()});
  constexpr int each = 4'000 / stress_divisor;
  static constexpr std::size_t capacity = 3;
  std::atomic<long> sum = 0;
  auto send = [](sender<int> to) -> task<> {
    for (int i = 1; i <= each; ++i) EXPECT_TRUE((co_await to.send(i)).has_value());
  };
  auto receive = [&sum](receiver<int> from) -> task<> {
    while (auto value = co_await from.recv()) sum += *value;
  };
  auto look = [](receiver<int> at) -> task<> {
    while (!at.is_closed()) {
      EXPECT_LE(at.size(), capacity);
      EXPECT_EQ(at.capacity(), capacity);
      co_await yield();
    }
  };
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_channel<int>(capacity);
    group g;
    for (int i = 0; i < 6; ++i) g.go(send(tx));
    for (int i = 0; i < 5; ++i) g.go(receive(rx));
    for (int i = 0; i < 2; ++i) g.go(look(rx));
    tx = {};
    EXPECT_TRUE((co_await g.wait()).has_value());
  };
  workers.block_on(body());
  EXPECT_EQ(sum, 6L * each * (each + 1) / 2);
}

// A channel is a first-in first-out queue: what one task sends another receives in the order sent.
TEST_P(GoChannelTypesOnWorkers, AnotherTaskReceivesInTheOrderSent) {
  runtime workers({.workers = GetParam()});
  for (const std::size_t capacity : {0u, 1u, 16u}) {
    constexpr int count = 10'000 / stress_divisor;
    auto send = [](sender<int> to) -> task<> {
      for (int i = 0; i < count; ++i) EXPECT_TRUE((co_await to.send(i)).has_value());
    };
    auto body = [&]() -> task<int> {
      auto [tx, rx] = make_channel<int>(capacity);
      auto sending = spawn(send(std::move(tx)));
      int next = 0;
      while (auto value = co_await rx.recv()) EXPECT_EQ(*value, next++);
      EXPECT_TRUE((co_await sending.join()).has_value());
      co_return next;
    };
    EXPECT_EQ(workers.block_on(body()), count);
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, GoChannelTypesOnWorkers, ::testing::Values(2u, 4u));

// --- Send statements ---

// The channel must permit sending, and the value must be assignable to the element type.
TEST(GoSend, TakesASendingEndAndWhatConvertsToItsType) {
  static_assert(can_send<sender<std::string>, const char*>);
  static_assert(!can_send<sender<std::string>, std::vector<int>>);
  static_assert(!can_send<receiver<std::string>, std::string>);
  static_assert(can_send<sender<std::unique_ptr<int>>, std::unique_ptr<int>>);
}

// Channel and value are evaluated before communication begins: the value is the one of that moment, however long the
// send waits. Ours: so for a copy; an rvalue is moved from when it is placed.
TEST(GoSend, EvaluatesTheValueBeforeItWaits) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  int x = 1;
  int evaluated = 0;
  auto send = [&, out = tx]() -> task<> {
    auto value = [&]() -> const int& { return ++evaluated, x; };
    EXPECT_TRUE((co_await out.send(value())).has_value());
  };
  auto sending = sim.spawn(send);
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  EXPECT_EQ(evaluated, 1);
  x = 2;
  EXPECT_EQ(rx.try_recv().value(), 1);
  sim.run_until_idle();
  EXPECT_TRUE(sending.done());
  EXPECT_EQ(evaluated, 1);
}

// The send blocks until it can proceed: on an unbuffered channel when a receiver is ready.
TEST(GoSend, ProceedsOnAnUnbufferedChannelWhenAReceiverIsReady) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto sending = sim.spawn(send_one(tx, 1));
  sim.advance(std::chrono::hours(1));
  ASSERT_FALSE(sending.done());
  auto receiving = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(sending).has_value());
  EXPECT_EQ(sim.get(receiving).value(), 1);
  receiving = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  EXPECT_TRUE(tx.try_send(2).has_value());  // one is ready: no need to wait
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).value(), 2);
}

// … and on a buffered one when there is room.
TEST(GoSend, ProceedsOnABufferedChannelWhenThereIsRoom) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto first = sim.spawn(send_one(tx, 1));
  auto second = sim.spawn(send_one(tx, 2));
  sim.run_until_idle();
  ASSERT_TRUE(first.done());
  ASSERT_FALSE(second.done());
  EXPECT_EQ(rx.try_recv().value(), 1);
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(second).has_value());
}

// A send on a closed channel panics. Ours: it is an error, and the sender still has the value.
TEST(GoSend, OnAClosedChannelIsAnErrorAndLeavesTheValue) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(1);
  tx.close();
  auto body = [&tx = tx]() -> task<> {
    auto value = std::make_unique<int>(1);
    EXPECT_EQ((co_await tx.send(std::move(value))).error(), errc::closed);
    EXPECT_TRUE(value);
    EXPECT_EQ(tx.try_send(std::move(value)).error(), errc::closed);
    EXPECT_TRUE(value);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// The same when the channel is closed while the send waits.
TEST(GoSend, ThatWaitsWhenTheChannelIsClosedIsAnErrorAndLeavesTheValue) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(0);
  auto body = [&tx = tx]() -> task<> {
    auto value = std::make_unique<int>(1);
    EXPECT_EQ((co_await tx.send(std::move(value))).error(), errc::closed);
    EXPECT_TRUE(value);
  };
  auto sending = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(sending.done());
  tx.close();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(sending).has_value());
}

// A send on a nil channel blocks for ever. Ours: until the sender's context ends.
TEST(GoSend, WithoutAChannelBlocksForEver) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto sending = sim.spawn(send_one(sender<int>(), 1), source.context());
  sim.advance(std::chrono::hours(24 * 365));
  ASSERT_FALSE(sending.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(sending).error(), errc::cancelled);
}

// --- Receive operator ---

// The value is the one received, and has the element type; the channel must permit receiving.
TEST(GoReceive, GivesTheValueInTheElementType) {
  sim_runtime sim;
  static_assert(std::same_as<decltype(std::declval<receiver<std::string>>().try_recv()), result<std::string>>);
  static_assert(!can_receive<sender<std::string>>);
  auto [tx, rx] = make_channel<std::string>(1);
  ASSERT_TRUE(tx.try_send("a").has_value());
  EXPECT_EQ(sim.run(recv_one(rx)).value(), "a");
}

// It blocks until a value is available.
TEST(GoReceive, BlocksUntilAValueIsAvailable) {
  sim_runtime sim;
  for (const std::size_t capacity : {0u, 1u}) {
    auto [tx, rx] = make_channel<int>(capacity);
    auto receiving = sim.spawn(recv_one(rx));
    sim.advance(std::chrono::hours(1));
    ASSERT_FALSE(receiving.done());
    ASSERT_TRUE(tx.try_send(1).has_value());
    sim.run_until_idle();
    EXPECT_EQ(sim.get(receiving).value(), 1);
  }
}

// A receive from a nil channel blocks for ever. Ours: until the receiver's context ends.
TEST(GoReceive, WithoutAChannelBlocksForEver) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto receiving = sim.spawn(recv_one(receiver<int>()), source.context());
  sim.advance(std::chrono::hours(24 * 365));
  ASSERT_FALSE(receiving.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).error(), errc::cancelled);
}

// A receive on a closed channel proceeds at once, with the zero value once all sent values are received. Ours: with
// errc::closed, of which value_or() makes any value you like.
TEST(GoReceive, OnAClosedChannelProceedsAtOnceAfterAllSentValues) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(2);
  ASSERT_TRUE(tx.try_send(7).has_value());
  ASSERT_TRUE(tx.try_send(8).has_value());
  tx.close();
  auto body = [&rx = rx]() -> task<> {
    const time_point start = now();
    EXPECT_EQ((co_await rx.recv()).value(), 7);
    EXPECT_EQ((co_await rx.recv()).value(), 8);
    for (int i = 0; i < 3; ++i) {
      auto after_all = co_await rx.recv();
      EXPECT_EQ(after_all.error(), errc::closed);
      EXPECT_EQ(after_all.value_or(0), 0);
    }
    EXPECT_EQ(now(), start);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// The second result tells a sent zero from the zero of a closed and empty channel. Ours: there is a value only if one
// was sent.
TEST(GoReceive, TellsASentZeroFromAClosedChannel) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(0).has_value());
  tx.close();
  EXPECT_TRUE(sim.run(recv_one(rx)).has_value());
  EXPECT_FALSE(sim.run(recv_one(rx)).has_value());
}

// --- Close ---

// close records that no more values will be sent; who holds the other end can see it.
TEST(GoClose, RecordsThatNoMoreValuesWillBeSent) {
  auto [tx, rx] = make_channel<int>(1);
  EXPECT_FALSE(tx.is_closed() || rx.is_closed());
  EXPECT_TRUE(tx.close().has_value());
  EXPECT_TRUE(tx.is_closed() && rx.is_closed());
}

// It is an error to close a receive-only channel. Ours: a receiver may, as a closed channel panics nobody; its senders
// are told at their next send.
TEST(GoClose, IsAlsoForReceivers) {
  auto [tx, rx] = make_channel<int>(1);
  EXPECT_TRUE(rx.close().has_value());
  EXPECT_EQ(tx.try_send(1).error(), errc::closed);
}

// Closing a closed channel panics. Ours: it is an error value, which need not be looked at.
TEST(GoClose, OfAClosedChannelIsAnErrorValue) {
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  EXPECT_TRUE(tx.close().has_value());
  EXPECT_EQ(tx.close().error(), errc::closed);
  EXPECT_EQ(rx.close().error(), errc::closed);
  EXPECT_EQ(rx.try_recv().value(), 1);
}

// So among many that close only one does.
TEST(GoClose, SucceedsForOneOfManyWhoTry) {
  runtime workers({.workers = 4});
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> closed = 0;
    auto close = [&closed](sender<int> tx) -> task<> {
      if (tx.close()) ++closed;
      co_return;
    };
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(0);
      group g;
      for (int i = 0; i < 8; ++i) g.go(close(tx));
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    EXPECT_EQ(closed, 1);
  }
}

// Closing the nil channel panics. Ours: an error value.
TEST(GoClose, WithoutAChannelIsAnErrorValue) {
  EXPECT_EQ(sender<int>().close().error(), errc::failed_precondition);
  EXPECT_EQ(receiver<int>().close().error(), errc::failed_precondition);
}

// After close, and after the values sent before, receives go ahead without blocking; those that wait, too.
TEST(GoClose, LetsReceivesProceedAfterTheValuesSentBefore) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto waiting = sim.spawn(recv_one(rx));
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  tx.close();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::closed);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

// A receive gives a value together with whether the channel is closed. Ours: one or the other.
TEST(GoClose, IsTheErrorOfAReceiveAndNothingElseIs) {
  auto [tx, rx] = make_channel<int>(1);
  EXPECT_NE(rx.try_recv().error(), errc::closed);
  tx.close();
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

// --- Length and capacity ---

// len is the number of elements queued in the buffer; who waits to send is not counted.
TEST(GoLength, IsTheNumberOfBufferedValues) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(2);
  EXPECT_EQ(tx.size(), 0u);
  std::vector<join_handle<result<void>>> sending;
  for (int i = 0; i < 4; ++i) {
    sending.push_back(sim.spawn(send_one(tx, i)));
    sim.run_until_idle();
    EXPECT_EQ(tx.size(), std::min<std::size_t>(i + 1, 2));
    EXPECT_EQ(rx.size(), tx.size());
  }
  for (const std::size_t left : {2u, 2u, 1u, 0u}) {
    ASSERT_TRUE(rx.try_recv().has_value());
    EXPECT_EQ(rx.size(), left);
  }
  sim.run_until_idle();
  auto [unbuffered_tx, unbuffered_rx] = make_channel<int>(0);
  auto waiting = sim.spawn(send_by(unbuffered_tx, 1));
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  EXPECT_EQ(unbuffered_rx.size(), 0u);
  unbuffered_rx = {};
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::closed);
}

// cap is the buffer's capacity, whatever is in it, and when it is closed.
TEST(GoCapacity, IsThatOfTheBuffer) {
  for (const std::size_t capacity : {0u, 1u, 5u}) {
    auto [tx, rx] = make_channel<int>(capacity);
    EXPECT_EQ(tx.capacity(), capacity);
    (void)tx.try_send(1);
    EXPECT_EQ(rx.capacity(), capacity);
    EXPECT_LE(rx.size(), rx.capacity());
    tx.close();
    EXPECT_EQ(rx.capacity(), capacity);
  }
}

// Closing leaves the length as it is: what was sent is still to be received.
TEST(GoLength, OutlivesClose) {
  auto [tx, rx] = make_channel<int>(2);
  ASSERT_TRUE(tx.try_send(1).has_value());
  tx.close();
  EXPECT_EQ(rx.size(), 1u);
}

// Length and capacity of a nil channel are 0.
TEST(GoLengthAndCapacity, AreZeroWithoutAChannel) {
  EXPECT_EQ(sender<int>().size(), 0u);
  EXPECT_EQ(sender<int>().capacity(), 0u);
  EXPECT_EQ(receiver<int>().size(), 0u);
  EXPECT_EQ(receiver<int>().capacity(), 0u);
}

// --- For statements with a range clause ---

task<std::vector<int>> by_while(receiver<int> rx) {
  std::vector<int> seen;
  while (auto value = co_await rx.recv()) seen.push_back(*value);
  co_return seen;
}

task<std::vector<int>> by_for_each(receiver<int> rx) {
  std::vector<int> seen;
  auto keep = [&seen](int value) { seen.push_back(value); };
  EXPECT_TRUE((co_await for_each(std::move(rx), std::move(keep))).has_value());
  co_return seen;
}

// The loop runs over the successive values sent, until the channel is closed.
TEST(GoForRange, RunsOverTheValuesSentUntilTheChannelIsClosed) {
  for (const std::size_t capacity : {0u, 3u}) {
    for (auto* const loop : {&by_while, &by_for_each}) {
      sim_runtime sim;
      auto [tx, rx] = make_channel<int>(capacity);
      auto looping = sim.spawn(loop(rx));
      auto send = [&tx = tx]() -> task<> {
        for (int i = 0; i < 5; ++i) EXPECT_TRUE((co_await tx.send(i)).has_value());
      };
      EXPECT_TRUE(sim.run(send).has_value());
      sim.run_until_idle();
      ASSERT_FALSE(looping.done());
      tx.close();
      sim.run_until_idle();
      EXPECT_EQ(sim.get(looping).value(), (std::vector<int>{0, 1, 2, 3, 4}));
    }
  }
}

// A channel that is closed and empty gives no iteration.
TEST(GoForRange, RunsNotAtAllOverAClosedAndEmptyChannel) {
  for (auto* const loop : {&by_while, &by_for_each}) {
    sim_runtime sim;
    auto [tx, rx] = make_channel<int>(1);
    tx.close();
    EXPECT_TRUE(sim.run(loop(rx)).value().empty());
  }
}

// Over a nil channel it blocks for ever. Ours: until the loop's context ends.
TEST(GoForRange, WithoutAChannelBlocksForEver) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto looping = sim.spawn(by_while(receiver<int>()), source.context());
  sim.advance(std::chrono::hours(24));
  ASSERT_FALSE(looping.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(looping).value().empty());
}

// The range expression is evaluated once, before the loop: to give the variable another channel does not change what
// is looped over. Ours: so for for_each(), which has its own share of the channel.
TEST(GoForRange, EvaluatesItsExpressionOnce) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(2);
  auto [other_tx, other_rx] = make_channel<int>(2);
  std::vector<int> seen;
  auto body = [&]() -> task<> {
    auto keep = [&](int value) {
      seen.push_back(value);
      rx = other_rx;
    };
    EXPECT_TRUE((co_await for_each(rx, std::move(keep))).has_value());
  };
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(tx.try_send(i).has_value());
    ASSERT_TRUE(other_tx.try_send(i + 10).has_value());
  }
  tx.close();
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(seen, (std::vector<int>{0, 1}));
}

// A loop that is left early leaves what it has not received. Ours: and if it held the last receiver, the senders end.
TEST(GoForRange, ThatIsLeftWithTheLastReceiverEndsTheSenders) {
  const leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto send = [](sender<int> to) -> task<int> {
    int sent = 0;
    while (auto placed = co_await to.send(sent)) ++sent;
    co_return sent;
  };
  auto loop = [](receiver<int> from) -> task<> {
    while (auto value = co_await from.recv())
      if (*value == 3) break;
  };
  auto sending = sim.spawn(send(std::move(tx)));
  EXPECT_TRUE(sim.run(loop(std::move(rx))).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(sending).value(), 4);
}

}  // namespace
}  // namespace tandem::csp
