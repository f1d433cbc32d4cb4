#include <tandem/sync/barrier.hpp>

#include <limits>
#include <memory>
#include <vector>

#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<barrier>);

using arriving = attempt<bool>;

class Barrier : public ::testing::Test {
 protected:
  auto arrives() {
    return [this] { return meeting_.arrive_and_wait(); };
  }
  barrier meeting_{3};
  testing::sim_runtime sim_;  // after it: ends what is left
};

TEST_F(Barrier, TheLastToArriveLetsAllGoOnAndIsTold) {
  for (int round = 0; round < 3; ++round) {
    arriving a(sim_, arrives()), b(sim_, arrives());
    sim_.run_until_idle();
    ASSERT_TRUE(a.waits() && b.waits());
    arriving c(sim_, arrives());
    sim_.run_until_idle();
    EXPECT_FALSE(a.outcome().value() || b.outcome().value());
    EXPECT_TRUE(c.outcome().value());
  }
}

TEST_F(Barrier, NobodyIsARoundAhead) {
  struct {
    barrier meeting{4};
    int round = 0, leaders = 0;
    std::vector<int> done = std::vector<int>(4);
  } all;
  auto body = [](decltype(all)& a, std::size_t me) -> task<> {
    for (int round = 0; round < 100; ++round) {
      for (const int other : a.done) EXPECT_TRUE(other == round || other == round + 1);
      ++a.done[me];
      auto last = co_await a.meeting.arrive_and_wait();
      if (last.value()) ++a.leaders;
    }
  };
  for (std::size_t i = 0; i < 4; ++i) sim_.spawn(body(all, i)).disown();
  sim_.run_to_end();
  EXPECT_EQ(all.leaders, 100);
  EXPECT_EQ(all.done, std::vector<int>(4, 100));
}

TEST_F(Barrier, WhoGivesUpHasNotArrived) {
  const cancel_source source(sim_.root_context());
  arriving first(sim_, arrives()), second(sim_, arrives(), source.context());
  sim_.run_until_idle();
  ASSERT_TRUE(first.waits() && second.waits());
  source.cancel();
  sim_.run_until_idle();
  EXPECT_EQ(second.code(), errc::cancelled);
  arriving third(sim_, arrives());
  sim_.run_until_idle();
  ASSERT_TRUE(first.waits() && third.waits());
  arriving fourth(sim_, arrives());
  sim_.run_until_idle();
  EXPECT_TRUE(first.succeeded() && third.succeeded() && fourth.outcome().value());
}

TEST_F(Barrier, TimedFormsGiveUpAtTheirLimitNotBefore) {
  arriving limited(sim_, [this] { return meeting_.arrive_and_wait_for(1s); });
  arriving until(sim_, [this] { return meeting_.arrive_and_wait_until(sim_.now() + 1s); });
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits() && until.waits());
  sim_.advance(1ns);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_EQ(until.code(), errc::timed_out);
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    arriving none(sim_, [&] { return meeting_.arrive_and_wait_for(limit); });
    sim_.run_until_idle();
    EXPECT_EQ(none.code(), errc::timed_out);
  }
}

TEST_F(Barrier, TryArriveArrivesOnlyAsTheLast) {
  EXPECT_EQ(meeting_.try_arrive().error().code(), errc::would_block);
  arriving a(sim_, arrives()), b(sim_, arrives());
  sim_.run_until_idle();
  EXPECT_TRUE(meeting_.try_arrive().has_value());
  EXPECT_EQ(meeting_.try_arrive().error().code(), errc::would_block);
  sim_.run_until_idle();
  EXPECT_TRUE(a.succeeded() && b.succeeded());
}

TEST_F(Barrier, TheLastMayArriveInAContextThatIsOver) {
  const cancel_source source(sim_.root_context());
  source.cancel();
  arriving early(sim_, arrives(), source.context());
  sim_.run_until_idle();
  EXPECT_EQ(early.code(), errc::cancelled);
  arriving a(sim_, arrives()), b(sim_, arrives());
  sim_.run_until_idle();
  arriving last(sim_, arrives(), source.context());
  sim_.run_until_idle();
  EXPECT_TRUE(last.outcome().value() && a.succeeded() && b.succeeded());
}

TEST_F(Barrier, APartyThatDropsOutIsNotWaitedForAndNobodyCameLast) {
  arriving a(sim_, arrives()), b(sim_, arrives());
  sim_.run_until_idle();
  meeting_.drop_out();
  EXPECT_EQ(meeting_.parties(), 2);
  sim_.run_until_idle();
  EXPECT_FALSE(a.outcome().value() || b.outcome().value());
  arriving c(sim_, arrives());
  sim_.run_until_idle();
  ASSERT_TRUE(c.waits());
  arriving d(sim_, arrives());
  sim_.run_until_idle();
  EXPECT_TRUE(c.succeeded() && d.outcome().value());
}

TEST_F(Barrier, IsUselessOnceAllHaveDroppedOut) {
  for (int i = 0; i < 3; ++i) meeting_.drop_out();
  EXPECT_EQ(meeting_.parties(), 0);
  EXPECT_EQ(meeting_.try_arrive().error().code(), errc::failed_precondition);
  arriving a(sim_, arrives());
  sim_.run_until_idle();
  EXPECT_EQ(a.code(), errc::failed_precondition);
  expect_refused([this] { meeting_.drop_out(); }, "drops out of a barrier");
}

TEST_F(Barrier, APartyThatWaitsCannotDropOut) {
  barrier two(2);
  arriving a(sim_, [&] { return two.arrive_and_wait(); });
  sim_.run_until_idle();
  two.drop_out();
  arriving alone(sim_, [&] { return two.arrive_and_wait(); });
  sim_.run_until_idle();
  EXPECT_TRUE(a.succeeded() && alone.outcome().value());
  EXPECT_EQ(two.parties(), 1);
}

TEST_F(Barrier, NeedsAParty) {
  for (const std::ptrdiff_t n : {std::ptrdiff_t{0}, std::ptrdiff_t{-1}, std::numeric_limits<std::ptrdiff_t>::min()})
    expect_refused<std::invalid_argument>([n] { const barrier wrong(n); }, "parties");
}

using BarrierDeathTest = SyncDeathTest;

TEST_F(BarrierDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto meeting = std::make_unique<barrier>(2);
    arriving waiting(sim, [&] { return meeting->arrive_and_wait(); }, "patient");
    sim.run_until_idle();
    meeting.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: the other parties of a barrier\\.");
}

}  // namespace
}  // namespace tandem::sync
