// Tasks that shutdown() has to destroy while they wait at a primitive, hold it, or have been handed it and not yet run:
// what they held is let go, nothing leaks, and others go on to use the primitive.
#include <latch>
#include <memory>
#include <string>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/barrier.hpp>
#include <tandem/sync/condition.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/once.hpp>
#include <tandem/sync/recursive_mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/shared_mutex.hpp>
#include <tandem/sync/wait_group.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

constexpr duration short_limit = 30ms;

using token = std::shared_ptr<int>;  // its use_count() tells whether all that held it is gone

task<> run_for_ever() {
  for (;;) co_await yield();
}

/// What the tasks use, which stays when they are destroyed.
struct hall {
  mutex lock;
  shared_mutex shared;
  recursive_mutex recursive;
  semaphore room{3};
  event happened;
  latch counted{1};
  wait_group under_way;
  barrier meeting{10};
  condition changed;
  once first;
  once_value<token> value;
  hall() { under_way.add(); }

  void expect_all_free() {
    EXPECT_TRUE(lock.try_lock().has_value());
    EXPECT_TRUE(shared.try_lock().has_value());
    EXPECT_EQ(room.available(), 3);
    EXPECT_FALSE(changed.notify_one());
    EXPECT_EQ(meeting.try_arrive().error().code(), errc::would_block);
    EXPECT_FALSE(first.is_done() || value.is_done());
    testing::sim_runtime sim;
    auto body = [](hall& h, token held) -> task<> {
      EXPECT_TRUE((co_await h.recursive.lock()).has_value());
      auto nothing = [] {};
      EXPECT_TRUE((co_await h.first.call(nothing)).has_value());
      auto give = [&held] { return held; };
      EXPECT_TRUE((co_await h.value.get(give)).has_value());
      EXPECT_EQ((co_await h.happened.wait_for(1s)).error().code(), errc::timed_out);
    };
    EXPECT_TRUE(sim.run(body(*this, std::make_shared<int>(1))).has_value());
  }
};

/// Two tasks do the same: one gets it, the other waits.
struct kind {
  const char* name;
  task<> (*body)(hall& h, token held);
};

task<> hold_mutex(hall& h, token) {
  const auto held = co_await h.lock.lock();
  co_await run_for_ever();
}
task<> hold_shared_mutex(hall& h, token) {
  const auto held = co_await h.shared.lock();
  co_await run_for_ever();
}
task<> read_shared_mutex(hall& h, token) {
  const auto held = co_await h.shared.lock_shared();
  const auto in_vain = co_await h.shared.lock_for(1h);
  co_await run_for_ever();
}
task<> hold_recursive_mutex(hall& h, token) {
  const auto held = co_await h.recursive.lock();
  const auto again = co_await h.recursive.lock();
  co_await run_for_ever();
}
task<> hold_permits(hall& h, token) {
  const auto held = co_await h.room.acquire(2);
  co_await run_for_ever();
}
task<> hold_permits_with_limit(hall& h, token) {
  const auto held = co_await h.room.acquire_for(1h, 2);
  co_await run_for_ever();
}
task<> wait_for_event(hall& h, token) {
  (void)co_await h.happened.wait();
  ADD_FAILURE() << "it went on";
}
task<> wait_for_latch(hall& h, token) {
  (void)co_await h.counted.wait_for(1h);
  ADD_FAILURE() << "it went on";
}
task<> wait_for_wait_group(hall& h, token) {
  (void)co_await h.under_way.wait();
  ADD_FAILURE() << "it went on";
}
task<> wait_at_barrier(hall& h, token) {
  (void)co_await h.meeting.arrive_and_wait();
  ADD_FAILURE() << "it went on";
}
task<> wait_for_condition(hall& h, token) {
  auto held = co_await h.lock.lock();
  (void)co_await h.changed.wait(*held);
  ADD_FAILURE() << "it went on";
}
task<> wait_for_mutex_of_condition(hall& h, token) {
  auto held = co_await h.lock.lock();
  if (h.changed.notify_one()) co_await run_for_ever();  // the other one waits for the mutex now
  (void)co_await h.changed.wait_for(*held, 1h);
  ADD_FAILURE() << "it went on";
}
task<> call_once(hall& h, token held) {
  auto call = [held]() -> task<> { co_await run_for_ever(); };
  (void)co_await h.first.call(call);
}
task<> get_once_value(hall& h, token held) {
  auto call = [held]() -> task<token> {
    co_await run_for_ever();
    co_return held;
  };
  (void)co_await h.value.get(call);
}
// Both always run, so that shutdown meets tasks that are called, handed the lock, or wait for their turn.
task<> exchange_mutex(hall& h, token) {
  for (;;) {
    const auto held = co_await h.lock.lock();
    co_await yield();
  }
}
task<> exchange_permits(hall& h, token) {
  for (;;) {
    const auto held = co_await h.room.acquire(2);
    co_await yield();
  }
}
task<> exchange_shared_mutex(hall& h, token) {
  for (;;) {
    { const auto held = co_await h.shared.lock_shared(); }
    const auto held = co_await h.shared.lock_for(1h);
    co_await yield();
  }
}
task<> exchange_notifications(hall& h, token) {
  for (;;) {
    auto held = co_await h.lock.lock();
    h.changed.notify_one();
    (void)co_await h.changed.wait_for(*held, 1us);
  }
}
task<> lock_without_waiting(hall& h, token) {
  for (;;) (void)co_await h.lock.lock();
}

