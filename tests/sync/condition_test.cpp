#include <tandem/sync/condition.hpp>

#include <deque>
#include <memory>
#include <vector>

#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<condition>);

class Condition : public ::testing::Test {
 protected:
  struct waiter {
    bool waits = false, held_after = false;
    std::optional<result<void>> ended;
  };
  enum class form { plain, limited, until };

  /// Locks, waits once, and notes whether it holds the mutex after that.
  static task<> wait_once(mutex& m, condition& c, waiter& w, form how, duration limit) {
    auto held = co_await m.lock();
    w.waits = true;
    result<void> ended;
    if (how == form::plain) ended = co_await c.wait(*held);
    if (how == form::limited) ended = co_await c.wait_for(*held, limit);
    if (how == form::until) ended = co_await c.wait_until(*held, now() + limit);
    w.waits = false;
    w.held_after = held->holds() && m.is_locked();
    w.ended = std::move(ended);
  }
  waiter& wait(form how = form::plain, duration limit = {}, const spawn_options& options = {}) {
    waiter& w = waiters_.emplace_back();
    sim_.spawn(wait_once(lock_, changed_, w, how, limit), options).disown();
    sim_.run_until_idle();
    return w;
  }

  mutex lock_;
  condition changed_;
  std::deque<waiter> waiters_;
  testing::sim_runtime sim_;  // after them: ends what is left
};

TEST_F(Condition, HandsValuesFromProducersToConsumers) {
  struct {
    mutex lock;
    condition not_empty;
    std::deque<int> queue;
    int taken = 0;
  } shop;
  auto consume = [](decltype(shop)& s) -> task<result<void>> {
    for (int i = 0; i < 50; ++i) {
      auto held = co_await or_return(s.lock.lock());
      while (s.queue.empty()) co_await or_return(s.not_empty.wait(held));
      s.queue.pop_front();
      ++s.taken;
    }
    co_return result<void>();
  };
  auto produce = [](decltype(shop)& s) -> task<result<void>> {
    for (int i = 0; i < 50; ++i) {
      {
        const auto held = co_await or_return(s.lock.lock());
        s.queue.push_back(i);
      }
      s.not_empty.notify_one();
      if (i % 7 == 0) co_await yield();
    }
    co_return result<void>();
  };
  for (int i = 0; i < 3; ++i) {
    sim_.spawn(consume(shop)).disown();
    sim_.spawn(produce(shop)).disown();
  }
  sim_.run_to_end();
  EXPECT_EQ(shop.taken, 150);
  EXPECT_EQ(sim_.live_tasks(), 0U);
}

TEST_F(Condition, WaitUnlocksAndLocksAgain) {
  waiter& w = wait();
  ASSERT_TRUE(w.waits);
  EXPECT_FALSE(lock_.is_locked());
  auto held = lock_.try_lock();
  EXPECT_TRUE(changed_.notify_one());
  sim_.run_until_idle();
  EXPECT_TRUE(w.waits);  // for the mutex now
  held->unlock();
  sim_.run_until_idle();
  EXPECT_TRUE(w.ended->has_value());
  EXPECT_TRUE(w.held_after);
  EXPECT_FALSE(lock_.is_locked());
}

TEST_F(Condition, NotifyOneLetsTheOneRunThatHasWaitedTheLongest) {
  waiter &a = wait(), &b = wait();
  EXPECT_TRUE(changed_.notify_one());
  sim_.run_until_idle();
  EXPECT_TRUE(a.ended && !b.ended);
  EXPECT_TRUE(changed_.notify_one());
  sim_.run_until_idle();
  EXPECT_TRUE(b.ended);
  EXPECT_FALSE(changed_.notify_one());
}

TEST_F(Condition, NotifyAllLetsThemRunOneAfterTheOther) {
  std::vector<int> order;
  int inside = 0;
  auto body = [&](int i) -> task<> {
    auto held = co_await lock_.lock();
    (void)co_await changed_.wait(*held);
    EXPECT_EQ(++inside, 1);
    order.push_back(i);
    (void)co_await sleep_for(1us);
    --inside;
  };
  for (int i = 0; i < 4; ++i) sim_.spawn(body(i)).disown();
  sim_.run_until_idle();
  auto notify = [](condition& c) -> task<> {
    c.notify_all();
    co_return;
  };
  sim_.spawn(notify(changed_)).disown();
  sim_.run_to_end();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
  changed_.notify_all();
}

