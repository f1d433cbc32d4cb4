// A cache beside a model of it, and under fire from several threads.
#include <tandem/resilience/cache.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/with_context.hpp>

#include "random_numbers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;

TEST(CacheModel, NeverGivesAnythingButTheLastValueOfAKey) {
  struct poor_hash {
    std::size_t operator()(int k) const noexcept { return static_cast<std::size_t>(k % 8); }
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_numbers random(seed);
    const cache<int, int, poor_hash> c({.max_entries = 40, .max_weight = 300, .ttl = duration::max(), .shards = 2},
                                       [](int, int v) { return static_cast<std::uint64_t>(v % 20); });
    std::map<int, int> model;
    for (int i = 0; i < 5000; ++i) {
      const int key = random.below(100);
      const int what = random.below(100);
      if (what < 40) {
        c.put(key, i);
        model[key] = i;
      } else if (what < 50) {
        c.invalidate(key);
        model.erase(key);
      } else if (what == 99) {
        c.clear();
        model.clear();
        EXPECT_EQ(c.size(), 0U);
      } else if (const auto found = c.find(key)) {
        ASSERT_TRUE(model.contains(key)) << "seed " << seed;
        ASSERT_EQ(*found, model[key]) << "seed " << seed;
      }
      std::uint64_t weight = 0;
      std::size_t size = 0;
      if (i % 100 == 0) {
        for (int k = 0; k < 100; ++k)
          if (const auto found = c.find(k)) ++size, weight += static_cast<std::uint64_t>(*found % 20);
        ASSERT_EQ(c.size(), size);
        ASSERT_EQ(c.weight(), weight);
        ASSERT_LE(size, 40U);
        ASSERT_LE(weight, 300U);
      }
    }
  }
}

TEST(CacheStress, AValueThatStaysIsLoadedOnceHoweverManyThreadsAskForIt) {
  constexpr int callers = 16, keys = 3000;
  runtime rt({.workers = 4});
  const cache<int, int> c({.ttl = duration::max()});
  std::atomic<int> loads{0}, wrong{0};
  auto caller = [&]() -> task<> {
    for (int key = 0; key < keys; ++key) {
      const auto load = [&loads, key]() -> task<int> {
        ++loads;
        co_return key;
      };
      const result<int> got = co_await c.get(key, load);
      if (got != key) ++wrong;
    }
  };
  auto all = [&]() -> task<> {
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < callers; ++i) handles.push_back(spawn(caller()));
    for (auto& h : handles) (void)co_await h.join();
  };
  rt.block_on(all());
  EXPECT_EQ(loads, keys);
  EXPECT_EQ(wrong, 0);
}

// Four threads read and write a cache that is too small for its keys; each value tells its key.
TEST(CacheStress, ReadersAndWritersOnManyThreadsSeeWhatBelongsToTheirKey) {
  constexpr int most_key = 60, callers = 16, calls = 600;
  runtime rt({.workers = 4});
  std::atomic<int> wrong{0}, got{0};
  {
    const cache<int, std::string> c({.max_entries = 30,
                                     .max_weight = 2000,
                                     .ttl = 100us,
                                     .ttl_jitter = 0.5,
                                     .refresh_after = 0.1,
                                     .stale_for = 1ms,
                                     .negative_ttl = 50us,
                                     .shards = 2},
                                    [](int, const std::string& s) { return s.size(); });
    auto caller = [&](std::uint64_t seed) -> task<> {
      random_numbers random(seed);
      for (int i = 0; i < calls; ++i) {
        const int key = random.below(most_key);
        const int what = random.below(40);
        const auto value = std::to_string(key) + std::string(static_cast<std::size_t>(random.below(80)), '.');
        auto load = [value, what]() -> task<result<std::string>> {
          if (what % 4 == 0) co_await this_task::yield();
          if (what == 1) co_return fail(errc::not_found);
          if (what == 2) co_return fail(errc::unavailable);
          co_return value;
        };
        std::optional<std::string> found;
        if (what == 39) {
          c.clear();
        } else if (what > 35) {
          c.invalidate(key);
        } else if (what > 30) {
          c.put(key, value);
        } else if (what > 25) {
          found = c.find(key);
        } else {
          auto asked = c.get(key, load);
          if (what > 15) asked = with_timeout(what % 3 * 5us, std::move(asked));
          if (result<std::string> loaded = co_await std::move(asked)) found = *std::move(loaded);
        }
        if (!found) continue;
        ++got;
        if (std::stoi(*found) != key) ++wrong;
      }
    };
    auto all = [&]() -> task<> {
      std::vector<join_handle<void>> handles;
      for (std::uint64_t i = 0; i < callers; ++i) handles.push_back(spawn(caller(i)));
      for (auto& h : handles) (void)co_await h.join();
    };
    rt.block_on(all());
    EXPECT_LE(c.size(), 30U);
    EXPECT_LE(c.weight(), 2000U);
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(got, callers * calls / 10);
  EXPECT_TRUE(rt.shutdown(10s).has_value()) << "the cache left nothing behind";
}

}  // namespace
}  // namespace tandem::resilience
