// Actors that are one coroutine, and what they do with their inbox.
#include <tandem/actors/inbox.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/actors/on_reply.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using number_box = inbox<void(add), std::int64_t(get)>;

task<result<void>> sum_up(number_box& in, std::int64_t sum) {
  for (;;) {
    auto m = co_await in.receive();
    if (!m) co_return fail(m.error());
    m->match([&](add a) { sum += a.n; }, [&](get, reply_to<std::int64_t> to) { to.answer(sum); });
  }
}

// Writes down what it receives, and how it ended.
struct log_of_inbox {
  std::vector<int> seen;
  error ended;
  bool gone = false;
};
task<> write_down(inbox<void(note), void(hold)>& in, log_of_inbox& log) {
  for (;;) {
    auto m = co_await in.receive();
    if (!m) {
      log.ended = m.error();
      break;
    }
    m->match([&](note n) { log.seen.push_back(n.n); }, [&](hold) { log.seen.push_back(-1); });
  }
  log.gone = true;
}

TEST(Inbox, ReceivesTellsAndAnswersAsks) {
  testing::sim_runtime sim;
  system actors(sim);
  auto ref = actors.spawn(sum_up, 10);
  ASSERT_TRUE(ref.try_tell(add{5}).has_value());
  auto answer = sim.run([](auto r) -> task<result<std::int64_t>> { co_return co_await r.ask(get{}, 1s); }(ref));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(*answer, 15);
}

TEST(Inbox, ReceivesInTheOrderSent) {
  testing::sim_runtime sim;
  log_of_inbox log;  // until the actor's end
  system actors(sim);
  auto ref = actors.spawn(write_down, std::ref(log));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(ref.try_tell(note{i}).has_value());
  sim.run_until_idle();
  ASSERT_EQ(log.seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(log.seen[static_cast<std::size_t>(i)], i);
}

TEST(Inbox, SaysSoWhenNobodyCanReachTheActor) {
  testing::sim_runtime sim;
  log_of_inbox log;  // until the actor's end
  system actors(sim);
  auto ref = actors.spawn(write_down, std::ref(log));
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  ASSERT_FALSE(log.gone);
  ref = {};
  sim.run_until_idle();
  EXPECT_TRUE(log.gone);
  EXPECT_EQ(log.ended.code(), errc::closed);
  EXPECT_EQ(log.seen, std::vector<int>{1});
  EXPECT_EQ(actors.live_actors(), 0u);
}

TEST(Inbox, EndsWithItsSystem) {
  testing::sim_runtime sim;
  log_of_inbox log;
  inbox<void(note), void(hold)>::protocol::ref ref;
  {
    system actors(sim);
    ref = actors.spawn(write_down, std::ref(log));
    sim.run_until_idle();
  }
  EXPECT_TRUE(log.gone);
  EXPECT_EQ(log.ended.code(), errc::cancelled);
  EXPECT_EQ(ref.try_tell(note{1}).error().code(), errc::unavailable);
}

TEST(Inbox, TheFunctionsErrorIsTheReasonOfTheEnd) {
  testing::sim_runtime sim;
  system actors(sim);
  auto ref = actors.spawn([](inbox<void(note)>& in) -> task<result<void>> {
    auto m = co_await in.receive();
    co_return fail(errc::data_loss, "it went wrong");
  });
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  const auto refused = ref.try_tell(note{2});
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(is(refused.error(), errc::data_loss));
}

TEST(Inbox, WaitsForAMessageAlsoWhenItsSliceIsUsedUp) {
  testing::sim_runtime sim;
  log_of_inbox log;  // until the actor's end
  system actors(sim);
  auto ref = actors.spawn(write_down, std::ref(log));
  // More operations than a slice has, one message at a time, so that the last of a slice finds none.
  auto sender = sim.spawn([](auto to) -> task<result<void>> {
    for (int i = 0; i < 1000; ++i) {
      TANDEM_CO_TRY(co_await to.tell(note{i}));
      co_await yield();
    }
    co_return result<void>();
  }(ref));
  sim.run_until_idle();
  ASSERT_TRUE(sender.done());
  EXPECT_FALSE(log.gone) << log.ended.message();
  EXPECT_EQ(log.seen.size(), 1000u);
}

// In a select.

using mixed_box = inbox<void(note), void(hold)>;

task<> select_both(mixed_box& in, csp::receiver<int> numbers, std::vector<std::string>& seen) {
  for (;;) {
    auto chosen = co_await csp::select(in.receive(), csp::on_recv(numbers), csp::on_timeout(10s));
    if (!chosen) {
      seen.push_back("over");
      co_return;
    }
    if (chosen->index() == 0) {
      auto& m = std::get<0>(*chosen);
      if (!m) {
        seen.push_back(std::string(to_string(m.error().code())));
        co_return;
      }
      m->match([&](note n) { seen.push_back("note " + std::to_string(n.n)); }, [&](hold) { seen.push_back("hold"); });
    } else if (chosen->index() == 1) {
      auto& n = std::get<1>(*chosen);
      seen.push_back(n ? "number " + std::to_string(*n) : "closed");
      if (!n) numbers = {};
    } else {
      seen.push_back("timeout");
    }
  }
}

TEST(Inbox, IsAnArmOfASelectBesideChannelsAndTimers) {
  testing::sim_runtime sim;
  system actors(sim);
  std::vector<std::string> seen;
  auto [tx, rx] = csp::make_channel<int>(1);
  auto ref = actors.spawn(select_both, rx, std::ref(seen));
  sim.run_until_idle();
  ASSERT_TRUE(seen.empty());
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(7).has_value());
  sim.run_until_idle();
  sim.advance(10s);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(seen, (std::vector<std::string>{"note 1", "number 7", "timeout", "hold"}));
  ref = {};
  sim.run_until_idle();
  EXPECT_EQ(seen.back(), "closed");
  EXPECT_EQ(actors.live_actors(), 0u);
}

