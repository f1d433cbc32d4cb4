// 64 tasks select over channels drawn at random: commit-once means that sums are conserved and nobody is stuck.
#include <tandem/csp/select.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

class SelectStress : public ::testing::TestWithParam<unsigned> {};

struct world {
  static constexpr std::size_t channels = 6;
  std::array<sender<std::int64_t>, channels> out;
  std::array<receiver<std::int64_t>, channels> in;
  std::atomic<std::int64_t> sent = 0;
  std::atomic<std::int64_t> received = 0;
  std::atomic<std::int64_t> messages = 0;
  std::atomic<std::int64_t> goal = 0;

  world() {
    constexpr std::array<std::size_t, channels> capacities{0, 0, 1, 1, 4, 4};
    for (std::size_t i = 0; i < channels; ++i) std::tie(out[i], in[i]) = make_channel<std::int64_t>(capacities[i]);
  }

  void count_sent(std::int64_t value) {
    sent += value;
    if (++messages == goal)
      for (auto& tx : out) tx.close();
  }
};

// One send and two receives per select, on any channels, the same one twice included.
task<> play(world& w, unsigned seed, bool with_timeout_arm) {
  std::mt19937 random(seed);
  for (;;) {
    const std::int64_t value = random() % 1000;
    const auto& to = w.out[random() % world::channels];
    const auto& a = w.in[random() % world::channels];
    const auto& b = w.in[random() % world::channels];
    const duration limit = with_timeout_arm ? duration(std::chrono::microseconds(random() % 50)) : duration::max();
    auto chosen = co_await select(on_send(to, value), on_recv(a), on_recv(b), on_timeout(limit));
    if (!chosen) co_return;
    switch (chosen->index()) {
      case 0:
        if (!std::get<0>(*chosen)) co_return;
        w.count_sent(value);
        break;
      case 1:
        if (!std::get<1>(*chosen)) co_return;
        w.received += *std::get<1>(*chosen);
        break;
      case 2:
        if (!std::get<2>(*chosen)) co_return;
        w.received += *std::get<2>(*chosen);
        break;
      default: break;
    }
  }
}

// Plain operations among the selects.
task<> play_plainly(world& w, unsigned seed) {
  std::mt19937 random(seed);
  for (;;) {
    const std::size_t i = random() % world::channels;
    if (random() % 2 == 0) {
      const std::int64_t value = random() % 1000;
      if (auto done = co_await w.out[i].send(value); !done) co_return;
      w.count_sent(value);
    } else {
      auto value = co_await w.in[i].recv();
      if (!value) co_return;
      w.received += *value;
    }
  }
}

std::int64_t drain(world& w) {
  std::int64_t left = 0;
  for (auto& rx : w.in)
    while (auto value = rx.try_recv()) left += *value;
  return left;
}

TEST_P(SelectStress, SumsAreConserved) {
  runtime workers({.workers = GetParam()});
  for (unsigned round = 0; round < 4; ++round) {
    world w;
    w.goal = 100'000 / stress_divisor;
    auto body = [&]() -> task<> {
      group g;
      for (unsigned i = 0; i < 64; ++i) g.go(play(w, round * 100 + i, round == 1));
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    EXPECT_EQ(w.sent, w.received + drain(w)) << "round " << round;
    EXPECT_GE(w.messages, w.goal);
  }
}

// Workers of one runtime leave tasks that share channels together. Tasks of different runtimes stay apart, so here
// selects meet across threads all the time.
TEST_P(SelectStress, SumsAreConservedAcrossRuntimes) {
  for (unsigned round = 0; round < 3; ++round) {
    world w;
    w.goal = 400'000 / stress_divisor;
    // All of them live until every thread has ended: a task of one is woken by threads of the others.
    std::vector<std::unique_ptr<runtime>> runtimes;
    for (unsigned t = 0; t < GetParam(); ++t) runtimes.push_back(std::make_unique<runtime>(runtime_options{.workers = 1}));
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < GetParam(); ++t) {
      threads.emplace_back([&w, t, round, &one = *runtimes[t]] {
        auto body = [&]() -> task<> {
          group g;
          const unsigned tasks = 64 / GetParam();
          for (unsigned i = 0; i < tasks; ++i) g.go(play(w, round * 100 + t * tasks + i, round == 1));
          EXPECT_TRUE((co_await g.wait()).has_value());
        };
        one.block_on(body());
      });
    }
    for (auto& t : threads) t.join();
    EXPECT_EQ(w.sent, w.received + drain(w)) << "round " << round;
    EXPECT_GE(w.messages, w.goal);
  }
}

TEST_P(SelectStress, SumsAreConservedAmongPlainOperationsAndCancels) {
  runtime workers({.workers = GetParam()});
  for (unsigned round = 0; round < 20; ++round) {
    world w;
    w.goal = 20'000 / stress_divisor;
    auto body = [&]() -> task<> {
      group selecting;
      group plain;
      for (unsigned i = 0; i < 48; ++i) selecting.go(play(w, round * 100 + i, round % 2 == 1));
      // All of them may wait to send, or all to receive: the cancel below ends that.
      for (unsigned i = 0; i < 16; ++i) plain.go(play_plainly(w, round * 1000 + i));
      while (w.messages < w.goal / 2) co_await yield();
      if (round % 3 == 0) plain.cancel();
      while (w.messages < w.goal) co_await yield();
      selecting.cancel();
      plain.cancel();
      (void)co_await selecting.wait();
      (void)co_await plain.wait();
    };
    workers.block_on(body());
    EXPECT_EQ(w.sent, w.received + drain(w)) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, SelectStress, ::testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace tandem::csp
