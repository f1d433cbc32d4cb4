// Which routee a message goes to.
#include <tandem/actors/router.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using items = router<void(item)>;
using counts = std::vector<std::size_t>;

std::vector<actor_ref<void(item)>> as_items(const sinks& s) { return {s.refs.begin(), s.refs.end()}; }

struct three {
  testing::sim_runtime sim;
  system sys{sim};
  sinks s{sys, 3};

  void send(const items& r, int n) {
    for (int i = 0; i < n; ++i) ASSERT_TRUE(r.ref().try_tell(item{i}).has_value());
    sim.run_until_idle();
  }
};

TEST(RouterChoice, RoundRobinTakesTurns) {
  three t;
  const items r(round_robin(), as_items(t.s));
  t.send(r, 6);
  EXPECT_EQ(t.s.states[0].seen, (std::vector<int>{0, 3}));
  EXPECT_EQ(t.s.states[1].seen, (std::vector<int>{1, 4}));
  EXPECT_EQ(t.s.states[2].seen, (std::vector<int>{2, 5}));
}

TEST(RouterChoice, RoundRobinPassesOverWhoHasNoRoom) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 3, 2);
  s.fill(sim, 1);
  const items r(round_robin(), as_items(s));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(r.ref().try_tell(item{i}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(s.states[0].seen.size(), 1u);
  EXPECT_EQ(s.states[2].seen.size(), 1u);
  s.states[1].open = true;
  sim.run_to_end();
}

TEST(RouterChoice, RandomChoiceReachesAllAndRepeatsWithItsSeed) {
  three a, b;
  const items ra(random_choice{7}, as_items(a.s)), rb(random_choice{7}, as_items(b.s));
  a.send(ra, 300);
  b.send(rb, 300);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(a.s.states[i].seen.size(), 60u);
    EXPECT_EQ(a.s.states[i].seen, b.s.states[i].seen);
  }
}

TEST(RouterChoice, LeastLoadedGoesWhereTheFewestWait) {
  three t;
  ASSERT_TRUE(t.s.refs[0].try_tell(item{0}).has_value());  // they wait: nothing runs yet
  ASSERT_TRUE(t.s.refs[0].try_tell(item{0}).has_value());
  ASSERT_TRUE(t.s.refs[1].try_tell(item{0}).has_value());
  const items r(least_loaded(), as_items(t.s));
  for (int i = 1; i <= 6; ++i) ASSERT_TRUE(r.ref().try_tell(item{i}).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.counts(), (counts{3, 3, 3}));
}

TEST(RouterChoice, TwoChoicesNeverTakesTheMoreLoadedOfTwo) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(s.refs[0].try_tell(item{0}).has_value());
  const items r(two_choices{3}, as_items(s));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(r.ref().try_tell(item{1}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(s.counts(), (counts{5, 5}));
}

TEST(RouterChoice, TwoChoicesIsNearlyEven) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 8);
  const items r(two_choices{3}, as_items(s));
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(r.ref().try_tell(item{i}).has_value());
  sim.run_until_idle();
  for (const auto& state : s.states) EXPECT_NEAR(static_cast<double>(state.seen.size()), 100.0, 5.0);
}

struct keyed {
  explicit keyed(std::size_t n) : s(sys, n) {}
  // Which sink each of the keys goes to.
  std::vector<std::size_t> owners(const items& r) {
    for (auto& state : s.states) state.seen.clear();
    for (int k = 0; k < keys; ++k) EXPECT_TRUE(r.ref().try_tell(item{k}).has_value());
    sim.run_until_idle();
    std::vector<std::size_t> owner(keys, s.states.size());
    for (std::size_t i = 0; i < s.states.size(); ++i)
      for (const int k : s.states[i].seen) owner[static_cast<std::size_t>(k)] = i;
    return owner;
  }
  items route() { return items(by_key([](const item& i) { return i.n; }), as_items(s)); }

  static constexpr int keys = 1000;
  testing::sim_runtime sim;
  system sys{sim};
  sinks s;
};

TEST(RouterByKey, SendsEqualKeysToTheSameRoutee) {
  keyed k(5);
  const items r = k.route();
  EXPECT_EQ(k.owners(r), k.owners(r));
  for (const auto& state : k.s.states) EXPECT_NEAR(static_cast<double>(state.seen.size()), 200.0, 50.0);
}

