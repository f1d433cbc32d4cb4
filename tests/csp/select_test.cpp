#include <tandem/csp/select.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Select, ReceivesFromTheReadyArm) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(1);
  auto [b_out, b_in] = make_channel<std::string>(1);
  ASSERT_TRUE(b_out.try_send("b").has_value());
  auto body = [&a = a_in, &b = b_in]() -> task<> {
    auto chosen = co_await select(on_recv(a), on_recv(b));
    EXPECT_EQ(chosen->index(), 1u);
    EXPECT_EQ(*std::get<1>(*chosen), "b");
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Select, WaitsForTheFirstArmThatCanGoAhead) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(0);
  auto [b_out, b_in] = make_channel<int>(0);
  std::size_t index = 99;
  auto body = [&index, &a = a_in, &b = b_out]() -> task<> {
    auto chosen = co_await select(on_recv(a), on_send(b, 7));
    index = chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  EXPECT_EQ(*b_in.try_recv(), 7);
  EXPECT_EQ(a_out.try_send(1).error(), errc::would_block);  // the losing arm no longer counts
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(index, 1u);
}

TEST(Select, LosingSendKeepsItsValue) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(1);
  auto [b_out, b_in] = make_channel<std::unique_ptr<int>>(0);
  ASSERT_TRUE(a_out.try_send(1).has_value());
  auto body = [&a = a_in, &b = b_out]() -> task<> {
    auto value = std::make_unique<int>(1);
    auto chosen = co_await select(on_recv(a), on_send(b, std::move(value)));
    EXPECT_EQ(chosen->index(), 0u);
    EXPECT_TRUE(value);
    b.close();
    chosen = co_await select(on_recv(a), on_send(b, std::move(value)));
    EXPECT_EQ(std::get<1>(*chosen).error(), errc::closed);
    EXPECT_TRUE(value);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Select, ClosedChannelIsAnOutcomeOfItsArm) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(0);
  auto [b_out, b_in] = make_channel<int>(0);
  auto body = [&a = a_in, &b = b_out]() -> task<> {
    auto chosen = co_await select(on_recv(a), on_send(b, 1));
    EXPECT_EQ(chosen->index(), 0u);
    EXPECT_EQ(std::get<0>(*chosen).error(), errc::closed);
    auto later = co_await select(on_recv(a));
    EXPECT_EQ(std::get<0>(*later).error(), errc::closed);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  a_out.close();
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

TEST(Select, NeverReadyArmsAreNeverChosen) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  auto body = [&rx = rx]() -> task<> {
    const receiver<int> never;
    const sender<int> nowhere;
    auto chosen = co_await select(on_recv(never), on_send(nowhere, 1), on_recv(rx));
    EXPECT_EQ(chosen->index(), 2u);
    chosen = co_await select(on_recv(never), on_send(nowhere, 1), on_recv(rx));
    EXPECT_EQ(chosen->index(), 2u);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  ASSERT_TRUE(tx.try_send(2).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

TEST(SelectTimeout, FiresAtTheDeadlineAndNotBefore) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  std::size_t index = 99;
  auto body = [&index, &rx = rx]() -> task<> {
    auto chosen = co_await select(on_recv(rx), on_timeout(milliseconds(5)));
    index = chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  sim.advance(milliseconds(5) - nanoseconds(1));
  ASSERT_FALSE(selecting.done());
  sim.advance(nanoseconds(1));
  ASSERT_TRUE(selecting.done());
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);
}

TEST(SelectTimeout, LeavesNoTimerBehind) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&rx = rx]() -> task<> {
    auto chosen = co_await select(on_recv(rx), on_timeout(std::chrono::hours(1)));
    EXPECT_EQ(chosen->index(), 0u);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(1).has_value());
  const time_point before = sim.now();
  sim.run_to_end();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(sim.now(), before);
}

