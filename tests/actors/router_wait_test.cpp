// Waiting for room through a router, and what ends that.
#include <tandem/actors/router.hpp>

#include <gtest/gtest.h>

#include <tandem/actors/actor_pool.hpp>
#include <tandem/actors/on_reply.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using both = router<void(item), int(who)>;

// Two sinks with room for one that are busy and full, behind a router.
struct full_router {
  testing::sim_runtime sim;
  system sys{sim};
  sinks s{sys, 2, 1};
  both r{round_robin(), {s.refs.begin(), s.refs.end()}};

  full_router() {
    s.fill(sim, 0);
    s.fill(sim, 1);
  }
  task<result<void>> tell(int n) { co_return co_await r.ref().tell(item{n}); }
  task<result<int>> ask(int n, duration limit = 1s) { co_return co_await r.ref().ask(who{n}, limit); }
  void open(std::size_t i) {
    s.states[i].open = true;
    sim.advance(1ms);
  }
};

TEST(RouterWait, ASenderWaitsOnlyWhenAllAreFull) {
  full_router f;
  EXPECT_EQ(f.r.ref().try_tell(item{1}).error().code(), errc::would_block);
  auto a = f.sim.spawn(f.tell(1));
  auto b = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  f.open(0);
  f.open(1);
  EXPECT_TRUE(f.sim.get(a).has_value());
  EXPECT_TRUE(f.sim.get(b).has_value());
  EXPECT_EQ(f.s.states[0].seen, (std::vector<int>{-1, 1}));  // those who wait take turns as well
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 2}));
  EXPECT_EQ(f.sim.live_tasks(), 0u);
}

TEST(RouterWait, ACancelledWaitingTellWasNotSent) {
  full_router f;
  const cancel_source source(f.sim.root_context());
  auto a = f.sim.spawn(f.tell(1), source.context());
  auto b = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  source.cancel();
  f.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  EXPECT_EQ(f.sim.get(a).error().code(), errc::cancelled);
  f.open(0);
  f.open(1);
  EXPECT_TRUE(f.sim.get(b).has_value());
  EXPECT_EQ(f.s.counts(), (std::vector<std::size_t>{1, 2}));
}

TEST(RouterWait, AWaitingTellEndsWithItsContextsDeadline) {
  full_router f;
  auto limited = f.sim.spawn(with_timeout(5ms, f.tell(3)));
  f.sim.advance(5ms - 1ns);
  ASSERT_FALSE(limited.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(limited.done());
  EXPECT_EQ(f.sim.get(limited).error().code(), errc::deadline_exceeded);
  f.open(0);
  f.open(1);
}

TEST(RouterWait, AnAskThatFindsNoRoomTimesOutUnsent) {
  full_router f;
  auto early = f.sim.spawn(f.ask(1, 5ms));
  auto late = f.sim.spawn(f.ask(2));
  f.sim.advance(5ms);
  ASSERT_TRUE(early.done());
  EXPECT_EQ(f.sim.get(early).error().code(), errc::timed_out);
  f.open(0);
  f.open(1);
  EXPECT_EQ(f.sim.get(late).value(), 3);
  EXPECT_EQ(f.s.states[0].asked + f.s.states[1].asked, 1);
}

TEST(RouterWait, ATellThatWaitsFailsWhenItsRouteeEndsAndTheNextGoesToAnother) {
  full_router f;
  auto a = f.sim.spawn(f.tell(1));  // at the first
  auto b = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  f.s.states[0].self->quit();
  f.open(0);
  ASSERT_TRUE(a.done());
  EXPECT_EQ(f.sim.get(a).error().code(), errc::unavailable);
  EXPECT_FALSE(b.done());
  auto c = f.sim.spawn(f.tell(3));
  f.sim.run_until_idle();
  EXPECT_EQ(f.r.size(), 1u);
  f.open(1);
  EXPECT_TRUE(f.sim.get(b).has_value());
  EXPECT_TRUE(f.sim.get(c).has_value());
  f.sim.run_to_end();
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 2, 3}));
}

