// Every wait of this module, ended at every moment: cancelled while it waits, over before, at its context's deadline,
// at its own limit, and while the task is called or waits for its turn. The error says why, the operation has not
// taken effect, nothing is left, and the primitive is unharmed.
#include <memory>
#include <string>
#include <utility>

#include <tandem/runtime/detail/inspect.hpp>
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

template <class T>
error error_of_wait(const result<T>& ended) {
  EXPECT_FALSE(ended.has_value());
  return ended ? error() : ended.error();
}

/// Something at which a task waits for more than an hour, and that stands the test of being used afterwards.
struct place {
  virtual ~place() = default;
  /// Waits, expects that not to have taken effect, and gives the error.
  virtual task<error> wait() = 0;
  /// The same, for at most `limit`.
  virtual task<error> wait_for(duration limit) = 0;
  /// Once nobody waits: does everything still work?
  virtual void expect_unharmed() = 0;
};

struct at_mutex : place {
  at_mutex() { (void)lock.try_lock().value().release(); }
  task<error> wait() override { co_return error_of_wait(co_await lock.lock()); }
  task<error> wait_for(duration limit) override { co_return error_of_wait(co_await lock.lock_for(limit)); }
  void expect_unharmed() override {
    EXPECT_TRUE(lock.is_locked());
    lock.unlock();
    EXPECT_TRUE(lock.try_lock().has_value());
    EXPECT_FALSE(lock.is_locked());
  }
  mutex lock;
};

template <bool Writes>
struct at_shared_mutex : place {
  at_shared_mutex() { (void)lock.try_lock().value().release(); }
  task<error> wait() override {
    if constexpr (Writes)
      co_return error_of_wait(co_await lock.lock());
    else
      co_return error_of_wait(co_await lock.lock_shared());
  }
  task<error> wait_for(duration limit) override {
    if constexpr (Writes)
      co_return error_of_wait(co_await lock.lock_for(limit));
    else
      co_return error_of_wait(co_await lock.lock_shared_for(limit));
  }
  void expect_unharmed() override {
    lock.unlock();
    { const auto a = lock.try_lock_shared(), b = lock.try_lock_shared(); }
    EXPECT_TRUE(lock.try_lock().has_value());
  }
  shared_mutex lock;
};

struct at_semaphore : place {
  at_semaphore() { (void)room.try_acquire(2).value().release(); }
  task<error> wait() override { co_return error_of_wait(co_await room.acquire(2)); }
  task<error> wait_for(duration limit) override { co_return error_of_wait(co_await room.acquire_for(limit, 2)); }
  void expect_unharmed() override {
    EXPECT_EQ(room.available(), 1);
    room.release(2);
    EXPECT_TRUE(room.try_acquire(3).has_value());
  }
  semaphore room{3};
};

struct at_event : place {
  task<error> wait() override { co_return error_of_wait(co_await happened.wait()); }
  task<error> wait_for(duration limit) override { co_return error_of_wait(co_await happened.wait_for(limit)); }
  void expect_unharmed() override { EXPECT_TRUE(happened.set() && happened.is_set()); }
  event happened;
};

struct at_latch : place {
  task<error> wait() override { co_return error_of_wait(co_await counted.wait()); }
  task<error> wait_for(duration limit) override { co_return error_of_wait(co_await counted.wait_for(limit)); }
  void expect_unharmed() override {
    EXPECT_EQ(counted.count(), 1);
    counted.count_down();
    EXPECT_TRUE(counted.try_wait());
  }
  latch counted{1};
};

struct at_wait_group : place {
  at_wait_group() { under_way.add(); }
  task<error> wait() override { co_return error_of_wait(co_await under_way.wait()); }
  task<error> wait_for(duration limit) override { co_return error_of_wait(co_await under_way.wait_for(limit)); }
  void expect_unharmed() override {
    EXPECT_EQ(under_way.count(), 1);
    under_way.done();
    EXPECT_TRUE(under_way.try_wait());
  }
  wait_group under_way;
};

