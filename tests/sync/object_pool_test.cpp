#include <tandem/sync/object_pool.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "lives.hpp"

namespace tandem::sync {
namespace {

using pool = object_pool<lives>;
static_assert(!std::is_copy_constructible_v<pool> && !std::is_copy_assignable_v<pool>);
static_assert(!std::is_move_constructible_v<pool>);
static_assert(!std::is_copy_constructible_v<pool::loan> && !std::is_copy_assignable_v<pool::loan>);
static_assert(std::is_nothrow_move_constructible_v<pool::loan> && std::is_nothrow_move_assignable_v<pool::loan>);

TEST(ObjectPool, WhatComesBackIsLentAgain) {
  lives::guard all_gone;
  pool p;
  const lives* first = nullptr;
  {
    auto a = p.get();
    first = &*a;
    a->value = 5;
  }
  EXPECT_EQ(p.idle(), 1u);
  auto b = p.get();
  EXPECT_EQ(&*b, first);
  EXPECT_EQ(b->value, 5);  // nothing was reset
  EXPECT_EQ(p.idle(), 0u);
}

TEST(ObjectPool, NoObjectIsLentTwiceAtATime) {
  pool p;
  std::vector<pool::loan> out;
  std::unordered_set<const lives*> seen;
  for (int i = 0; i < 100; ++i) {
    out.push_back(p.get());
    EXPECT_TRUE(seen.insert(&*out.back()).second);
  }
  out.clear();
  EXPECT_EQ(p.idle(), 100u);
  for (int i = 0; i < 100; ++i) {
    out.push_back(p.get());
    EXPECT_EQ(seen.erase(&*out.back()), 1u);
  }
}

TEST(ObjectPool, ObjectsAreResetWhenTheyComeBack) {
  pool p([] { return lives(1); }, [](lives& o) { o.value = 1; });
  { p.get()->value = 7; }
  EXPECT_EQ(p.get()->value, 1);
}

TEST(ObjectPool, WhatCannotBeResetIsDestroyed) {
  lives::guard all_gone;
  pool p([] { return lives(1); }, [](lives&) { throw std::runtime_error("no reset"); });
  { auto a = p.get(); }
  EXPECT_EQ(p.idle(), 0u);
  EXPECT_EQ(lives::count(), 0);
  auto b = p.get();
  EXPECT_THROW(p.put(std::move(b)), std::runtime_error);
  EXPECT_EQ(lives::count(), 0);
  EXPECT_FALSE(b);
}

TEST(ObjectPool, AMakeThatThrowsLeavesThePoolAsItWas) {
  lives::guard all_gone;
  bool fails = true;
  pool p([&]() -> lives {
    if (fails) throw std::runtime_error("no object");
    return lives(2);
  });
  EXPECT_THROW((void)p.get(), std::runtime_error);
  fails = false;
  EXPECT_EQ(p.get()->value, 2);
  EXPECT_EQ(p.idle(), 1u);
}

TEST(ObjectPool, ForeignObjectsAreRefused) {
  lives::guard all_gone;
  pool a, b;
  auto of_a = a.get();
  EXPECT_THROW(b.put(std::move(of_a)), std::logic_error);
  EXPECT_TRUE(of_a);  // the loan goes on
  EXPECT_EQ(b.idle(), 0u);
  a.put(std::move(of_a));
  EXPECT_FALSE(of_a);
  EXPECT_THROW(a.put(std::move(of_a)), std::logic_error);
  EXPECT_THROW(a.put(pool::loan()), std::logic_error);
  EXPECT_EQ(a.idle(), 1u);
}

TEST(ObjectPool, OptionsAreChecked) {
  EXPECT_THROW(pool(pool_options{.generation = duration::zero()}), std::invalid_argument);
  EXPECT_THROW(pool(pool_options{.generation = duration(-1)}), std::invalid_argument);
  EXPECT_THROW(object_pool<int>(std::function<int()>()), std::invalid_argument);
  pool forever(pool_options{.generation = duration::max()});
  { auto a = forever.get(); }
  EXPECT_EQ(forever.idle(), 1u);
}

TEST(ObjectPool, MayGoBeforeItsLoans) {
  lives::guard all_gone;
  int resets = 0;
  auto p = std::make_unique<pool>([] { return lives(3); }, [&](lives&) { ++resets; });
  auto a = p->get();
  auto b = p->get();
  p->put(std::move(b));
  p.reset();
  EXPECT_EQ(lives::count(), 1);  // what was idle went with the pool
  EXPECT_EQ(a->value, 3);
  a = {};
  EXPECT_EQ(resets, 2);
  EXPECT_EQ(lives::count(), 0);
}

TEST(ObjectPool, TwoTrimsFreeWhatNobodyUsedBetween) {
  lives::guard all_gone;
  pool p;
  {
    std::vector<pool::loan> many;
    for (int i = 0; i < 50; ++i) many.push_back(p.get());
  }
  p.trim();
  EXPECT_EQ(p.idle(), 50u);  // the last generation is kept
  { auto used = p.get(); }
  p.trim();
  EXPECT_EQ(p.idle(), 1u);
  EXPECT_EQ(lives::count(), 1);
  p.trim();
  EXPECT_EQ(p.idle(), 0u);
}

TEST(ObjectPool, GenerationsEndByTime) {
  lives::guard all_gone;
  testing::sim_runtime sim;
  auto body = [](std::vector<std::size_t>& idle) -> task<> {
    pool p(pool_options{.generation = std::chrono::seconds(1)});
    {
      std::vector<pool::loan> many;
      for (int i = 0; i < 40; ++i) many.push_back(p.get());
    }
    const auto use = [&] {
      for (int i = 0; i < 64; ++i) auto one = p.get();
      idle.push_back(p.idle());
    };
    co_await sleep_for(std::chrono::seconds(1) - duration(1));
    use();
    co_await sleep_for(duration(1));
    use();
    co_await sleep_for(std::chrono::seconds(1));
    use();
  };
  std::vector<std::size_t> idle;
  sim.run(body(idle));
  ASSERT_EQ(idle.size(), 3u);
  EXPECT_EQ(idle[0], 40u);
  EXPECT_EQ(idle[1], 40u);
  EXPECT_LE(idle[2], 2u);  // what was in use
}

TEST(ObjectPool, KeepsNoMoreThanItMay) {
  lives::guard all_gone;
  pool p(pool_options{.most_idle = 10});
  std::vector<pool::loan> many;
  for (int i = 0; i < 100; ++i) many.push_back(p.get());
  many.clear();
  EXPECT_LE(p.idle(), 18u);
  EXPECT_GE(p.idle(), 10u);
  pool none(pool_options{.most_idle = 0});
  for (int i = 0; i < 100; ++i) many.push_back(none.get());
  many.clear();
  EXPECT_LE(none.idle(), 8u);
}

TEST(ObjectPool, AThreadThatEndsLeavesItsPartToOthers) {
  lives::guard all_gone;
  pool p;
  const lives* seen = nullptr;
  std::thread([&] { seen = &*p.get(); }).join();
  EXPECT_EQ(p.idle(), 1u);
  EXPECT_EQ(&*p.get(), seen);
}

TEST(ObjectPool, AThreadMayOutliveAPoolItUsed) {
  lives::guard all_gone;
  auto p = std::make_unique<pool>();
  std::mutex m;
  std::condition_variable changed;
  int step = 0;
  std::thread t([&] {
    { auto a = p->get(); }
    std::unique_lock hold(m);
    step = 1;
    changed.notify_all();
    changed.wait(hold, [&] { return step == 2; });
    pool another;  // takes the place of the first in the thread's table
    { auto b = another.get(); }
    EXPECT_EQ(another.idle(), 1u);
  });
  {
    std::unique_lock hold(m);
    changed.wait(hold, [&] { return step == 1; });
  }
  p.reset();
  EXPECT_EQ(lives::count(), 0);
  {
    const std::lock_guard hold(m);
    step = 2;
    changed.notify_all();
  }
  t.join();
}

TEST(ObjectPool, ThreadLocalDestructorsMayReturnLoans) {
  lives::guard all_gone;
  pool p;
  std::thread([&] {
    thread_local pool::loan late;
    late = p.get();  // its part of the pool is destroyed before `late`
  }).join();
  EXPECT_EQ(p.idle(), 1u);
}

TEST(ObjectPool, DestructorsAndFunctionsMayUsePools) {
  struct uses_another {
    object_pool<int>* other;
    explicit uses_another(object_pool<int>* o) : other(o) {}
    ~uses_another() {
      auto a = other->get();
      object_pool<int> third;
      auto b = third.get();
    }
  };
  object_pool<int> other;
  std::thread([&] {
    object_pool<uses_another> p([&] { return uses_another(&other); }, {}, {.most_idle = 0});
    std::vector<object_pool<uses_another>::loan> many;
    for (int i = 0; i < 20; ++i) many.push_back(p.get());
    many.clear();
    p.trim();
    p.trim();
    for (int i = 0; i < 20; ++i) many.push_back(p.get());
  }).join();
  object_pool<uses_another> outlived([&] { return uses_another(&other); }, {}, {.most_idle = 0});
  std::thread([&] { auto a = outlived.get(); }).join();  // the end of the thread destroys it
  EXPECT_EQ(outlived.idle(), 0u);
}

TEST(ObjectPool, WhatExpiresInAReturnMayHoldLoansOfThePool) {
  lives::guard all_gone;
  struct carrier {
    lives one;
    std::vector<std::shared_ptr<void>> loans;
  };
  using carriers = object_pool<carrier>;
  testing::sim_runtime sim;
  auto body = []() -> task<> {
    carriers p({.most_idle = 0, .generation = std::chrono::seconds(1)});
    auto used = p.get();
    auto full = p.get();
    for (int i = 0; i < 8; ++i) full->loans.push_back(std::make_shared<carriers::loan>(p.get()));
    full = {};  // the first return
    used = {};  // on top of it: what is lent from now on
    for (int returns = 2; returns < 63; ++returns) auto again = p.get();
    p.trim();
    EXPECT_EQ(p.idle(), 2u);
    co_await sleep_for(std::chrono::seconds(1));
    { auto again = p.get(); }  // looks at the clock: `full` expires, and its loans fill the thread's part
    EXPECT_EQ(lives::count(), 5);
    EXPECT_EQ(p.idle(), 5u);
  };
  sim.run(body());
}

TEST(ObjectPoolModel, RandomOperationsAgreeWithCounts) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    lives::guard all_gone;
    std::size_t made = 0;
    pool p([&] {
      ++made;
      return lives(0);
    });
    // Objects that are idle, by the number of generations that have ended since they came back.
    std::vector<pool::loan> out;
    std::unordered_set<const lives*> fresh, old;
    for (int i = 0; i < 3'000; ++i) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          const std::size_t before = made;
          out.push_back(p.get());
          const lives* const got = &*out.back();
          if (made == before)
            ASSERT_EQ(fresh.erase(got) + old.erase(got), 1u);
          else
            ASSERT_TRUE(fresh.empty() && old.empty());
          break;
        }
        case 3:
        case 4:
        case 5:
          if (!out.empty()) {
            std::swap(out[random() % out.size()], out.back());
            fresh.insert(&*out.back());
            out.pop_back();
          }
          break;
        case 6:
          if (random() % 20 == 0) {
            p.trim();
            old = std::exchange(fresh, {});
          }
          break;
        default: ASSERT_EQ(p.idle(), fresh.size() + old.size());
      }
      ASSERT_EQ(lives::count(), static_cast<int>(out.size() + fresh.size() + old.size()));
    }
  }
}

