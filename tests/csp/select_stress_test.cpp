// 64 tasks select over channels drawn at random: commit-once means that each value arrives once and nobody is stuck.
#include <tandem/csp/select.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

class SelectStress : public ::testing::TestWithParam<unsigned> {};

/// Every value is sent at most once and has its own number, so that each of them can be accounted for.
class ledger {
 public:
  static constexpr std::int64_t used_up = -1;

  explicit ledger(std::int64_t values) : sent_(static_cast<std::size_t>(values)), received_(sent_.size()) {}

  std::int64_t next() {
    const std::int64_t n = next_++;
    return n < static_cast<std::int64_t>(sent_.size()) ? n : used_up;
  }
  void sent(std::int64_t value) { ++sent_.at(static_cast<std::size_t>(value)); }
  void received(std::int64_t value) { ++received_.at(static_cast<std::size_t>(value)); }

  void expect_each_value_sent_was_received_once() const {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < sent_.size(); ++i) wrong += sent_[i] > 1 || sent_[i] != received_[i];
    EXPECT_EQ(wrong, 0U);
  }

 private:
  std::atomic<std::int64_t> next_{0};
  std::vector<std::atomic<std::uint8_t>> sent_;
  std::vector<std::atomic<std::uint8_t>> received_;
};

struct world {
  static constexpr std::size_t channels = 6;
  std::array<sender<std::int64_t>, channels> out;
  std::array<receiver<std::int64_t>, channels> in;
  ledger values;
  std::atomic<std::int64_t> messages = 0;
  const std::int64_t goal;

  explicit world(std::int64_t wanted) : values(2 * wanted), goal(wanted) {
    constexpr std::array<std::size_t, channels> capacities{0, 0, 1, 1, 4, 4};
    for (std::size_t i = 0; i < channels; ++i) std::tie(out[i], in[i]) = make_channel<std::int64_t>(capacities[i]);
  }

  /// Gives the next one to send.
  std::int64_t count_sent(std::int64_t value) {
    values.sent(value);
    if (++messages == goal)
      for (auto& tx : out) tx.close();
    return values.next();
  }

  void drain_and_check() {
    for (auto& rx : in)
      while (auto value = rx.try_recv()) values.received(*value);
    values.expect_each_value_sent_was_received_once();
  }
};

// One send and two receives per select, on any channels, the same one twice included.
task<> play(world& w, unsigned seed, bool with_timeout_arm) {
  std::mt19937 random(seed);
  for (std::int64_t value = w.values.next(); value != ledger::used_up;) {
    const auto& to = w.out[random() % world::channels];
    const auto& a = w.in[random() % world::channels];
    const auto& b = w.in[random() % world::channels];
    const duration limit = with_timeout_arm ? duration(std::chrono::microseconds(random() % 50)) : duration::max();
    auto chosen = co_await select(on_send(to, value), on_recv(a), on_recv(b), on_timeout(limit));
    if (!chosen) co_return;
    switch (chosen->index()) {
      case 0:
        if (!std::get<0>(*chosen)) co_return;
        value = w.count_sent(value);
        break;
      case 1:
        if (!std::get<1>(*chosen)) co_return;
        w.values.received(*std::get<1>(*chosen));
        break;
      case 2:
        if (!std::get<2>(*chosen)) co_return;
        w.values.received(*std::get<2>(*chosen));
        break;
      default: break;
    }
  }
}

// The same over a vector: a send, receives from all channels and once more from any, and the end of a context.
task<> play_over_a_vector(world& w, unsigned seed, context over) {
  using outcome = std::variant<result<void>, result<std::int64_t>, error>;
  std::mt19937 random(seed);
  std::vector<any_arm<outcome>> arms(1);
  for (auto& rx : w.in) arms.emplace_back(on_recv(rx));
  arms.emplace_back(on_recv(w.in[random() % world::channels]));
  arms.emplace_back(on_done(std::move(over)));
  for (std::int64_t value = w.values.next(); value != ledger::used_up;) {
    if (!arms[0]) arms[0] = on_send(w.out[random() % world::channels], value);
    auto chosen = co_await select(arms);
    if (!chosen) co_return;
    switch (chosen->outcome.index()) {
      case 0:
        if (!std::get<0>(chosen->outcome)) co_return;
        value = w.count_sent(value);
        break;
      case 1:
        if (!std::get<1>(chosen->outcome)) co_return;
        w.values.received(*std::get<1>(chosen->outcome));
        break;
      default: co_return;
    }
  }
}

