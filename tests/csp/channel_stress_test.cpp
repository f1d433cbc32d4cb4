// Channels between workers and threads: sums are conserved, whatever closes or is cancelled meanwhile.
#include <tandem/csp/channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

class ChannelStressOnWorkers : public ::testing::TestWithParam<unsigned> {};

TEST_P(ChannelStressOnWorkers, ManySendersAndReceiversConserveTheSum) {
  for (const std::size_t capacity : {0u, 1u, 16u}) {
    runtime workers({.workers = GetParam()});
    constexpr int per_sender = 40'000 / stress_divisor;
    std::atomic<std::int64_t> sent = 0;
    std::atomic<std::int64_t> received = 0;
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<std::int64_t>(capacity);
      group g;
      auto send = [&sent](sender<std::int64_t> out, std::int64_t first) -> task<> {
        for (std::int64_t i = first; i < first + per_sender; ++i) {
          if (auto done = co_await out.send(i); !done) break;
          sent += i;
        }
      };
      auto receive = [&received](receiver<std::int64_t> in) -> task<> {
        while (const auto value = co_await in.recv()) received += *value;
      };
      for (int s = 0; s < 8; ++s) g.go(send(tx, s * 1000));
      for (int r = 0; r < 8; ++r) g.go(receive(rx));
      tx = {};
      rx = {};
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    EXPECT_EQ(sent, received);
  }
}

// One side per runtime, so that every hand-over crosses threads.
TEST(ChannelStress, RuntimesExchangeValues) {
  for (const std::size_t capacity : {0u, 1u, 16u}) {
    constexpr int per_sender = 30'000 / stress_divisor;
    std::atomic<std::int64_t> sum = 0;
    auto [tx, rx] = make_channel<std::int64_t>(capacity);
    // Both outlive the threads: a task of one is woken by the other's.
    runtime here({.workers = 1});
    runtime there({.workers = 1});
    std::thread senders([&here, out = std::move(tx)]() mutable {
      auto send = [](const sender<std::int64_t>& to) -> task<> {
        for (std::int64_t i = 0; i < per_sender; ++i) EXPECT_TRUE((co_await to.send(i)).has_value());
      };
      auto body = [&]() -> task<> {
        group g;
        for (int s = 0; s < 4; ++s) g.go(send(out));
        EXPECT_TRUE((co_await g.wait()).has_value());
        out = {};
      };
      here.block_on(body());
    });
    std::thread receivers([&there, &sum, in = std::move(rx)] {
      auto receive = [&sum](const receiver<std::int64_t>& from) -> task<> {
        while (const auto value = co_await from.recv()) sum += *value;
      };
      auto body = [&]() -> task<> {
        group g;
        for (int r = 0; r < 3; ++r) g.go(receive(in));
        EXPECT_TRUE((co_await g.wait()).has_value());
      };
      there.block_on(body());
    });
    senders.join();
    receivers.join();
    EXPECT_EQ(sum, 4 * std::int64_t{per_sender} * (per_sender - 1) / 2);
  }
}

// Each round cancels waits while values are handed over, and closes by dropping handles.
TEST_P(ChannelStressOnWorkers, CancelAndCloseLoseNothing) {
  runtime workers({.workers = GetParam()});
  for (int round = 0; round < 1000 / stress_divisor; ++round) {
    std::atomic<int> sent = 0;
    std::atomic<int> received = 0;
    std::size_t left = 0;
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(static_cast<std::size_t>(round % 3));
      group outer;
      auto send = [&sent](const sender<int>& out) -> task<> {
        while (auto done = co_await out.send(1)) ++sent;
      };
      auto receive = [&received](const receiver<int>& in) -> task<> {
        while (auto got = co_await in.recv()) ++received;
      };
      {
        group senders;
        group receivers;
        for (int i = 0; i < 4; ++i) {
          senders.go(send(tx));
          receivers.go(receive(rx));
        }
        (void)co_await sleep_for(std::chrono::microseconds(100));
        if (round % 2 == 0) receivers.cancel();
        senders.cancel();
        (void)co_await senders.wait();
        receivers.cancel();
        (void)co_await receivers.wait();
      }
      while (rx.try_recv()) ++left;
    };
    workers.block_on(body());
    ASSERT_EQ(sent, received + static_cast<int>(left)) << "round " << round;
  }
}

TEST_P(ChannelStressOnWorkers, ThreadsAndTasksShareAChannel) {
  runtime workers({.workers = GetParam()});
  constexpr int n = 20'000 / stress_divisor;
  auto [tx, rx] = make_channel<int>(4);
  auto [back_out, back_in] = make_channel<int>(0);
  std::vector<join_handle<void>> echoing;
  auto echo = [](receiver<int> in, sender<int> out) -> task<> {
    while (const auto value = co_await in.recv())
      if (auto done = co_await out.send(*value); !done) break;
  };
  for (int i = 0; i < 3; ++i) echoing.push_back(workers.spawn(echo(rx, back_out)));
  rx = {};
  back_out = {};
  std::int64_t sum = 0;
  std::thread producer([out = std::move(tx)]() mutable {
    for (int i = 0; i < n; ++i) EXPECT_TRUE(out.blocking_send(i).has_value());
    out = {};
  });
  while (const auto value = back_in.blocking_recv()) sum += *value;
  producer.join();
  EXPECT_EQ(sum, std::int64_t{n} * (n - 1) / 2);
  for (auto& e : echoing) e.detach();
}

INSTANTIATE_TEST_SUITE_P(Workers, ChannelStressOnWorkers, ::testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace tandem::csp
