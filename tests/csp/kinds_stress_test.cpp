// Channels that do not let senders wait, between workers and threads: what is sent is received, dropped or left, once.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/broadcast.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/lossy.hpp>
#include <tandem/csp/oneshot.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/csp/watch.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

class KindsStressOnWorkers : public ::testing::TestWithParam<unsigned> {};

struct sums {
  std::atomic<std::int64_t> sent{0}, received{0}, count{0};
};

template <class Sender>
task<> send_some(Sender to, int n, sums& all) {
  for (int i = 1; i <= n; ++i) {
    if (!to.send(std::int64_t{i})) co_return;
    all.sent += i;
    if (i % 16 == 0) co_await this_task::yield();
  }
}

task<> receive_all(receiver<std::int64_t> from, sums& all) {
  while (const auto value = co_await from.recv()) {
    all.received += *value;
    ++all.count;
  }
}

task<> receive_by_select(receiver<std::int64_t> from, receiver<std::int64_t> other, sums& all) {
  for (;;) {
    auto chosen = co_await select(on_recv(from), on_recv(other));
    if (!chosen) co_return;
    auto& value = chosen->index() == 0 ? std::get<0>(*chosen) : std::get<1>(*chosen);
    if (!value) co_return;
    all.received += *value;
    ++all.count;
  }
}

task<> receive_batches(receiver<std::int64_t> from, sums& all) {
  std::vector<std::int64_t> values;
  for (;;) {
    const auto n = co_await from.recv_many(values, 10);
    if (!n) co_return;
    for (const std::int64_t value : values) all.received += value;
    all.count += static_cast<std::int64_t>(values.size());
    values.clear();
  }
}

constexpr int per_sender = 40'000 / stress_divisor;
constexpr int senders = 6;

TEST_P(KindsStressOnWorkers, AnUnboundedChannelConservesTheSum) {
  runtime workers({.workers = GetParam()});
  sums all;
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_unbounded<std::int64_t>();
    group g;
    for (int i = 0; i < senders; ++i) g.go(send_some(tx, per_sender, all));
    g.go(receive_all(rx, all));
    g.go(receive_by_select(rx, rx, all));
    g.go(receive_batches(rx, all));
    tx = {};
    rx = {};
    EXPECT_TRUE((co_await g.wait()).has_value());
  };
  workers.block_on(body());
  EXPECT_EQ(all.sent, all.received);
  EXPECT_EQ(all.count, senders * per_sender);
}

TEST_P(KindsStressOnWorkers, ALossyChannelCountsWhatItDrops) {
  for (const bool keeps_newest : {false, true}) {
    for (const std::size_t capacity : {1U, 5U}) {
      runtime workers({.workers = GetParam()});
      sums all;
      std::uint64_t dropped = 0;
      auto body = [&]() -> task<> {
        auto [tx, rx] =
            keeps_newest ? make_drop_oldest<std::int64_t>(capacity) : make_drop_newest<std::int64_t>(capacity);
        {
          group g;
          for (int i = 0; i < senders; ++i) g.go(send_some(tx, per_sender, all));
          g.go(receive_all(rx, all));
          g.go(receive_by_select(rx, rx, all));
          g.go(receive_batches(rx, all));
          tx = {};
          EXPECT_TRUE((co_await g.wait()).has_value());
        }
        dropped = rx.dropped();
        EXPECT_EQ(rx.size(), 0U);
      };
      workers.block_on(body());
      EXPECT_EQ(static_cast<std::uint64_t>(all.count) + dropped, std::uint64_t{senders} * per_sender);
      EXPECT_LE(all.received, all.sent);
    }
  }
}

// By threads and workers at once, with closes in between.
TEST_P(KindsStressOnWorkers, ClosesAndDropsLoseNothing) {
  runtime workers({.workers = GetParam()});
  for (int round = 0; round < 300 / stress_divisor; ++round) {
    sums all;
    auto [tx, rx] = make_unbounded<std::int64_t>();
    auto send = [&all](unbounded_sender<std::int64_t> to) {
      for (int i = 0; i < 200; ++i) {
        if (!to.send(std::int64_t{1})) return;
        ++all.sent;
      }
    };
    std::thread a(send, tx);
    std::thread b(send, tx);
    auto receiving = workers.spawn(receive_all(rx, all));
    auto selecting = workers.spawn(receive_by_select(rx, rx, all));
    if (round % 2 == 0) {
      while (all.count < 50) std::this_thread::yield();
      tx.close();
    }
    tx = {};
    a.join();
    b.join();
    auto join = [](join_handle<void> first, join_handle<void> second) -> task<> {
      (void)co_await first.join();
      (void)co_await second.join();
    };
    workers.block_on(join(std::move(receiving), std::move(selecting)));
    ASSERT_EQ(all.sent, all.count) << "round " << round;
  }
}

