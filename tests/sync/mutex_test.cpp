#include <tandem/sync/mutex.hpp>

#include <deque>
#include <vector>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<mutex>);
static_assert(only_moves<mutex::guard>);

using locking = attempt<mutex::guard>;

class Mutex : public ::testing::Test {
 protected:
  mutex::guard hold() { return std::move(lock_.try_lock().value()); }
  auto locks() {
    return [this] { return lock_.lock(); };
  }
  auto locks_for(duration limit) {
    return [this, limit] { return lock_.lock_for(limit); };
  }
  mutex lock_;
  testing::sim_runtime sim_;  // after it: ends what is left
};

TEST_F(Mutex, IsHeldByOneTaskAtATime) {
  struct {
    mutex lock;
    int inside = 0, most = 0, entries = 0;
  } room;
  auto body = [](decltype(room)& r) -> task<> {
    for (int i = 0; i < 3; ++i) {
      const auto held = co_await r.lock.lock();
      EXPECT_TRUE(held.has_value());
      r.most = std::max(r.most, ++r.inside);
      (void)co_await sleep_for(1us);
      --r.inside;
      ++r.entries;
    }
  };
  for (int i = 0; i < 4; ++i) sim_.spawn(body(room)).disown();
  sim_.run_to_end();
  EXPECT_EQ(room.most, 1);
  EXPECT_EQ(room.entries, 12);
  EXPECT_EQ(sim_.live_tasks(), 0U);
}

TEST_F(Mutex, ThatIsFreeIsTakenWithoutSuspending) {
  int turns = 0;
  auto body = [](mutex& m, int& n) -> task<> {
    for (int i = 0; i < 100; ++i) {
      const auto held = co_await m.lock();
      EXPECT_TRUE(held && m.is_locked());
    }
    n = 1;
  };
  sim_.spawn(body(lock_, turns)).disown();
  EXPECT_EQ(sim_.run_until_idle(), 1U);
  EXPECT_EQ(turns, 1);
  EXPECT_FALSE(lock_.is_locked());
}

TEST_F(Mutex, LetsOthersRunOnceInAWhileAndHoldsNothingMeanwhile) {
  bool over = false, was_locked = false;
  auto busy = [](mutex& m, bool& end) -> task<> {
    while (!end) (void)co_await m.lock();
  };
  auto other = [](mutex& m, bool& end, bool& locked) -> task<> {
    for (int i = 0; i < 10; ++i) {
      locked = locked || m.is_locked();
      co_await yield();
    }
    end = true;
  };
  sim_.spawn(busy(lock_, over)).disown();
  sim_.spawn(other(lock_, over, was_locked)).disown();
  sim_.run_until_idle();
  EXPECT_TRUE(over);
  EXPECT_FALSE(was_locked);
}