TEST_F(Condition, NoNotificationIsMissedByOneThatHoldsTheMutexUntilItWaits) {
  // The notifier comes to the mutex while the other one is about to wait.
  auto notify = [](mutex& m, condition& c) -> task<> {
    const auto held = co_await m.lock();
    EXPECT_TRUE(c.notify_one());
  };
  auto body = [&notify](mutex& m, condition& c) -> task<> {
    auto held = co_await m.lock();
    spawn(notify(m, c)).disown();
    co_await yield();
    EXPECT_TRUE((co_await c.wait_for(*held, 1h)).has_value());
  };
  EXPECT_TRUE(sim_.run(body(lock_, changed_)).has_value());
  EXPECT_EQ(sim_.now(), time_point(24h));
}

TEST_F(Condition, TimedFormsGiveUpAtTheirLimitNotBeforeAndHoldTheMutexAgain) {
  waiter &limited = wait(form::limited, 1s), &until = wait(form::until, 1s);
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(limited.waits && until.waits);
  sim_.advance(1ns);
  for (const waiter* w : {&limited, &until}) {
    EXPECT_EQ(w->ended->error().code(), errc::timed_out);
    EXPECT_TRUE(w->held_after);
  }
  EXPECT_FALSE(changed_.notify_one());
}

TEST_F(Condition, WithoutTimeLeftItIsNotNotified) {
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    waiter& w = wait(form::limited, limit);
    EXPECT_EQ(w.ended->error().code(), errc::timed_out);
    EXPECT_TRUE(w.held_after);
  }
}

TEST_F(Condition, ACancelledWaitHoldsTheMutexAgainHoweverLongThatTakes) {
  const cancel_source source(sim_.root_context());
  waiter& w = wait(form::plain, {}, source.context());
  waiter& other = wait();
  auto held = lock_.try_lock();
  source.cancel();
  sim_.advance(1h);
  EXPECT_TRUE(w.waits);  // for the mutex, and nothing ends that
  held->unlock();
  sim_.run_until_idle();
  EXPECT_EQ(w.ended->error().code(), errc::cancelled);
  EXPECT_TRUE(w.held_after);
  EXPECT_TRUE(other.waits);
  waiter& late = wait(form::plain, {}, source.context());
  EXPECT_EQ(late.ended->error().code(), errc::cancelled);
  EXPECT_TRUE(late.held_after);
  EXPECT_TRUE(changed_.notify_one());
  sim_.run_until_idle();
  EXPECT_TRUE(other.ended->has_value());
}

TEST_F(Condition, WaitsThatEndAtOnceLetOthersRunAndHaveTheMutex) {
  bool over = false;
  auto busy = [](mutex& m, condition& c, bool& end, bool limited) -> task<> {
    auto held = co_await m.lock();
    while (!end) {
      if (limited)
        EXPECT_EQ((co_await c.wait_for(*held, 0s)).error().code(), errc::timed_out);
      else
        EXPECT_EQ((co_await c.wait(*held)).error().code(), errc::cancelled);
      EXPECT_TRUE(held->holds());
    }
  };
  auto other = [](mutex& m, bool& end) -> task<> {
    const auto held = co_await m.lock();
    end = true;
  };
  const cancel_source source(sim_.root_context());
  source.cancel();
  for (const bool limited : {false, true}) {
    over = false;
    sim_.spawn(busy(lock_, changed_, over, limited), limited ? sim_.root_context() : source.context()).disown();
    sim_.spawn(other(lock_, over)).disown();
    sim_.run_until_idle();
    EXPECT_TRUE(over);
  }
}

TEST_F(Condition, WaitingWithoutTheMutexIsRefused) {
  auto body = [](condition& c) -> task<result<void>> {
    mutex::guard none;
    co_return co_await c.wait(none);
  };
  const auto ended = sim_.run(body(changed_));
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("wait() on a condition with a guard that holds no mutex"), std::string::npos);
}

using ConditionDeathTest = SyncDeathTest;

TEST_F(ConditionDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    mutex lock;
    testing::sim_runtime sim;
    auto changed = std::make_unique<condition>();
    auto body = [](mutex& m, condition& c) -> task<> {
      auto held = co_await m.lock();
      (void)co_await c.wait(*held);
    };
    sim.spawn(body(lock, *changed), "patient").disown();
    sim.run_until_idle();
    changed.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a condition\\.");
}

TEST_F(ConditionDeathTest, WaitingForAMutexThatWasUnlockedBehindTheGuardsBackEndsTheProgram) {
  auto wait = [] {
    mutex lock;
    condition changed;
    testing::sim_runtime sim;
    auto body = [](mutex& m, condition& c) -> task<> {
      auto held = co_await m.lock();
      m.unlock();
      (void)co_await c.wait(*held);
    };
    sim.spawn(body(lock, changed)).disown();
    sim.run_until_idle();
  };
  EXPECT_DEATH(wait(), "unlock of a mutex that is not locked");
}

}  // namespace
}  // namespace tandem::sync