class SyncShutdownByForceOf : public ::testing::TestWithParam<kind> {};

TEST_P(SyncShutdownByForceOf, DestroysTheTasksAndLetsGoOfWhatTheyHeld) {
  for (const unsigned workers : {1U, 2U}) {
    const auto held = std::make_shared<int>(1);
    hall h;
    {
      runtime rt({.workers = workers});
      std::latch begun(3);
      auto body = [](hall& at, token t, std::latch& l) -> task<> {
        l.count_down();
        co_await GetParam().body(at, std::move(t));
      };
      for (int i = 0; i < 3; ++i) rt.spawn(without_cancel(body(h, held, begun)), "stubborn").detach();
      begun.wait();
      const auto ended = rt.shutdown(short_limit);
      ASSERT_FALSE(ended.has_value());
      EXPECT_NE(ended.error().message().find("destroyed tasks"), std::string::npos) << ended.error().message();
      EXPECT_EQ(rt.live_tasks(), 0U);
    }
    EXPECT_EQ(held.use_count(), 1);
    h.expect_all_free();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, SyncShutdownByForceOf,
    ::testing::Values(kind{"mutex", hold_mutex}, kind{"shared_mutex", hold_shared_mutex},
                      kind{"shared_mutex_read", read_shared_mutex}, kind{"recursive_mutex", hold_recursive_mutex},
                      kind{"semaphore", hold_permits}, kind{"semaphore_with_limit", hold_permits_with_limit},
                      kind{"event", wait_for_event}, kind{"latch", wait_for_latch},
                      kind{"wait_group", wait_for_wait_group}, kind{"barrier", wait_at_barrier},
                      kind{"condition", wait_for_condition},
                      kind{"mutex_of_condition", wait_for_mutex_of_condition}, kind{"once", call_once},
                      kind{"once_value", get_once_value}, kind{"exchange_mutex", exchange_mutex},
                      kind{"exchange_permits", exchange_permits},
                      kind{"exchange_shared_mutex", exchange_shared_mutex},
                      kind{"exchange_notifications", exchange_notifications},
                      kind{"lock_without_waiting", lock_without_waiting}),
    [](const auto& instance) { return std::string(instance.param.name); });

// The one that the mutex has called never gets to look: the next in line, of another runtime, is called in its place.
TEST(SyncShutdownByForce, OfATaskThatTheMutexHasCalledLosesNoTurn) {
  hall h;
  runtime other({.workers = 1});
  join_handle<void> next;
  {
    runtime rt({.workers = 1, .held_limit = 0s});
    std::latch first_waits(1), both_wait(1);
    auto wait = [](hall& at, std::latch& l) -> task<> {
      l.count_down();
      const auto held = co_await at.lock.lock();
    };
    auto holder = [&wait](hall& at, std::latch& first, std::latch& both) -> task<> {
      auto held = co_await at.lock.lock();
      spawn(wait(at, first)).detach();
      while (!both.try_wait()) co_await yield();
      held->unlock();  // calls the first, which is behind this task
      for (const auto until = std::chrono::steady_clock::now() + 200ms; std::chrono::steady_clock::now() < until;) {
      }
      co_await run_for_ever();
    };
    rt.spawn(without_cancel(holder(h, first_waits, both_wait))).detach();
    first_waits.wait();
    std::latch next_comes(1);
    next = other.spawn(wait(h, next_comes));
    next_comes.wait();
    both_wait.count_down();
    EXPECT_FALSE(rt.shutdown(1ms).has_value());
  }
  auto join = [](join_handle<void> handle) -> task<result<void>> { co_return co_await handle.join(); };
  EXPECT_TRUE(other.block_on(join(std::move(next))).has_value());
  EXPECT_FALSE(h.lock.is_locked());
}

// Tasks of another runtime wait behind those that are destroyed, and go on.
TEST(SyncShutdownByForce, LetsTasksOfOtherRuntimesGoOn) {
  hall h;
  runtime other({.workers = 1});
  join_handle<result<void>> lock, permits, write;
  {
    runtime rt({.workers = 1});
    std::latch begun(1);
    auto body = [](hall& at, std::latch& l) -> task<> {
      const auto a = co_await at.lock.lock();
      const auto b = co_await at.room.acquire(3);
      const auto c = co_await at.shared.lock_shared();
      l.count_down();
      co_await run_for_ever();
    };
    rt.spawn(without_cancel(body(h, begun))).detach();
    begun.wait();
    auto take_lock = [](hall& at) -> task<result<void>> {
      const auto got = co_await at.lock.lock();
      co_return result<void>();
    };
    auto take_permits = [](hall& at) -> task<result<void>> {
      const auto got = co_await at.room.acquire(2);
      co_return result<void>();
    };
    auto take_to_write = [](hall& at) -> task<result<void>> {
      const auto got = co_await at.shared.lock();
      co_return result<void>();
    };
    lock = other.spawn(take_lock(h));
    permits = other.spawn(take_permits(h));
    write = other.spawn(take_to_write(h));
    EXPECT_FALSE(rt.shutdown(short_limit).has_value());
  }
  auto join = [](join_handle<result<void>> handle) -> task<result<void>> { co_return co_await handle.join(); };
  EXPECT_TRUE(other.block_on(join(std::move(lock))).has_value());
  EXPECT_TRUE(other.block_on(join(std::move(permits))).has_value());
  EXPECT_TRUE(other.block_on(join(std::move(write))).has_value());
}

}  // namespace
}  // namespace tandem::sync
