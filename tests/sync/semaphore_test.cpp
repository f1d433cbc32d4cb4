#include <tandem/sync/semaphore.hpp>

#include <limits>
#include <memory>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<semaphore>);
static_assert(only_moves<semaphore::permits>);

using acquiring = attempt<semaphore::permits>;
constexpr std::ptrdiff_t most = std::numeric_limits<std::ptrdiff_t>::max();
constexpr std::ptrdiff_t least = std::numeric_limits<std::ptrdiff_t>::min();

class Semaphore : public ::testing::Test {
 protected:
  auto acquires(std::ptrdiff_t n) {
    return [this, n] { return room_.acquire(n); };
  }
  semaphore room_{4};
  testing::sim_runtime sim_;  // after it: ends what is left
};

TEST_F(Semaphore, LetsAtMostItsLimitOut) {
  struct {
    semaphore room{3};
    int inside = 0, most = 0, entries = 0;
  } all;
  auto body = [](decltype(all)& a) -> task<> {
    const auto mine = co_await a.room.acquire();
    EXPECT_TRUE(mine.has_value());
    a.most = std::max(a.most, ++a.inside);
    (void)co_await sleep_for(1us);
    --a.inside;
    ++a.entries;
  };
  for (int i = 0; i < 10; ++i) sim_.spawn(body(all)).disown();
  sim_.run_to_end();
  EXPECT_EQ(all.most, 3);
  EXPECT_EQ(all.entries, 10);
  EXPECT_EQ(all.room.available(), 3);
  EXPECT_EQ(all.room.limit(), 3);
}

TEST_F(Semaphore, WhoWaitsForManyIsNotOvertakenByThoseWhoWantFew) {
  auto held = room_.try_acquire(2);
  acquiring many(sim_, acquires(3));
  sim_.run_until_idle();
  acquiring few(sim_, acquires(1));
  sim_.run_until_idle();
  ASSERT_TRUE(many.waits() && few.waits());
  EXPECT_EQ(room_.available(), 2);
  EXPECT_EQ(room_.try_acquire(1).error().code(), errc::would_block);
  held->give_back();
  EXPECT_EQ(room_.available(), 0);  // both were served at once
  sim_.run_until_idle();
  EXPECT_EQ(many.outcome()->count(), 3);
  EXPECT_EQ(few.outcome()->count(), 1);
}

TEST_F(Semaphore, ZeroPermitsAreAlwaysThere) {
  const auto all = room_.try_acquire(4);
  acquiring waiting(sim_, acquires(1));
  sim_.run_until_idle();
  ASSERT_TRUE(waiting.waits());
  EXPECT_TRUE(room_.try_acquire(0).has_value());
  acquiring nothing(sim_, acquires(0));
  sim_.run_until_idle();
  EXPECT_TRUE(nothing.succeeded());
  semaphore closed(0);
  EXPECT_TRUE(closed.try_acquire(0).has_value());
  EXPECT_EQ(closed.try_acquire(1).error().code(), errc::invalid_argument);
  EXPECT_EQ(closed.available(), 0);
}

TEST_F(Semaphore, WhoGivesUpInFrontLetsThoseBehindGoOn) {
  const auto held = room_.try_acquire(2);
  const cancel_source source(sim_.root_context());
  acquiring many(sim_, acquires(3), source.context());
  sim_.run_until_idle();
  acquiring few(sim_, acquires(1)), others(sim_, acquires(1));
  sim_.run_until_idle();
  ASSERT_TRUE(many.waits() && few.waits() && others.waits());
  source.cancel();
  sim_.run_until_idle();
  EXPECT_EQ(many.code(), errc::cancelled);
  EXPECT_TRUE(few.succeeded() && others.succeeded());
  EXPECT_EQ(room_.available(), 0);
}

TEST_F(Semaphore, AcquireForGivesUpAtItsLimitNotBefore) {
  const auto held = room_.try_acquire(4);
  acquiring limited(sim_, [this] { return room_.acquire_for(1s, 2); });
  acquiring until(sim_, [this] { return room_.acquire_until(sim_.now() + 1s); });
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits() && until.waits());
  sim_.advance(1ns);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_EQ(until.code(), errc::timed_out);
}

