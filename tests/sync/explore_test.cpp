// Small programs in thousands of schedules: a wake-up that is lost leaves a task that waits for ever, which explore()
// reports.
#include <tandem/testing/explore.hpp>

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/barrier.hpp>
#include <tandem/sync/condition.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/once.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/shared_mutex.hpp>
#include <tandem/sync/wait_group.hpp>

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint32_t seeds = 300;
#else
constexpr std::uint32_t seeds = 3'000;
#endif

void expect_holds(const std::function<result<void>(sim_runtime&)>& program) {
  const auto explored = testing::explore(seeds, program);
  ASSERT_TRUE(explored.has_value()) << explored.error();
}

template <class T>
void spawn_each(sim_runtime& sim, int n, T make) {
  for (int i = 0; i < n; ++i) sim.spawn(make(i)).disown();
}

struct room {
  mutex lock;
  int inside = 0, entries = 0;
};
task<> enter(room& r, int which) {
  for (int i = 0; i < 3; ++i) {
    if ((which + i) % 4 == 3) {
      const auto held = co_await r.lock.lock_for(std::chrono::nanoseconds(i));
      if (!held) continue;
      EXPECT_EQ(++r.inside, 1);
      co_await yield();
      --r.inside;
      continue;
    }
    const auto held = co_await r.lock.lock();
    EXPECT_EQ(++r.inside, 1);
    if (i != 1) co_await yield();
    --r.inside;
    ++r.entries;
  }
}

TEST(SyncExplore, MutexLosesNoWakeUp) {
  expect_holds([](sim_runtime& sim) -> result<void> {
    room r;
    spawn_each(sim, 4, [&](int i) { return enter(r, i); });
    sim.run_to_end();
    EXPECT_FALSE(r.lock.is_locked());
    EXPECT_EQ(r.entries, 9);
    return {};
  });
}

task<> cancel_soon(const cancel_source& s) {
  co_await yield();
  s.cancel();
}
task<> enter_until_cancelled(room& r) {
  for (;;) {
    const auto held = co_await r.lock.lock();
    if (!held) co_return;
    EXPECT_EQ(++r.inside, 1);
    co_await yield();
    --r.inside;
    if (this_task::cancelled()) co_return;
  }
}

TEST(SyncExplore, MutexLosesNoWakeUpWhenThoseInFrontAreCancelled) {
  expect_holds([](sim_runtime& sim) -> result<void> {
    room r;
    const cancel_source a(sim.root_context()), b(sim.root_context());
    for (const auto* s : {&a, &b, &a}) sim.spawn(enter_until_cancelled(r), s->context()).disown();
    spawn_each(sim, 2, [&](int i) { return enter(r, i); });
    sim.spawn(cancel_soon(a)).disown();
    sim.spawn(cancel_soon(b)).disown();
    sim.run_to_end();
    EXPECT_FALSE(r.lock.is_locked());
    return {};
  });
}

TEST(SyncExplore, SharedMutexLosesNoWakeUp) {
  struct library {
    shared_mutex lock;
    int readers = 0, writers = 0;
  };
  auto visit = [](library& l, bool writes) -> task<> {
    for (int i = 0; i < 3; ++i) {
      if (writes) {
        const auto held = co_await l.lock.lock();
        if (!held) co_return;
        EXPECT_EQ(++l.writers, 1);
        EXPECT_EQ(l.readers, 0);
        co_await yield();
        --l.writers;
      } else {
        const auto held = co_await l.lock.lock_shared();
        if (!held) co_return;
        EXPECT_EQ(l.writers, 0);
        ++l.readers;
        co_await yield();
        --l.readers;
      }
    }
  };
  expect_holds([&visit](sim_runtime& sim) -> result<void> {
    library l;
    const cancel_source source(sim.root_context());
    spawn_each(sim, 5, [&](int i) { return visit(l, i % 2 == 0); });
    sim.spawn(visit(l, true), source.context()).disown();
    sim.spawn(cancel_soon(source)).disown();
    sim.run_to_end();
    EXPECT_TRUE(l.lock.try_lock().has_value());
    return {};
  });
}

TEST(SyncExplore, SemaphoreLosesNoPermit) {
  auto use = [](semaphore& s, int n) -> task<> {
    for (int i = 0; i < 3; ++i) {
      const auto mine = co_await s.acquire(n);
      if (!mine) co_return;
      co_await yield();
    }
  };
  expect_holds([&use](sim_runtime& sim) -> result<void> {
    semaphore s(3);
    const cancel_source source(sim.root_context());
    spawn_each(sim, 4, [&](int i) { return use(s, i); });
    sim.spawn(use(s, 3), source.context()).disown();
    sim.spawn(cancel_soon(source)).disown();
    sim.run_to_end();
    EXPECT_EQ(s.available(), 3);
    return {};
  });
}