task<> listen(broadcast_receiver<std::int64_t> from, std::atomic<std::int64_t>& accounted, bool by_select) {
  const receiver<int> never;
  std::vector<std::int64_t> last(senders, 0);
  for (;;) {
    result<broadcast_value<std::int64_t>> next = fail(error());
    if (by_select) {
      auto chosen = co_await select(on_recv(from), on_recv(never));
      if (!chosen) co_return;
      next = std::move(std::get<0>(*chosen));
    } else {
      next = co_await from.recv();
    }
    if (!next) co_return;
    const auto sender = static_cast<std::size_t>(next->value % senders);
    EXPECT_GT(next->value, last[sender]);  // each sender's in order
    last[sender] = next->value;
    accounted += 1 + static_cast<std::int64_t>(next->missed);
  }
}

task<> shout(broadcast_sender<std::int64_t> to, int number, int n) {
  for (int i = 1; i <= n; ++i) {
    EXPECT_TRUE(to.send(std::int64_t{i} * senders + number).has_value());
    if (i % 4 == 0) co_await this_task::yield();
  }
}

TEST_P(KindsStressOnWorkers, EveryReceiverOfABroadcastAccountsForEveryValue) {
  constexpr int n = 10'000 / stress_divisor;
  constexpr int listeners = 5;
  runtime workers({.workers = GetParam()});
  std::vector<std::atomic<std::int64_t>> accounted(listeners);
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_broadcast<std::int64_t>(16);
    group g;
    for (int i = 0; i < listeners; ++i)
      g.go(listen(rx.subscribe(), accounted[static_cast<std::size_t>(i)], i % 2 == 0));
    for (int i = 0; i < senders; ++i) g.go(shout(tx, i, n));
    tx = {};
    EXPECT_TRUE((co_await g.wait()).has_value());
  };
  workers.block_on(body());
  for (const auto& seen : accounted) EXPECT_EQ(seen, senders * n);
}

task<> follow(watch_receiver<std::int64_t> rx, std::atomic<std::int64_t>& end, bool by_select) {
  const receiver<int> never;
  std::int64_t last = rx.get();
  for (;;) {
    result<void> changed;
    if (by_select) {
      auto chosen = co_await select(on_change(rx), on_recv(never));
      if (!chosen) co_return;
      changed = std::get<0>(*chosen);
    } else {
      changed = co_await rx.changed();
    }
    if (!changed) break;
    const std::int64_t next = rx.get();
    EXPECT_GT(next, last);
    last = next;
  }
  end += last;
}

task<> count_up(watch_sender<std::int64_t> tx, int n) {
  for (int i = 1; i <= n; ++i) {
    EXPECT_TRUE(tx.update([](std::int64_t& value) { ++value; }).value());
    if (i % 4 == 0) co_await this_task::yield();
  }
}

TEST_P(KindsStressOnWorkers, NoUpdateOfAWatchIsLostAndAllSeeTheLast) {
  constexpr int n = 5'000 / stress_divisor;
  constexpr int watchers = 5;
  runtime workers({.workers = GetParam()});
  std::atomic<std::int64_t> ends = 0;
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_watch<std::int64_t>(0);
    group g;
    for (int i = 0; i < watchers; ++i) g.go(follow(rx.subscribe(), ends, i % 2 == 0));
    for (int i = 0; i < senders; ++i) g.go(count_up(tx, n));
    tx = {};
    EXPECT_TRUE((co_await g.wait()).has_value());
  };
  workers.block_on(body());
  EXPECT_EQ(ends, std::int64_t{watchers} * senders * n);
}

task<> answer(oneshot_sender<std::int64_t> tx, std::int64_t value, sums& all) {
  if (value % 7 == 0) co_return;  // drops it
  if (std::move(tx).send(value)) all.sent += value;
}

TEST_P(KindsStressOnWorkers, EveryOneshotAnswersOrCloses) {
  runtime workers({.workers = GetParam()});
  sums all;
  auto body = [&]() -> task<> {
    group g;
    auto ask = [](receiver<std::int64_t> rx, sums& s) -> task<> {
      if (const auto got = co_await rx.recv()) s.received += *got;
      ++s.count;
    };
    for (int i = 0; i < per_sender; ++i) {
      auto [tx, rx] = make_oneshot<std::int64_t>();
      g.go(answer(std::move(tx), i, all));
      g.go(ask(std::move(rx), all));
    }
    EXPECT_TRUE((co_await g.wait()).has_value());
  };
  workers.block_on(body());
  EXPECT_EQ(all.sent, all.received);
  EXPECT_EQ(all.count, per_sender);
}

INSTANTIATE_TEST_SUITE_P(Workers, KindsStressOnWorkers, ::testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace tandem::csp
