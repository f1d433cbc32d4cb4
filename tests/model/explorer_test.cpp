// The explorer finds the mistakes it is there to find, in programs of a few lines with a known answer.
#include "explorer.hpp"

#include <memory>

#include <gtest/gtest.h>

#include <tandem/runtime/detail/sync.hpp>

namespace tandem::model {
namespace {

using detail::sync::atomic;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

struct two_words {
  atomic<int> x{0}, y{0};
  plain data;
  int first = -1, second = -1;
};

// Each writes its word and reads the other's.
void store_buffering(world& w, order stores, order loads, bool fences) {
  auto s = std::make_shared<two_words>();
  w.thread("first", [=] {
    s->x.store(1, stores);
    if (fences) detail::sync::atomic_thread_fence(memory_order_seq_cst);
    s->first = s->y.load(loads);
  });
  w.thread("second", [=] {
    s->y.store(1, stores);
    if (fences) detail::sync::atomic_thread_fence(memory_order_seq_cst);
    s->second = s->x.load(loads);
  });
  w.finally([=] { check(s->first == 1 || s->second == 1, "neither saw the other"); });
}

void message_passing(world& w, order store, order load) {
  auto s = std::make_shared<two_words>();
  w.thread("writer", [=] {
    s->data.set(7);
    s->x.store(1, store);
  });
  w.thread("reader", [=] {
    if (s->x.load(load) == 1) check(s->data.get() == 7, "the flag came before the data");
  });
}

TEST(Explorer, SeesStoresPassLaterLoadsUnlessFencesOrSeqCstForbidIt) {
  const options how{.preemptions = -1};
  const auto failure = [](const options& within, order stores, order loads, bool fences) {
    return explore(within, [=](world& w) { store_buffering(w, stores, loads, fences); }).failure;
  };
  EXPECT_NE(failure(how, memory_order_release, memory_order_acquire, false), "");
  EXPECT_EQ(failure(how, memory_order_relaxed, memory_order_relaxed, true), "");
  EXPECT_EQ(failure(how, memory_order_seq_cst, memory_order_seq_cst, false), "");
  // Interleavings alone do not show it.
  EXPECT_EQ(failure({.preemptions = -1, .old_values = 0}, memory_order_relaxed, memory_order_relaxed, false), "");
}

TEST(Explorer, SeesUnorderedAccessesToWhatAFlagPublishes) {
  const options how{.preemptions = -1};
  EXPECT_EQ(explore(how, [](world& w) { message_passing(w, memory_order_release, memory_order_acquire); }).failure, "");
  EXPECT_NE(explore(how, [](world& w) { message_passing(w, memory_order_relaxed, memory_order_acquire); }).failure, "");
  EXPECT_NE(explore(how, [](world& w) { message_passing(w, memory_order_release, memory_order_relaxed); }).failure, "");
}

TEST(Explorer, AHeavyFencePairsWithNothingAtAllOnTheOtherSide) {
  const auto dekker = [](world& w) {
    auto s = std::make_shared<two_words>();
    w.thread("light", [=] {
      s->x.store(1, memory_order_relaxed);
      detail::sync::light_fence();
      s->first = s->y.load(memory_order_relaxed);
    });
    w.thread("heavy", [=] {
      s->y.store(1, memory_order_relaxed);
      detail::sync::heavy_fence();
      s->second = s->x.load(memory_order_relaxed);
    });
    w.finally([=] { check(s->first == 1 || s->second == 1, "neither saw the other"); });
  };
  options how{.preemptions = -1};
  const outcome right = explore(how, dekker);
  EXPECT_EQ(right.failure, "");
  for (const site& s : right.sites)
    if (s.what == step::heavy_fence) how.mistake = {mutation::kind::drop, s};
  EXPECT_NE(explore(how, dekker).failure, "");
}

TEST(Explorer, ReportsADeadlockWithAScheduleThatReplays) {
  struct two_locks {
    detail::sync::mutex a, b;
  };
  const auto crossed = [](world& w) {
    auto s = std::make_shared<two_locks>();
    w.thread("one", [=] {
      const std::lock_guard a(s->a);
      const std::lock_guard b(s->b);
    });
    w.thread("other", [=] {
      const std::lock_guard b(s->b);
      const std::lock_guard a(s->a);
    });
  };
  const options how{};
  const outcome found = explore(how, crossed);
  EXPECT_EQ(found.failure, "nobody can go on: one (lock), other (lock)");
  EXPECT_NE(found.trace.find("other"), std::string::npos) << found.trace;
  EXPECT_EQ(replay(how, crossed, found.choices).failure, found.failure);
}

TEST(Explorer, ASpinningThreadWaitsForAWriteAndThenSeesIt) {
  const auto spin = [](bool written) {
    return [written](world& w) {
      auto s = std::make_shared<two_words>();
      w.thread("waits", [=] {
        while (s->x.load(memory_order_acquire) == 0) detail::sync::spin_pause();
        check(s->data.get() == 5, "woke without the data");
      });
      w.thread("writes", [=] {
        s->data.set(5);
        s->y.store(1, memory_order_relaxed);
        if (written) s->x.store(1, memory_order_release);
      });
    };
  };
  EXPECT_EQ(explore({.preemptions = -1}, spin(true)).failure, "");
  EXPECT_EQ(explore({.preemptions = -1}, spin(false)).failure, "nobody can go on: waits (pause)");
}

TEST(Explorer, TriesEveryOrderOfDependentStepsAndOneOrderOfTheOthers) {
  const auto adders = [](bool same) {
    return [same](world& w) {
      auto s = std::make_shared<two_words>();
      for (int i = 0; i < 3; ++i)
        w.thread("adds", [=] { (same || i == 0 ? s->x : s->y).fetch_add(1, memory_order_relaxed); });
    };
  };
  EXPECT_EQ(explore({.preemptions = -1}, adders(true)).executions, 6U);
  const outcome mixed = explore({.preemptions = -1}, adders(false));
  EXPECT_TRUE(mixed.complete);
  EXPECT_LT(mixed.executions, 6U);
  EXPECT_GE(mixed.executions, 2U);
}

TEST(Explorer, ALostUpdateShowsWhenTheReadModifyWriteIsTorn) {
  const auto adders = [](world& w) {
    auto s = std::make_shared<two_words>();
    for (int i = 0; i < 2; ++i) w.thread("adds", [=] { s->x.fetch_add(1, memory_order_relaxed); });
    w.finally([=] { check(s->x.load(memory_order_relaxed) == 2, "an update was lost"); });
  };
  options how{};
  const outcome right = explore(how, adders);
  EXPECT_EQ(right.failure, "");
  ASSERT_EQ(right.sites.size(), 1U);
  how.mistake = {mutation::kind::tear, right.sites[0]};
  EXPECT_EQ(explore(how, adders).failure, "an update was lost");
}

}  // namespace
}  // namespace tandem::model
