#include <tandem/csp/broadcast.hpp>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/for_each.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::leak_check;
using testing::sim_runtime;

static_assert(!std::copy_constructible<broadcast_receiver<int>> && std::movable<broadcast_receiver<int>>);
static_assert(std::copyable<broadcast_sender<int>>);

task<result<broadcast_value<int>>> next_of(broadcast_receiver<int>& rx) { co_return co_await rx.recv(); }

TEST(Broadcast, EveryReceiverSeesEveryValueInOrder) {
  leak_check nothing_left;
  auto [tx, first] = make_broadcast<int>(8);
  auto second = first.subscribe();
  auto third = tx.subscribe();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(tx.send(i).has_value());
  for (auto* rx : {&first, &second, &third}) {
    for (int i = 0; i < 8; ++i) {
      const auto got = rx->try_recv();
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(got->value, i);
      EXPECT_EQ(got->missed, 0U);
    }
    EXPECT_EQ(rx->try_recv().error(), errc::would_block);
  }
}

TEST(Broadcast, AReceiverSeesWhatIsSentAfterItSubscribed) {
  auto [tx, old] = make_broadcast<int>(8);
  EXPECT_TRUE(tx.send(1).has_value());
  auto young = old.subscribe();
  EXPECT_TRUE(tx.send(2).has_value());
  EXPECT_EQ(old.try_recv()->value, 1);
  EXPECT_EQ(young.try_recv()->value, 2);
  EXPECT_EQ(young.try_recv().error(), errc::would_block);
}

TEST(Broadcast, ASlowReceiverIsToldHowManyItMissed) {
  leak_check nothing_left;
  auto [tx, rx] = make_broadcast<int>(4);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(tx.send(i).has_value());
  const auto first = rx.try_recv();
  EXPECT_EQ(first->value, 6);
  EXPECT_EQ(first->missed, 6U);
  EXPECT_EQ(rx.try_recv()->missed, 0U);
  EXPECT_TRUE(tx.send(10).has_value());
  EXPECT_TRUE(tx.send(11).has_value());
  EXPECT_TRUE(tx.send(12).has_value());
  const auto next = rx.try_recv();
  EXPECT_EQ(next->value, 9);
  EXPECT_EQ(next->missed, 1U);
}

TEST(Broadcast, AllWhoWaitGetTheNextValue) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, first] = make_broadcast<int>(1);
  auto second = tx.subscribe();
  auto a = sim.spawn(next_of(first));
  auto b = sim.spawn(next_of(second));
  sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_TRUE(tx.send(7).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a)->value, 7);
  EXPECT_EQ(sim.get(b)->value, 7);
}

// What came between the wake and the turn of the task is not lost without a word.
TEST(Broadcast, OneThatWasWokenSeesTheOldestThatIsStillThere) {
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(2);
  auto waiting = sim.spawn(next_of(rx));
  sim.run_until_idle();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(tx.send(i).has_value());
  sim.run_until_idle();
  const auto got = sim.get(waiting);
  EXPECT_EQ(got->value, 3);
  EXPECT_EQ(got->missed, 3U);
}

TEST(Broadcast, DroppingTheLastSenderClosesItAfterWhatWasSent) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(4);
  auto idle = rx.subscribe();
  EXPECT_TRUE(tx.send(1).has_value());
  (void)idle.try_recv();
  auto waiting = sim.spawn(next_of(idle));
  sim.run_until_idle();
  {
    const broadcast_sender<int> copy = tx;
    EXPECT_TRUE(copy == tx);
    tx = {};
    sim.run_until_idle();
    ASSERT_FALSE(waiting.done());
  }
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::closed);
  EXPECT_EQ(rx.try_recv()->value, 1);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
  EXPECT_TRUE(rx.is_closed());
  auto late = rx.subscribe();
  EXPECT_EQ(late.try_recv().error(), errc::closed);
}

TEST(Broadcast, ASendAfterCloseLeavesTheValue) {
  auto [tx, rx] = make_broadcast<std::string>(4);
  EXPECT_TRUE(tx.close());
  EXPECT_FALSE(tx.close());
  std::string value(40, 'x');
  EXPECT_EQ(tx.send(std::move(value)).error(), errc::closed);
  EXPECT_EQ(value, std::string(40, 'x'));
}

TEST(Broadcast, WithoutReceiversSendingSucceedsAndOthersMaySubscribeLater) {
  leak_check nothing_left;
  auto [tx, rx] = make_broadcast<int>(2);
  rx = {};
  EXPECT_TRUE(tx.send(1).has_value());
  auto late = tx.subscribe();
  EXPECT_TRUE(tx.send(2).has_value());
  EXPECT_EQ(late.try_recv()->value, 2);
}