TEST(ObjectPoolThreads, ObjectsAreNeverSharedAndNeverLost) {
  struct owned {
    std::atomic<int> users{0};
  };
  static std::atomic<int> living;
  struct counted : owned {
    counted() { ++living; }
    ~counted() { --living; }
  };
  living = 0;
  std::atomic<int> wrong{0};
  {
    object_pool<counted> p({.most_idle = 20});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t));
        std::vector<object_pool<counted>::loan> out;
        for (int i = 0; i < 20'000; ++i) {
          if (random() % 2 == 0 && out.size() < 20) {
            out.push_back(p.get());
            if (out.back()->users.fetch_add(1) != 0) ++wrong;
          } else if (!out.empty()) {
            if (out.back()->users.fetch_sub(1) != 1) ++wrong;
            out.pop_back();
          }
          if (random() % 2'000 == 0) p.trim();
        }
        for (auto& o : out) o->users = 0;
      });
    for (auto& t : threads) t.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(living, 0);
}

TEST(ObjectPoolThreads, APoolThatGoesWhileLoansEndFreesEverything) {
  lives::guard all_gone;
  for (int round = 0; round < 500; ++round) {
    auto p = std::make_unique<pool>();
    std::vector<pool::loan> a, b;
    for (int i = 0; i < 12; ++i) {
      a.push_back(p->get());
      b.push_back(p->get());
    }
    std::atomic<int> ready{0};
    const auto end = [&](std::vector<pool::loan>& loans) {
      ++ready;
      while (ready < 3) std::this_thread::yield();
      loans.clear();
    };
    std::thread one([&] { end(a); });
    std::thread two([&] { end(b); });
    ++ready;
    while (ready < 3) std::this_thread::yield();
    p.reset();
    one.join();
    two.join();
    ASSERT_EQ(lives::count(), 0);
  }
}

}  // namespace
}  // namespace tandem::sync
