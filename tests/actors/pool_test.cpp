// Pools: who gets a message, how many workers there are, and what their end means.
#include <tandem/actors/actor_pool.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <stdexcept>

#include <tandem/actors/reply_to.hpp>
#include <tandem/actors/router.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using sink_pool = actor_pool<void(item), void(plug), int(who), void(stop)>;

actor_pool_options sized(std::size_t min, std::size_t max, std::size_t capacity = 1024,
                         overflow full = overflow::wait) {
  actor_pool_options o;
  o.min_workers = min;
  o.max_workers = max;
  o.queue_capacity = capacity;
  o.when_full = full;
  return o;
}

// A pool that makes sinks, and their states.
struct making {
  explicit making(const actor_pool_options& o)
      : pool(sys, [this] { return sys.spawn<sink>(states.emplace_back()); }, o) {
    sim.run_until_idle();
  }
  void tell(auto message) {
    EXPECT_TRUE(pool.ref().try_tell(message).has_value());
    sim.run_until_idle();
  }
  task<result<void>> wait_and_tell(int n) { co_return co_await pool.ref().tell(item{n}); }
  task<result<int>> ask(int n, duration limit = 1s) { co_return co_await pool.ref().ask(who{n}, limit); }
  void open(std::size_t i) {
    states[i].open = true;
    sim.advance(1ms);
  }
  [[nodiscard]] std::vector<int> all_seen() const {
    std::vector<int> all;
    for (const auto& s : states) all.insert(all.end(), s.seen.begin(), s.seen.end());
    return all;
  }
  testing::sim_runtime sim;
  std::deque<sink_state> states;
  system sys{sim};
  sink_pool pool;
};

