#include <tandem/csp/any_arm.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/broadcast.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/watch.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

using receives = std::vector<any_arm<result<int>>>;

TEST(AnyArm, ASubscriptionLoopReceivesFromAllUntilAllAreClosed) {
  sim_runtime sim;
  std::vector<sender<int>> out;
  receives arms;
  for (int i = 0; i < 100; ++i) {
    auto [tx, rx] = make_channel<int>(i % 3);
    out.push_back(std::move(tx));
    arms.emplace_back(on_recv(rx));  // the arm keeps the channel open: rx goes
  }
  int sum = 0;
  auto subscribe = [&]() -> task<> {
    for (std::size_t open = arms.size(); open > 0;) {
      auto chosen = co_await select(arms);
      if (chosen->outcome) {
        sum += *chosen->outcome;
      } else {
        EXPECT_EQ(chosen->outcome.error(), errc::closed);
        arms[chosen->index] = {};
        --open;
      }
    }
  };
  auto publish = [](sender<int> to) -> task<> {
    for (int i = 1; i <= 10; ++i) EXPECT_TRUE((co_await to.send(i)).has_value());
  };
  auto subscribing = sim.spawn(subscribe);
  for (auto& tx : out) sim.spawn(publish(std::move(tx))).detach();
  sim.run_until_idle();
  EXPECT_TRUE(subscribing.done());
  EXPECT_EQ(sum, 100 * 55);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(AnyArm, TellsWhichArmWasChosen) {
  sim_runtime sim;
  std::vector<std::pair<sender<int>, receiver<int>>> channels;
  receives arms;
  for (int i = 0; i < 200; ++i) {
    channels.push_back(make_channel<int>(0));
    arms.emplace_back(on_recv(channels.back().second));
  }
  auto body = [&]() -> task<std::size_t> {
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->outcome.value(), 7);
    co_return chosen->index;
  };
  for (const std::size_t i : {0U, 63U, 64U, 65U, 199U}) {
    auto selecting = sim.spawn(body);
    sim.run_until_idle();
    ASSERT_FALSE(selecting.done());
    ASSERT_TRUE(channels[i].first.try_send(7).has_value());
    sim.run_until_idle();
    EXPECT_EQ(sim.get(selecting).value(), i);
    for (auto& [tx, rx] : channels) ASSERT_EQ(tx.try_send(1).error(), errc::would_block);  // nothing was left behind
  }
}

TEST(AnyArm, NoArmsAtAllWaitUntilTheContextEnds) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto body = []() -> task<errc> {
    receives none;
    auto chosen = co_await select(none);
    co_return chosen ? errc::unknown : chosen.error().code();
  };
  auto selecting = sim.spawn(body, source.context());
  sim.advance(24h);
  ASSERT_FALSE(selecting.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).value(), errc::cancelled);
}