TEST(SyncExplore, ConditionMissesNoNotification) {
  struct shop {
    mutex lock;
    condition not_empty, not_full;
    int stock = 0, taken = 0;
  };
  auto produce = [](shop& s) -> task<result<void>> {
    for (int i = 0; i < 4; ++i) {
      auto held = co_await or_return(s.lock.lock());
      while (s.stock == 1) co_await or_return(s.not_full.wait(held));
      ++s.stock;
      s.not_empty.notify_one();
    }
    co_return result<void>();
  };
  auto consume = [](shop& s) -> task<result<void>> {
    for (int i = 0; i < 4; ++i) {
      auto held = co_await or_return(s.lock.lock());
      while (s.stock == 0) co_await or_return(s.not_empty.wait(held));
      --s.stock;
      ++s.taken;
      held.unlock();
      s.not_full.notify_one();
    }
    co_return result<void>();
  };
  expect_holds([&](sim_runtime& sim) -> result<void> {
    shop s;
    for (int i = 0; i < 3; ++i) {
      sim.spawn(produce(s)).disown();
      sim.spawn(consume(s)).disown();
    }
    sim.run_to_end();
    EXPECT_EQ(s.taken, 12);
    return {};
  });
}

TEST(SyncExplore, GatesLetEveryoneGoOn) {
  struct course {
    event start;
    latch ready{3};
    wait_group running;
    int finished = 0;
  };
  auto runner = [](course& c) -> task<result<void>> {
    c.ready.count_down();
    co_await or_return(c.start.wait());
    co_await yield();
    ++c.finished;
    c.running.done();
    co_return result<void>();
  };
  auto referee = [&runner](course& c) -> task<result<void>> {
    for (int i = 0; i < 3; ++i) {
      c.running.add();
      spawn(runner(c)).disown();
    }
    co_await or_return(c.ready.wait());
    c.start.set();
    co_await or_return(c.running.wait());
    EXPECT_EQ(c.finished, 3);
    co_return result<void>();
  };
  expect_holds([&](sim_runtime& sim) -> result<void> {
    course c;
    return sim.run(referee(c));
  });
}

TEST(SyncExplore, BarrierRoundsEnd) {
  struct meeting {
    barrier place{3};
    int leaders = 0;
    std::array<int, 3> round{};
  };
  auto party = [](meeting& m, std::size_t me) -> task<> {
    for (int i = 0; i < 4; ++i) {
      ++m.round[me];
      const auto last = co_await m.place.arrive_and_wait();
      if (last.value()) ++m.leaders;
      for (const int other : m.round) EXPECT_GE(other, i + 1);
    }
  };
  auto passer_by = [](meeting& m) -> task<> { (void)co_await m.place.arrive_and_wait_for(0ns); };
  expect_holds([&](sim_runtime& sim) -> result<void> {
    meeting m;
    for (std::size_t i = 0; i < 3; ++i) sim.spawn(party(m, i)).disown();
    sim.run_to_end();
    EXPECT_EQ(m.leaders, 4);
    return sim.run(passer_by(m)).has_value() ? result<void>() : fail(errc::aborted);
  });
}

TEST(SyncExplore, OnceIsOnceAndNobodyWaitsForEver) {
  struct scene {
    once first;
    int calls = 0;
  };
  auto caller = [](scene& s) -> task<> {
    auto slow = [&s]() -> task<result<void>> {
      co_await yield();
      if (auto slept = co_await sleep_for(1ns); !slept) co_return fail(slept.error());
      ++s.calls;
      co_return result<void>();
    };
    (void)co_await s.first.call(slow);
  };
  expect_holds([&](sim_runtime& sim) -> result<void> {
    scene s;
    const cancel_source a(sim.root_context()), b(sim.root_context());
    sim.spawn(caller(s), a.context()).disown();
    sim.spawn(caller(s), b.context()).disown();
    for (int i = 0; i < 2; ++i) sim.spawn(caller(s)).disown();
    sim.spawn(cancel_soon(a)).disown();
    sim.spawn(cancel_soon(b)).disown();
    sim.run_to_end();
    EXPECT_EQ(s.calls, 1);
    return {};
  });
}

}  // namespace
}  // namespace tandem::sync
