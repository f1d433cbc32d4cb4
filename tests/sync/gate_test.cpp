// What event, latch and wait_group have in common: tasks wait until they are open.
#include <tandem/sync/detail/gate.hpp>

#include <limits>
#include <memory>
#include <vector>

#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/wait_group.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

struct closed_event : event {
  void open() { EXPECT_TRUE(set()); }
};
struct closed_latch : latch {
  closed_latch() : latch(2) {}
  void open() { count_down(2); }
};
struct closed_wait_group : wait_group {
  closed_wait_group() { add(2); }
  void open() {
    done();
    done();
  }
};

template <class T>
class Gate : public ::testing::Test {
 protected:
  T gate_;
  testing::sim_runtime sim_;  // after it: ends what is left
};

using gates = ::testing::Types<closed_event, closed_latch, closed_wait_group>;
TYPED_TEST_SUITE(Gate, gates, );

using waiting = attempt<void>;

TYPED_TEST(Gate, LetsAllWhoWaitGoOnInTheOrderTheyCame) {
  std::vector<int> order;
  auto body = [](TypeParam& g, std::vector<int>& seen, int i) -> task<> {
    const auto passed = co_await g.wait();
    EXPECT_TRUE(passed.has_value());
    seen.push_back(i);
  };
  for (int i = 0; i < 5; ++i) this->sim_.spawn(body(this->gate_, order, i)).disown();
  this->sim_.run_until_idle();
  ASSERT_TRUE(order.empty());
  EXPECT_FALSE(this->gate_.try_wait());
  auto opener = [](TypeParam& g) -> task<> {  // on a worker, too
    g.open();
    co_return;
  };
  this->sim_.spawn(opener(this->gate_)).disown();
  this->sim_.run_until_idle();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_TRUE(this->gate_.try_wait());
}

TYPED_TEST(Gate, ThatIsOpenIsPassedWithoutSuspendingAndInAContextThatIsOver) {
  this->gate_.open();
  auto body = [](TypeParam& g) -> task<> {
    for (int i = 0; i < 100; ++i) {
      const auto passed = co_await g.wait();
      EXPECT_TRUE(passed.has_value());
    }
    const auto late = co_await g.wait_for(-1s);
    const auto too_late = co_await g.wait_until(time_point::min());
    EXPECT_TRUE(late && too_late);
  };
  const cancel_source source(this->sim_.root_context());
  source.cancel();
  this->sim_.spawn(body(this->gate_), source.context()).disown();
  EXPECT_EQ(this->sim_.run_until_idle(), 1U);
  EXPECT_EQ(this->sim_.live_tasks(), 0U);
}

TYPED_TEST(Gate, ThatIsOpenLetsOthersRunOnceInAWhile) {
  this->gate_.open();
  bool over = false;
  auto busy = [](TypeParam& g, bool& end) -> task<> {
    while (!end) (void)co_await g.wait();
  };
  auto other = [](bool& end) -> task<> {
    end = true;
    co_return;
  };
  this->sim_.spawn(busy(this->gate_, over)).disown();
  this->sim_.spawn(other(over)).disown();
  this->sim_.run_until_idle();
  EXPECT_TRUE(over);
}

TYPED_TEST(Gate, TimedFormsGiveUpAtTheirLimitNotBefore) {
  waiting limited(this->sim_, [this] { return this->gate_.wait_for(1s); });
  waiting until(this->sim_, [this] { return this->gate_.wait_until(this->sim_.now() + 1s); });
  waiting longer(this->sim_, [this] { return this->gate_.wait_for(2s); });
  this->sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits() && until.waits());
  this->sim_.advance(1ns);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_EQ(until.code(), errc::timed_out);
  EXPECT_TRUE(longer.waits());
  this->gate_.open();
  this->sim_.run_until_idle();
  EXPECT_TRUE(longer.succeeded());
}

TYPED_TEST(Gate, WithoutTimeLeftAClosedOneIsNotPassed) {
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    waiting none(this->sim_, [&] { return this->gate_.wait_for(limit); });
    this->sim_.run_until_idle();
    EXPECT_EQ(none.code(), errc::timed_out);
  }
}

TYPED_TEST(Gate, AWaitThatIsCancelledLeavesTheOthersWaiting) {
  const cancel_source source(this->sim_.root_context());
  waiting first(this->sim_, [this] { return this->gate_.wait(); });
  waiting second(this->sim_, [this] { return this->gate_.wait(); }, source.context());
  waiting third(this->sim_, [this] { return this->gate_.wait(); });
  this->sim_.run_until_idle();
  source.cancel();
  this->sim_.run_until_idle();
  EXPECT_EQ(second.code(), errc::cancelled);
  EXPECT_TRUE(first.waits() && third.waits());
  this->gate_.open();
  this->sim_.run_until_idle();
  EXPECT_TRUE(first.succeeded() && third.succeeded());
}

