#include <gtest/gtest.h>

#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
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
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::sync {
namespace {
using namespace std::chrono_literals;

task<result<int>> body() {
  mutex m;
  semaphore s(2);
  event e;
  latch l(1);
  wait_group w;
  barrier b(1);
  condition c;
  once o;
  once_value<int> v;
  recursive_mutex r;
  shared_mutex sm;
  {
    auto h = co_await or_return(m.lock());
    auto t = co_await m.lock_for(1ms);
    EXPECT_EQ(t.error(), errc::timed_out);
    auto n = co_await c.wait_for(h, 1ms);
    EXPECT_EQ(n.error(), errc::timed_out);
    EXPECT_TRUE(h.holds());
  }
  {
    auto p = co_await or_return(s.acquire(2));
    auto t = co_await s.acquire_for(1ms);
    EXPECT_EQ(t.error(), errc::timed_out);
    auto bad = co_await s.acquire(3);
    EXPECT_EQ(bad.error(), errc::invalid_argument);
  }
  EXPECT_EQ((co_await e.wait_for(1ms)).error(), errc::timed_out);
  e.set();
  co_await or_return(e.wait());
  l.count_down();
  co_await or_return(l.wait());
  co_await or_return(w.wait());
  EXPECT_TRUE(co_await or_return(b.arrive_and_wait()));
  auto f = [] { return 7; };
  const int* seven = co_await or_return(v.get(f));
  EXPECT_EQ(*seven, 7);
  auto g = []() -> task<> { co_return; };
  co_await or_return(o.call(g));
  {
    auto a = co_await or_return(r.lock());
    auto again = co_await or_return(r.lock());
    EXPECT_EQ(r.depth(), 2U);
  }
  {
    auto a = co_await or_return(sm.lock_shared());
    auto again = co_await or_return(sm.lock_shared());
    EXPECT_EQ((co_await sm.lock_for(1ms)).error(), errc::timed_out);
  }
  co_await or_return(sm.lock());
  co_return 1;
}

TEST(Smoke, All) {
  testing::sim_runtime sim;
  auto r = sim.run(body());
  ASSERT_TRUE(r.has_value());
}

}  // namespace
}  // namespace tandem::sync