TEST(SelectTimeout, ZeroPrefersAReadyArm) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  auto body = [&rx = rx]() -> task<> {
    auto chosen = co_await select(on_timeout(duration::zero()), on_recv(rx));
    EXPECT_EQ(chosen->index(), 1u);
    chosen = co_await select(on_timeout(duration::zero()), on_recv(rx));
    EXPECT_EQ(chosen->index(), 0u);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

TEST(SelectTimeout, ALoopOfZeroLimitsLetsOthersRun) {
  sim_runtime sim;
  auto [out, in] = make_channel<int>(0);
  bool others_ran = false;
  auto polling = [&in = in, &others_ran]() -> task<int> {
    int polls = 0;
    while (!others_ran && polls < 100'000) {
      ++polls;
      (void)co_await select(on_recv(in), on_timeout(nanoseconds(0)));
    }
    co_return polls;
  };
  auto polls = sim.spawn(polling);
  auto other = sim.spawn([&others_ran]() -> task<> {
    others_ran = true;
    co_return;
  });
  sim.run_until_idle();
  EXPECT_LT(*sim.get(polls), 1000);
}

TEST(SelectOtherwise, IsChosenOnlyIfNothingIsReady) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&tx = tx, &rx = rx]() -> task<> {
    auto chosen = co_await select(otherwise(), on_recv(rx));
    EXPECT_EQ(chosen->index(), 0u);
    EXPECT_TRUE(tx.try_send(1).has_value());
    chosen = co_await select(otherwise(), on_recv(rx));
    EXPECT_EQ(chosen->index(), 1u);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(SelectChoice, IsFairAmongReadyArms) {
  sim_runtime sim(42);
  std::array<int, 4> chosen_count{};
  std::array<sender<int>, 4> out;
  std::array<receiver<int>, 4> in;
  for (std::size_t i = 0; i < 4; ++i) std::tie(out[i], in[i]) = make_channel<int>(1);
  auto body = [&]() -> task<> {
    for (int round = 0; round < 4000; ++round) {
      for (auto& tx : out) (void)tx.try_send(round);
      auto chosen = co_await select(on_recv(in[0]), on_recv(in[1]), on_recv(in[2]), on_recv(in[3]));
      ++chosen_count[chosen->index()];
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
  for (const int n : chosen_count) EXPECT_NEAR(n, 1000, 150);
}

TEST(SelectChoice, IsTheSameForTheSameSeed) {
  const auto play = [](std::uint32_t seed) {
    sim_runtime sim(seed);
    std::string choices;
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(64);
      for (int i = 0; i < 64; ++i) (void)tx.try_send(i);
      for (int i = 0; i < 32; ++i) {
        auto chosen = co_await select(on_recv(rx), on_recv(rx));
        choices += chosen->index() == 0 ? 'a' : 'b';
      }
    };
    EXPECT_TRUE(sim.run(body).has_value());
    return choices;
  };
  EXPECT_EQ(play(7), play(7));
}

TEST(SelectChoice, BiasedTakesTheFirstReadyArm) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(8);
  auto [b_out, b_in] = make_channel<int>(8);
  auto body = [&a = a_in, &b = b_in, &ax = a_out, &bx = b_out]() -> task<> {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(ax.try_send(i).has_value());
      EXPECT_TRUE(bx.try_send(i).has_value());
    }
    for (int i = 0; i < 16; ++i) {
      auto chosen = co_await select_biased(on_recv(a), on_recv(b));
      EXPECT_EQ(chosen->index(), i < 8 ? 0u : 1u);
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(SelectSameChannel, TakesOneValueThroughOneOfItsArms) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  int sum = 0;
  auto body = [&sum, &rx = rx]() -> task<> {
    auto chosen = co_await select(on_recv(rx), on_recv(rx), on_recv(rx));
    std::visit([&](auto& value) { sum += *value; }, *chosen);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(5).has_value());
  EXPECT_EQ(tx.try_send(6).error(), errc::would_block);
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
  EXPECT_EQ(sum, 5);
}

TEST(SelectSameChannel, BothEndsNeverPairWithThemselves) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  std::vector<int> got;
  auto body = [&got, &tx = tx, &rx = rx](int mine) -> task<> {
    auto chosen = co_await select(on_recv(rx), on_send(tx, mine));
    got.push_back(chosen->index() == 0 ? *std::get<0>(*chosen) : -1);
  };
  auto first = sim.spawn([&] { return body(1); });
  sim.run_until_idle();
  ASSERT_FALSE(first.done());
  auto second = sim.spawn([&] { return body(2); });
  sim.run_until_idle();
  ASSERT_TRUE(first.done() && second.done());
  ASSERT_EQ(got.size(), 2u);
  // One of them received what the other sent.
  EXPECT_TRUE((got[0] == -1 && got[1] == 1) || (got[0] == 2 && got[1] == -1) || (got[0] == 1 && got[1] == -1) ||
              (got[0] == -1 && got[1] == 2))
      << got[0] << " " << got[1];
}

TEST(SelectSameChannel, BothEndsOfABufferedChannelTakeTurns) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  int sent = 0;
  int received = 0;
  auto body = [&sent, &received, &tx = tx, &rx = rx]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      auto chosen = co_await select(on_recv(rx), on_send(tx, i));
      ++(chosen->index() == 0 ? received : sent);
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(sent, 50);
  EXPECT_EQ(received, 50);
}

