#include <tandem/csp/oneshot.hpp>

#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <tandem/csp/select.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

static_assert(!std::copy_constructible<oneshot_sender<int>> && std::movable<oneshot_sender<int>>);

TEST(Oneshot, TheValueSentBeforeIsReceivedAndThenItIsClosed) {
  leak_check nothing_left;
  auto [tx, rx] = make_oneshot<std::unique_ptr<int>>();
  EXPECT_TRUE(std::move(tx).send(std::make_unique<int>(7)).has_value());
  EXPECT_FALSE(tx);
  EXPECT_EQ(**rx.try_recv(), 7);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

TEST(Oneshot, TheReceiverWaitsForTheValue) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_oneshot<int>();
  auto waiting = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  EXPECT_TRUE(std::move(tx).send(7).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).value(), 7);
}

TEST(Oneshot, ASenderDroppedWithoutAValueEndsTheReceiver) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_oneshot<int>();
  auto waiting = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  { const oneshot_sender<int> dropped(std::move(tx)); }
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::closed);
}

TEST(Oneshot, ADroppedReceiverLeavesTheValueWithTheSender) {
  leak_check nothing_left;
  auto [tx, rx] = make_oneshot<std::unique_ptr<int>>();
  auto value = std::make_unique<int>(7);
  rx = {};
  EXPECT_TRUE(tx.is_closed());
  EXPECT_EQ(std::move(tx).send(std::move(value)).error(), errc::closed);
  EXPECT_TRUE(value);
  EXPECT_TRUE(tx);
}

TEST(Oneshot, AValueNobodyTookIsDestroyed) {
  leak_check nothing_left;
  const auto counted = std::make_shared<int>(0);
  auto [tx, rx] = make_oneshot<std::shared_ptr<int>>();
  EXPECT_TRUE(std::move(tx).send(counted).has_value());
  EXPECT_EQ(counted.use_count(), 2);
  rx = {};
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(Oneshot, ASecondSendIsAMistake) {
  auto [tx, rx] = make_oneshot<int>();
  EXPECT_TRUE(std::move(tx).send(1).has_value());
  EXPECT_THROW((void)std::move(tx).send(2), std::logic_error);
  EXPECT_EQ(*rx.try_recv(), 1);
}

TEST(Oneshot, SelectReceivesFromIt) {
  sim_runtime sim;
  auto [tx, rx] = make_oneshot<int>();
  auto [other, never] = make_oneshot<int>();
  int got = 0;
  auto body = [&]() -> task<> {
    auto chosen = co_await select(on_recv(never), on_recv(rx));
    got = std::get<1>(*chosen).value();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  EXPECT_TRUE(std::move(tx).send(7).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(got, 7);
}

TEST(Oneshot, AThreadWaitsForTheValue) {
  auto [tx, rx] = make_oneshot<int>();
  std::thread receiving([&rx = rx] { EXPECT_EQ(rx.blocking_recv().value(), 7); });
  EXPECT_TRUE(std::move(tx).send(7).has_value());
  receiving.join();
}

}  // namespace
}  // namespace tandem::csp
