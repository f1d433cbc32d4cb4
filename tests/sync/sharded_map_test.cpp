#include <tandem/sync/sharded_map.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lives.hpp"

namespace tandem::sync {
namespace {

using ints = sharded_map<int, int>;
static_assert(!std::is_copy_constructible_v<ints> && !std::is_copy_assignable_v<ints>);
static_assert(!std::is_move_constructible_v<ints>);

struct constant_hash {
  std::size_t operator()(int) const { return 0; }
};

TEST(ShardedMap, FindsWhatWasInserted) {
  sharded_map<std::string, int> m;
  EXPECT_TRUE(m.empty());
  EXPECT_TRUE(m.insert("a", 1));
  EXPECT_FALSE(m.insert("a", 2));
  EXPECT_EQ(m.find("a"), 1);
  EXPECT_EQ(m.find("b"), std::nullopt);
  EXPECT_TRUE(m.contains("a"));
  EXPECT_EQ(m.size(), 1u);
  EXPECT_FALSE(m.insert_or_assign("a", 3));
  EXPECT_TRUE(m.insert_or_assign("b", 4));
  EXPECT_EQ(m.find("a"), 3);
  EXPECT_TRUE(m.erase("a"));
  EXPECT_FALSE(m.erase("a"));
  EXPECT_FALSE(m.contains("a"));
  EXPECT_EQ(m.size(), 1u);
}

TEST(ShardedMap, UpdateChangesWhatIsThereOnly) {
  ints m;
  EXPECT_FALSE(m.update(1, [](int&) { FAIL() << "there is nothing to change"; }));
  m.insert(1, 10);
  EXPECT_TRUE(m.update(1, [](int& v) { v += 5; }));
  EXPECT_EQ(m.find(1), 15);
}

TEST(ShardedMap, ComputeInsertsChangesAndErases) {
  ints m;
  EXPECT_FALSE(m.compute(1, [](std::optional<int>& v) { EXPECT_EQ(v, std::nullopt); }));
  EXPECT_TRUE(m.compute(1, [](std::optional<int>& v) { v = 1; }));
  EXPECT_EQ(m.size(), 1u);
  EXPECT_TRUE(m.compute(1, [](std::optional<int>& v) { ++*v; }));
  EXPECT_EQ(m.find(1), 2);
  EXPECT_EQ(m.size(), 1u);
  EXPECT_FALSE(m.compute(1, [](std::optional<int>& v) { v.reset(); }));
  EXPECT_TRUE(m.empty());
}

TEST(ShardedMap, GrowsAndKeepsEverything) {
  ints m({.shards = 1});
  constexpr int n = 20'000;
  for (int i = 0; i < n; ++i) ASSERT_TRUE(m.insert(i * 64, i));
  for (int i = 0; i < n; ++i) ASSERT_EQ(m.find(i * 64), i);
  EXPECT_EQ(m.size(), static_cast<std::size_t>(n));
  m.clear();
  EXPECT_TRUE(m.empty());
  EXPECT_FALSE(m.contains(64));
  EXPECT_TRUE(m.insert(64, 1));
}

TEST(ShardedMap, ForEachMeetsEachEntryOnce) {
  ints m;
  for (int i = 0; i < 1'000; ++i) m.insert(i, -i);
  std::map<int, int> seen;
  m.for_each([&](const int& k, const int& v) { EXPECT_TRUE(seen.emplace(k, v).second); });
  EXPECT_EQ(seen.size(), 1'000u);
  for (const auto& [k, v] : seen) EXPECT_EQ(v, -k);
}

TEST(ShardedMap, ForEachMeetsEachEntryOnceWhileTheMapGrowsUnderIt) {
  ints m({.shards = 2});
  for (int i = 0; i < 100; ++i) m.insert(i, i);
  std::map<int, int> times;
  int more = 1'000;
  m.for_each([&](const int& k, const int&) {
    ++times[k];
    if (more < 20'000)
      for (int i = 0; i < 100; ++i, ++more) m.insert(more, 0);
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(times[i], 1) << i;
  for (const auto& [k, n] : times) EXPECT_EQ(n, 1) << k;
}

TEST(ShardedMap, ForEachMayEraseWhatItMeets) {
  lives::guard all_gone;
  sharded_map<int, lives> m;
  for (int i = 0; i < 1'000; ++i) m.insert(i, lives(i));
  std::size_t met = 0;
  m.for_each([&](const int& k, const lives& v) {
    EXPECT_TRUE(m.erase(k));
    EXPECT_TRUE(v.alive());  // as long as the call lasts
    ++met;
  });
  EXPECT_EQ(met, 1'000u);
  EXPECT_TRUE(m.empty());
}

TEST(ShardedMap, ForEachStopsAtAClearThatHappensInside) {
  ints m({.shards = 1});
  for (int i = 0; i < 1'000; ++i) m.insert(i, i);
  int met = 0;
  m.for_each([&](const int&, const int&) {
    if (met++ == 0) m.clear();
  });
  EXPECT_LT(met, 100);  // at most the chain it was in
  EXPECT_TRUE(m.empty());
}

TEST(ShardedMap, ForEachAndVisitLetExceptionsOut) {
  ints m;
  m.insert(1, 1);
  EXPECT_THROW(m.for_each([](const int&, const int&) { throw std::runtime_error("stop"); }), std::runtime_error);
  EXPECT_THROW(m.visit(1, [](const int&) { throw std::runtime_error("stop"); }), std::runtime_error);
  EXPECT_TRUE(m.erase(1));
}

TEST(ShardedMap, AVisitedValueStaysWhileItIsVisited) {
  lives::guard all_gone;
  sharded_map<int, lives> m({.shards = 1});
  m.insert(1, lives(1));
  EXPECT_TRUE(m.visit(1, [&](const lives& v) {
    EXPECT_TRUE(m.erase(1));
    for (int i = 0; i < 1'000; ++i) m.insert_or_assign(2, lives(i));  // each may free what was erased
    EXPECT_TRUE(v.alive());
    EXPECT_EQ(v.value, 1);
  }));
  EXPECT_FALSE(m.contains(1));
  EXPECT_LE(lives::count(), 40);  // what is kept to be destroyed later is bounded
  m.clear();
  EXPECT_EQ(lives::count(), 0);
}

TEST(ShardedMap, TheMapMayBeUsedWhereItCallsTheUser) {
  ints m;
  m.insert(1, 1);
  EXPECT_TRUE(m.update(1, [&](int& v) {
    EXPECT_TRUE(m.insert(2, 2));
    v = *m.find(2);
  }));
  EXPECT_EQ(m.find(1), 2);
}

TEST(ShardedMap, AnUpdateOvertakenByAnotherIsComputedAgain) {
  ints m;
  m.insert(1, 1);
  int calls = 0;
  EXPECT_TRUE(m.update(1, [&](int& v) {
    if (calls++ == 0) m.insert_or_assign(1, 10);  // as another thread might
    v += 1;
  }));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(m.find(1), 11);
}

TEST(ShardedMap, AnUpdateIsNotComputedAgainForOtherKeys) {
  ints m({.shards = 1});
  m.insert(1, 1);
  int calls = 0;
  EXPECT_TRUE(m.update(1, [&](int& v) {
    ++calls;
    for (int i = 2; i < 200; ++i) m.insert(i, i);
    v = 5;
  }));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(m.find(1), 5);
}

TEST(ShardedMap, ComputeSeesThatItsKeyWasErasedMeanwhile) {
  ints m;
  m.insert(1, 1);
  std::vector<std::optional<int>> seen;
  EXPECT_TRUE(m.compute(1, [&](std::optional<int>& v) {
    seen.push_back(v);
    if (seen.size() == 1) m.erase(1);
    v = 7;
  }));
  EXPECT_EQ(seen, (std::vector<std::optional<int>>{1, std::nullopt}));
  EXPECT_EQ(m.size(), 1u);
}

TEST(ShardedMap, HoldsWhatCannotBeCopied) {
  sharded_map<int, std::unique_ptr<int>> m;
  EXPECT_TRUE(m.insert(1, std::make_unique<int>(5)));
  EXPECT_FALSE(m.insert_or_assign(1, std::make_unique<int>(6)));
  int seen = 0;
  EXPECT_TRUE(m.visit(1, [&](const std::unique_ptr<int>& p) { seen = *p; }));
  EXPECT_EQ(seen, 6);
}

struct throwing_hash {
  inline static bool fails = false;
  std::size_t operator()(int k) const {
    if (fails) throw std::runtime_error("hash");
    return static_cast<std::size_t>(k);
  }
};
struct throwing_equal {
  inline static bool fails = false;
  bool operator()(int a, int b) const {
    if (fails) throw std::runtime_error("equal");
    return a == b;
  }
};

TEST(ShardedMap, ExceptionsOfTheUserLeaveTheMapAsItWas) {
  lives::guard all_gone;
  sharded_map<int, lives, throwing_hash, throwing_equal> m({.shards = 1});
  for (int i = 0; i < 100; ++i) m.insert(i, lives(i));
  const lives other(7);
  for (bool* const fails : {&throwing_hash::fails, &throwing_equal::fails}) {
    *fails = true;
    EXPECT_THROW((void)m.find(1), std::runtime_error);
    EXPECT_THROW((void)m.contains(1), std::runtime_error);
    EXPECT_THROW(m.insert(1, lives(7)), std::runtime_error);
    EXPECT_THROW(m.insert_or_assign(1, lives(7)), std::runtime_error);
    EXPECT_THROW(m.erase(1), std::runtime_error);
    EXPECT_THROW(m.update(1, [](lives&) {}), std::runtime_error);
    EXPECT_THROW(m.compute(1, [](std::optional<lives>&) {}), std::runtime_error);
    *fails = false;
  }
  lives::copies_throw = true;
  EXPECT_THROW((void)m.find(1), std::runtime_error);
  EXPECT_THROW(m.insert_or_assign(1, other), std::runtime_error);
  EXPECT_THROW(m.update(1, [](lives&) {}), std::runtime_error);
  lives::copies_throw = false;
  EXPECT_THROW(m.update(1,
                        [](lives& v) {
                          v.value = -1;
                          throw std::runtime_error("change");
                        }),
               std::runtime_error);
  EXPECT_EQ(m.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(m.find(i), lives(i));
}

TEST(ShardedMap, AHashThatIsTheSameForAllKeysWorks) {
  sharded_map<int, int, constant_hash> m;
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(m.insert(i, i));
  for (int i = 0; i < 500; i += 2) EXPECT_TRUE(m.erase(i));
  std::set<int> seen;
  m.for_each([&](const int& k, const int&) { EXPECT_TRUE(seen.insert(k).second); });
  EXPECT_EQ(seen.size(), 250u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(m.contains(i), i % 2 == 1);
}

// Runs, once, what a test wants to happen in the middle of a call.
std::function<void()> meanwhile;
void run_meanwhile() {
  if (const auto what = std::exchange(meanwhile, nullptr)) what();
}
struct equal_meanwhile {
  bool operator()(int a, int b) const {
    run_meanwhile();
    return a == b;
  }
};
struct moved_meanwhile {
  moved_meanwhile() = default;
  moved_meanwhile(moved_meanwhile&&) noexcept { run_meanwhile(); }
};

TEST(ShardedMap, ATableReplacedUnderASearchIsFreedAtItsEnd) {
  using map = sharded_map<int, int, constant_hash, equal_meanwhile>;
  map m({.shards = 1});
  const std::vector<std::function<void()>> calls{
      [&] { (void)m.find(2); },
      [&] { m.insert(2, 2); },
      [&] { m.insert_or_assign(2, 2); },
      [&] { m.erase(2); },
      [&] { m.update(2, [](int&) {}); },
      [&] { m.compute(2, [](std::optional<int>& v) { v = 2; }); },
  };
  const std::size_t before = detail::handed_over_count();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    for (const bool widens : {false, true}) {
      m.clear();
      m.insert(1, 1);
      meanwhile = [&] { widens ? m.reserve(1'000) : m.clear(); };
      calls[i]();
      EXPECT_FALSE(meanwhile);
      EXPECT_EQ(detail::handed_over_count(), before) << i << ' ' << widens;
    }
  }
}

TEST(ShardedMap, ATableReplacedBetweenTheAttemptsOfAWriteIsFreed) {
  const std::size_t before = detail::handed_over_count();
  sharded_map<int, moved_meanwhile> moved({.shards = 1});
  meanwhile = [&] { moved.clear(); };
  EXPECT_TRUE(moved.insert(1, moved_meanwhile()));
  EXPECT_FALSE(meanwhile);
  EXPECT_EQ(detail::handed_over_count(), before);

  ints m({.shards = 1});
  m.insert(1, 1);
  int calls = 0;
  EXPECT_TRUE(m.compute(1, [&](std::optional<int>& v) {  // the third attempt uses the record of the first again
    ++calls;
    m.clear();
    v = 5;
  }));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(m.find(1), 5);
  EXPECT_EQ(detail::handed_over_count(), before);
}

TEST(ShardedMap, OptionsAreChecked) {
  EXPECT_THROW(ints({.shards = 4'097}), std::invalid_argument);
  EXPECT_EQ(ints({.shards = 1}).shard_count(), 1u);
  EXPECT_EQ(ints({.shards = 5}).shard_count(), 8u);
  EXPECT_EQ(ints({.shards = 4'096}).shard_count(), 4'096u);
  EXPECT_GE(ints().shard_count(), 8u);
  ints m;
  EXPECT_THROW(m.reserve(SIZE_MAX), std::length_error);
  m.insert(1, 1);
  m.reserve(100'000);
  m.reserve(0);
  EXPECT_EQ(m.find(1), 1);
}

TEST(ShardedMapModel, RandomOperationsAgreeWithAnUnorderedMap) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    lives::guard all_gone;
    sharded_map<int, lives> m({.shards = 1 + random() % 8});
    std::unordered_map<int, int> model;
    for (int i = 0; i < 5'000; ++i) {
      const int k = static_cast<int>(random() % 200), v = static_cast<int>(random() % 1'000);
      switch (random() % 10) {
        case 0: ASSERT_EQ(m.insert(k, lives(v)), model.emplace(k, v).second); break;
        case 1: ASSERT_EQ(m.insert_or_assign(k, lives(v)), model.insert_or_assign(k, v).second); break;
        case 2: ASSERT_EQ(m.erase(k), model.erase(k) == 1); break;
        case 3: {
          const auto at = model.find(k);
          if (at != model.end()) at->second += v;
          ASSERT_EQ(m.update(k, [v](lives& x) { x.value += v; }), at != model.end());
          break;
        }
        case 4: {
          const bool keep = random() % 2 == 0;
          ASSERT_EQ(m.compute(k,
                              [&](std::optional<lives>& x) {
                                if (keep)
                                  x.emplace(v);
                                else
                                  x.reset();
                              }),
                    keep);
          model.erase(k);
          if (keep) model[k] = v;
          break;
        }
        case 5:
          if (random() % 100 == 0) {
            m.clear();
            model.clear();
          } else if (random() % 20 == 0) {
            m.reserve(random() % 1'000);
          }
          break;
        case 6: {
          std::unordered_map<int, int> seen;
          if (random() % 50 != 0) break;
          m.for_each([&](const int& key, const lives& value) { ASSERT_TRUE(seen.emplace(key, value.value).second); });
          ASSERT_EQ(seen, model);
          break;
        }
        default: {
          const auto found = m.find(k);
          const auto at = model.find(k);
          ASSERT_EQ(found.has_value(), at != model.end());
          if (found) {
            ASSERT_EQ(found->value, at->second);
          }
        }
      }
      ASSERT_EQ(m.size(), model.size());
    }
    m.clear();
  }
}

TEST(ShardedMapThreads, NoUpdateIsLost) {
  ints m({.shards = 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) m.compute(i % 7, [](std::optional<int>& v) { v = v.value_or(0) + 1; });
    });
  for (auto& t : threads) t.join();
  int sum = 0;
  m.for_each([&](const int&, const int& v) { sum += v; });
  EXPECT_EQ(sum, 20'000);
}

TEST(ShardedMapThreads, ReadersMeetWhatIsAlwaysThereHoweverTheMapChanges) {
  lives::guard all_gone;
  {
    sharded_map<int, lives> m({.shards = 1});
    constexpr int fixed = 50;
    for (int i = 0; i < fixed; ++i) m.insert(i, lives(i));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        while (!stop) {
          for (int i = 0; i < fixed; ++i)
            if (!m.visit(i, [&](const lives& v) { wrong += v.alive() && v.value % fixed == i ? 0 : 1; })) ++wrong;
          std::vector<int> met(fixed, 0);
          m.for_each([&](const int& k, const lives& v) {
            if (!v.alive()) ++wrong;
            if (k < fixed) ++met[static_cast<std::size_t>(k)];
          });
          for (const int n : met) wrong += n == 1 ? 0 : 1;
        }
      });
    std::mt19937 random(1);
    for (int round = 0; round < 40; ++round) {
      for (int i = 0; i < 200; ++i) m.insert(1'000 + i + round * 100, lives(0));
      for (int i = 0; i < fixed; ++i) m.update(i, [](lives& v) { v.value += fixed; });
      for (int i = 0; i < 100; ++i) m.erase(1'000 + static_cast<int>(random() % 4'000));
    }
    stop = true;
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST(ShardedMapThreads, ClearingWhileOthersReadAndWriteFreesEverythingOnce) {
  lives::guard all_gone;
  {
    sharded_map<int, lives> m({.shards = 2});
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t));
        while (!stop) {
          const int k = static_cast<int>(random() % 500);
          if (random() % 2 == 0)
            m.insert(k, lives(k));
          else if (const auto v = m.find(k); v && v->value != k)
            ++wrong;
        }
      });
    for (int i = 0; i < 300; ++i) m.clear();
    stop = true;
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
    m.clear();
    EXPECT_EQ(m.size(), 0u);
  }
}

}  // namespace
}  // namespace tandem::sync
