// Two players and one ball, which is a plain object: who has received it may write it.
#include <tandem/csp/channel.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using std::chrono::milliseconds;

struct ball {
  std::vector<char> hits;
};
using thrown = std::unique_ptr<ball>;

/// Ends when the table is closed.
task<> play(char name, receiver<thrown> from, sender<thrown> to, duration swing) {
  while (auto taken = co_await from.recv()) {
    thrown it = std::move(*taken);
    it->hits.push_back(name);
    if (swing > duration::zero()) {
      EXPECT_TRUE((co_await sleep_for(swing)).has_value());
    }
    if (auto sent = co_await to.send(std::move(it)); !sent) co_return;
  }
}

bool alternates(const std::vector<char>& hits) {
  for (std::size_t i = 1; i < hits.size(); ++i)
    if (hits[i] == hits[i - 1]) return false;
  return true;
}

// One table for both; the referee takes the ball after a second, between two swings of a millisecond.
TEST(ClassicPingPong, TheRefereeTakesTheBallAfterOneSecond) {
  const testing::leak_check nothing_left;
  testing::sim_runtime sim;
  auto match = []() -> task<thrown> {
    auto [to_table, from_table] = make_channel<thrown>(0);
    auto ping = spawn(play('i', from_table, to_table, milliseconds(1)));
    auto pong = spawn(play('o', from_table, to_table, milliseconds(1)));
    auto served = std::make_unique<ball>();
    EXPECT_TRUE((co_await to_table.send(std::move(served))).has_value());
    EXPECT_TRUE((co_await sleep_for(milliseconds(1000) - std::chrono::microseconds(500))).has_value());
    auto taken = co_await from_table.recv();  // waits behind the player who waits already
    from_table.close();
    EXPECT_TRUE((co_await ping.join()).has_value());
    EXPECT_TRUE((co_await pong.join()).has_value());
    co_return std::move(taken).value();
  };
  auto taken = sim.run(match);
  ASSERT_TRUE(taken.has_value());
  EXPECT_TRUE(alternates((*taken)->hits));
  EXPECT_EQ((*taken)->hits.size(), 1001u);  // one more swing: waiting receivers are served in the order they came
}

// With nobody to serve all are asleep, and the report names them.
TEST(ClassicPingPong, WithoutABallAllAreAsleepAndThatIsReported) {
  testing::sim_runtime sim;
  auto match = []() -> task<result<void>> {
    auto [to_table, from_table] = make_channel<thrown>(0);
    group players;
    players.go(play('i', from_table, to_table, {}), "ping");
    players.go(play('o', from_table, to_table, {}), "pong");
    co_return co_await players.wait();
  };
  const auto ended = sim.run(match);
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error(), errc::failed_precondition);
  for (const char* const named : {"ping", "pong", "a value from a channel"})
    EXPECT_NE(ended.error().message().find(named), std::string::npos) << ended.error().message();
}

TEST(ClassicPingPong, ARallyBetweenWorkersAlternatesAndLosesNoHit) {
  constexpr int rally = 10'000 / stress_divisor;
  for (const unsigned count : {1u, 2u, 4u}) {
    const testing::leak_check nothing_left;
    runtime workers({.workers = count});
    auto match = []() -> task<> {
      auto [to_ping, ping_side] = make_channel<thrown>(0);
      auto [to_pong, pong_side] = make_channel<thrown>(0);
      auto pong = spawn(play('o', std::move(pong_side), std::move(to_ping), {}));
      auto it = std::make_unique<ball>();
      for (int i = 0; i < rally; ++i) {
        it->hits.push_back('i');
        EXPECT_TRUE((co_await to_pong.send(std::move(it))).has_value());
        it = (co_await ping_side.recv()).value();
      }
      EXPECT_EQ(it->hits.size(), 2u * rally);
      EXPECT_TRUE(alternates(it->hits));
      to_pong = {};
      EXPECT_TRUE((co_await pong.join()).has_value());
    };
    workers.block_on(match());
  }
}

}  // namespace
}  // namespace tandem::csp