// Two selects that can only complete each other, whichever came first.
TEST(SelectVsSelect, MeetInBothDirections) {
  for (const bool sender_first : {false, true}) {
    sim_runtime sim;
    auto [a_out, a_in] = make_channel<int>(0);
    auto [b_out, b_in] = make_channel<int>(0);
    const receiver<int> never;
    int got = 0;
    std::size_t sent_by = 99;
    auto sending = [&sent_by, &never, &a = a_out, &b = b_out]() -> task<> {
      auto chosen = co_await select(on_send(a, 1), on_recv(never), on_send(b, 2));
      sent_by = chosen->index();
    };
    auto receiving = [&got, &never, &a = a_in, &b = b_in]() -> task<> {
      auto chosen = co_await select(on_recv(b), on_recv(never), on_recv(a));
      std::visit([&](auto& value) { got = *value; }, *chosen);
    };
    auto first = sender_first ? sim.spawn(sending()) : sim.spawn(receiving());
    sim.run_until_idle();
    ASSERT_FALSE(first.done());
    auto second = sender_first ? sim.spawn(receiving()) : sim.spawn(sending());
    sim.run_until_idle();
    ASSERT_TRUE(first.done() && second.done());
    EXPECT_EQ(got, sent_by == 0 ? 1 : 2);
    EXPECT_EQ(a_in.try_recv().error(), errc::would_block);
    EXPECT_EQ(b_in.try_recv().error(), errc::would_block);
  }
}

TEST(Select, PlainOperationsPassOverDecidedSelects) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(0);
  auto [b_out, b_in] = make_channel<int>(0);
  auto body = [&a = a_in, &b = b_in]() -> task<int> {
    auto chosen = co_await select(on_recv(a), on_recv(b));
    co_return chosen->index() == 0 ? *std::get<0>(*chosen) : *std::get<1>(*chosen);
  };
  auto selecting = sim.spawn(body);
  auto plain = sim.spawn(recv_by(b_in));
  sim.run_until_idle();
  ASSERT_TRUE(a_out.try_send(1).has_value());  // decides the select; its node at b is dead, but still there
  ASSERT_TRUE(b_out.try_send(2).has_value());
  sim.run_until_idle();
  EXPECT_EQ(*sim.get(selecting), 1);
  EXPECT_EQ(*sim.get(plain), 2);
}

}  // namespace
}  // namespace tandem::csp