TEST(AnyArm, EmptyArmsAreNeverChosen) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  auto body = [&rx = rx]() -> task<> {
    receives arms(3);
    EXPECT_FALSE(arms[0]);
    arms[1] = on_recv(rx);
    EXPECT_TRUE(arms[1]);
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 1U);
    arms[1] = {};
    arms.emplace_back(on_recv(receiver<int>()));
    const time_point start = now();
    auto none = co_await with_timeout(1h, [](receives& all) -> task<result<void>> {
      auto never = co_await select(all);
      if (!never) co_return fail(never.error());
      co_return {};
    }(arms));
    EXPECT_EQ(none.error(), errc::deadline_exceeded);
    EXPECT_EQ(now() - start, 1h);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, ArmsOfDifferentKindsYieldAVariant) {
  sim_runtime sim;
  auto [numbers_out, numbers] = make_channel<int>(1);
  auto [words_out, words] = make_channel<std::string>(1);
  auto body = [&numbers = numbers, &words = words, &numbers_out = numbers_out, &words_out = words_out]() -> task<> {
    std::vector<any_arm<std::variant<result<int>, result<std::string>, timed_out>>> arms;
    arms.emplace_back(on_recv(numbers));
    arms.emplace_back(on_recv(words));
    arms.emplace_back(on_timeout(1s));
    EXPECT_TRUE(words_out.try_send("a").has_value());
    auto chosen = co_await select(arms);
    EXPECT_EQ(std::get<1>(chosen->outcome).value(), "a");
    EXPECT_TRUE(numbers_out.try_send(2).has_value());
    chosen = co_await select(arms);
    EXPECT_EQ(std::get<0>(chosen->outcome).value(), 2);
    chosen = co_await select(arms);
    EXPECT_TRUE(std::holds_alternative<timed_out>(chosen->outcome));
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, BiasedTakesTheFirstReadyArm) {
  sim_runtime sim;
  std::vector<sender<int>> out;
  receives arms;
  for (int i = 0; i < 80; ++i) {
    auto [tx, rx] = make_channel<int>(1);
    out.push_back(std::move(tx));
    arms.emplace_back(on_recv(rx));
  }
  auto body = [&]() -> task<> {
    for (std::size_t i = 70; i > 10; --i) {
      EXPECT_TRUE(out[i].try_send(0).has_value());
      auto chosen = co_await select_biased(arms);
      EXPECT_EQ(chosen->index, i);
    }
    for (auto& tx : out) (void)tx.try_send(0);
    for (std::size_t i = 0; i < 80; ++i) {
      auto chosen = co_await select_biased(arms);
      EXPECT_EQ(chosen->index, i);
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, OtherwiseIsChosenOnlyIfNothingIsReady) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&tx = tx, &rx = rx]() -> task<> {
    std::array<any_arm<std::variant<none_ready, result<int>>>, 2> arms;
    arms[0] = otherwise();
    arms[1] = on_recv(rx);
    for (int i = 0; i < 3; ++i) {
      auto chosen = co_await select(arms);
      EXPECT_EQ(chosen->index, 0U);
      EXPECT_TRUE(tx.try_send(1).has_value());
      chosen = co_await select(std::span(arms));
      EXPECT_EQ(chosen->index, 1U);
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, ASendOwnsItsValueAndIsSpentWhenItPlacedIt) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(1);
  auto body = [&tx = tx, &rx = rx]() -> task<> {
    std::vector<any_arm<result<void>>> arms;
    auto value = std::make_unique<int>(7);
    arms.emplace_back(on_send(tx, std::move(value)));
    EXPECT_FALSE(value);
    auto chosen = co_await select(arms);
    EXPECT_TRUE(chosen->outcome.has_value());
    EXPECT_FALSE(arms[0]);
    auto received = rx.try_recv();
    EXPECT_EQ(**received, 7);
    EXPECT_EQ(rx.try_recv().error(), errc::would_block);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, ALosingSendKeepsItsValueForTheNextSelect) {
  sim_runtime sim;
  auto [full, other_end] = make_channel<std::unique_ptr<int>>(0);
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  auto body = [&full = full, &rx = rx]() -> task<> {
    std::vector<any_arm<std::variant<result<int>, result<void>>>> arms;
    arms.emplace_back(on_send(full, std::make_unique<int>(7)));
    arms.emplace_back(on_recv(rx));
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 1U);
    chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 0U);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  auto got = other_end.try_recv();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(**got, 7);
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

TEST(AnyArm, WhatHappensOnceIsSpentAndWhatRepeatsStays) {
  sim_runtime sim;
  auto body = []() -> task<> {
    using outcome = std::variant<result<int>, error, timed_out, result<tick>>;
    const cancel_source session;
    auto worker = spawn([]() -> task<int> { co_return 3; });
    ticker often(10ms);
    std::vector<any_arm<outcome>> arms;
    arms.emplace_back(on_join(worker));
    arms.emplace_back(on_done(session.context()));
    arms.emplace_back(on_timeout(5ms));
    arms.emplace_back(on_tick(often));
    session.cancel();
    std::array<int, 4> times{};
    for (int i = 0; i < 8; ++i) {
      auto chosen = co_await select(arms);
      ++times[chosen->index];
    }
    EXPECT_EQ(times, (std::array<int, 4>{1, 1, 1, 5}));
    EXPECT_FALSE(arms[0] || arms[1] || arms[2]);
    EXPECT_TRUE(arms[3]);
    EXPECT_FALSE(worker);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, OfABroadcastOrAWatchStaysAndTellsOfItsEnd) {
  sim_runtime sim;
  auto [news, all_news] = make_broadcast<int>(4);
  auto [settings, own_settings] = make_watch<int>(0);
  std::vector<int> seen;
  auto read = [&](broadcast_receiver<int> of_all, watch_receiver<int> of_latest) -> task<> {
    std::vector<any_arm<std::variant<result<broadcast_value<int>>, result<void>>>> arms;
    arms.emplace_back(on_recv(of_all));
    arms.emplace_back(on_change(of_latest));
    for (int open = 2; open > 0;) {
      auto chosen = co_await select_biased(arms);
      if (chosen->outcome.index() == 0) {
        auto& next = std::get<0>(chosen->outcome);
        if (next) seen.push_back(next->value);
        if (next) continue;
      } else if (std::get<1>(chosen->outcome)) {
        seen.push_back(-of_latest.get());
        continue;
      }
      arms[chosen->index] = {};
      --open;
    }
  };
  auto reading = sim.spawn(read(std::move(all_news), std::move(own_settings)));
  sim.run_until_idle();  // it waits
  (void)news.send(1);
  sim.run_until_idle();
  (void)settings.send(2);
  sim.run_until_idle();
  (void)news.send(4);
  (void)settings.send(3);
  (void)news.close();
  (void)settings.close();
  sim.run_until_idle();
  EXPECT_TRUE(reading.done());
  EXPECT_EQ(seen, (std::vector<int>{1, -2, 4, -3}));
}

TEST(AnyArm, OwnsAShareOfItsChannel) {
  auto [tx, rx] = make_channel<int>(1);
  receives arms;
  arms.emplace_back(on_recv(rx));
  rx = {};
  EXPECT_TRUE(tx.try_send(1).has_value());
  arms.clear();
  EXPECT_TRUE(tx.is_closed());

  auto [into, from] = make_channel<int>(1);
  std::vector<any_arm<result<void>>> sends;
  sends.emplace_back(on_send(into, 1));
  into = {};
  EXPECT_EQ(from.try_recv().error(), errc::would_block);
  sends.clear();
  EXPECT_EQ(from.try_recv().error(), errc::closed);
}

TEST(AnyArm, MovesInAVectorThatGrowsAndShrinksBetweenSelects) {
  sim_runtime sim;
  auto body = []() -> task<> {
    receives arms;
    std::vector<sender<int>> out;
    for (int n = 1; n <= 20; ++n) {
      auto [tx, rx] = make_channel<int>(0);
      out.push_back(tx);
      arms.emplace_back(on_recv(rx));
      auto sending = spawn(send_one(out[static_cast<std::size_t>(n) / 2], n));
      auto chosen = co_await select(arms);
      EXPECT_EQ(chosen->outcome.value(), n);
      EXPECT_EQ(chosen->index, static_cast<std::size_t>(n) / 2);
      (void)co_await sending.join();
    }
    arms.erase(arms.begin(), arms.begin() + 10);
    auto sending = spawn(send_one(out[15], 1));
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 5U);
    (void)co_await sending.join();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(AnyArm, CancelledItTakesNothingAndLeavesNothing) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  std::vector<sender<int>> out;
  receives arms;
  for (int i = 0; i < 70; ++i) {
    auto [tx, rx] = make_channel<int>(0);
    out.push_back(std::move(tx));
    arms.emplace_back(on_recv(rx));
  }
  auto selecting = sim.spawn([&]() -> task<bool> { co_return (co_await select(arms)).has_value(); }, source.context());
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_FALSE(sim.get(selecting).value());
  for (auto& tx : out) EXPECT_EQ(tx.try_send(1).error(), errc::would_block);
}

TEST(AnyArm, AClosedChannelIsChosenAgainAndAgain) {
  sim_runtime sim;
  auto body = []() -> task<> {
    auto [tx, rx] = make_channel<int>(1);
    receives arms;
    arms.emplace_back(on_recv(rx));
    EXPECT_TRUE(tx.try_send(1).has_value());
    tx.close();
    EXPECT_EQ((co_await select(arms))->outcome.value(), 1);
    for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await select(arms))->outcome.error(), errc::closed);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// Two selects over vectors that can only complete each other.
TEST(AnyArm, SelectsOverVectorsMeet) {
  for (const bool sender_first : {false, true}) {
    sim_runtime sim;
    std::vector<any_arm<result<void>>> sends;
    receives recvs;
    for (int i = 0; i < 70; ++i) {
      auto [tx, rx] = make_channel<int>(0);
      sends.emplace_back(on_send(tx, i));
      recvs.emplace_back(on_recv(rx));
    }
    auto sending = [&]() -> task<int> { co_return static_cast<int>((co_await select(sends))->index); };
    auto receiving = [&]() -> task<int> { co_return (co_await select(recvs))->outcome.value(); };
    auto first = sender_first ? sim.spawn(sending()) : sim.spawn(receiving());
    sim.run_until_idle();
    ASSERT_FALSE(first.done());
    auto second = sender_first ? sim.spawn(receiving()) : sim.spawn(sending());
    sim.run_until_idle();
    ASSERT_TRUE(first.done() && second.done());
    EXPECT_EQ(sim.get(first).value(), sim.get(second).value());
  }
}

}  // namespace
}  // namespace tandem::csp
