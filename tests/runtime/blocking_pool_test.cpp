#include "blocking_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "thread_shortage.hpp"

namespace tandem::detail {
namespace {

using namespace std::chrono_literals;

// A call that does what it is told.
class call : public pool_job {
 public:
  explicit call(std::function<void()> what)
      : pool_job([](job& self) noexcept {
          auto& c = static_cast<call&>(self);
          c.body_();
          const std::lock_guard hold(c.lock_);  // whoever awaits it may destroy it then
          c.done_ = true;
          c.ended_.notify_all();
        }),
        body_(std::move(what)) {}
  void await() {
    std::unique_lock hold(lock_);
    ended_.wait(hold, [this] { return done_; });
  }

 private:
  std::function<void()> body_;
  std::mutex lock_;
  std::condition_variable ended_;
  bool done_ = false;  // guarded by lock_
};

// Calls that run until they are let go.
class held_calls {
 public:
  held_calls(blocking_pool& pool, int n) : begun_(n) {
    for (int i = 0; i < n; ++i) {
      calls_.push_back(std::make_unique<call>([this] {
        begun_.count_down();
        go_.wait();
      }));
      (void)pool.submit(*calls_.back());
    }
  }
  ~held_calls() { let_go(); }
  void await_begin() { begun_.wait(); }
  void let_go() {
    if (!std::exchange(held_, false)) return;
    go_.count_down();
    for (auto& c : calls_) c->await();
  }