TEST_F(Semaphore, WithoutTimeLeftItGivesOnlyWhatIsThere) {
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    acquiring there(sim_, [&] { return room_.acquire_for(limit, 4); });
    sim_.run_until_idle();
    ASSERT_TRUE(there.succeeded());
    acquiring none(sim_, [&] { return room_.acquire_for(limit); });
    sim_.run_until_idle();
    EXPECT_EQ(none.code(), errc::timed_out);
  }
}

TEST_F(Semaphore, NumbersThatItCanNeverGiveAreRefusedAtOnce) {
  const auto all = room_.try_acquire(4);
  for (const std::ptrdiff_t n : {std::ptrdiff_t{-1}, std::ptrdiff_t{5}, most, least}) {
    EXPECT_EQ(room_.try_acquire(n).error().code(), errc::invalid_argument);
    acquiring never(sim_, acquires(n)), limited(sim_, [&] { return room_.acquire_for(1h, n); });
    sim_.run_until_idle();
    EXPECT_EQ(never.code(), errc::invalid_argument);
    EXPECT_EQ(limited.code(), errc::invalid_argument);
    EXPECT_NE(never.outcome().error().message().find("of a semaphore that has 4 in all"), std::string::npos);
  }
  EXPECT_EQ(room_.available(), 0);
  semaphore large(most);
  EXPECT_TRUE(large.try_acquire(most).has_value());
  EXPECT_EQ(large.available(), most);
}

TEST_F(Semaphore, MoreThanAreOutOrLessThanZeroAreNotTakenBack) {
  expect_refused([this] { room_.release(); }, "1 permits were given back to a semaphore that has 0 out");
  auto two = room_.try_acquire(2);
  for (const std::ptrdiff_t n : {std::ptrdiff_t{3}, std::ptrdiff_t{-1}, most, least})
    expect_refused([&] { room_.release(n); }, "were given back to a semaphore that has 2 out");
  EXPECT_EQ(room_.available(), 2);
  EXPECT_EQ(two->release(), 2);
  room_.release(2);
  room_.release(0);
  EXPECT_EQ(room_.available(), 4);
  expect_refused<std::invalid_argument>([] { const semaphore wrong(-1); }, "a semaphore of -1 permits");
}

TEST_F(Semaphore, PermitsGoBackOnce) {
  auto two = std::move(room_.try_acquire(2).value());
  EXPECT_EQ(two.count(), 2);
  semaphore::permits moved(std::move(two));
  EXPECT_EQ(two.count(), 0);
  EXPECT_EQ(moved.count(), 2);
  two.give_back();
  EXPECT_EQ(room_.available(), 2);
  moved = std::move(room_.try_acquire(1).value());  // the two go back
  EXPECT_EQ(room_.available(), 3);
  moved.give_back();
  EXPECT_EQ(moved.count(), 0);
  moved.give_back();
  EXPECT_EQ(room_.available(), 4);
  { const auto dropped = room_.try_acquire(4); }
  EXPECT_EQ(room_.available(), 4);
}

TEST_F(Semaphore, PermitsThatAreThereMayBeTakenInAContextThatIsOver) {
  const cancel_source source(sim_.root_context());
  source.cancel();
  acquiring there(sim_, acquires(4), source.context());
  sim_.run_until_idle();
  EXPECT_TRUE(there.succeeded());
  acquiring none(sim_, acquires(1), source.context());
  sim_.run_until_idle();
  EXPECT_EQ(none.code(), errc::cancelled);
}

using SemaphoreDeathTest = SyncDeathTest;

TEST_F(SemaphoreDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto room = std::make_unique<semaphore>(1);
    const auto all = room->try_acquire().value().release();
    acquiring waiting(sim, [&] { return room->acquire(); }, "patient");
    sim.run_until_idle();
    if (all == 1) room.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a semaphore\\.");
}

TEST_F(SemaphoreDeathTest, PermitsThatWereGivenBackBehindTheirBackEndTheProgram) {
  semaphore room(1);
  auto one = room.try_acquire();
  room.release();
  EXPECT_DEATH(one->give_back(), "1 permits were given back to a semaphore that has 0 out");
  (void)one->release();
}

}  // namespace
}  // namespace tandem::sync