TEST(Inbox, ASelectThatWaitsEndsWithTheSystem) {
  testing::sim_runtime sim;
  std::vector<std::string> seen;
  auto [tx, rx] = csp::make_channel<int>(1);
  {
    system actors(sim);
    auto ref = actors.spawn(select_both, rx, std::ref(seen));
    sim.run_until_idle();
  }
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0] == "cancelled" || seen[0] == "over") << seen[0];
}

// Selective receive.

TEST(Inbox, ReceivesOnlyWhatItAsksForAndKeepsTheRestInOrder) {
  testing::sim_runtime sim;
  system actors(sim);
  std::vector<int> seen;
  auto ref = actors.spawn([](mixed_box& in, std::vector<int>& out) -> task<result<void>> {
    auto first = co_await in.receive_only<hold>();
    if (!first) co_return fail(first.error());
    out.push_back(-1);
    for (;;) {
      auto m = co_await in.receive();
      if (!m) co_return result<void>();
      m->match([&](note n) { out.push_back(n.n); }, [&](hold) { out.push_back(-1); });
    }
  }, std::ref(seen));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ref.try_tell(note{i}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(seen.empty());
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(seen, (std::vector<int>{-1, 0, 1, 2}));
}

TEST(Inbox, WhatASelectiveReceiveLeavesFillsTheMailbox) {
  testing::sim_runtime sim;
  system actors(sim);
  auto ref = actors.spawn(spawn_actor_options("picky", 4), [](mixed_box& in) -> task<result<void>> {
    auto m = co_await in.receive_only<hold>();
    co_return result<void>();
  });
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(ref.try_tell(note{i}).has_value()) << i;
  sim.run_until_idle();
  EXPECT_EQ(ref.try_tell(note{4}).error().code(), errc::would_block);
}

TEST(Inbox, OfWhatASelectiveReceiveLeavesTheOldestIsDropped) {
  testing::sim_runtime sim;
  std::size_t dead = 0;
  system_options options;
  options.on_dead_letter = [&dead](const dead_letter&) { ++dead; };
  system sys(sim, options);
  std::vector<std::int64_t> seen;
  const auto picky = [&seen](inbox<void(add), std::int64_t(get)>& in) -> task<> {
    auto wanted = co_await in.receive_only<get>();
    if (!wanted) co_return;
    wanted->match([](add) {}, [](get, reply_to<std::int64_t> to) { to.answer(7); });
    while (auto m = co_await in.receive())
      m->match([&seen](add a) { seen.push_back(a.n); }, [](get, reply_to<std::int64_t> to) { to.answer(0); });
  };
  const auto ref = sys.spawn(spawn_actor_options("picky", 2, overflow::drop_oldest), picky);
  sim.run_until_idle();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(ref.try_tell(add{i}).has_value());
    sim.run_until_idle();
  }
  EXPECT_EQ(dead, 1U);
  const auto answer = sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}, 1s); });
  EXPECT_EQ(answer.value_or(-1), 7);
  sim.run_until_idle();
  EXPECT_EQ(dead, 2U);
  EXPECT_EQ(seen, std::vector<std::int64_t>{3});
  EXPECT_EQ(sys.list_actors().at(0).depth, 0U);
}

