#include <tandem/csp/unbounded.hpp>

#include <array>
#include <cstdint>
#include <limits>
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

TEST(Unbounded, TakesAsManyAsComeAndGivesThemInOrder) {
  leak_check nothing_left;
  auto [tx, rx] = make_unbounded<int>();
  constexpr int n = 100'000;
  for (int i = 0; i < n; ++i) ASSERT_TRUE(tx.send(i).has_value());
  EXPECT_EQ(tx.size(), std::size_t{n});
  EXPECT_EQ(rx.capacity(), std::numeric_limits<std::size_t>::max());
  for (int i = 0; i < n; ++i) ASSERT_EQ(*rx.try_recv(), i);
  EXPECT_EQ(rx.try_recv().error(), errc::would_block);
}

// Through every fill of its chunks, and with values that fill a chunk by four.
TEST(Unbounded, KeepsTheOrderHoweverFullItIs) {
  using large = std::array<std::uint64_t, 64>;
  auto [tx, rx] = make_unbounded<large>();
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (std::size_t backlog = 0; backlog < 13; ++backlog) {
    for (int round = 0; round < 20; ++round) {
      while (tx.size() <= backlog) ASSERT_TRUE(tx.send(large{sent++}).has_value());
      while (tx.size() > backlog / 2) ASSERT_EQ((*rx.try_recv())[0], received++);
    }
  }
}

/// Counts what lives.
struct counted {
  explicit counted(int& n) noexcept : lives(&n) { ++n; }
  counted(counted&& other) noexcept : lives(other.lives) { ++*lives; }
  ~counted() { --*lives; }
  int* lives;
};

TEST(Unbounded, DroppingTheLastReceiverDestroysTheBacklog) {
  leak_check nothing_left;
  int lives = 0;
  auto [tx, rx] = make_unbounded<counted>();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(tx.send(counted(lives)).has_value());
  for (int i = 0; i < 300; ++i) (void)rx.try_recv();
  EXPECT_EQ(lives, 700);
  rx = {};
  EXPECT_EQ(lives, 0);
  counted late(lives);
  EXPECT_EQ(tx.send(std::move(late)).error(), errc::closed);
}

TEST(Unbounded, ValuesSentBeforeTheCloseAreReceived) {
  auto [tx, rx] = make_unbounded<std::unique_ptr<int>>();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(tx.send(std::make_unique<int>(i)).has_value());
  tx = {};
  EXPECT_TRUE(rx.is_closed());
  for (int i = 0; i < 500; ++i) ASSERT_EQ(**rx.try_recv(), i);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

TEST(Unbounded, AWaitingReceiverGetsTheValueDirectly) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_unbounded<int>();
  auto waiting = sim.spawn(recv_by(rx));
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  EXPECT_TRUE(tx.send(7).has_value());
  EXPECT_EQ(tx.size(), 0U);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).value(), 7);
}

TEST(Unbounded, SelectReceivesFromIt) {
  sim_runtime sim;
  auto [tx, rx] = make_unbounded<int>();
  auto [other, empty] = make_unbounded<int>();
  int sum = 0;
  auto body = [&]() -> task<> {
    for (int i = 0; i < 1001; ++i) {
      auto chosen = co_await select(on_recv(empty), on_recv(rx));
      sum += std::get<1>(*chosen).value();
    }
  };
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(tx.send(1).has_value());
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  EXPECT_EQ(sum, 1000);
  ASSERT_FALSE(selecting.done());
  EXPECT_TRUE(tx.send(5).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(sum, 1005);
}

TEST(Unbounded, ADefaultConstructedSenderIsLoud) {
  const unbounded_sender<int> tx;
  EXPECT_THROW((void)tx.send(1), std::logic_error);
  EXPECT_FALSE(tx.close() || tx.is_closed() || tx);
}

TEST(Unbounded, AThreadReceivesWhileAnotherSends) {
  leak_check nothing_left;
  auto [tx, rx] = make_unbounded<int>();
  constexpr int n = 50'000 / stress_divisor;
  std::thread sending([tx = std::move(tx)] {
    for (int i = 0; i < n; ++i) EXPECT_TRUE(tx.send(i).has_value());
  });
  int next = 0;
  while (auto value = rx.blocking_recv()) ASSERT_EQ(*value, next++);
  sending.join();
  EXPECT_EQ(next, n);
}

}  // namespace
}  // namespace tandem::csp