TEST(RouterWait, ASenderWaitsWhereItMay) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2, 1);
  actor_pool_options strict;
  strict.queue_capacity = 1;
  strict.when_full = overflow::fail;
  const actor_pool<void(item)> pool(sys, {s.refs[1]}, strict);
  const router<void(item)> r(round_robin(), {pool.ref(), s.refs[0]});
  s.fill(sim, 0);
  s.fill(sim, 1);
  for (const int n : {1, 2}) ASSERT_TRUE(pool.ref().try_tell(item{n}).has_value());
  const auto tell = [&](int n) -> task<result<void>> { co_return co_await r.ref().tell(item{n}); };
  auto a = sim.spawn(tell(3));
  auto b = sim.spawn(tell(4));
  sim.run_until_idle();
  EXPECT_FALSE(a.done() || b.done());
  ASSERT_TRUE(r.remove(s.refs[0]));
  EXPECT_EQ(sim.run([&] { return tell(5); }).error().code(), errc::overloaded);
  for (auto& state : s.states) state.open = true;
  sim.run_to_end();
  EXPECT_TRUE(a.done() && b.done());
  EXPECT_EQ(s.states[0].seen, (std::vector<int>{-1, 3, 4}));
}

TEST(RouterWait, ASenderThatFindsOnlyTheDeadAndTheFullWaitsAtTheFull) {
  full_router f;
  f.s.states[0].self->quit();
  f.open(0);
  auto a = f.sim.spawn(f.tell(1));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done());
  EXPECT_EQ(f.r.size(), 1u);
  f.open(1);
  EXPECT_TRUE(f.sim.get(a).has_value());
}

TEST(RouterWait, WhoWaitsAtARouteeThatIsRemovedIsServedAllTheSame) {
  full_router f;
  f.s.fill(f.sim, 0);
  auto a = f.sim.spawn(f.tell(1));
  auto b = f.sim.spawn(f.ask(1));
  f.sim.run_until_idle();
  ASSERT_TRUE(f.r.remove(f.s.refs[0]));
  ASSERT_TRUE(f.r.remove(f.s.refs[1]));
  f.s.refs.clear();  // nobody has a ref any more, but those who wait
  f.sim.run_until_idle();
  f.open(0);
  f.open(1);
  EXPECT_TRUE(f.sim.get(a).has_value());
  EXPECT_EQ(f.sim.get(b).value(), 2);
  f.sim.run_to_end();
  EXPECT_TRUE(f.s.states[0].destroyed && f.s.states[1].destroyed);
}

TEST(RouterWait, ShutdownFailsWhoWaits) {
  full_router f;
  auto a = f.sim.spawn(f.tell(1));
  auto b = f.sim.spawn(f.ask(1));
  f.sim.run_until_idle();
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  ASSERT_TRUE(a.done() && b.done());
  EXPECT_EQ(f.sim.get(a).error().code(), errc::unavailable);
  EXPECT_EQ(f.sim.get(b).error().code(), errc::unavailable);
  EXPECT_EQ(f.r.ref().try_tell(item{1}).error().code(), errc::unavailable);
  EXPECT_EQ(f.r.size(), 0u);
}

TEST(RouterWait, WorksThroughTwoRouters) {
  full_router f;
  const both outer(round_robin(), {f.r.ref()});
  const cancel_source source(f.sim.root_context());
  const auto tell = [&](int n) -> task<result<void>> { co_return co_await outer.ref().tell(item{n}); };
  auto a = f.sim.spawn(tell(1), source.context());
  auto b = f.sim.spawn(tell(2));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  source.cancel();
  f.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_EQ(f.sim.get(a).error().code(), errc::cancelled);
  f.open(0);
  f.open(1);
  EXPECT_TRUE(f.sim.get(b).has_value());
}

TEST(RouterWait, AnAskIsAnArmOfSelect) {
  full_router f;
  auto chosen = f.sim.spawn([&]() -> task<result<int>> {
    auto got = co_await csp::select(on_reply(f.r.ref().ask(who{4}, 1s)));
    co_return std::get<0>(*got);
  });
  f.sim.run_until_idle();
  f.open(0);
  f.open(1);
  EXPECT_EQ(f.sim.get(chosen).value(), 5);
}

}  // namespace
}  // namespace tandem::actors