struct at_barrier : place {
  task<error> wait() override { co_return error_of_wait(co_await meeting.arrive_and_wait()); }
  task<error> wait_for(duration limit) override {
    co_return error_of_wait(co_await meeting.arrive_and_wait_for(limit));
  }
  void expect_unharmed() override {
    meeting.drop_out();
    meeting.drop_out();
    EXPECT_EQ(meeting.try_arrive().error().code(), errc::would_block);  // nobody else has arrived
    meeting.drop_out();
    EXPECT_TRUE(meeting.try_arrive().has_value());
  }
  barrier meeting{4};
};

struct at_condition : place {
  task<error> wait() override {
    auto held = co_await lock.lock();
    if (!held) co_return held.error();  // over before
    const error why = error_of_wait(co_await changed.wait(*held));
    EXPECT_TRUE(held->holds() && lock.is_locked());
    co_return why;
  }
  task<error> wait_for(duration limit) override {
    auto held = co_await lock.lock();
    const error why = error_of_wait(co_await changed.wait_for(*held, limit));
    EXPECT_TRUE(held->holds() && lock.is_locked());
    co_return why;
  }
  void expect_unharmed() override {
    EXPECT_FALSE(changed.notify_one());
    EXPECT_TRUE(lock.try_lock().has_value());
  }
  mutex lock;
  condition changed;
};

/// Two primitives that wait at a mutex of their own.
struct at_once : place {
  task<error> wait() override {
    run_first();
    co_await yield();
    auto never = []() -> task<> {
      ADD_FAILURE() << "called twice";
      co_return;
    };
    co_return error_of_wait(co_await first.call(never));
  }
  task<error> wait_for(duration limit) override { co_return co_await with_timeout(limit, wait()); }
  void expect_unharmed() override {
    EXPECT_FALSE(first.is_done());
    go_on.set();
  }
  void run_first() {
    if (std::exchange(running, true)) return;
    auto body = [](at_once& self) -> task<> {
      auto call = [&self]() -> task<result<void>> { co_return co_await self.go_on.wait(); };
      EXPECT_TRUE((co_await self.first.call(call)).has_value());
    };
    spawn(body(*this), context()).disown();
  }
  once first;
  event go_on;
  bool running = false;
};

struct at_recursive_mutex : place {
  task<error> wait() override {
    hold();
    co_await yield();
    co_return error_of_wait(co_await lock.lock());
  }
  task<error> wait_for(duration limit) override {
    hold();
    co_await yield();
    co_return error_of_wait(co_await lock.lock_for(limit));
  }
  void expect_unharmed() override { go_on.set(); }
  void hold() {
    if (std::exchange(held, true)) return;
    auto body = [](at_recursive_mutex& self) -> task<> {
      const auto mine = co_await self.lock.lock();
      (void)co_await self.go_on.wait();
      EXPECT_EQ(self.lock.depth(), 1U);
    };
    spawn(body(*this), context()).disown();
  }
  recursive_mutex lock;
  event go_on;
  bool held = false;
};

struct kind {
  const char* name;
  std::unique_ptr<place> (*make)();
};
template <class T>
kind kind_of(const char* name) {
  return {name, []() -> std::unique_ptr<place> { return std::make_unique<T>(); }};
}

class SyncCancelEverywhere : public ::testing::TestWithParam<kind> {
 protected:
  void expect_nothing_left() {
    place_->expect_unharmed();
    sim_.run_to_end();
    EXPECT_EQ(sim_.live_tasks(), 0U);
    EXPECT_EQ(tandem::detail::armed_timers(sim_.core()), 0U);
  }
  const std::unique_ptr<place> place_ = GetParam().make();
  testing::sim_runtime sim_;
};