 private:
  std::latch begun_;
  std::latch go_{1};
  bool held_ = true;
  std::vector<std::unique_ptr<call>> calls_;
};

void await_quiet(const blocking_pool& pool) {
  while (!pool.quiet()) std::this_thread::yield();
}

TEST(BlockingPool, StartsAThreadForEachCallUpToItsLimitAndQueuesTheRest) {
  blocking_pool pool(3);
  EXPECT_EQ(pool.threads(), 0U);
  held_calls running(pool, 3);
  running.await_begin();
  std::vector<std::unique_ptr<call>> queued;
  std::atomic<int> ran{0};
  for (int i = 0; i < 20; ++i) {
    queued.push_back(std::make_unique<call>([&ran] { ++ran; }));
    (void)pool.submit(*queued.back());
  }
  EXPECT_EQ(pool.threads(), 3U);
  EXPECT_EQ(ran.load(), 0);  // all threads are held, so the calls can only be in the queue
  running.let_go();
  for (auto& c : queued) c->await();
  EXPECT_EQ(ran.load(), 20);
  EXPECT_EQ(pool.threads(), 3U);
}

TEST(BlockingPool, AQueueIsWorkedOffInOrder) {
  blocking_pool pool(1);
  held_calls running(pool, 1);
  running.await_begin();
  std::vector<int> order;  // touched by the pool's only thread until the last call is over
  std::vector<std::unique_ptr<call>> queued;
  for (int i = 0; i < 100; ++i) {
    queued.push_back(std::make_unique<call>([&order, i] { order.push_back(i); }));
    (void)pool.submit(*queued.back());
  }
  running.let_go();
  queued.back()->await();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(BlockingPool, UsesIdleThreadsBeforeItStartsNewOnes) {
  blocking_pool pool(100);
  for (int i = 0; i < 1'000; ++i) {
    call c([] {});
    (void)pool.submit(c);
    c.await();
    await_quiet(pool);
  }
  EXPECT_EQ(pool.threads(), 1U);
}

TEST(BlockingPool, CallsThatComeFasterThanIdleThreadsWakeGetThreadsOfTheirOwn) {
  blocking_pool pool(100);
  held_calls(pool, 2).let_go();
  for (int round = 0; round < 200; ++round) {
    await_quiet(pool);
    held_calls both(pool, 4);  // for fewer idle threads
    both.await_begin();        // or it waits for ever
  }
  EXPECT_EQ(pool.threads(), 4U);
}

TEST(BlockingPool, ThreadsLeaveAfterIdleness) {
  blocking_pool pool(100, 10ms);
  for (int round = 0; round < 3; ++round) {
    held_calls burst(pool, 20);
    burst.await_begin();
    EXPECT_EQ(pool.threads(), 20U);
    burst.let_go();
    while (pool.threads() != 0) std::this_thread::yield();
    EXPECT_TRUE(pool.quiet());
  }
}

// Were the one that slept longest called, all of them would stay for as long as there is any load.
TEST(BlockingPool, ThreadsThatTheLoadDoesNotNeedLeaveAlthoughThereIsSome) {
  blocking_pool pool(100, 300ms);
  held_calls(pool, 8).let_go();
  while (pool.threads() > 1) {
    call c([] {});
    (void)pool.submit(c);
    c.await();
    await_quiet(pool);
  }
  EXPECT_EQ(pool.threads(), 1U);
}

TEST(BlockingPool, WithoutAnyThreadACallIsRefusedAndForgotten) {
  blocking_pool pool(100);
  {
    const thread_shortage none(0);
    call refused([] { ADD_FAILURE() << "it was refused"; });
    EXPECT_THROW((void)pool.submit(refused), std::system_error);
    EXPECT_TRUE(pool.quiet());
  }
  call taken([] {});
  (void)pool.submit(taken);
  taken.await();
}

TEST(BlockingPool, WithTooFewThreadsCallsQueueForThoseThereAre) {
  blocking_pool pool(100);
  std::atomic<int> ran{0};
  std::vector<std::unique_ptr<call>> calls;
  {
    const thread_shortage two(2);
    for (int i = 0; i < 50; ++i) {
      calls.push_back(std::make_unique<call>([&ran] { ++ran; }));
      (void)pool.submit(*calls.back());
    }
    for (auto& c : calls) c->await();
  }
  EXPECT_EQ(ran.load(), 50);
  EXPECT_LE(pool.threads(), 2U);
}

// Calls that queued for want of threads get them as soon as there are any, not only when those before them are over.
TEST(BlockingPool, WhatQueuedWhileThreadsWereShortRunsOnceTheyAreNot) {
  blocking_pool pool(100);
  auto shortage = std::make_unique<thread_shortage>(1);
  held_calls first(pool, 1);
  first.await_begin();
  held_calls waiting(pool, 5);
  EXPECT_EQ(pool.threads(), 1U);
  shortage.reset();
  held_calls later(pool, 1);  // its thread takes the first of those that wait, sees the others, and so on
  waiting.await_begin();
  later.await_begin();
  EXPECT_EQ(pool.threads(), 7U);
}

TEST(BlockingPool, StopWaitsForWhatRunsAndQueuesAndTellsIfThatTakesTooLong) {
  blocking_pool pool(1);
  held_calls running(pool, 2);
  EXPECT_FALSE(pool.stop(time_point::min()));
  running.let_go();
  EXPECT_TRUE(pool.stop(no_deadline));
  std::thread::id ran_on;
  call late([&ran_on] { ran_on = std::this_thread::get_id(); });
  (void)pool.submit(late);
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(BlockingPool, KnowsItsOwnThreads) {
  blocking_pool pool(1), other(1);
  EXPECT_FALSE(pool.serves_caller());
  call c([&] {
    EXPECT_TRUE(pool.serves_caller());
    EXPECT_FALSE(other.serves_caller());
  });
  (void)pool.submit(c);
  c.await();
}

TEST(BlockingPoolStress, CallsOfSeveralThreadsAllRunThoughThreadsComeAndGo) {
  blocking_pool pool(4, 1ns);  // idle threads leave at once
  std::atomic<int> ran{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        call one([&ran] { ++ran; }), two([&ran] { ++ran; });
        (void)pool.submit(one);
        (void)pool.submit(two);
        one.await();
        two.await();
      }
    });
  }
  for (auto& t : callers) t.join();
  EXPECT_EQ(ran.load(), 3 * 300 * 2);
  EXPECT_TRUE(pool.stop(no_deadline));
}

}  // namespace
}  // namespace tandem::detail
