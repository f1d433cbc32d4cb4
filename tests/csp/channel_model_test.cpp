// The same random operations against a channel and against a std::deque.
#include <tandem/csp/channel.hpp>

#include <deque>
#include <optional>
#include <random>

#include <gtest/gtest.h>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;

// What a channel promises: values leave in the order in which their sends began.
struct model {
  std::size_t capacity;
  std::deque<int> buffered;
  std::deque<int> waiting_values;        // of senders without room
  std::deque<std::size_t> waiting_ids;   // of receivers without a value

  // The receive that gets `value`, if one waits.
  std::optional<std::size_t> send(int value) {
    if (!waiting_ids.empty()) {
      const std::size_t id = waiting_ids.front();
      waiting_ids.pop_front();
      return id;
    }
    (buffered.size() < capacity ? buffered : waiting_values).push_back(value);
    return std::nullopt;
  }
  std::optional<int> recv() {
    std::deque<int>& from = buffered.empty() ? waiting_values : buffered;
    if (from.empty()) return std::nullopt;
    const int value = from.front();
    from.pop_front();
    if (&from == &buffered && !waiting_values.empty()) {
      buffered.push_back(waiting_values.front());
      waiting_values.pop_front();
    }
    return value;
  }
};

void compare(std::size_t capacity, unsigned seed) {
  SCOPED_TRACE(::testing::Message() << "capacity " << capacity << " seed " << seed);
  std::mt19937 random(seed);
  sim_runtime sim(seed);
  auto [tx, rx] = make_channel<int>(capacity);
  model expected{.capacity = capacity, .buffered = {}, .waiting_values = {}, .waiting_ids = {}};
  std::vector<join_handle<result<int>>> receives;
  std::vector<std::optional<int>> expected_values;  // by receive
  std::vector<join_handle<result<void>>> sends;
  int next = 0;
  for (int step = 0; step < 300; ++step) {
    switch (random() % 5) {
      case 0: {
        sends.push_back(sim.spawn(send_by(tx, next)));
        if (const auto id = expected.send(next)) expected_values[*id] = next;
        ++next;
        break;
      }
      case 1: {
        receives.push_back(sim.spawn(recv_by(rx)));
        expected_values.push_back(expected.recv());
        if (!expected_values.back()) expected.waiting_ids.push_back(receives.size() - 1);
        break;
      }
      case 2: {
        const bool room = !expected.waiting_ids.empty() || expected.buffered.size() < capacity;
        ASSERT_EQ(tx.try_send(next).has_value(), room);
        if (!room) break;
        if (const auto id = expected.send(next)) expected_values[*id] = next;
        ++next;
        break;
      }
      case 3: {
        const auto wanted = expected.recv();
        const auto got = rx.try_recv();
        ASSERT_EQ(got.has_value(), wanted.has_value());
        ASSERT_EQ(got.value_or(-1), wanted.value_or(-1));
        break;
      }
      default: break;
    }
    sim.run_until_idle();
    ASSERT_EQ(rx.size(), expected.buffered.size());
    ASSERT_EQ(sim.live_tasks(), expected.waiting_values.size() + expected.waiting_ids.size());
  }
  tx.close();
  sim.run_until_idle();
  for (std::size_t i = 0; i < receives.size(); ++i) {
    auto got = sim.get(receives[i]);
    if (expected_values[i]) {
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(*got, *expected_values[i]);
    } else {
      EXPECT_EQ(got.error(), errc::closed);
    }
  }
  std::size_t failed = 0;
  for (auto& s : sends) failed += !sim.get(s).has_value();
  EXPECT_EQ(failed, expected.waiting_values.size());
  expected.waiting_values.clear();
  while (!expected.buffered.empty()) EXPECT_EQ(*rx.try_recv(), *expected.recv());
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

TEST(ChannelModel, BehavesLikeADeque) {
  for (const std::size_t capacity : {0u, 1u, 2u, 7u})
    for (unsigned seed = 1; seed <= 40; ++seed) compare(capacity, seed);
}

}  // namespace
}  // namespace tandem::csp