TEST_P(SyncCancelEverywhere, WhileItWaits) {
  for (const bool limited : {false, true}) {
    const cancel_source source(sim_.root_context());
    auto handle = sim_.spawn(limited ? place_->wait_for(2h) : place_->wait(), source.context());
    sim_.advance(1h);
    ASSERT_FALSE(handle.done());
    source.cancel(make_error(errc::aborted, "not needed"));
    sim_.run_until_idle();
    ASSERT_TRUE(handle.done());
    const error why = sim_.get(handle).value();
    EXPECT_EQ(why.code(), errc::cancelled);
    EXPECT_TRUE(why.is(errc::aborted)) << why;
  }
  expect_nothing_left();
}

TEST_P(SyncCancelEverywhere, BeforeItWaits) {
  const cancel_source source(sim_.root_context());
  source.cancel(make_error(errc::aborted, "not needed"));
  auto handle = sim_.spawn(place_->wait(), source.context());
  sim_.run_until_idle();
  ASSERT_TRUE(handle.done());
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted)) << why;
  expect_nothing_left();
}

TEST_P(SyncCancelEverywhere, AtTheDeadlineNotBefore) {
  const cancel_source source(sim_.root_context(), sim_.now() + 1h, make_error(errc::overloaded, "too slow"));
  auto handle = sim_.spawn(place_->wait(), source.context());
  sim_.advance(1h - 1ns);
  ASSERT_FALSE(handle.done());
  sim_.advance(1ns);
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::deadline_exceeded);
  EXPECT_TRUE(why.is(errc::overloaded)) << why;
  expect_nothing_left();
}

TEST_P(SyncCancelEverywhere, AtItsOwnLimitNotBefore) {
  auto handle = sim_.spawn(place_->wait_for(1h), sim_.root_context());
  sim_.advance(1h - 1ns);
  ASSERT_FALSE(handle.done());
  sim_.advance(1ns);
  ASSERT_TRUE(handle.done());
  const errc why = sim_.get(handle).value().code();
  EXPECT_TRUE(why == errc::timed_out || why == errc::deadline_exceeded);  // once has no limit of its own
  expect_nothing_left();
}

// A task whose slice is used up has announced its wait and is in a queue, but not at the primitive.
TEST_P(SyncCancelEverywhere, WhileItWaitsForItsTurn) {
  for (const bool limited : {false, true}) {
    const cancel_source source(sim_.root_context());
    auto body = [](place& p, bool with_limit) -> task<error> {
      event open(true);
      for (int i = 1; i < tandem::detail::slice_length - 1; ++i) (void)co_await open.wait();
      if (with_limit) co_return co_await p.wait_for(2h);
      co_return co_await p.wait();
    };
    auto cancel = [](const cancel_source& s) -> task<> {
      s.cancel(make_error(errc::aborted, "not needed"));
      co_return;
    };
    auto handle = sim_.spawn(body(*place_, limited), source.context());
    sim_.spawn(cancel(source)).disown();
    sim_.run_until_idle();
    ASSERT_TRUE(handle.done());
    const error why = sim_.get(handle).value();
    EXPECT_EQ(why.code(), errc::cancelled);
    EXPECT_TRUE(why.is(errc::aborted)) << why;
  }
  expect_nothing_left();
}