TEST_F(Mutex, GoesToThoseWhoWaitInTheOrderTheyCame) {
  auto held = hold();
  std::vector<int> order;
  auto body = [](mutex& m, std::vector<int>& seen, int i) -> task<> {
    const auto mine = co_await m.lock();
    seen.push_back(i);
    co_await yield();
  };
  for (int i = 0; i < 5; ++i) sim_.spawn(body(lock_, order, i)).disown();
  sim_.run_until_idle();
  ASSERT_TRUE(order.empty());
  held.unlock();
  sim_.run_until_idle();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST_F(Mutex, ThatIsFreeMayBeTakenBeforeTheWaitingTaskWhichIsCalledRuns) {
  auto held = hold();
  locking waiting(sim_, locks());
  sim_.run_until_idle();
  ASSERT_TRUE(waiting.waits());
  held.unlock();
  auto faster = lock_.try_lock();
  ASSERT_TRUE(faster.has_value());
  sim_.run_until_idle();
  EXPECT_TRUE(waiting.waits());
  faster->unlock();
  EXPECT_TRUE(lock_.is_locked());  // handed over
  EXPECT_EQ(lock_.try_lock().error().code(), errc::would_block);
  sim_.run_until_idle();
  EXPECT_TRUE(waiting.succeeded());
}

// Whether unlock() hands the lock over, or frees it and calls the one that waits, shows in who may take it then.
TEST_F(Mutex, IsHandedToATaskThatAloneHasWaitedForTwentyMicroseconds) {
  for (const duration waited : {20us - 1ns, duration(20us)}) {
    auto held = hold();
    locking waiting(sim_, locks());
    sim_.advance(waited);
    ASSERT_TRUE(waiting.waits());
    held.unlock();
    EXPECT_EQ(lock_.is_locked(), waited == 20us);
    sim_.run_until_idle();
    EXPECT_TRUE(waiting.succeeded());
  }
}

TEST_F(Mutex, IsHandedToATaskThatHasWaitedForAMillisecondWithOthersBehindIt) {
  for (const duration waited : {1ms - 1ns, duration(1ms)}) {
    auto held = hold();
    locking waiting(sim_, locks());
    sim_.run_until_idle();
    locking behind(sim_, locks());
    sim_.advance(waited);
    ASSERT_TRUE(waiting.waits() && behind.waits());
    held.unlock();
    EXPECT_EQ(lock_.is_locked(), waited == 1ms);
    sim_.run_until_idle();
    EXPECT_TRUE(waiting.succeeded());
    EXPECT_TRUE(behind.waits());
    waiting.drop();
    sim_.run_until_idle();
    EXPECT_TRUE(behind.succeeded());
  }
}

TEST_F(Mutex, ATaskThatWasOvertakenKeepsItsPlaceBeforeThoseWhoCameLater) {
  auto held = hold();
  locking first(sim_, locks());
  sim_.run_until_idle();
  locking second(sim_, locks());
  sim_.run_until_idle();
  held.unlock();
  held = hold();  // overtakes
  sim_.run_until_idle();
  ASSERT_TRUE(first.waits() && second.waits());
  held.unlock();
  sim_.run_until_idle();
  EXPECT_TRUE(first.succeeded());
  EXPECT_TRUE(second.waits());
}

TEST_F(Mutex, TryLockTakesItOnlyIfItIsFree) {
  EXPECT_FALSE(lock_.is_locked());
  {
    const auto held = lock_.try_lock();
    ASSERT_TRUE(held.has_value());
    EXPECT_TRUE(lock_.is_locked());
    EXPECT_EQ(lock_.try_lock().error().code(), errc::would_block);
  }
  EXPECT_FALSE(lock_.is_locked());
  EXPECT_TRUE(lock_.try_lock().has_value());
}

TEST_F(Mutex, LockForGivesUpAtItsLimitNotBefore) {
  const auto held = hold();
  locking until(sim_, [this] { return lock_.lock_until(sim_.now() + 1s); });
  locking limited(sim_, locks_for(1s));
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits() && until.waits());
  sim_.advance(1ns);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_EQ(until.code(), errc::timed_out);
  EXPECT_EQ(sim_.live_tasks(), 0U);
}

TEST_F(Mutex, LockForWithinItsLimitTakesItAndLeavesNoTimer) {
  auto held = hold();
  locking limited(sim_, locks_for(1s));
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits());
  held.unlock();
  sim_.advance(1h);
  EXPECT_TRUE(limited.succeeded());
  EXPECT_EQ(sim_.now() - time_point(24h), 1s - 1ns + 1h);
}

TEST_F(Mutex, WithoutTimeLeftItIsTakenOnlyIfItIsFree) {
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    locking free(sim_, locks_for(limit));
    sim_.run_until_idle();
    ASSERT_TRUE(free.succeeded());
    locking taken(sim_, locks_for(limit));
    sim_.run_until_idle();
    EXPECT_EQ(taken.code(), errc::timed_out);
  }
  locking late(sim_, [this] { return lock_.lock_until(sim_.now()); });
  sim_.run_until_idle();
  EXPECT_TRUE(late.succeeded());
}