TYPED_TEST(Gate, MayGoAsSoonAsTheWaitIsOver) {
  auto body = []() -> task<> {
    auto gate = std::make_unique<TypeParam>();
    auto open = [](TypeParam& g) -> task<> {
      g.open();
      co_return;
    };
    spawn(open(*gate)).disown();
    const auto passed = co_await gate->wait();
    EXPECT_TRUE(passed.has_value());
    gate.reset();
  };
  EXPECT_TRUE(this->sim_.run(body()).has_value());
}

TEST(Event, IsSetAndReset) {
  event e;
  EXPECT_FALSE(e.is_set());
  EXPECT_FALSE(e.reset());
  EXPECT_TRUE(e.set());
  EXPECT_FALSE(e.set());
  EXPECT_TRUE(e.is_set());
  EXPECT_TRUE(e.reset());
  EXPECT_FALSE(e.is_set());
  EXPECT_TRUE(event(true).is_set());
}

TEST(Event, AWaitThatSetHasEndedSucceedsEvenIfResetComesBeforeTheTaskRuns) {
  event e;
  testing::sim_runtime sim;
  waiting first(sim, [&] { return e.wait(); });
  sim.run_until_idle();
  e.set();
  e.reset();
  waiting later(sim, [&] { return e.wait(); });
  sim.run_until_idle();
  EXPECT_TRUE(first.succeeded());
  EXPECT_TRUE(later.waits());
}

TEST(Latch, CountsDownToZeroOnce) {
  latch l(3);
  testing::sim_runtime sim;
  waiting w(sim, [&] { return l.wait(); });
  sim.run_until_idle();
  l.count_down();
  l.count_down(0);
  EXPECT_EQ(l.count(), 2);
  sim.run_until_idle();
  EXPECT_TRUE(w.waits());
  l.count_down(2);
  EXPECT_EQ(l.count(), 0);
  sim.run_until_idle();
  EXPECT_TRUE(w.succeeded());
  l.count_down(0);
  EXPECT_TRUE(l.try_wait());
  latch none(0);
  EXPECT_TRUE(none.try_wait());
}

TEST(Latch, WrongCountsAreRefusedAndChangeNothing) {
  latch l(2);
  constexpr std::ptrdiff_t most = std::numeric_limits<std::ptrdiff_t>::max();
  expect_refused([&] { l.count_down(3); }, "a latch at 2 was counted down by 3");
  expect_refused([&] { l.count_down(-1); }, "a latch at 2 was counted down by -1");
  expect_refused([&] { l.count_down(most); }, "a latch at 2 was counted down by");
  expect_refused([&] { l.count_down(-most - 1); }, "a latch at 2 was counted down by");
  EXPECT_EQ(l.count(), 2);
  expect_refused<std::invalid_argument>([] { const latch wrong(-1); }, "a latch that starts at -1");
}

TEST(WaitGroup, MayBeUsedAgain) {
  wait_group g;
  testing::sim_runtime sim;
  EXPECT_TRUE(g.try_wait());
  for (int round = 0; round < 3; ++round) {
    g.add(2);
    waiting w(sim, [&] { return g.wait(); });
    sim.run_until_idle();
    g.done();
    EXPECT_EQ(g.count(), 1);
    sim.run_until_idle();
    ASSERT_TRUE(w.waits());
    g.add(-1);
    g.add();  // begins anew before the task runs
    sim.run_until_idle();
    EXPECT_TRUE(w.succeeded());
    EXPECT_FALSE(g.try_wait());
    g.done();
  }
}

TEST(WaitGroup, WrongCountsAreRefusedAndChangeNothing) {
  wait_group g;
  constexpr std::ptrdiff_t most = std::numeric_limits<std::ptrdiff_t>::max();
  expect_refused([&] { g.done(); }, "a wait group at 0, to which -1 was added: done() more often than add()");
  EXPECT_TRUE(g.try_wait());
  g.add(most);
  expect_refused([&] { g.add(); }, "or too large");
  expect_refused([&] { g.add(-most - 1); }, "done() more often than add()");
  EXPECT_EQ(g.count(), most);
  g.add(0);
  g.add(-most);
  EXPECT_TRUE(g.try_wait());
}

static_assert(stays_where_it_is<event> && stays_where_it_is<latch> && stays_where_it_is<wait_group>);

using GateDeathTest = SyncDeathTest;

template <class T>
void destroy_with_a_waiter() {
  testing::sim_runtime sim;
  auto gate = std::make_unique<T>();
  waiting w(sim, [&] { return gate->wait(); }, "patient");
  sim.run_until_idle();
  gate.reset();
}

TEST_F(GateDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  EXPECT_DEATH(destroy_with_a_waiter<closed_event>(), "what task 'patient' waits for was destroyed: an event\\.");
  EXPECT_DEATH(destroy_with_a_waiter<closed_latch>(), "what task 'patient' waits for was destroyed: a latch\\.");
  EXPECT_DEATH(destroy_with_a_waiter<closed_wait_group>(),
               "what task 'patient' waits for was destroyed: a wait group\\.");
}

}  // namespace
}  // namespace tandem::sync
