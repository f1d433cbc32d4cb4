// Actors in the reports of the runtime.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/task_dump.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

std::string dump_of(testing::sim_runtime& sim) {
  const auto census = tandem::detail::take_census(sim.core(), tandem::detail::census_of::idle_actors_too);
  return fmt::format("{} tasks\n{}", census.tasks, describe(census));
}

TEST(ActorReports, ListIdleActorsByTheirClassAndTellSomeOfTheirNames) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  std::vector<counter::protocol::ref> counters;
  for (int i = 0; i < 1000; ++i) counters.push_back(sys.spawn<counter>(spawn_actor_options(fmt::format("no. {}", i))));
  const auto other = sys.spawn<recorder>(state);
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_TRUE(dump.starts_with("1001 tasks\n")) << dump;
  EXPECT_NE(dump.find("     997 x no. "), std::string::npos) << dump;
  EXPECT_NE(dump.find(" and others (actor tandem::actors::counter), waiting for a message\n"), std::string::npos)
      << dump;
  EXPECT_NE(dump.find("       1 x actor tandem::actors::recorder, waiting for a message\n"),
            std::string::npos)
      << dump;
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 1 + 4 + 1) << dump;
}

TEST(ActorReports, TellWhereAHandlerWaits) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(spawn_actor_options("tape"), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  for (const std::string& dump : {dump_of(sim), sim.stuck().message()}) {
    EXPECT_NE(dump.find("tape (actor tandem::actors::recorder), waiting for a time to come"), std::string::npos)
        << dump;
    EXPECT_NE(dump.find("awaited by "), std::string::npos) << dump;
  }
}

TEST(ActorReports, NameIdleActorsInDumpsOnly) {
  testing::sim_runtime sim;
  const testing::leak_check nothing_left;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  sim.run_until_idle();
  EXPECT_NE(dump_tasks().find("actor tandem::actors::counter, waiting"), std::string::npos);
  const std::string stuck = sim.stuck().message();
  EXPECT_EQ(stuck.find("counter"), std::string::npos) << stuck;
}

TEST(ActorReports, NameWhatSendersWaitFor) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto busy = sys.spawn<recorder>(spawn_actor_options("busy", 1), state);
  class deaf {  // so that an ask may find its mailbox full
   public:
    using protocol = actors::protocol<void(hold), int(get)>;
    task<> on(hold) { (void)co_await sleep_for(1h); }
    int on(get) { return 1; }
  };
  const auto never = sys.spawn<deaf>(spawn_actor_options("deaf", 1));
  ASSERT_TRUE(busy.try_tell(hold{}).has_value());
  ASSERT_TRUE(never.try_tell(hold{}).has_value());
  sim.run_until_idle();
  auto tell = [](recorder::protocol::ref to) -> task<> {
    for (;;)
      if (auto told = co_await to.tell(note{1}); !told) co_return;
  };
  auto ask = [](deaf::protocol::ref to) -> task<> { (void)co_await to.ask(get{}, 1h); };
  sim.spawn(tell(busy), "teller").detach();
  sim.spawn(ask(never), "first asker").detach();
  sim.spawn(ask(never), "second asker").detach();
  sim.run_until_idle();
  const std::string all = sim.stuck().message();
  const auto waits = [&](const char* who, const char* what) {
    const std::size_t at = all.find(who);
    if (at == std::string::npos) return false;
    return all.substr(at, all.find(';', at) - at).find(fmt::format("waiting for {}", what)) != std::string::npos;
  };
  EXPECT_TRUE(waits("teller", "room in a mailbox,")) << all;
  EXPECT_TRUE(waits("first asker", "an actor's answer")) << all;
  EXPECT_TRUE(waits("second asker", "room in a mailbox and an answer")) << all;
}

TEST(ActorReports, ShowTheActorThatRunsAHandlerWhichNeverWaits) {
  class witness {
   public:
    using protocol = actors::protocol<std::string(get)>;
    std::string on(get) { return dump_tasks(); }
  };
  runtime rt({.workers = 2});
  system sys(rt);
  const auto ref = sys.spawn<witness>(spawn_actor_options("witness"));
  auto ask = [](witness::protocol::ref to) -> task<result<std::string>> { co_return co_await to.ask(get{}, 30s); };
  const auto dump = rt.block_on(ask(ref));
  ASSERT_TRUE(dump.has_value());
  EXPECT_NE(dump->find("1 x witness (actor "), std::string::npos) << *dump;
  EXPECT_NE(dump->find("), running on worker "), std::string::npos) << *dump;
}

TEST(ActorReports, RaceNobodyWhileActorsComeAndGo) {
  runtime rt({.workers = 2});
  {
    system sys(rt);
    auto churn = [](system& home) -> task<> {
      for (int i = 0; i < 300; ++i) {
        const auto ref = home.spawn<counter>(spawn_actor_options(fmt::format("a name that is longer than any {}", i)));
        (void)co_await ref.ask(get{}, 30s);
      }
    };
    auto handle = rt.spawn(churn(sys), "churn");
    do {
      EXPECT_TRUE(rt.dump_tasks().find(" tasks on 2 workers") != std::string::npos);
    } while (!handle.done());
  }
  EXPECT_TRUE(rt.dump_tasks().starts_with("tandem: 0 tasks"));
}

}  // namespace
}  // namespace tandem::actors