TEST(Broadcast, ValuesGoWhenTheyAreOverwrittenOrAllHandlesAreGone) {
  leak_check nothing_left;
  const auto counted = std::make_shared<int>(0);
  auto [tx, rx] = make_broadcast<std::shared_ptr<int>>(3);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(tx.send(counted).has_value());
  EXPECT_EQ(counted.use_count(), 4);
  tx = {};
  EXPECT_EQ(counted.use_count(), 4);
  rx = {};
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(Broadcast, SelectReceivesFromSeveral) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(4);
  auto [other_tx, other_rx] = make_broadcast<int>(4);
  std::vector<int> got;
  std::vector<std::size_t> arms;
  auto body = [&]() -> task<> {
    for (;;) {
      auto chosen = co_await select(on_recv(rx), on_recv(other_rx));
      arms.push_back(chosen->index());
      auto& received = chosen->index() == 0 ? std::get<0>(*chosen) : std::get<1>(*chosen);
      if (!received) co_return;
      got.push_back(received->value);
    }
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  EXPECT_TRUE(tx.send(1).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(other_tx.send(2).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(tx.send(3).has_value());
  EXPECT_TRUE(tx.send(4).has_value());
  sim.run_until_idle();
  EXPECT_EQ(got, (std::vector{1, 2, 3, 4}));
  ASSERT_FALSE(selecting.done());
  other_tx.close();
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(arms, (std::vector<std::size_t>{0, 1, 0, 0, 1}));
}

TEST(Broadcast, ALosingArmTakesNothing) {
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(4);
  auto body = [&]() -> task<> {
    auto late = co_await select(on_recv(rx), on_timeout(1s));
    EXPECT_EQ(late->index(), 1U);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_EQ(rx.try_recv()->value, 1);
}

TEST(Broadcast, ForEachReadsItToItsEnd) {
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(tx.send(i).has_value());
  tx.close();
  int sum = 0;
  auto body = [&]() -> task<result<void>> {
    co_return co_await for_each(std::move(rx), [&](const broadcast_value<int>& next) { sum += next.value; });
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(sum, 6);
}

TEST(Broadcast, ThreadsReceive) {
  leak_check nothing_left;
  auto [tx, rx] = make_broadcast<int>(1'000);
  auto count = [](broadcast_receiver<int>& from) {
    int n = 0;
    while (auto next = from.blocking_recv()) EXPECT_EQ(next->value, n++);
    EXPECT_EQ(n, 1'000);
  };
  auto other = rx.subscribe();
  std::thread a([&, &rx = rx] { count(rx); });
  std::thread b([&] { count(other); });
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(tx.send(i).has_value());
  tx = {};
  a.join();
  b.join();
}

/// Throws when it is copied for the second time.
struct fragile {
  explicit fragile(int& n) noexcept : copies(&n) {}
  fragile(const fragile& other) : copies(other.copies) {
    if (++*copies == 2) throw std::runtime_error("no second copy");
  }
  fragile(fragile&&) noexcept = default;
  fragile& operator=(const fragile&) = default;
  int* copies;
};

TEST(Broadcast, ACopyThatThrowsLosesTheValueForThatReceiverOnly) {
  int copies = 0;
  auto [tx, rx] = make_broadcast<fragile>(4);
  auto other = tx.subscribe();
  EXPECT_TRUE(tx.send(fragile(copies)).has_value());
  EXPECT_TRUE(rx.try_recv().has_value());
  EXPECT_THROW((void)other.try_recv(), std::runtime_error);
  EXPECT_EQ(other.try_recv().error(), errc::would_block);
  EXPECT_TRUE(tx.send(fragile(copies)).has_value());
  EXPECT_TRUE(other.try_recv().has_value());
}

TEST(Broadcast, TwoTasksAtOneReceiverAreLoud) {
  sim_runtime sim;
  auto [tx, rx] = make_broadcast<int>(4);
  auto guarded = [](broadcast_receiver<int>& from, int& mistakes) -> task<> {
    try {
      (void)co_await from.recv();
    } catch (const std::logic_error&) {
      ++mistakes;
    }
  };
  int mistakes = 0;
  auto a = sim.spawn(guarded(rx, mistakes));
  auto b = sim.spawn(guarded(rx, mistakes));
  sim.run_until_idle();
  EXPECT_TRUE(tx.send(1).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(a.done() && b.done());
  EXPECT_EQ(mistakes, 1);
}

TEST(Broadcast, BadCapacitiesAreRefused) {
  EXPECT_THROW((void)make_broadcast<int>(0), std::invalid_argument);
  EXPECT_THROW((void)make_broadcast<int>(~std::size_t{0}), std::bad_array_new_length);
}

TEST(Broadcast, DefaultConstructedHandlesAreNeverReadyOrLoud) {
  sim_runtime sim;
  broadcast_receiver<int> rx;
  const broadcast_sender<int> tx;
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  EXPECT_THROW((void)rx.blocking_recv(), std::logic_error);
  EXPECT_THROW((void)rx.subscribe(), std::logic_error);
  EXPECT_THROW((void)tx.subscribe(), std::logic_error);
  EXPECT_THROW((void)tx.send(1), std::logic_error);
  EXPECT_FALSE(tx.close() || rx.is_closed() || rx || tx);
  const cancel_source source(sim.root_context());
  auto waiting = sim.spawn(next_of(rx), source.context());
  auto selecting = sim.spawn([&]() -> task<> {
    auto chosen = co_await select(on_recv(rx), on_timeout(1s));
    EXPECT_EQ(chosen->index(), 1U);
  });
  sim.advance(1h);
  ASSERT_FALSE(waiting.done());
  EXPECT_TRUE(selecting.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::cancelled);
}

}  // namespace
}  // namespace tandem::csp
