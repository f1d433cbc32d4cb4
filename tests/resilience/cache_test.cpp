#include <tandem/resilience/cache.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

using pages = cache<std::string, int>;

// What is loaded: counts how often, and fails if told to.
struct source {
  int value = 1;
  error fails = {};
  duration takes = 0ms;
  int loads = 0;
  int cancelled = 0;

  auto load() {
    return [this]() -> task<result<int>> {
      ++loads;
      const int read = value;
      if (takes > 0ms) {
        const result<void> slept = co_await sleep_for(takes);
        if (!slept) {
          ++cancelled;
          co_return fail(slept.error());
        }
      }
      if (fails) co_return fail(fails);
      co_return read;
    };
  }
};

std::uint64_t counter(const policy& p, std::string_view name) {
  for (const policy_counter& c : p.info().counters)
    if (c.name == name) return c.value;
  ADD_FAILURE() << "there is no counter " << name;
  return 0;
}

// Calls `f` in a task, where the clock is the simulated one.
template <class F>
auto in_task(sim_runtime& sim, F f) {
  return sim.run([](F& call) -> task<std::invoke_result_t<F&>> { co_return call(); }(f)).value();
}

class Cache : public ::testing::Test {
 protected:
  result<int> get(const pages& c, const std::string& key = "k") { return sim.run(c.get(key, from.load())); }
  template <class C, class K>
  auto find(const C& c, const K& key) {
    return in_task(sim, [&] { return c.find(key); });
  }
  sim_runtime sim;
  source from;
};

TEST_F(Cache, AValueIsLoadedOnceAndKeptForItsTtl) {
  const pages c({.ttl = 10s, .ttl_jitter = 0});
  EXPECT_EQ(get(c), 1);
  from.value = 2;
  sim.advance(10s - 1ns);
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(find(c, "k"), 1);
  sim.advance(1ns);
  EXPECT_EQ(get(c), 2);
  EXPECT_EQ(from.loads, 2);
  EXPECT_EQ(counter(c, "hits"), 1U);
  EXPECT_EQ(counter(c, "misses"), 2U);
  EXPECT_EQ(counter(c, "expired"), 1U);
  EXPECT_EQ(counter(c, "loads"), 2U);
}

TEST_F(Cache, ValuesOfTheSameMomentExpireAtDifferentTimesWithinTheJitter) {
  const cache<int, int> c({.ttl = 100s, .ttl_jitter = 0.2});
  const auto put_all = [&] {
    for (int i = 0; i < 1000; ++i) c.put(i, i);
    return true;
  };
  const auto there = [&] {
    int n = 0;
    for (int i = 0; i < 1000; ++i) n += c.find(i).has_value();
    return n;
  };
  in_task(sim, put_all);
  sim.advance(80s - 1ns);
  EXPECT_EQ(in_task(sim, there), 1000);
  sim.advance(10s);
  EXPECT_NEAR(in_task(sim, there), 500, 100);
  sim.advance(10s + 1ns);
  EXPECT_EQ(in_task(sim, there), 0);
}

TEST_F(Cache, AValueForEverNeverExpires) {
  const pages c({.ttl = duration::max()});
  (void)get(c);
  sim.advance(24h * 365 * 50);
  (void)get(c);
  EXPECT_EQ(from.loads, 1);
}