// Plain operations among the selects.
task<> play_plainly(world& w, unsigned seed) {
  std::mt19937 random(seed);
  for (std::int64_t next = w.values.next(); next != ledger::used_up;) {
    const std::size_t i = random() % world::channels;
    if (random() % 2 == 0) {
      if (auto done = co_await w.out[i].send(next); !done) co_return;
      next = w.count_sent(next);
    } else {
      auto value = co_await w.in[i].recv();
      if (!value) co_return;
      w.values.received(*value);
    }
  }
}

TEST_P(SelectStress, EveryValueIsConserved) {
  runtime workers({.workers = GetParam()});
  for (unsigned round = 0; round < 4; ++round) {
    world w(100'000 / stress_divisor);
    auto body = [&]() -> task<> {
      const cancel_source never;
      group g;
      for (unsigned i = 0; i < 48; ++i) g.go(play(w, round * 100 + i, round == 1));
      for (unsigned i = 48; i < 64; ++i) g.go(play_over_a_vector(w, round * 100 + i, never.context()));
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    w.drain_and_check();
    EXPECT_GE(w.messages, w.goal);
  }
}

// Workers of one runtime leave tasks that share channels together. Tasks of different runtimes stay apart, so here
// selects meet across threads all the time.
TEST_P(SelectStress, EveryValueIsConservedAcrossRuntimes) {
  for (unsigned round = 0; round < 3; ++round) {
    world w(400'000 / stress_divisor);
    // All of them live until every thread has ended: a task of one is woken by threads of the others.
    std::vector<std::unique_ptr<runtime>> runtimes;
    for (unsigned t = 0; t < GetParam(); ++t) runtimes.push_back(std::make_unique<runtime>(runtime_options{.workers = 1}));
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < GetParam(); ++t) {
      threads.emplace_back([&w, t, round, &one = *runtimes[t]] {
        auto body = [&]() -> task<> {
          group g;
          const unsigned tasks = 64 / GetParam();
          for (unsigned i = 0; i < tasks; ++i) {
            const unsigned seed = round * 100 + t * tasks + i;
            if (i % 4 == 0)
              g.go(play_over_a_vector(w, seed, context()));
            else
              g.go(play(w, seed, round == 1));
          }
          EXPECT_TRUE((co_await g.wait()).has_value());
        };
        one.block_on(body());
      });
    }
    for (auto& t : threads) t.join();
    w.drain_and_check();
    EXPECT_GE(w.messages, w.goal);
  }
}

// A cancelled send has not sent, and a cancelled receive has not taken.
TEST_P(SelectStress, EveryValueIsConservedAmongPlainOperationsAndCancels) {
  runtime workers({.workers = GetParam()});
  for (unsigned round = 0; round < 20; ++round) {
    world w(20'000 / stress_divisor);
    auto body = [&]() -> task<> {
      const cancel_source over;
      group selecting;
      group plain;
      for (unsigned i = 0; i < 36; ++i) selecting.go(play(w, round * 100 + i, round % 2 == 1));
      for (unsigned i = 36; i < 48; ++i) selecting.go(play_over_a_vector(w, round * 100 + i, over.context()));
      // All of them may wait to send, or all to receive: the cancel below ends that.
      for (unsigned i = 0; i < 16; ++i) plain.go(play_plainly(w, round * 1000 + i));
      while (w.messages < w.goal / 2) co_await yield();
      if (round % 3 == 0) plain.cancel();
      if (round % 4 == 0) over.cancel();
      while (w.messages < w.goal) co_await yield();
      selecting.cancel();
      plain.cancel();
      (void)co_await selecting.wait();
      (void)co_await plain.wait();
    };
    workers.block_on(body());
    w.drain_and_check();
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, SelectStress, ::testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace tandem::csp
