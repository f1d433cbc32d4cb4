// What a cache finds of what it is asked for, beside what another policy would, and what no policy could better.
#include <tandem/resilience/cache.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "random_numbers.hpp"

namespace tandem::resilience {
namespace {

// What a cache that moves each hit to the front would do with the same requests.
class lru {
 public:
  explicit lru(std::size_t most) : most_(most) {}
  bool hit(std::uint64_t key) {
    const auto [at, is_new] = places_.try_emplace(key);
    if (is_new) {
      if (order_.size() == most_) {
        places_.erase(order_.back());
        order_.pop_back();
      }
      order_.push_front(key);
    } else {
      order_.splice(order_.begin(), order_, at->second);
    }
    at->second = order_.begin();
    return !is_new;
  }

 private:
  std::size_t most_;
  std::list<std::uint64_t> order_;  // the latest use first
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places_;
};

// Zipf's law: the i-th most popular of n keys is asked for in proportion to 1 / i^s.
class zipf {
 public:
  zipf(std::size_t n, double s) : up_to_(n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) up_to_[i] = sum += 1 / std::pow(static_cast<double>(i + 1), s);
  }
  std::uint64_t next(random_numbers& random) const {
    const double at = static_cast<double>(random.next() >> 11) * 0x1p-53 * up_to_.back();
    return static_cast<std::uint64_t>(std::ranges::lower_bound(up_to_, at) - up_to_.begin());
  }
  /// The hit rate of one that holds the n most popular keys for ever: no cache can do better with independent requests.
  double best(std::size_t n) const { return up_to_[n - 1] / up_to_.back(); }

 private:
  std::vector<double> up_to_;
};

class tried {
 public:
  explicit tried(std::size_t most) : cache_({.max_entries = most, .ttl = duration::max()}), lru_(most) {}
  void ask(std::uint64_t key, bool counts) {
    const bool hit = cache_.find(key).has_value();
    if (!hit) cache_.put(key, key);
    const bool lru_hit = lru_.hit(key);
    if (!counts) return;
    ++asked_;
    hits_ += hit;
    lru_hits_ += lru_hit;
  }
  double rate() const { return static_cast<double>(hits_) / static_cast<double>(asked_); }
  double lru_rate() const { return static_cast<double>(lru_hits_) / static_cast<double>(asked_); }

 private:
  cache<std::uint64_t, std::uint64_t> cache_;
  lru lru_;
  int asked_ = 0, hits_ = 0, lru_hits_ = 0;
};

constexpr std::size_t keys = 100'000;
constexpr std::uint64_t scanned = 1'000'000;  // the first key that only scans ask for

TEST(CacheHitRate, IsNearTheBestThereIsWhenPopularityFollowsZipf) {
  for (const double s : {0.99, 1.0}) {
    const zipf popularity(keys, s);
    for (const std::size_t most : {1'000U, 10'000U}) {
      random_numbers random(1);
      tried t(most);
      for (int i = 0; i < 300'000; ++i) t.ask(popularity.next(random), i >= 150'000);
      EXPECT_GT(t.rate(), 0.93 * popularity.best(most));
      EXPECT_GT(t.rate(), t.lru_rate() + 0.03);
    }
  }
}

TEST(CacheHitRate, DoesNotFallWhenAScanGoesOnBesides) {
  const zipf popularity(keys, 1);
  random_numbers random(1);
  tried alone(5'000), with_scan(5'000);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t key = popularity.next(random);
    alone.ask(key, i >= 100'000);
    with_scan.ask(key, i >= 100'000);
    with_scan.ask(scanned + static_cast<std::uint64_t>(i), false);
    with_scan.ask(2 * scanned + static_cast<std::uint64_t>(i), false);
  }
  EXPECT_GT(with_scan.rate(), 0.9 * alone.rate());
  EXPECT_LT(with_scan.lru_rate(), 0.9 * alone.lru_rate()) << "else this trace proves nothing";
}

TEST(CacheHitRate, AScanOfManyTimesItsSizeDoesNotEmptyIt) {
  const zipf popularity(keys, 1);
  random_numbers random(1);
  tried t(5'000);
  for (int i = 0; i < 200'000; ++i) t.ask(popularity.next(random), false);
  for (std::uint64_t i = 0; i < 50'000; ++i) t.ask(scanned + i, false);
  for (int i = 0; i < 2'000; ++i) t.ask(popularity.next(random), true);
  EXPECT_GT(t.rate(), 0.75 * popularity.best(5'000));
  EXPECT_LT(t.lru_rate(), 0.65 * popularity.best(5'000)) << "else this trace proves nothing";
}

}  // namespace
}  // namespace tandem::resilience