TEST(RouterByKey, ARouteeThatGoesMovesOnlyItsOwnKeys) {
  keyed k(5);
  const items r = k.route();
  const auto before = k.owners(r);
  ASSERT_TRUE(r.remove(k.s.refs[2]));
  const auto after = k.owners(r);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(before[i] == 2 ? after[i] != 2 : after[i] == before[i]) << "key " << i;
  }
}

TEST(RouterByKey, ARouteeThatComesTakesItsShareAndMovesNothingElse) {
  keyed k(5);
  items r = k.route();
  ASSERT_TRUE(r.remove(k.s.refs[4]));
  const auto before = k.owners(r);
  ASSERT_TRUE(r.add(k.s.refs[4]).has_value());
  const auto after = k.owners(r);
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (after[i] == before[i]) continue;
    EXPECT_EQ(after[i], 4u);
    ++moved;
  }
  EXPECT_NEAR(moved, keyed::keys / 5, 50);
}

TEST(RouterByKey, AReplacementGetsTheKeysOfWhoHasEnded) {
  keyed k(3);
  const items r = k.route();
  const auto before = k.owners(r);
  k.s.end(k.sim, 1);
  (void)k.owners(r);  // finds out
  ASSERT_EQ(r.size(), 2u);
  sink_state fresh;
  ASSERT_TRUE(r.add(k.sys.spawn<sink>(fresh)).has_value());
  (void)k.owners(r);
  EXPECT_EQ(fresh.seen.size(), static_cast<std::size_t>(std::count(before.begin(), before.end(), 1u)));
  k.sys.shutdown(1s).value();
}

TEST(RouterByKey, WaitsForItsRouteeThoughOthersHaveRoom) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2, 1);
  const items r(by_key([](const item& i) { return i.n; }), as_items(s));
  ASSERT_TRUE(r.ref().try_tell(item{17}).has_value());
  sim.run_until_idle();
  const std::size_t owner = s.states[0].seen.empty() ? 1 : 0;
  s.fill(sim, owner);
  EXPECT_EQ(r.ref().try_tell(item{17}).error().code(), errc::would_block);
  auto waiting = sim.spawn([&]() -> task<result<void>> { co_return co_await r.ref().tell(item{17}); });
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  s.states[owner].open = true;
  sim.run_to_end();
  EXPECT_TRUE(sim.get(waiting).has_value());
  EXPECT_EQ(s.states[owner].seen.back(), 17);
}

TEST(RouterByKey, TakesAFunctionForEachMessageAndKeysOfSeveralTypes) {
  enum class colour : std::uint8_t { red, green };
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 4);
  const router<void(item), int(who)> r(by_key([](const item& i) { return std::to_string(i.n); },
                                              [](const who& w) { return static_cast<colour>(w.n % 2); }),
                                       {s.refs.begin(), s.refs.end()});
  ASSERT_TRUE(r.ref().try_tell(item{1}).has_value());
  EXPECT_EQ(sim.run([&]() -> task<result<int>> { co_return co_await r.ref().ask(who{1}, 1s); }).value(), 2);
}

TEST(RouterByKey, AFunctionThatThrowsLeavesTheMessageUnsent) {
  testing::sim_runtime sim;
  system sys(sim);
  sinks s(sys, 2);
  const items r(by_key([](const item& i) { return i.n < 0 ? throw std::runtime_error("no key") : i.n; }), as_items(s));
  const auto told = r.ref().try_tell(item{-1});
  ASSERT_FALSE(told.has_value());
  EXPECT_NE(told.error().message().find("no key"), std::string::npos);
  EXPECT_EQ(r.size(), 2u);
}

TEST(Router, WithoutRouteesIsUnavailable) {
  testing::sim_runtime sim;
  system sys(sim);
  const items choices[] = {items(round_robin()),  items(random_choice()), items(least_loaded()), items(two_choices()),
                           items(broadcast()),    items(by_key([](const item& i) { return i.n; }))};
  for (const items& r : choices) {
    EXPECT_EQ(r.ref().try_tell(item{1}).error().code(), errc::unavailable);
    EXPECT_EQ(sim.run([&]() -> task<result<void>> { co_return co_await r.ref().tell(item{1}); }).error().code(),
              errc::unavailable);
  }
}

