// Routers that send to all.
#include <tandem/actors/router.hpp>

#include <gtest/gtest.h>

#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using to_all = router<void(item)>;

struct spread {
  explicit spread(std::size_t behind = 1, std::size_t capacity = 1)
      : s(sys, 3, capacity), r(broadcast{behind}, {s.refs.begin(), s.refs.end()}) {}
  task<result<void>> tell(int n) { co_return co_await r.ref().tell(item{n}); }
  void open(std::size_t i) {
    s.states[i].open = true;
    sim.advance(1ms);
  }
  testing::sim_runtime sim;
  system sys{sim};
  sinks s;
  to_all r;
};

TEST(RouterBroadcast, GivesEachRouteeEachMessageInOrder) {
  spread f(1, 100);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.r.ref().try_tell(item{i}).has_value());
  f.sim.run_until_idle();
  for (const auto& state : f.s.states) EXPECT_EQ(state.seen, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(RouterBroadcast, WhatOneHasNoRoomForWaitsThereAndTheOthersHaveTheirs) {
  spread f;
  f.s.fill(f.sim, 1);
  EXPECT_TRUE(f.sim.run(f.tell(1)).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.s.counts(), (std::vector<std::size_t>{1, 0, 1}));
  EXPECT_EQ(f.r.ref().try_tell(item{2}).error().code(), errc::would_block);  // `behind` is one
  f.open(1);
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 1}));
}

TEST(RouterBroadcast, SendersWaitBehindASlowRouteeAndGoOnInOrder) {
  spread f;
  f.s.fill(f.sim, 1);
  ASSERT_TRUE(f.sim.run(f.tell(1)).has_value());
  auto a = f.sim.spawn(f.tell(2));
  auto b = f.sim.spawn(f.tell(3));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_EQ(f.s.states[0].seen, std::vector<int>{1});
  f.open(1);
  EXPECT_TRUE(f.sim.get(a).has_value());
  EXPECT_TRUE(f.sim.get(b).has_value());
  f.sim.run_to_end();
  EXPECT_EQ(f.s.states[0].seen, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 1, 2, 3}));
  EXPECT_EQ(f.s.states[2].seen, (std::vector<int>{1, 2, 3}));
}

TEST(RouterBroadcast, ACancelledWaitingTellReachedNobody) {
  spread f;
  f.s.fill(f.sim, 1);
  ASSERT_TRUE(f.sim.run(f.tell(1)).has_value());
  const cancel_source source(f.sim.root_context());
  auto a = f.sim.spawn(f.tell(2), source.context());
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done());
  source.cancel();
  f.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_EQ(f.sim.get(a).error().code(), errc::cancelled);
  f.open(1);
  EXPECT_EQ(f.s.counts(), (std::vector<std::size_t>{1, 2, 1}));
}

TEST(RouterBroadcast, ASlowRouteeThatEndsLetsTheSendersGoOn) {
  spread f;
  f.s.fill(f.sim, 1);
  auto stopper = f.sim.spawn([&]() -> task<result<void>> { co_return co_await f.s.refs[1].tell(stop{}); });
  f.sim.run_until_idle();
  ASSERT_TRUE(f.sim.run(f.tell(1)).has_value());
  auto a = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done());
  const std::size_t dead_before = f.sys.dead_letters();
  f.open(1);
  EXPECT_TRUE(f.sim.get(a).has_value());
  EXPECT_EQ(f.sys.dead_letters(), dead_before + 1);  // the copy that waited there
  EXPECT_EQ(f.s.states[2].seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(stopper.done());
  ASSERT_TRUE(f.sim.run(f.tell(3)).has_value());
  EXPECT_EQ(f.r.size(), 2u);
}