// Three wait; the one in the middle goes, by any means, and then the others as the test ends.
TEST_P(SyncCancelEverywhere, BetweenOthersThatWait) {
  const cancel_source one(sim_.root_context()), rest(sim_.root_context());
  auto first = sim_.spawn(place_->wait(), rest.context());
  sim_.run_until_idle();
  auto second = sim_.spawn(place_->wait(), one.context());
  sim_.run_until_idle();
  auto third = sim_.spawn(place_->wait_for(2h), rest.context());
  sim_.run_until_idle();
  one.cancel();
  sim_.run_until_idle();
  EXPECT_TRUE(second.done() && !first.done() && !third.done());
  rest.cancel();
  sim_.run_until_idle();
  EXPECT_TRUE(first.done() && third.done());
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(
    Waits, SyncCancelEverywhere,
    ::testing::Values(kind_of<at_mutex>("mutex"), kind_of<at_shared_mutex<true>>("shared_mutex_to_write"),
                      kind_of<at_shared_mutex<false>>("shared_mutex_to_read"), kind_of<at_semaphore>("semaphore"),
                      kind_of<at_event>("event"), kind_of<at_latch>("latch"), kind_of<at_wait_group>("wait_group"),
                      kind_of<at_barrier>("barrier"), kind_of<at_condition>("condition"), kind_of<at_once>("once"),
                      kind_of<at_recursive_mutex>("recursive_mutex")),
    [](const auto& instance) { return std::string(instance.param.name); });

// The called task has not looked yet when it is cancelled, or its limit comes: it takes the lock if it is free, and if
// not, the next in line is called in its place.
TEST(SyncCancel, OfATaskThatTheMutexHasCalledLosesNoTurn) {
  for (const bool overtaken : {false, true}) {
    mutex lock;
    testing::sim_runtime sim;
    auto held = std::move(lock.try_lock().value());
    const cancel_source source(sim.root_context());
    attempt<mutex::guard> first(sim, [&] { return lock.lock(); }, source.context());
    sim.run_until_idle();
    attempt<mutex::guard> second(sim, [&] { return lock.lock(); });
    sim.run_until_idle();
    held.unlock();  // calls the first
    if (overtaken) held = std::move(lock.try_lock().value());
    source.cancel();
    sim.run_until_idle();
    ASSERT_TRUE(first.done());
    EXPECT_EQ(first.succeeded(), !overtaken);
    EXPECT_TRUE(second.waits());
    if (overtaken)
      held.unlock();
    else
      first.drop();
    sim.run_until_idle();
    EXPECT_TRUE(second.succeeded());
  }
}

TEST(SyncCancel, OfATaskThatWasHandedTheMutexComesTooLate) {
  mutex lock;
  testing::sim_runtime sim;
  auto held = std::move(lock.try_lock().value());
  const cancel_source source(sim.root_context());
  attempt<mutex::guard> first(sim, [&] { return lock.lock(); }, source.context());
  sim.advance(1ms);
  held.unlock();
  ASSERT_TRUE(lock.is_locked());
  source.cancel();
  sim.run_until_idle();
  EXPECT_TRUE(first.succeeded());
  first.drop();
  EXPECT_FALSE(lock.is_locked());
}

TEST(SyncCancel, OfAnOvertakenTaskInFrontLetsTheNextBeCalled) {
  mutex lock;
  testing::sim_runtime sim;
  auto held = std::move(lock.try_lock().value());
  const cancel_source source(sim.root_context());
  attempt<mutex::guard> first(sim, [&] { return lock.lock(); }, source.context());
  sim.run_until_idle();
  attempt<mutex::guard> second(sim, [&] { return lock.lock(); });
  sim.run_until_idle();
  held.unlock();
  held = std::move(lock.try_lock().value());
  sim.run_until_idle();
  ASSERT_TRUE(first.waits());
  source.cancel();
  held.unlock();
  sim.run_until_idle();
  EXPECT_EQ(first.code(), errc::cancelled);
  EXPECT_TRUE(second.succeeded());
}

TEST(SyncCancel, ALimitThatComesWithTheHandOverIsDecidedOnce) {
  semaphore room(1);
  testing::sim_runtime sim;
  auto body = [](semaphore& s) -> task<> {
    const auto mine = co_await s.acquire();
    (void)co_await s.acquire_for(1s);  // gives up at the moment when it lets go
  };
  sim.spawn(body(room)).disown();
  sim.run_until_idle();
  attempt<semaphore::permits> other(sim, [&] { return room.acquire_for(1s); });
  sim.run_to_end();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(room.available(), other.succeeded() ? 0 : 1);
}

}  // namespace
}  // namespace tandem::sync