TEST(Inbox, AReceiveEndsWithItsContext) {
  testing::sim_runtime sim;
  system actors(sim);
  error seen;
  auto ref = actors.spawn([](mixed_box& in, error& out) -> task<result<void>> {
    auto wait = [](mixed_box& box) -> task<result<void>> {
      auto m = co_await box.receive();
      if (!m) co_return fail(m.error());
      co_return result<void>();
    };
    auto limited = co_await with_timeout(5s, wait(in));
    out = limited ? error() : limited.error();
    co_return result<void>();
  }, std::ref(seen));
  sim.run_until_idle();
  sim.advance(5s - 1ns);
  ASSERT_FALSE(seen);
  sim.advance(1ns);
  EXPECT_EQ(seen.code(), errc::deadline_exceeded);
}

TEST(Inbox, IsRefusedToOtherTasks) {
  testing::sim_runtime sim;
  system actors(sim);
  error seen;
  auto ref = actors.spawn([](mixed_box& in, error& out) -> task<result<void>> {
    auto other = [](mixed_box& box) -> task<result<void>> {
      auto m = co_await box.receive();
      co_return result<void>();
    };
    auto spawned = spawn(other(in));
    auto joined = co_await spawned.join();
    out = joined ? error() : joined.error();
    co_return result<void>();
  }, std::ref(seen));
  sim.run_until_idle();
  EXPECT_TRUE(seen);
  EXPECT_NE(seen.message().find("receive"), std::string::npos) << seen.message();
}

TEST(Inbox, AMessageIsMatchedOnce) {
  testing::sim_runtime sim;
  system sys(sim);
  bool refused = false;
  const auto matches_twice = [&refused](inbox<void(add)>& in) -> task<> {
    auto m = co_await in.receive();
    if (!m) co_return;
    m->match([](add) {});
    try {
      m->match([](add) {});
    } catch (const std::logic_error&) {
      refused = true;
    }
  };
  const auto ref = sys.spawn(matches_twice);
  ASSERT_TRUE(ref.try_tell(add{1}).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(refused);
}

TEST(Inbox, GetsTheDownOfAnActorItWatches) {
  testing::sim_runtime sim;
  system actors(sim);
  down seen;
  auto victim = actors.spawn(spawn_actor_options("victim"), [](inbox<void(note)>& in) -> task<result<void>> {
    auto m = co_await in.receive();
    co_return fail(errc::data_loss, "broken");
  });
  auto watcher = actors.spawn([](mixed_box& in, inbox<void(note)>::protocol::ref whom, down& out) -> task<result<void>> {
    auto watched = in.self().watch(whom);
    if (!watched) co_return fail(watched.error());
    whom = {};
    auto m = co_await in.receive();
    if (!m) co_return fail(m.error());
    m->match([](note) {}, [](hold) {}, [&](down d) { out = std::move(d); });
    co_return result<void>();
  }, victim, std::ref(seen));
  sim.run_until_idle();
  ASSERT_EQ(seen.id, 0u);
  ASSERT_TRUE(victim.try_tell(note{1}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(seen.id, victim.id());
  EXPECT_EQ(seen.name, "victim");
  EXPECT_EQ(seen.reason.code(), errc::data_loss);
}

}  // namespace
}  // namespace tandem::actors