TEST_F(Cache, TenThousandWhoMissCauseOneLoad) {
  const pages c;
  from.takes = 100ms;
  std::vector<join_handle<result<int>>> all;
  for (int i = 0; i < 10'000; ++i) {
    auto get = c.get("hot", from.load());
    if (i % 2) get = with_timeout(1s, std::move(get));
    all.push_back(sim.spawn(std::move(get)));
  }
  sim.advance(100ms);
  for (auto& each : all) ASSERT_EQ(sim.get(each), 1);
  EXPECT_EQ(from.loads, 1);
  EXPECT_EQ(counter(c, "misses"), 10'000U);
}

// A key that can tell when it is copied, which get() does after it has looked and before it asks for a load.
struct told_key {
  explicit told_key(int i) noexcept : id(i) {}
  told_key(const told_key& other) : id(other.id) {
    if (on_copy) std::exchange(on_copy, {})();
  }
  told_key(told_key&&) noexcept = default;
  bool operator==(const told_key& other) const noexcept { return id == other.id; }
  struct hash {
    std::size_t operator()(const told_key& k) const noexcept { return static_cast<std::size_t>(k.id); }
  };
  int id;
  static inline std::function<void()> on_copy;
};

TEST_F(Cache, WhoMissedWhatCameBeforeItsLoadBeganLoadsNothing) {
  const cache<told_key, int, told_key::hash> c;
  auto asked = c.get(told_key(1), from.load());
  told_key::on_copy = [&] { c.put(told_key(1), 50); };
  EXPECT_EQ(sim.run(std::move(asked)), 50);
  EXPECT_FALSE(told_key::on_copy) << "it was called";
  EXPECT_EQ(from.loads, 0);
}

TEST_F(Cache, ALoopOfHitsLetsOthersRun) {
  const pages c({.ttl = duration::max()});
  c.put("k", 1);
  bool stop = false;
  auto loop = sim.spawn([&]() -> task<> {
    while (!stop) (void)co_await c.get("k", from.load());
  });
  auto other = sim.spawn([&]() -> task<> {
    stop = true;
    co_return;
  });
  sim.run_until_idle();
  EXPECT_TRUE(loop.done() && other.done());
}

TEST_F(Cache, ALoadGoesOnForTheOthersAndIsCancelledWithTheLast) {
  const pages c;
  from.takes = 100ms;
  auto first = sim.spawn(with_timeout(10ms, c.get("k", from.load())));
  auto second = sim.spawn(with_timeout(1s, c.get("k", from.load())));
  sim.advance(100ms);
  EXPECT_EQ(sim.get(first).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.get(second), 1);
  c.clear();
  auto alone = sim.spawn(with_timeout(10ms, c.get("k", from.load())));
  sim.advance(10ms);
  EXPECT_EQ(sim.get(alone).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(from.cancelled, 1);
  EXPECT_EQ(counter(c, "failed loads"), 1U);
  EXPECT_EQ(c.size(), 0U);
}

TEST_F(Cache, AnExceptionReachesTheCallerAndNothingIsKept) {
  const pages c({.stale_for = 1h});
  const auto throws = [] -> task<result<int>> {
    throw std::runtime_error("broken");
    co_return 1;
  };
  EXPECT_EQ(sim.run(c.get("k", throws)).error().code(), errc::internal);
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(counter(c, "failed loads"), 1U);
}

TEST_F(Cache, AHitWaitsForNothingEvenIfItsCallersContextIsOver) {
  const pages c({.ttl = duration::max()});
  c.put("k", 5);
  const cancel_source over{context()};
  over.cancel();
  EXPECT_EQ(sim.run(with_context(over.context(), c.get("k", from.load()))), 5);
  EXPECT_EQ(sim.run(with_context(over.context(), c.get("l", from.load()))).error().code(), errc::cancelled);
  EXPECT_EQ(from.loads, 0);
}

TEST_F(Cache, HoldsNoMoreEntriesThanItMay) {
  for (const std::size_t most : {1U, 2U, 3U, 100U, 5000U}) {
    const cache<int, int> c({.max_entries = most});
    for (int i = 0; i < 20'000; ++i) {
      c.put(i, i);
      ASSERT_LE(c.size(), most);
    }
    EXPECT_EQ(c.size(), most) << "each shard has its part";
    EXPECT_EQ(counter(c, "evictions"), 20'000 - most);
  }
}

TEST_F(Cache, WhatWasHitSinceTheHandCameByStaysAndTheOldestOfTheOthersGoes) {
  const cache<int, int> c({.max_entries = 4});
  for (int i = 0; i < 4; ++i) c.put(i, i);
  (void)c.find(0);
  (void)c.find(2);
  c.put(4, 4);  // the hand passes 0, and takes 1
  EXPECT_FALSE(c.find(1));
  c.put(5, 5);  // it passes 2, and takes 3
  EXPECT_FALSE(c.find(3));
  c.put(6, 6);  // 4 was not hit; 0 and 2 have no mark any more, but the hand is past them
  EXPECT_FALSE(c.find(4));
  c.put(7, 7);
  EXPECT_FALSE(c.find(5));
  EXPECT_TRUE(c.find(0) && c.find(2) && c.find(6) && c.find(7));
}

TEST_F(Cache, AnInsertWhereEverythingWasHitDoesNotGoThroughAllOfIt) {
  const cache<int, int> c({.max_entries = 1000, .ttl = duration::max()});
  for (int i = 0; i < 1000; ++i) c.put(i, i);
  for (int i = 0; i < 1000; ++i) (void)c.find(i);
  c.put(1000, 1000);
  EXPECT_EQ(c.size(), 1000U);
  EXPECT_TRUE(c.find(0)) << "the hand did not come round to where it began";
  EXPECT_FALSE(c.find(256)) << "where it gave up looking for one without a mark";
}

TEST_F(Cache, WeighsNoMoreThanItMay) {
  const cache<int, std::string> c({.max_entries = 100, .max_weight = 1000, .shards = 1},
                                  [](int, const std::string& s) { return s.size(); });
  c.put(1, std::string(600, 'a'));
  c.put(2, std::string(400, 'b'));
  EXPECT_EQ(c.weight(), 1000U);
  c.put(3, std::string(1, 'c'));
  EXPECT_EQ(c.weight(), 401U);
  EXPECT_FALSE(c.find(1));
  c.put(2, std::string(999, 'd'));
  EXPECT_EQ(c.weight(), 1000U) << "a new value counts instead of the old one";
  c.put(2, std::string(1001, 'e'));
  EXPECT_FALSE(c.find(2)) << "too heavy, and the old one is not its value any more";
  EXPECT_EQ(c.weight(), 1U);
  for (int i = 0; i < 100; ++i) c.put(i, std::string(10, 'x'));
  EXPECT_EQ(c.size(), 100U);
  c.put(1000, std::string(1000, 'y'));  // all the others go
  EXPECT_EQ(c.size(), 1U);
  EXPECT_EQ(c.info().state.substr(0, 25), "1 entries of weight 1000,");
}

TEST_F(Cache, TakesTheMemoryItSays) {
  const cache<std::uint64_t, std::uint64_t> c({.max_entries = 100'000, .shards = 4});
  EXPECT_EQ(c.entry_bytes, 64U);
  EXPECT_EQ(c.memory_bytes(), 100'000 * c.entry_bytes + 4 * 32'768 * 4);
  const cache<std::uint64_t, std::uint64_t> small({.max_entries = 1});
  EXPECT_EQ(small.memory_bytes(), 64U + 4);
}

TEST_F(Cache, ForgetsWhatItIsToldToForget) {
  const pages c({.ttl = duration::max()});
  EXPECT_FALSE(c.invalidate("k"));
  c.put("k", 1);
  c.put("l", 2);
  EXPECT_TRUE(c.invalidate("k"));
  EXPECT_FALSE(c.find("k"));
  EXPECT_EQ(c.find("l"), 2);
  c.clear();
  EXPECT_FALSE(c.find("l"));
  EXPECT_EQ(c.size(), 0U);
  EXPECT_EQ(c.weight(), 0U);
}

TEST_F(Cache, DestroysValuesWhenTheyGo) {
  const auto value = std::make_shared<int>(1);
  {
    const cache<int, std::shared_ptr<int>> c({.max_entries = 3});
    for (int i = 0; i < 5; ++i) c.put(i, value);
    EXPECT_EQ(value.use_count(), 1 + 3);
    c.put(4, value);
    EXPECT_EQ(value.use_count(), 1 + 3);
    c.invalidate(4);
    EXPECT_EQ(value.use_count(), 1 + 2);
    c.clear();
    EXPECT_EQ(value.use_count(), 1);
    c.put(1, value);
  }
  EXPECT_EQ(value.use_count(), 1);
}

// What is written while a load is under way is newer than what the load gives.
class CacheWrites : public ::testing::TestWithParam<int> {
 protected:
  static void write(const pages& c) {
    switch (GetParam()) {
      case 0: return c.put("k", 50);
      case 1: (void)c.invalidate("k"); return;
      default: return c.clear();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, CacheWrites, ::testing::Range(0, 3), [](const auto& p) {
  return std::string(std::array{"Put", "Invalidate", "Clear"}[static_cast<std::size_t>(p.param)]);
});

TEST_P(CacheWrites, WinOverALoadThatBeganBefore) {
  sim_runtime sim;
  source from{.takes = 100ms};
  const pages c({.ttl = duration::max()});
  auto before = sim.spawn(c.get("k", from.load()));
  auto other = sim.spawn(c.get("l", from.load()));
  sim.advance(50ms);
  from.value = 2;
  write(c);
  auto after = sim.spawn(c.get("k", from.load()));
  sim.advance(50ms);
  EXPECT_EQ(sim.get(before), 1) << "who waited gets it";
  EXPECT_EQ(c.find("k").value_or(0), GetParam() == 0 ? 50 : 0) << "but it is not kept";
  EXPECT_EQ(c.find("l").has_value(), GetParam() != 2);
  sim.advance(50ms);
  EXPECT_EQ(sim.get(after), GetParam() == 0 ? 50 : 2) << "who came later did not wait for it";
  EXPECT_EQ(c.find("k"), GetParam() == 0 ? 50 : 2);
}

TEST_F(Cache, AfterAShareOfItsLifeAHitLetsTheValueBeLoadedAnewInTheBackground) {
  const pages c({.ttl = 10s, .ttl_jitter = 0, .refresh_after = 0.5});
  (void)get(c);
  from = {.value = 2, .takes = 1s};
  sim.advance(5s - 1ns);
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(from.loads, 0);
  sim.advance(1ns);
  const time_point start = sim.now();
  EXPECT_EQ(get(c), 1) << "the old one, at once";
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(sim.now(), start);
  EXPECT_EQ(from.loads, 1) << "once";
  sim.advance(1s);
  EXPECT_EQ(get(c), 2);
  sim.advance(10s - 1ns);
  EXPECT_EQ(find(c, "k"), 2) << "a whole life from the new load";
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_EQ(counter(c, "refreshes"), 1U);
}

TEST_F(Cache, WithJitterNothingIsRefreshedBeforeItsShare) {
  const cache<int, int> c({.ttl = 100s, .ttl_jitter = 0.5, .refresh_after = 0.5});
  in_task(sim, [&] {
    for (int i = 0; i < 100; ++i) c.put(i, i);
    return true;
  });
  sim.advance(25s - 1ns);  // half of the shortest life
  for (int i = 0; i < 100; ++i) (void)sim.run(c.get(i, from.load()));
  EXPECT_EQ(from.loads, 0);
}

TEST_F(Cache, WhoComesWhenTheValueHasExpiredWaitsForARefreshThatIsUnderWay) {
  const pages c({.ttl = 10s, .ttl_jitter = 0, .refresh_after = 0.5});
  (void)get(c);
  from = {.value = 2, .takes = 7s};
  sim.advance(5s);
  (void)get(c);
  sim.advance(6s);
  const time_point start = sim.now();
  EXPECT_EQ(get(c), 2);
  EXPECT_EQ(sim.now() - start, 1s);
  EXPECT_EQ(from.loads, 1);
}

TEST_F(Cache, ARefreshThatFailsLeavesTheValueAndIsNotRepeated) {
  const pages c({.ttl = 10s, .ttl_jitter = 0, .refresh_after = 0.5});
  (void)get(c);
  from.fails = error_of(errc::unavailable);
  sim.advance(5s);
  EXPECT_EQ(get(c), 1);
  sim.advance(1s);
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(from.loads, 2);
  sim.advance(4s);
  EXPECT_EQ(get(c).error().code(), errc::unavailable);
  EXPECT_EQ(counter(c, "failed loads"), 2U);
  EXPECT_EQ(counter(c, "stale served"), 0U);
}

TEST_F(Cache, ARefreshMayThrow) {
  const pages c({.ttl = 10s, .ttl_jitter = 0, .refresh_after = 0.5});
  (void)get(c);
  sim.advance(5s);
  EXPECT_EQ(sim.run(c.get("k", [] -> task<int> {
              throw std::runtime_error("broken");
              co_return 1;
            })),
            1);
  sim.run_until_idle();
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_EQ(get(c), 1);
}

TEST_F(Cache, ARefreshSurvivesItsCallerButNotTheCache) {
  std::optional<pages> c(std::in_place, cache_options{.ttl = 10s, .ttl_jitter = 0, .refresh_after = 0.5});
  (void)get(*c);
  from.takes = 2s;
  sim.advance(5s);
  EXPECT_EQ(sim.run(with_timeout(1ms, c->get("k", from.load()))), 1);
  sim.advance(1s);
  EXPECT_EQ(from.cancelled, 0);
  c.reset();
  sim.run_until_idle();
  EXPECT_EQ(from.cancelled, 1);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST_F(Cache, ALoadMayOutliveTheCacheIfItsCallersLeft) {
  std::optional<pages> c(std::in_place);
  const auto deaf = [] -> task<result<int>> {
    (void)co_await without_cancel([]() -> task<result<void>> { co_return co_await sleep_for(1h); }());
    co_return 1;
  };
  auto left = sim.spawn(with_timeout(1ms, c->get("k", deaf)));
  sim.advance(1ms);
  EXPECT_EQ(sim.get(left).error().code(), errc::deadline_exceeded);
  c.reset();
  EXPECT_EQ(sim.live_tasks(), 1U);
  sim.advance(1h);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST_F(Cache, AnErrorThatIsToBeKeptIsKeptForItsOwnTime) {
  const pages c({.ttl = 1h, .negative = {errc::not_found, errc::permission_denied}, .negative_ttl = 1s});
  from.fails = make_error(errc::not_found, "no such page");
  EXPECT_EQ(get(c).error().message(), "no such page");
  EXPECT_EQ(get(c).error().message(), "no such page");
  EXPECT_EQ(from.loads, 1);
  EXPECT_EQ(find(c, "k"), std::nullopt);
  sim.advance(1s);
  from.fails = error_of(errc::unavailable);
  EXPECT_EQ(get(c).error().code(), errc::unavailable);
  EXPECT_EQ(get(c).error().code(), errc::unavailable) << "this one is not";
  EXPECT_EQ(from.loads, 3);
  from.fails = {};
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(counter(c, "negative hits"), 1U);
}

TEST_F(Cache, ErrorsAreNotKeptUnlessThereIsATimeForThem) {
  const pages c;
  from.fails = error_of(errc::not_found);
  (void)get(c);
  (void)get(c);
  EXPECT_EQ(from.loads, 2);
}

TEST_F(Cache, AnOldValueIsBetterThanAnErrorOfASourceInTrouble) {
  const pages c({.ttl = 10s, .ttl_jitter = 0, .stale_for = 1min});
  (void)get(c);
  sim.advance(10s);
  for (const errc trouble : {errc::unavailable, errc::circuit_open, errc::timed_out}) {
    from.fails = error_of(trouble);
    EXPECT_EQ(get(c), 1);
  }
  from.fails = error_of(errc::not_found);
  EXPECT_EQ(get(c).error().code(), errc::not_found) << "its source knows better";
  from.fails = error_of(errc::unavailable);
  sim.advance(1min - 1ns);
  EXPECT_EQ(get(c), 1);
  sim.advance(1ns);
  EXPECT_EQ(get(c).error().code(), errc::unavailable);
  EXPECT_EQ(counter(c, "stale served"), 4U);
  EXPECT_EQ(c.size(), 0U) << "too old for anything";
}

TEST_F(Cache, AClockThatJumpsMakesEntriesGoNotStay) {
  using phase = detail::cache_times::phase;
  const detail::cache_times times{.longest = 10s, .stale_for = 5s, .refresh_window = 0s};
  const time_point made{1000s};
  const time_point end = made + 10s;
  EXPECT_EQ(times.at(made, end), phase::fresh);
  EXPECT_EQ(times.at(made - 1ns, end), phase::gone) << "it went back";
  EXPECT_EQ(times.at(end - 1ns, end), phase::fresh);
  EXPECT_EQ(times.at(end, end), phase::stale);
  EXPECT_EQ(times.at(end + 5s, end), phase::gone);
  EXPECT_EQ(times.at(time_point::max(), end), phase::gone);

  const pages c({.ttl = 10s});
  (void)get(c);
  sim.advance(24h * 365 * 100);
  EXPECT_EQ(get(c), 1);
  EXPECT_EQ(from.loads, 2);
}

TEST_F(Cache, TheGreatestBoundOfWeightIsABoundAndNotNone) {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  const auto half = [](const std::string&, int) { return (most >> 1) + 1; };
  const pages alone({.max_entries = 100, .max_weight = most, .shards = 1}, half);
  alone.put("a", 1);
  alone.put("b", 2);
  EXPECT_EQ(alone.size(), 1U);
  EXPECT_EQ(alone.weight(), (most >> 1) + 1);
  const pages sharded({.max_entries = 100, .max_weight = most, .shards = 8}, [](const std::string&, int) { return 1; });
  for (int i = 0; i < 20; ++i) sharded.put(std::to_string(i), i);
  EXPECT_EQ(sharded.size(), 20U);
}

TEST_F(Cache, RefusesNonsense) {
  const auto refused = [](cache_options o) { EXPECT_THROW(pages{std::move(o)}, std::invalid_argument); };
  refused({.max_entries = 0});
  refused({.max_entries = (std::size_t{1} << 31) + 1});
  refused({.max_weight = 5});
  EXPECT_THROW(pages({}, [](const std::string&, int) { return 1; }), std::invalid_argument);
  refused({.ttl = 0s});
  refused({.ttl = -1s});
  refused({.ttl_jitter = 0.6});
  refused({.ttl_jitter = -0.1});
  refused({.refresh_after = 1});
  refused({.refresh_after = -0.5});
  refused({.stale_for = -1s});
  refused({.negative_ttl = -1s});
  refused({.max_entries = 2, .shards = 3});
  refused({.shards = 4097});
}

TEST_F(Cache, IsListedWithItsLoads) {
  const pages c({.max_entries = 100,
                 .ttl = 30s,
                 .refresh_after = 0.8,
                 .stale_for = 1min,
                 .negative_ttl = 500ms,
                 .name = "pages"});
  (void)get(c);
  (void)get(c);
  const auto all = list_policies();
  ASSERT_GE(all.size(), 2U);
  const policy_info& own = all[all.size() - 2];
  EXPECT_EQ(own.kind, "cache");
  EXPECT_EQ(own.name, "pages");
  EXPECT_EQ(own.settings, "100 entries, ttl 30s, refresh after 80%, stale for 60s, errors for 500ms");
  EXPECT_EQ(own.state, "1 entries, 50% hits");
  EXPECT_EQ(all.back().name, "pages.loads");
}

}  // namespace
}  // namespace tandem::resilience
