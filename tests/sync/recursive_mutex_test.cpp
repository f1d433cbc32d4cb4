#include <tandem/sync/recursive_mutex.hpp>

#include <memory>

#include <tandem/runtime/sleep.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<recursive_mutex>);
static_assert(only_moves<recursive_mutex::guard>);

task<int> count_down(recursive_mutex& m, int n) {
  const auto held = co_await m.lock();
  EXPECT_TRUE(held.has_value());
  if (n == 0) co_return static_cast<int>(m.depth());
  co_return co_await count_down(m, n - 1);
}

TEST(RecursiveMutex, IsLockedAgainByTheTaskThatHoldsItHoweverDeep) {
  recursive_mutex m;
  testing::sim_runtime sim;
  EXPECT_EQ(sim.run(count_down(m, 9)).value(), 10);
  auto depth = [](recursive_mutex& lock) -> task<std::size_t> { co_return lock.depth(); };
  EXPECT_EQ(sim.run(depth(m)).value(), 0U);
}

TEST(RecursiveMutex, BelongsToOneTaskNotToWhatThatSpawns) {
  recursive_mutex m;
  testing::sim_runtime sim;
  auto child = [](recursive_mutex& lock) -> task<int> {
    EXPECT_EQ(lock.depth(), 0U);
    EXPECT_EQ(lock.try_lock().error().code(), errc::would_block);
    EXPECT_EQ((co_await lock.lock_for(0ns)).error().code(), errc::timed_out);
    const auto held = co_await lock.lock();
    EXPECT_EQ(lock.depth(), 1U);
    co_return 7;
  };
  auto parent = [&child](recursive_mutex& lock) -> task<int> {
    auto outer = co_await lock.lock();
    auto inner = co_await lock.lock();
    auto spawned = spawn(child(lock));
    (void)co_await sleep_for(1s);
    EXPECT_FALSE(spawned.done());
    inner->unlock();
    (void)co_await sleep_for(1s);
    EXPECT_FALSE(spawned.done());  // the outer one holds it still
    EXPECT_EQ(lock.depth(), 1U);
    outer->unlock();
    co_return (co_await spawned.join()).value();
  };
  EXPECT_EQ(sim.run(parent(m)).value(), 7);
}

TEST(RecursiveMutex, TimedFormsGiveUpAtTheirLimitNotBeforeAndDoNotWaitForTheirOwnTask) {
  recursive_mutex m;
  testing::sim_runtime sim;
  auto hold = [](recursive_mutex& lock) -> task<> {
    const auto held = co_await lock.lock();
    EXPECT_TRUE((co_await lock.lock_for(-1ns)).has_value());
    EXPECT_TRUE((co_await lock.lock_until(time_point::min())).has_value());
    (void)co_await sleep_for(1h);
  };
  sim.spawn(hold(m)).disown();
  sim.run_until_idle();
  attempt<recursive_mutex::guard> limited(sim, [&] { return m.lock_for(1s); });
  attempt<recursive_mutex::guard> until(sim, [&] { return m.lock_until(sim.now() + 1s); });
  sim.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits() && until.waits());
  sim.advance(1ns);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_EQ(until.code(), errc::timed_out);
  sim.run_to_end();
}

TEST(RecursiveMutex, AWaitIsEndedByItsContextAndTheHolderIsUnharmed) {
  recursive_mutex m;
  testing::sim_runtime sim;
  auto hold = [](recursive_mutex& lock) -> task<> {
    const auto held = co_await lock.lock();
    (void)co_await sleep_for(1h);
    EXPECT_EQ(lock.depth(), 1U);
  };
  sim.spawn(hold(m)).disown();
  sim.run_until_idle();
  const cancel_source source(sim.root_context());
  auto wait = [](recursive_mutex& lock) -> task<errc> { co_return (co_await lock.lock()).error().code(); };
  auto waiting = sim.spawn(wait(m), source.context());
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  source.cancel();
  EXPECT_EQ(sim.wait(waiting).value(), errc::cancelled);
  sim.run_to_end();
  EXPECT_EQ(sim.run(count_down(m, 1)).value(), 2);
}

TEST(RecursiveMutex, TryLockOutsideOfTasksIsRefused) {
  recursive_mutex m;
  expect_refused([&] { (void)m.try_lock(); }, "try_lock() of a recursive mutex, which belongs to a task, outside of tasks");
  EXPECT_EQ(m.depth(), 0U);
}

TEST(RecursiveMutex, UnlockingWhatTheTaskDoesNotHoldIsRefused) {
  recursive_mutex m;
  testing::sim_runtime sim;
  constexpr const char* advice = "unlock of a recursive mutex, by this task, that is not locked";
  expect_refused([&] { m.unlock(); }, advice);
  auto other = [](recursive_mutex& lock) -> task<> {
    expect_refused([&] { lock.unlock(); }, advice);
    co_return;
  };
  auto body = [&other](recursive_mutex& lock) -> task<> {
    expect_refused([&] { lock.unlock(); }, advice);
    auto held = co_await lock.lock();
    (void)co_await spawn(other(lock)).join();
    EXPECT_EQ(held->release(), &lock);
    EXPECT_EQ(lock.depth(), 1U);
    lock.unlock();
    expect_refused([&] { lock.unlock(); }, advice);
  };
  EXPECT_TRUE(sim.run(body(m)).has_value());
}

using RecursiveMutexDeathTest = SyncDeathTest;

TEST_F(RecursiveMutexDeathTest, AGuardThatGoesInAnotherTaskEndsTheProgram) {
  auto drop_elsewhere = [] {
    recursive_mutex m;
    testing::sim_runtime sim;
    auto take = [](recursive_mutex& lock) -> task<recursive_mutex::guard> {
      auto held = co_await lock.lock();
      co_return std::move(*held);
    };
    { const auto stolen = sim.run(take(m)); }
  };
  EXPECT_DEATH(drop_elsewhere(), "unlock of a recursive mutex, by this task, that is not locked");
}

TEST_F(RecursiveMutexDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto m = std::make_unique<recursive_mutex>();
    auto hold = [](recursive_mutex& lock) -> task<> {
      const auto held = co_await lock.lock();
      (void)co_await sleep_for(1h);
    };
    sim.spawn(hold(*m)).disown();
    sim.run_until_idle();
    auto wait = [](recursive_mutex& lock) -> task<> { (void)co_await lock.lock(); };
    sim.spawn(wait(*m), "patient").disown();
    sim.run_until_idle();
    m.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a mutex\\.");
}

}  // namespace
}  // namespace tandem::sync