TEST(Router, TakesOutWhoHasEndedAndSendsToAnother) {
  three t;
  t.s.end(t.sim, 0);
  t.s.end(t.sim, 2);
  const items choices[] = {items(round_robin(), as_items(t.s)),
                           items(random_choice(), as_items(t.s)),
                           items(least_loaded(), as_items(t.s)),
                           items(two_choices(), as_items(t.s)),
                           items(broadcast(), as_items(t.s)),
                           items(by_key([](const item& i) { return i.n; }), as_items(t.s))};
  std::size_t sent = 0;
  for (const items& r : choices) {
    t.send(r, 10);
    sent += 10;
    EXPECT_EQ(t.s.states[1].seen.size(), sent);
    EXPECT_TRUE(r.size() == 1 || r.routees()[0] == t.s.refs[1] || r.routees()[1] == t.s.refs[1]);
  }
  t.s.end(t.sim, 1);
  for (const items& r : choices) {
    EXPECT_EQ(r.ref().try_tell(item{1}).error().code(), errc::unavailable);
    EXPECT_EQ(r.size(), 0u);
  }
}

TEST(Router, PassesOverWhoFailsItsSendersAndSaysSoIfAllDo) {
  testing::sim_runtime sim;
  sink_state states[2];
  system sys(sim);
  std::vector<actor_ref<void(item)>> refs;
  for (auto& state : states) {
    const auto ref = sys.spawn<sink>(spawn_actor_options("strict", 1, overflow::fail), state);
    ASSERT_TRUE(ref.try_tell(plug{}).has_value());
    refs.emplace_back(ref);
  }
  sim.run_until_idle();
  ASSERT_TRUE(refs[0].try_tell(item{0}).has_value());
  const items one_of[] = {items(round_robin(), refs), items(least_loaded(), refs)};
  const items all(broadcast(), refs);
  ASSERT_TRUE(one_of[0].ref().try_tell(item{1}).has_value());
  for (const items& r : one_of) {
    EXPECT_EQ(r.ref().try_tell(item{2}).error().code(), errc::overloaded);
    EXPECT_EQ(r.size(), 2u);
  }
  EXPECT_EQ(all.ref().try_tell(item{2}).error().code(), errc::overloaded);
  for (auto& state : states) state.open = true;
  sim.run_to_end();
  EXPECT_EQ(states[1].seen, std::vector<int>{1});
}

TEST(Router, RefusesWhatCannotBeARoutee) {
  three t;
  const items r(round_robin(), as_items(t.s));
  EXPECT_EQ(r.add({}).error().code(), errc::failed_precondition);
  EXPECT_EQ(r.add(t.s.refs[0]).error().code(), errc::already_exists);
  EXPECT_FALSE(r.remove({}));
  EXPECT_THROW((void)r.add(r.ref()), std::logic_error);
  const items outer(round_robin(), {r.ref()});
  EXPECT_THROW((void)r.add(outer.ref()), std::logic_error);
  EXPECT_EQ(r.size(), 3u);
  EXPECT_TRUE(r.remove(t.s.refs[0]));
  EXPECT_FALSE(r.remove(t.s.refs[0]));
}

TEST(Router, SendsThroughARouterThatIsARoutee) {
  three t;
  const items inner(round_robin(), {t.s.refs[0], t.s.refs[1]});
  const items outer(round_robin(), {inner.ref(), t.s.refs[2]});
  t.send(outer, 8);
  EXPECT_EQ(t.s.counts(), (counts{2, 2, 4}));
}

TEST(Router, CanBeRegisteredUnderAName) {
  three t;
  const items r(round_robin(), as_items(t.s));
  ASSERT_TRUE(t.sys.register_name("sinks", r.ref()).has_value());
  const auto found = t.sys.lookup<void(item)>("sinks");
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->try_tell(item{1}).has_value());
  EXPECT_EQ(*found, r.ref());
  EXPECT_NE(r.ref().id(), 0u);
  EXPECT_EQ(r.ref().name(), "router (round robin)");
}

TEST(Router, KeepsItsRouteesUntilItGoes) {
  testing::sim_runtime sim;
  sink_state state;
  system sys(sim);
  {
    items r{round_robin()};
    ASSERT_TRUE(r.add(sys.spawn<sink>(state)).has_value());
    const auto ref = r.ref();
    sim.run_until_idle();
    r = items(round_robin());
    sim.run_until_idle();
    EXPECT_FALSE(state.destroyed);  // the ref keeps the router
    EXPECT_TRUE(ref.try_tell(item{1}).has_value());
  }
  sim.run_until_idle();
  EXPECT_EQ(state.seen, std::vector<int>{1});
  EXPECT_TRUE(state.destroyed);
}

}  // namespace
}  // namespace tandem::actors