TEST(RouterBroadcast, WhatWaitsAtOneWhoseLastRouteeEndsIsADeadLetter) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 1, 1);
  const to_all inner(broadcast{1}, {s.refs[0]});
  const to_all outer(broadcast{1}, {inner.ref()});
  s.fill(sim, 0);
  ASSERT_TRUE(outer.ref().try_tell(item{1}).has_value());  // waits at the sink
  ASSERT_TRUE(outer.ref().try_tell(item{2}).has_value());  // … and this at the inner router
  s.states[0].self->quit();
  s.states[0].open = true;
  sim.run_to_end();
  EXPECT_TRUE(s.states[0].seen.empty());
  EXPECT_EQ(sys.dead_letters(), 3u);  // with the one that was in the mailbox
}

TEST(RouterBroadcast, SendersDoNotWaitForARouteeThatWasRemoved) {
  spread f;
  f.s.fill(f.sim, 1);
  ASSERT_TRUE(f.sim.run(f.tell(1)).has_value());
  auto a = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  ASSERT_FALSE(a.done());
  ASSERT_TRUE(f.r.remove(f.s.refs[1]));
  f.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_TRUE(f.sim.get(a).has_value());
  ASSERT_TRUE(f.r.add(f.s.refs[1]).has_value());  // its copies count anew
  ASSERT_TRUE(f.r.ref().try_tell(item{3}).has_value());
  EXPECT_EQ(f.r.ref().try_tell(item{4}).error().code(), errc::would_block);
  f.open(1);
  f.sim.run_to_end();
  EXPECT_EQ(f.s.states[0].seen, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 1, 3}));
  ASSERT_TRUE(f.r.ref().try_tell(item{4}).has_value());
  f.sim.run_until_idle();
}

TEST(RouterBroadcast, ShutdownFailsWhoWaits) {
  spread f;
  f.s.fill(f.sim, 1);
  ASSERT_TRUE(f.sim.run(f.tell(1)).has_value());
  auto a = f.sim.spawn(f.tell(2));
  f.sim.run_until_idle();
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  ASSERT_TRUE(a.done());
  (void)f.sim.get(a);  // accepted by one that had not ended, or refused
  EXPECT_EQ(f.r.ref().try_tell(item{1}).error().code(), errc::unavailable);
}

struct fragile {
  fragile() = default;
  fragile(const fragile& other) : breaks(other.breaks) {
    if (breaks) throw std::runtime_error("broken");
  }
  fragile(fragile&&) noexcept = default;
  bool breaks = false;
};
class taker {
 public:
  using protocol = actors::protocol<void(fragile)>;
  explicit taker(int& n) : n_(n) {}
  void on(fragile) { ++n_; }

 private:
  int& n_;
};

TEST(RouterBroadcast, ACopyThatThrowsLeavesTheMessageUnsent) {
  testing::sim_runtime sim;
  system sys(sim);
  int taken = 0;
  const auto a = sys.spawn<taker>(taken), b = sys.spawn<taker>(taken);
  const router<void(fragile)> r(broadcast(), {a, b});
  fragile bad;
  bad.breaks = true;
  const auto told = r.ref().try_tell(std::move(bad));
  ASSERT_FALSE(told.has_value());
  EXPECT_NE(told.error().message().find("broken"), std::string::npos);
  EXPECT_TRUE(r.ref().try_tell(fragile()).has_value());
  sim.run_until_idle();
  EXPECT_EQ(taken, 2);
}

TEST(RouterBroadcast, ABroadcastThroughABroadcastWaitsToo) {
  spread f;
  f.s.fill(f.sim, 1);
  const to_all outer(broadcast{1}, {f.r.ref()});
  ASSERT_TRUE(outer.ref().try_tell(item{1}).has_value());  // parked at the sink
  ASSERT_TRUE(outer.ref().try_tell(item{2}).has_value());  // parked at the inner router
  EXPECT_EQ(outer.ref().try_tell(item{3}).error().code(), errc::would_block);
  f.open(1);
  f.sim.run_to_end();
  EXPECT_EQ(f.s.states[1].seen, (std::vector<int>{-1, 1, 2}));
  EXPECT_EQ(f.s.states[0].seen, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace tandem::actors
