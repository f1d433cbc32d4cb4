// The operations of sync in or_return(): the value, or the end of the coroutine.
#include <tandem/runtime/or_return.hpp>

#include <string>

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

/// One of each, all free and open.
struct one_of_each {
  mutex plain;
  shared_mutex shared;
  recursive_mutex recursive;
  semaphore permits{2};
  event happened{true};
  latch counted{0};
  wait_group under_way;
  barrier meeting{1};
  condition changed;
  once first;
  once_value<std::string> text;
};

task<result<int>> use_all(one_of_each& all) {
  {
    auto held = co_await or_return(all.plain.lock());
    const auto notified = co_await all.changed.wait_for(held, 1ms);
    EXPECT_EQ(notified.error().code(), errc::timed_out);
  }
  (void)co_await or_return(all.plain.lock_for(1ms));
  (void)co_await or_return(all.plain.lock_until(now()));
  (void)co_await or_return(all.shared.lock());
  (void)co_await or_return(all.shared.lock_for(0ms));
  (void)co_await or_return(all.shared.lock_shared());
  (void)co_await or_return(all.shared.lock_shared_for(0ms));
  (void)co_await or_return(all.recursive.lock());
  (void)co_await or_return(all.recursive.lock_for(0ms));
  const auto two = co_await or_return(all.permits.acquire(2));
  EXPECT_EQ(two.count(), 2);
  co_await or_return(all.happened.wait());
  co_await or_return(all.counted.wait_for(0ms));
  co_await or_return(all.under_way.wait());
  EXPECT_TRUE(co_await or_return(all.meeting.arrive_and_wait()));
  auto nothing = [] {};
  co_await or_return(all.first.call(nothing));
  auto seven = [] { return std::string("seven"); };
  const std::string* const text = co_await or_return(all.text.get(seven));
  EXPECT_EQ(*text, "seven");
  co_return 1;
}

TEST(SyncOrReturn, GivesTheValue) {
  one_of_each all;
  testing::sim_runtime sim;
  EXPECT_EQ(sim.run(use_all(all)).value(), 1);
  EXPECT_EQ(all.permits.available(), 2);
  EXPECT_FALSE(all.plain.is_locked());
}

/// One of each, at which any operation has to wait.
struct none_of_each {
  mutex plain;
  shared_mutex shared;
  semaphore permits{2};
  event happened;
  latch counted{1};
  wait_group under_way;
  barrier meeting{2};
  condition changed;
  none_of_each() {
    (void)plain.try_lock().value().release();
    (void)shared.try_lock().value().release();
    (void)permits.try_acquire(2).value().release();
    under_way.add();
  }
};

task<result<void>> wait_at(none_of_each& all, int which) {
  switch (which) {
    case 0: (void)co_await or_return(all.plain.lock()); break;
    case 1: (void)co_await or_return(all.plain.lock_for(1h)); break;
    case 2: (void)co_await or_return(all.shared.lock()); break;
    case 3: (void)co_await or_return(all.shared.lock_shared()); break;
    case 4: (void)co_await or_return(all.permits.acquire()); break;
    case 5: (void)co_await or_return(all.permits.acquire_for(1h, 2)); break;
    case 6: co_await or_return(all.happened.wait()); break;
    case 7: co_await or_return(all.counted.wait()); break;
    case 8: co_await or_return(all.under_way.wait_for(1h)); break;
    case 9: (void)co_await or_return(all.meeting.arrive_and_wait()); break;
    case 10: {
      mutex own;
      auto held = co_await or_return(own.lock());
      co_await or_return(all.changed.wait(held));
      break;
    }
    default: co_await or_return(wait_at(all, which - 11)); break;
  }
  ADD_FAILURE() << "it went on";
  co_return result<void>();
}

TEST(SyncOrReturn, EndsTheCoroutineWithTheError) {
  none_of_each all;
  testing::sim_runtime sim;
  for (int which = 0; which < 22; ++which) {
    const cancel_source source(sim.root_context());
    auto waiting = sim.spawn(wait_at(all, which), source.context());
    sim.run_until_idle();
    ASSERT_FALSE(waiting.done()) << which;
    source.cancel();
    EXPECT_EQ(sim.wait(waiting).error().code(), errc::cancelled) << which;
  }
  EXPECT_EQ(sim.live_tasks(), 0U);
}

}  // namespace
}  // namespace tandem::sync
