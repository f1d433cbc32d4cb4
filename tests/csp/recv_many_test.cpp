#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

TEST(RecvMany, TakesWhatIsThereUpToTheLimitAndAppendsIt) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(200);
  for (int i = 0; i < 150; ++i) EXPECT_TRUE(tx.try_send(i).has_value());
  std::vector<int> got{-1};
  EXPECT_EQ(sim.run(rx.recv_many(got, 100)).value(), 100U);
  EXPECT_EQ(sim.run(rx.recv_many(got, 100)).value(), 50U);
  ASSERT_EQ(got.size(), 151U);
  for (int i = 0; i < 150; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i) + 1], i);
}

TEST(RecvMany, WaitsForOneValueOnly) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(4);
  std::vector<std::unique_ptr<int>> got;
  auto receiving = sim.spawn(rx.recv_many(got, 4));
  sim.run_until_idle();
  ASSERT_FALSE(receiving.done());
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(7)).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).value(), 1U);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(*got[0], 7);
}

TEST(RecvMany, WakesEverySenderItMadeRoomForAndKeepsTheOrder) {
  leak_check nothing_left;
  for (const std::size_t capacity : {0U, 1U, 3U}) {
    sim_runtime sim;
    auto [tx, rx] = make_channel<int>(capacity);
    std::vector<join_handle<result<void>>> sending;
    for (int i = 0; i < 10; ++i) {
      sending.push_back(sim.spawn(send_by(tx, i)));
      sim.run_until_idle();
    }
    std::vector<int> got;
    EXPECT_EQ(sim.run(rx.recv_many(got, 100)).value(), 10U);
    sim.run_until_idle();
    for (auto& s : sending) EXPECT_TRUE(sim.get(s).has_value());
    EXPECT_EQ(got, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  }
}

TEST(RecvMany, TakesThroughTheChunksOfAnUnboundedChannel) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_unbounded<int>();
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(tx.send(i).has_value());
  std::vector<int> got;
  EXPECT_EQ(sim.run(rx.recv_many(got, 20'000)).value(), 10'000U);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], i);
}

TEST(RecvMany, OnAnErrorTheVectorIsAsBefore) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  std::vector<int> got{1, 2};
  const cancel_source source(sim.root_context());
  auto receiving = sim.spawn(rx.recv_many(got, 4), source.context());
  sim.run_until_idle();
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).error(), errc::cancelled);
  tx.close();
  EXPECT_EQ(sim.run(rx.recv_many(got, 4)).error(), errc::closed);
  EXPECT_EQ(got, (std::vector{1, 2}));
}

TEST(RecvMany, OfNothingOrOfTooManyThrowsAndTakesNothing) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  EXPECT_TRUE(tx.try_send(1).has_value());
  std::vector<int> got;
  auto body = [&]() -> task<> {
    EXPECT_THROW((void)co_await rx.recv_many(got, 0), std::invalid_argument);
    EXPECT_THROW((void)co_await rx.recv_many(got, ~std::size_t{0}), std::length_error);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(rx.size(), 1U);
}

}  // namespace
}  // namespace tandem::csp
