// A million waits that are cancelled, at each primitive, leave nothing behind: no task, no timer, no memory.
#include <malloc.h>

#include <cstddef>
#include <string>

#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/barrier.hpp>
#include <tandem/sync/condition.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/shared_mutex.hpp>
#include <tandem/testing/leak_check.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

constexpr int many = 1'000'000 / stress_divisor;
constexpr int at_once = 50;  // waits that one cancel ends

std::size_t bytes_in_use() { return mallinfo2().uordblks; }

struct busy {
  mutex lock;
  shared_mutex shared;
  semaphore room{1};
  event happened;
  barrier meeting{1'000};
  mutex free;
  condition changed;
  busy() {
    (void)lock.try_lock().value().release();
    (void)shared.try_lock().value().release();
    (void)room.try_acquire().value().release();
  }
};

using waiting = task<result<void>> (*)(busy& b);

template <class T>
result<void> ended(const result<T>& r) {
  if (r) return {};
  return fail(r.error());
}

task<result<void>> at_mutex(busy& b) { co_return ended(co_await b.lock.lock()); }
task<result<void>> at_mutex_with_limit(busy& b) { co_return ended(co_await b.lock.lock_for(1h)); }
task<result<void>> at_shared_mutex(busy& b) { co_return ended(co_await b.shared.lock()); }
task<result<void>> at_shared_mutex_to_read(busy& b) { co_return ended(co_await b.shared.lock_shared_for(1h)); }
task<result<void>> at_semaphore(busy& b) { co_return ended(co_await b.room.acquire()); }
task<result<void>> at_semaphore_with_limit(busy& b) { co_return ended(co_await b.room.acquire_for(1h)); }
task<result<void>> at_event(busy& b) { co_return co_await b.happened.wait_for(1h); }
task<result<void>> at_barrier(busy& b) { co_return ended(co_await b.meeting.arrive_and_wait_for(1h)); }
task<result<void>> at_condition(busy& b) {
  auto held = co_await b.free.lock();
  co_return co_await b.changed.wait_for(*held, 1h);
}

struct kind {
  const char* name;
  waiting wait;
};

class MillionCancelledWaits : public ::testing::TestWithParam<kind> {};

task<> count_cancelled(waiting wait, busy& b, int& cancelled) {
  const auto outcome = co_await wait(b);
  if (!outcome && outcome.error().code() == errc::cancelled) ++cancelled;
}

int cancel_waits(testing::sim_runtime& sim, waiting wait, busy& b, int n) {
  int cancelled = 0;
  for (int i = 0; i < n; i += at_once) {
    const cancel_source source(sim.root_context());
    for (int k = 0; k < at_once; ++k) sim.spawn(count_cancelled(wait, b, cancelled), source.context()).disown();
    sim.run_until_idle();
    source.cancel();
    sim.run_until_idle();
  }
  return cancelled;
}

TEST_P(MillionCancelledWaits, LeaveNothingBehind) {
  const testing::leak_check nothing_left;
  busy b;
  testing::sim_runtime sim;
  ASSERT_EQ(cancel_waits(sim, GetParam().wait, b, 1'000), 1'000);  // the heap and the pools get their first memory
  const std::size_t before = bytes_in_use();
  EXPECT_EQ(cancel_waits(sim, GetParam().wait, b, many), many);
  EXPECT_LE(bytes_in_use(), before + 64 * 1024);
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_EQ(tandem::detail::armed_timers(sim.core()), 0U);
}

INSTANTIATE_TEST_SUITE_P(At, MillionCancelledWaits,
                         ::testing::Values(kind{"mutex", at_mutex}, kind{"mutex_with_limit", at_mutex_with_limit},
                                           kind{"shared_mutex", at_shared_mutex},
                                           kind{"shared_mutex_to_read", at_shared_mutex_to_read},
                                           kind{"semaphore", at_semaphore},
                                           kind{"semaphore_with_limit", at_semaphore_with_limit},
                                           kind{"event", at_event}, kind{"barrier", at_barrier},
                                           kind{"condition", at_condition}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace tandem::sync