TEST_F(Mutex, LockForAsLongAsThereIsWaits) {
  auto held = hold();
  locking patient(sim_, locks_for(duration::max()));
  sim_.advance(24h * 365 * 100);
  ASSERT_TRUE(patient.waits());
  held.unlock();
  sim_.run_until_idle();
  EXPECT_TRUE(patient.succeeded());
}

TEST_F(Mutex, ThatIsFreeMayBeTakenInAContextThatIsOver) {
  const cancel_source source(sim_.root_context());
  source.cancel();
  locking free(sim_, locks(), source.context());
  sim_.run_until_idle();
  EXPECT_TRUE(free.succeeded());
  locking taken(sim_, locks(), source.context());
  sim_.run_until_idle();
  EXPECT_EQ(taken.code(), errc::cancelled);
}

TEST_F(Mutex, ATaskThatLocksItTwiceWaitsForItselfAndIsNamed) {
  auto body = [](mutex& m) -> task<result<void>> {
    const auto once = co_await m.lock();
    const auto twice = co_await m.lock();
    co_return result<void>();
  };
  const auto ended = sim_.run(body(lock_));
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("waiting for a mutex"), std::string::npos) << ended.error().message();
}

TEST_F(Mutex, MayBeUnlockedByAnotherTask) {
  mutex::guard held = hold();
  auto body = [](mutex::guard given) -> task<> {
    given.unlock();
    co_return;
  };
  sim_.spawn(body(std::move(held))).disown();
  EXPECT_FALSE(held.holds());
  EXPECT_TRUE(lock_.is_locked());
  sim_.run_until_idle();
  EXPECT_FALSE(lock_.is_locked());
}

TEST_F(Mutex, UnlockingWhatIsNotLockedIsRefused) {
  expect_refused([this] { lock_.unlock(); }, "unlock of a mutex that is not locked");
  auto held = hold();
  (void)held.release();
  lock_.unlock();
  expect_refused([this] { lock_.unlock(); }, "unlock of a mutex that is not locked");
  EXPECT_TRUE(lock_.try_lock().has_value());
}

TEST_F(Mutex, MayBeDestroyedWhileItIsLocked) {
  mutex gone;
  (void)gone.try_lock().value().release();
}

TEST_F(Mutex, GuardLetsGoOnce) {
  mutex::guard held = hold();
  ASSERT_TRUE(held.holds() && held && held.mutex() == &lock_);
  mutex::guard moved(std::move(held));
  EXPECT_FALSE(held.holds() || held || held.mutex());
  EXPECT_TRUE(lock_.is_locked());
  moved.unlock();
  EXPECT_FALSE(moved.holds());
  EXPECT_FALSE(lock_.is_locked());
  expect_refused([&] { moved.unlock(); }, "unlock of a guard that is not locked");

  mutex other;
  held = hold();
  held = std::move(other.try_lock().value());  // lets go of the first
  EXPECT_FALSE(lock_.is_locked());
  EXPECT_TRUE(other.is_locked());
  EXPECT_EQ(held.release(), &other);
  EXPECT_FALSE(held.holds());
  EXPECT_EQ(held.release(), nullptr);
  { const mutex::guard adopted(other); }
  EXPECT_FALSE(other.is_locked());
}

using MutexDeathTest = SyncDeathTest;

TEST_F(MutexDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto lock = std::make_unique<mutex>();
    auto held = lock->try_lock().value().release();
    locking waiting(sim, [&] { return held->lock(); }, "patient");
    sim.run_until_idle();
    lock.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a mutex\\.");
}

TEST_F(MutexDeathTest, DestroyedAfterTheWaitingTaskWasCalledNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto lock = std::make_unique<mutex>();
    auto held = std::move(lock->try_lock().value());
    locking waiting(sim, [m = lock.get()] { return m->lock(); }, "patient");
    sim.run_until_idle();
    held.unlock();
    lock.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a mutex\\.");
}

TEST_F(MutexDeathTest, AGuardOfWhatIsNotLockedEndsTheProgram) {
  mutex lock;
  EXPECT_DEATH({ const mutex::guard wrong(lock); }, "unlock of a mutex that is not locked");
}

}  // namespace
}  // namespace tandem::sync
