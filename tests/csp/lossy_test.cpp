#include <tandem/csp/lossy.hpp>

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/select.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

std::vector<int> drain(const receiver<int>& rx) {
  std::vector<int> got;
  while (auto value = rx.try_recv()) got.push_back(*value);
  return got;
}

TEST(DropOldest, KeepsTheNewestInOrderAndCountsTheRest) {
  leak_check nothing_left;
  auto [tx, rx] = make_drop_oldest<int>(3);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(tx.send(i).has_value());
  EXPECT_EQ(tx.dropped(), 5U);
  EXPECT_EQ(rx.dropped(), 5U);
  EXPECT_EQ(tx.size(), 3U);
  EXPECT_EQ(tx.capacity(), 3U);
  EXPECT_EQ(drain(rx), (std::vector{5, 6, 7}));
}

TEST(DropNewest, KeepsTheFirstAndCountsTheRest) {
  leak_check nothing_left;
  auto [tx, rx] = make_drop_newest<int>(3);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(tx.send(i).has_value());
  EXPECT_EQ(tx.dropped(), 5U);
  EXPECT_EQ(drain(rx), (std::vector{0, 1, 2}));
  EXPECT_TRUE(tx.send(9).has_value());
  EXPECT_EQ(tx.dropped(), 5U);
  EXPECT_EQ(drain(rx), (std::vector{9}));
}

TEST(Latest, KeepsOneValueTheNewest) {
  leak_check nothing_left;
  auto [tx, rx] = make_latest<int>();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(tx.send(i).has_value());
  EXPECT_EQ(tx.dropped(), 7U);
  EXPECT_EQ(drain(rx), (std::vector{7}));
}

TEST(DropNewest, WithoutRoomDropsAllThatNobodyWaitsFor) {
  sim_runtime sim;
  auto [tx, rx] = make_drop_newest<int>(0);
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_EQ(tx.dropped(), 1U);
  auto waiting = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  EXPECT_TRUE(tx.send(2).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).value(), 2);
  EXPECT_EQ(tx.dropped(), 1U);
}

TEST(DropOldest, WithoutRoomIsRefused) { EXPECT_THROW((void)make_drop_oldest<int>(0), std::invalid_argument); }

TEST(Lossy, AWaitingReceiverGetsTheValueDirectly) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_latest<int>();
  auto first = sim.spawn(recv_by(rx));
  auto second = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(tx.send(i).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(first).value(), 1);
  EXPECT_EQ(sim.get(second).value(), 2);
  EXPECT_EQ(*rx.try_recv(), 3);
  EXPECT_EQ(tx.dropped(), 0U);
}

TEST(Lossy, SelectReceivesFromIt) {
  sim_runtime sim;
  auto [tx, rx] = make_latest<int>();
  auto [other, empty] = make_drop_newest<int>(2);
  std::vector<int> got;
  auto body = [&]() -> task<> {
    for (int i = 0; i < 2; ++i) {
      auto chosen = co_await select(on_recv(empty), on_recv(rx));
      got.push_back(std::get<1>(*chosen).value());
    }
  };
  EXPECT_TRUE(tx.send(1).has_value());
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  EXPECT_EQ(got, (std::vector{1}));
  EXPECT_TRUE(tx.send(2).has_value());
  EXPECT_TRUE(tx.send(3).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(got, (std::vector{1, 2}));
  EXPECT_EQ(*rx.try_recv(), 3);
}

TEST(Lossy, CloseLeavesWhatIsBufferedAndHandsLaterValuesBack) {
  auto [tx, rx] = make_latest<std::unique_ptr<int>>();
  EXPECT_TRUE(tx.send(std::make_unique<int>(1)).has_value());
  EXPECT_TRUE(tx.close());
  EXPECT_FALSE(tx.close());
  EXPECT_TRUE(tx.is_closed());
  auto value = std::make_unique<int>(2);
  EXPECT_EQ(tx.send(std::move(value)).error(), errc::closed);
  EXPECT_TRUE(value);
  EXPECT_EQ(tx.dropped(), 0U);
  EXPECT_EQ(**rx.try_recv(), 1);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

TEST(Lossy, DroppedHandlesCloseIt) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_latest<int>();
  auto waiting = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  {
    const lossy_sender<int> copy = tx;
    EXPECT_TRUE(copy == tx);
    tx = {};
    EXPECT_FALSE(rx.is_closed());
  }
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::closed);

  auto [into, from] = make_drop_oldest<int>(2);
  from = {};
  EXPECT_EQ(into.send(1).error(), errc::closed);
}

/// Takes the channel's lock when it goes.
struct closes_when_destroyed {
  explicit closes_when_destroyed(lossy_sender<closes_when_destroyed> to) noexcept : into(std::move(to)) {}
  closes_when_destroyed(closes_when_destroyed&& other) noexcept = default;
  ~closes_when_destroyed() { into.close(); }
  lossy_sender<closes_when_destroyed> into;
};

TEST(Lossy, WhatIsDroppedMayUseTheSameChannel) {
  leak_check nothing_left;
  auto [tx, rx] = make_latest<closes_when_destroyed>();
  EXPECT_TRUE(tx.send(closes_when_destroyed(tx)).has_value());
  EXPECT_FALSE(rx.is_closed());
  EXPECT_TRUE(tx.send(closes_when_destroyed(tx)).has_value());
  EXPECT_TRUE(rx.is_closed());
  rx = {};
}

TEST(Lossy, ADefaultConstructedSenderIsLoud) {
  const lossy_sender<int> tx;
  EXPECT_THROW((void)tx.send(1), std::logic_error);
  EXPECT_FALSE(tx.close());
  EXPECT_FALSE(tx);
  EXPECT_EQ(tx.size() + tx.capacity() + tx.dropped(), 0U);
}

TEST(Lossy, AThreadReceivesWhatWasNotDropped) {
  auto [tx, rx] = make_drop_oldest<int>(4);
  std::thread sending([tx = std::move(tx)] {
    for (int i = 1; i <= 1000; ++i) EXPECT_TRUE(tx.send(i).has_value());
  });
  int last = 0;
  std::uint64_t received = 0;
  while (auto value = rx.blocking_recv()) {
    EXPECT_GT(*value, last);
    last = *value;
    ++received;
  }
  sending.join();
  EXPECT_EQ(last, 1000);
  EXPECT_EQ(received + rx.dropped(), 1000U);
}

}  // namespace
}  // namespace tandem::csp