TEST(ActorPool, AWorkerHasOneMessageInHandAndTakesTheNextWhenItIsDone) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2);
  const sink_pool pool(sys, {s.refs.begin(), s.refs.end()});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(pool.ref().try_tell(plug{}).has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.ref().try_tell(item{i}).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(s.states[0].plugged && s.states[1].plugged);
  EXPECT_EQ(pool.stats().busy, 2u);
  EXPECT_EQ(pool.stats().queued, 3u);
  for (const auto& worker : s.refs) EXPECT_LE(worker.target()->depth(), 1u);  // the one in hand
  s.states[1].open = true;
  sim.advance(1ms);
  EXPECT_EQ(s.states[1].seen, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(s.states[0].seen.empty());
  s.states[0].open = true;
  sim.run_to_end();
  EXPECT_EQ(pool.stats().busy, 0u);
  EXPECT_EQ(pool.stats().handed, 5u);
}

TEST(ActorPool, AnswersAsksThroughItsWorkers) {
  making m(sized(1, 2));
  EXPECT_EQ(m.sim.run(m.ask(4)).value(), 5);
  m.states[0].answer_with = make_error(errc::not_found, "nothing here");
  EXPECT_EQ(m.sim.run(m.ask(4)).error().code(), errc::not_found);
  EXPECT_EQ(m.pool.stats().ended, 0u);
  EXPECT_EQ(m.pool.stats().busy, 0u);
}

TEST(ActorPool, MakesWorkersAsLoadNeedsThemUpToTheMost) {
  making m(sized(1, 3));
  EXPECT_EQ(m.pool.stats().workers, 1u);
  for (int i = 0; i < 5; ++i) m.tell(plug{});
  EXPECT_EQ(m.pool.stats().workers, 3u);
  EXPECT_EQ(m.pool.stats().queued, 2u);
  for (int i = 0; i < 3; ++i)
    for (auto& s : m.states) {
      s.open = true;
      m.sim.advance(1ms);
    }
  EXPECT_EQ(m.pool.stats().busy, 0u);
}

TEST(ActorPool, LetsGoOfWorkersThatWereIdleForTooLong) {
  making m(sized(1, 3));
  for (int i = 0; i < 3; ++i) m.tell(plug{});
  for (std::size_t i = 0; i < 3; ++i) m.open(i);
  const auto since = m.sim.now();
  ASSERT_EQ(m.pool.stats().workers, 3u);
  m.sim.advance(9s);
  EXPECT_EQ(m.pool.stats().workers, 3u);
  m.sim.advance(since + 10s - m.sim.now());
  EXPECT_EQ(m.pool.stats().workers, 1u);
  m.sim.run_until_idle();
  EXPECT_EQ(m.sys.live_actors(), 2u);  // the one, and the pool's own
  EXPECT_EQ(m.sim.live_tasks(), 0u);
  m.tell(item{1});
  EXPECT_EQ(m.all_seen(), std::vector<int>{1});
}

TEST(ActorPool, KeepsWorkersForEverIfItShall) {
  auto o = sized(0, 1);
  o.keep_alive = duration::max();
  making m(o);
  m.tell(item{1});
  m.sim.advance(1h);
  EXPECT_EQ(m.pool.stats().workers, 1u);
  EXPECT_EQ(m.sim.live_tasks(), 0u);
}

TEST(ActorPool, WithoutLeastWorkersTheFirstMessageMakesOne) {
  making m(sized(0, 1));
  EXPECT_EQ(m.states.size(), 0u);
  m.tell(item{1});
  EXPECT_EQ(m.all_seen(), std::vector<int>{1});
}

class breaker {
 public:
  using protocol = actors::protocol<void(item), int(who)>;
  explicit breaker(std::vector<int>& seen) : seen_(seen) {}
  result<void> on(item m) {
    if (m.n < 0) return fail(errc::data_loss, "broken");
    seen_.push_back(m.n);
    return {};
  }
  int on(who m) { return m.n < 0 ? throw std::runtime_error("broken") : m.n; }

 private:
  std::vector<int>& seen_;
};

TEST(ActorPool, AWorkerThatFailsLosesTheMessageInHandAndNoOther) {
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<int> seen;
  const actor_pool<void(item), int(who)> pool(sys, [&] { return sys.spawn<breaker>(seen); }, sized(1, 1));
  for (const int n : {1, 2, -1, 3, -1, 4}) ASSERT_TRUE(pool.ref().try_tell(item{n}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(sys.dead_letters(), 2u);
  EXPECT_EQ(pool.stats().ended, 2u);
  EXPECT_EQ(pool.stats().workers, 1u);
  auto asked = sim.spawn([&]() -> task<result<int>> { co_return co_await pool.ref().ask(who{-1}, 1s); });
  ASSERT_TRUE(pool.ref().try_tell(item{5}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.get(asked).error().code(), errc::unavailable);
  EXPECT_EQ(seen.back(), 5);
}

TEST(ActorPool, AWorkerThatQuitsLosesNothing) {
  making m(sized(2, 2));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(m.pool.ref().try_tell(item{i}).has_value());
    if (i == 3) {
      ASSERT_TRUE(m.pool.ref().try_tell(stop{}).has_value());
    }
  }
  m.sim.run_until_idle();
  auto all = m.all_seen();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(m.sys.dead_letters(), 0u);
  EXPECT_EQ(m.pool.stats().workers, 2u);
}

TEST(ActorPool, AnIdleWorkerThatEndsIsReplacedAtOnce) {
  making m(sized(2, 2));
  m.states[0].self->quit();
  m.sim.run_until_idle();
  EXPECT_EQ(m.pool.stats().workers, 2u);
  EXPECT_EQ(m.pool.stats().ended, 1u);
  EXPECT_EQ(m.states.size(), 3u);
}

TEST(ActorPool, GivesUpWhenItsWorkersEndTooOften) {
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<int> seen;
  auto o = sized(1, 1);
  o.restarts = 2;
  o.restart_period = 1s;
  const actor_pool<void(item)> pool(sys, [&] { return sys.spawn<breaker>(seen); }, o);
  const auto break_one = [&] {
    ASSERT_TRUE(pool.ref().try_tell(item{-1}).has_value());
    sim.run_until_idle();
  };
  break_one();
  break_one();
  sim.advance(1s + 1ns);  // the two are forgotten
  break_one();
  break_one();
  for (const int n : {-1, 7}) ASSERT_TRUE(pool.ref().try_tell(item{n}).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(sys.dead_letters(), 6u);  // 7 queued, and nobody will come
  const auto refused = pool.ref().try_tell(item{8});
  EXPECT_EQ(refused.error().code(), errc::unavailable);
  EXPECT_NE(refused.error().message().find("broken"), std::string::npos);
}

TEST(ActorPool, AWorkerThatCannotBeMadeCountsAsEnded) {
  testing::sim_runtime sim;
  system sys(sim);
  int calls = 0;
  const auto make = [&]() -> actor_ref<void(item)> {
    if (++calls % 2 == 0) throw std::runtime_error("no worker today");
    return {};
  };
  const actor_pool<void(item)> pool(sys, make, sized(0, 1));
  ASSERT_TRUE(pool.ref().try_tell(item{1}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(calls, 11);
  EXPECT_EQ(sys.dead_letters(), 1u);
  EXPECT_EQ(pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
}

TEST(ActorPool, LetsOthersRunWhileItsWorkersCannotBeMade) {
  testing::sim_runtime sim;
  system sys(sim);
  int calls = 0;
  int seen = 0;
  const auto look = [&]() -> task<> {
    seen = calls;
    co_return;
  };
  const auto make = [&]() -> actor_ref<void(item)> {
    if (++calls == 1) sim.spawn(look()).detach();
    return {};
  };
  auto o = sized(0, 1);
  o.restarts = 100'000;
  const actor_pool<void(item)> pool(sys, make, o);
  ASSERT_TRUE(pool.ref().try_tell(item{1}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(calls, 100'001);
  EXPECT_LT(seen, 1000);
}

TEST(ActorPool, WithoutWorkersIsUnavailableUntilOneIsAdded) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 1);
  const sink_pool pool(sys);
  EXPECT_EQ(pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
  EXPECT_EQ(pool.add({}).error().code(), errc::failed_precondition);
  EXPECT_EQ(pool.add(pool.ref()).error().code(), errc::invalid_argument);
  ASSERT_TRUE(pool.add(s.refs[0]).has_value());
  EXPECT_EQ(pool.add(s.refs[0]).error().code(), errc::already_exists);
  EXPECT_TRUE(pool.ref().try_tell(item{1}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(s.states[0].seen, std::vector<int>{1});
  EXPECT_TRUE(pool.remove(s.refs[0]));
  EXPECT_FALSE(pool.remove(s.refs[0]));
  EXPECT_EQ(pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
}

TEST(ActorPool, ARemovedWorkerFinishesWhatItHasInHand) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2);
  const sink_pool pool(sys, {s.refs[0]});
  ASSERT_TRUE(pool.ref().try_tell(plug{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(pool.add(s.refs[1]).has_value());
  ASSERT_TRUE(pool.remove(s.refs[0]));
  ASSERT_TRUE(pool.ref().try_tell(item{1}).has_value());
  s.states[0].open = true;
  sim.run_to_end();
  EXPECT_FALSE(s.states[0].plugged);
  EXPECT_TRUE(s.states[0].seen.empty());
  EXPECT_EQ(s.states[1].seen, std::vector<int>{1});
}

// One worker that is busy, and a full queue of two.
struct full_pool : making {
  explicit full_pool(overflow when_full = overflow::wait) : making(sized(1, 1, 2, when_full)) {
    tell(plug{});
    for (const int n : {1, 2}) tell(item{n});
  }
};

TEST(ActorPoolQueue, MakesSendersWaitAndServesThemInOrder) {
  full_pool p;
  EXPECT_EQ(p.pool.ref().try_tell(item{9}).error().code(), errc::would_block);
  auto a = p.sim.spawn(p.wait_and_tell(3));
  auto b = p.sim.spawn(p.wait_and_tell(4));
  p.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  p.open(0);
  EXPECT_TRUE(p.sim.get(a).has_value());
  EXPECT_TRUE(p.sim.get(b).has_value());
  p.sim.run_to_end();
  EXPECT_EQ(p.all_seen(), (std::vector<int>{1, 2, 3, 4}));
}

TEST(ActorPoolQueue, ACancelledWaitingTellWasNotSent) {
  full_pool p;
  const cancel_source source(p.sim.root_context());
  auto a = p.sim.spawn(p.wait_and_tell(3), source.context());
  auto b = p.sim.spawn(p.wait_and_tell(4));
  p.sim.run_until_idle();
  source.cancel();
  p.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_EQ(p.sim.get(a).error().code(), errc::cancelled);
  p.open(0);
  EXPECT_TRUE(p.sim.get(b).has_value());
  EXPECT_EQ(p.all_seen(), (std::vector<int>{1, 2, 4}));
}

TEST(ActorPoolQueue, AnAskWhoseLimitPassedInTheQueueIsNotHandled) {
  making m(sized(1, 1));
  m.tell(plug{});
  auto late = m.sim.spawn(m.ask(1, 5ms));
  m.sim.advance(5ms);
  ASSERT_TRUE(late.done());
  EXPECT_EQ(m.sim.get(late).error().code(), errc::timed_out);
  m.open(0);
  m.tell(item{1});
  EXPECT_EQ(m.states[0].asked, 0);
  EXPECT_EQ(m.states[0].seen, std::vector<int>{1});
  EXPECT_EQ(m.pool.stats().ended, 0u);
}

TEST(ActorPoolQueue, FailsSendersIfItShall) {
  full_pool p(overflow::fail);
  EXPECT_EQ(p.pool.ref().try_tell(item{9}).error().code(), errc::overloaded);
  EXPECT_EQ(p.sim.run(p.wait_and_tell(9)).error().code(), errc::overloaded);
  p.open(0);
  EXPECT_EQ(p.all_seen(), (std::vector<int>{1, 2}));
}

TEST(ActorPoolQueue, DropsTheNewestIfItShallAndCountsIt) {
  full_pool p(overflow::drop_newest);
  EXPECT_TRUE(p.pool.ref().try_tell(item{9}).has_value());
  EXPECT_EQ(p.sim.run(p.ask(1)).error().code(), errc::overloaded);
  EXPECT_EQ(p.pool.stats().dropped, 2u);
  EXPECT_EQ(p.sys.dead_letters(), 1u);
  p.open(0);
  EXPECT_EQ(p.all_seen(), (std::vector<int>{1, 2}));
}

TEST(ActorPoolQueue, DropsTheOldestIfItShallAndCountsIt) {
  full_pool p(overflow::drop_oldest);
  EXPECT_TRUE(p.pool.ref().try_tell(item{9}).has_value());
  EXPECT_EQ(p.pool.stats().dropped, 1u);
  EXPECT_EQ(p.sys.dead_letters(), 1u);
  p.open(0);
  EXPECT_EQ(p.all_seen(), (std::vector<int>{2, 9}));
}

TEST(ActorPoolQueue, WhoWaitsIsFailedWithTheLastWorker) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 1);
  const sink_pool pool(sys, {s.refs[0]}, sized(0, 1, 1));
  ASSERT_TRUE(pool.ref().try_tell(plug{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(pool.ref().try_tell(item{1}).has_value());
  auto tell = sim.spawn([&]() -> task<result<void>> { co_return co_await pool.ref().tell(item{2}); });
  auto ask = sim.spawn([&]() -> task<result<int>> { co_return co_await pool.ref().ask(who{2}, 10s); });
  sim.run_until_idle();
  ASSERT_FALSE(tell.done() || ask.done());
  ASSERT_TRUE(pool.remove(s.refs[0]));
  sim.run_until_idle();
  ASSERT_TRUE(tell.done() && ask.done());
  EXPECT_EQ(sim.get(tell).error().code(), errc::unavailable);
  EXPECT_EQ(sim.get(ask).error().code(), errc::unavailable);
  EXPECT_EQ(sys.dead_letters(), 1u);
  s.states[0].open = true;
  sim.run_to_end();
}

TEST(ActorPoolEnd, ShutdownFailsWhatIsQueuedAndWhoWaits) {
  full_pool p;
  auto a = p.sim.spawn(p.wait_and_tell(3));
  auto b = p.sim.spawn(p.ask(1, 10s));
  p.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_TRUE(p.sys.shutdown(1s).has_value());
  ASSERT_TRUE(a.done() && b.done());
  const auto told = p.sim.get(a);  // accepted if the worker was interrupted before the pool was
  EXPECT_TRUE(told || told.error().code() == errc::unavailable);
  EXPECT_EQ(p.sim.get(b).error().code(), errc::unavailable);
  EXPECT_EQ(p.sys.dead_letters(), told ? 3u : 2u);
  EXPECT_TRUE(p.all_seen().empty());
  EXPECT_EQ(p.pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
  EXPECT_EQ(p.pool.stats().workers, 0u);
  EXPECT_EQ(p.sim.live_tasks(), 0u);
}

TEST(ActorPoolEnd, IsUnavailableIfMadeAfterShutdown) {
  testing::sim_runtime sim;
  system sys(sim);
  ASSERT_TRUE(sys.shutdown(1s).has_value());
  std::vector<int> seen;
  const actor_pool<void(item)> pool(sys, [&] { return sys.spawn<breaker>(seen); });
  EXPECT_EQ(pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
}

TEST(ActorPoolEnd, WithoutRefsHandlesWhatItAcceptedAndThenItsWorkersEnd) {
  testing::sim_runtime sim;
  std::deque<sink_state> states;
  system sys(sim);
  {
    const sink_pool pool(sys, [&] { return sys.spawn<sink>(states.emplace_back()); }, sized(1, 1));
    sim.run_until_idle();
    ASSERT_TRUE(pool.ref().try_tell(plug{}).has_value());
    sim.run_until_idle();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.ref().try_tell(item{i}).has_value());
  }
  sim.run_until_idle();
  EXPECT_FALSE(states[0].destroyed);
  states[0].open = true;
  sim.run_to_end();
  EXPECT_EQ(states[0].seen, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(states[0].destroyed);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(ActorPoolEnd, ThePoolMayOutliveItsSystem) {
  testing::sim_runtime sim;
  std::deque<sink_state> states;
  auto sys = std::make_unique<system>(sim);
  const sink_pool pool(*sys, [&] { return sys->spawn<sink>(states.emplace_back()); });
  sim.run_until_idle();
  sys.reset();
  EXPECT_EQ(pool.ref().try_tell(item{1}).error().code(), errc::unavailable);
}

TEST(ActorPool, RefusesWorkersOfASystemThatIsGone) {
  testing::sim_runtime sim;
  std::deque<sink_state> states;
  sink::protocol::ref orphan;
  std::optional<system> sys(std::in_place, sim);
  orphan = sys->spawn<sink>(states.emplace_back());
  sys.emplace(sim);  // another, in the same place
  const sink_pool pool(*sys);
  EXPECT_EQ(pool.add(orphan).error().code(), errc::invalid_argument);
}

TEST(ActorPool, RefusesOptionsThatMakeNoSense) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto make = [](const actor_pool_options& o) {
    return [o](system& s) { const sink_pool made(s, std::vector<sink::protocol::ref>(), o); };
  };
  EXPECT_THROW(make(sized(1, 0))(sys), std::invalid_argument);
  EXPECT_THROW(make(sized(3, 2))(sys), std::invalid_argument);
  EXPECT_THROW(make(sized(1, 1, 0))(sys), std::invalid_argument);
  auto o = sized(1, 1);
  o.keep_alive = -1ns;
  EXPECT_THROW(make(o)(sys), std::invalid_argument);
}

TEST(ActorPool, MayBeARoutee) {
  making m(sized(1, 1));
  const router<void(item)> r(round_robin(), {m.pool.ref()});
  EXPECT_TRUE(r.ref().try_tell(item{1}).has_value());
  m.sim.run_until_idle();
  EXPECT_EQ(m.all_seen(), std::vector<int>{1});
}

class late {
 public:
  using protocol = actors::protocol<int(who)>;
  explicit late(std::vector<reply_to<int>>& open) : open_(open) {}
  void on(who, reply_to<int> to) { open_.push_back(std::move(to)); }

 private:
  std::vector<reply_to<int>>& open_;
};

TEST(ActorPool, AWorkerIsBusyUntilItHasAnswered) {
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<reply_to<int>> open;
  const auto worker = sys.spawn<late>(open);
  const actor_pool<int(who)> pool(sys, {worker});
  const auto ask = [&]() -> task<result<int>> { co_return co_await pool.ref().ask(who{1}, 1s); };
  auto a = sim.spawn(ask());
  auto b = sim.spawn(ask());
  sim.run_until_idle();
  ASSERT_EQ(open.size(), 1u);
  open[0].answer(17);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).value(), 17);
  ASSERT_EQ(open.size(), 2u);
  open.clear();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(b).error().code(), errc::unavailable);
  EXPECT_EQ(pool.stats().busy, 0u);
}

}  // namespace
}  // namespace tandem::actors
