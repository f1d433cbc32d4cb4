#include <tandem/sync/snapshot.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "lives.hpp"

namespace tandem::sync {
namespace {

static_assert(!std::is_copy_constructible_v<snapshot<int>> && !std::is_copy_assignable_v<snapshot<int>>);
static_assert(!std::is_move_constructible_v<snapshot<int>>);
static_assert(!std::is_copy_constructible_v<snapshot<int>::reader> &&
              !std::is_copy_assignable_v<snapshot<int>::reader>);
static_assert(std::is_nothrow_move_constructible_v<snapshot<int>::reader>);
static_assert(std::is_nothrow_move_assignable_v<snapshot<int>::reader>);
static_assert(std::is_same_v<decltype(*std::declval<snapshot<int>::reader&>()), const int&>);

TEST(Snapshot, AReaderKeepsItsVersionAndNoOther) {
  lives::guard all_gone;
  snapshot<lives> s(1);
  std::optional first(s.read());
  s.store(lives(2));
  s.store(lives(3));
  EXPECT_EQ(lives::count(), 2);  // 2 went at once: nobody read it
  EXPECT_EQ((*first)->value, 1);
  EXPECT_EQ(s.read()->value, 3);
  first.reset();
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, TheLastOfSeveralReadersDestroysTheirVersion) {
  lives::guard all_gone;
  snapshot<lives> s(1);
  std::optional a(s.read());
  std::optional b(s.read());
  s.store(lives(2));
  a.reset();
  EXPECT_EQ(lives::count(), 2);
  EXPECT_EQ((*b)->value, 1);
  b.reset();
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, AReaderThatIsAssignedLetsItsVersionGo) {
  lives::guard all_gone;
  snapshot<lives> s(1);
  auto now = s.read();
  s.store(lives(2));
  now = s.read();
  EXPECT_EQ(now->value, 2);
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, ReadersOutliveTheSnapshot) {
  lives::guard all_gone;
  std::optional<snapshot<lives>> s(std::in_place, 7);
  auto r = s->read();
  s.reset();
  EXPECT_EQ(r->value, 7);
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, UpdateChangesACopy) {
  snapshot<std::vector<int>> s(std::vector<int>{1});
  const auto before = s.read();
  const auto number = s.update([&](std::vector<int>& v) {
    v.push_back(2);
    EXPECT_EQ(s.read()->size(), 1u);  // not yet
  });
  EXPECT_EQ(before->size(), 1u);
  const auto after = s.read();
  EXPECT_EQ(after->size(), 2u);
  EXPECT_EQ(before.version(), 1u);
  EXPECT_EQ(after.version(), 2u);
  EXPECT_EQ(number, 2u);
}

TEST(Snapshot, AnExceptionLeavesTheOldVersionAndTheWriterFree) {
  lives::guard all_gone;
  snapshot<lives> s(1);
  EXPECT_THROW(s.update([](lives& v) {
    v.value = 2;
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(s.read()->value, 1);
  EXPECT_EQ(s.read().version(), 1u);
  EXPECT_EQ(lives::count(), 1);
  lives::copies_throw = true;
  EXPECT_THROW(s.update([](lives&) {}), std::runtime_error);
  lives::copies_throw = false;
  EXPECT_EQ(s.update([](lives& v) { v.value = 3; }), 2u);
}

TEST(Snapshot, AWriterInsideAWriterIsRefused) {
  snapshot<int> s(1);
  s.update([&](int& v) {
    EXPECT_THROW(s.store(5), std::logic_error);
    EXPECT_THROW(s.update([](int&) {}), std::logic_error);
    v = 2;
  });
  EXPECT_EQ(*s.read(), 2);
}

TEST(Snapshot, ADestructorMayWriteToTheSnapshot) {
  struct says_so {
    snapshot<int>* into;
    ~says_so() {
      if (into) into->update([](int& n) { ++n; });
    }
    explicit says_so(snapshot<int>* s) : into(s) {}
    says_so(says_so&& other) noexcept : into(std::exchange(other.into, nullptr)) {}
  };
  snapshot<int> ended(0);
  snapshot<says_so> s{says_so(&ended)};
  s.store(says_so(&ended));
  EXPECT_EQ(*ended.read(), 1);
}

TEST(Snapshot, HoldsWhatCannotBeCopied) {
  snapshot<std::unique_ptr<int>> s(std::make_unique<int>(1));
  s.store(std::make_unique<int>(2));
  EXPECT_EQ(**s.read(), 2);
}

TEST(Snapshot, AReaderMayBeKeptOverASuspensionAndMoved) {
  lives::guard all_gone;
  testing::sim_runtime sim;
  snapshot<lives> s(1);
  auto body = [](snapshot<lives>& from, int& seen) -> task<> {
    auto mine = from.read();
    co_await sleep_for(std::chrono::seconds(1));
    const auto moved = std::move(mine);
    seen = moved->value;
  };
  int seen = 0;
  auto t = sim.spawn(body(s, seen));
  sim.run_until_idle();
  s.store(lives(2));
  EXPECT_EQ(lives::count(), 2);
  sim.advance(std::chrono::seconds(1));
  sim.run_until_idle();
  ASSERT_TRUE(t.done());
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, AReaderMayBeDroppedOnAnotherThread) {
  lives::guard all_gone;
  snapshot<lives> s(1);
  for (int i = 0; i < 1'000; ++i) {
    auto r = s.read();
    s.store(lives(i));
    std::thread([mine = std::move(r)] {}).join();
  }
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, ManyReadersAtATimeAreNoProblem) {
  lives::guard all_gone;
  snapshot<lives> s(0);
  std::vector<snapshot<lives>::reader> readers;
  for (int i = 0; i < 1'000; ++i) {
    readers.push_back(s.read());
    s.store(lives(i + 1));
  }
  EXPECT_EQ(lives::count(), 1'001);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(readers[static_cast<std::size_t>(i)]->value, i);
  readers.clear();
  EXPECT_EQ(lives::count(), 1);
}

TEST(Snapshot, RecordsAreUsedAgain) {
  snapshot<int> s(0);
  { const auto warm = s.read(); }
  const auto before = detail::hazard_record_count();
  for (int i = 0; i < 10'000; ++i) {
    const auto r = s.read();
  }
  for (int i = 0; i < 100; ++i) std::thread([&] { (void)*s.read(); }).join();
  EXPECT_LE(detail::hazard_record_count(), before + 64);  // what two threads keep
}

TEST(Snapshot, ThreadLocalDestructorsMayRead) {
  static snapshot<int>* s = nullptr;
  struct reads_late {
    ~reads_late() { EXPECT_EQ(*s->read(), 5); }
  };
  snapshot<int> here(5);
  s = &here;
  std::thread([] {
    thread_local reads_late late;
    asm volatile("" : : "r"(&late));
    (void)*s->read();  // its cache is destroyed before `late`
  }).join();
}

TEST(SnapshotThreads, ReadersSeeWholeVersionsInOrder) {
  struct pair {
    std::uint64_t a, b;
  };
  lives::guard all_gone;
  snapshot<pair> s(pair{0, 0});
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!stop) {
        const auto r = s.read();
        if (r->a != r->b || r->a < last || r.version() != r->a + 1) ++wrong;
        last = r->a;
      }
    });
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i)
    writers.emplace_back([&] {
      for (int k = 0; k < 3'000; ++k)
        s.update([](pair& p) {
          ++p.a;
          ++p.b;
        });
    });
  for (auto& w : writers) w.join();
  stop = true;
  for (auto& r : readers) r.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(s.read()->a, 6'000u);
}

TEST(SnapshotThreads, VersionsAreDestroyedOnceWhoeverIsTheLast) {
  lives::guard all_gone;
  snapshot<lives> s(0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      std::vector<snapshot<lives>::reader> held;
      while (!stop) {
        held.push_back(s.read());
        if (held.size() > 7) held.clear();
        for (auto& h : held) ASSERT_TRUE(h->alive());
      }
    });
  for (int k = 0; k < 5'000; ++k) s.store(lives(k));
  stop = true;
  for (auto& r : readers) r.join();
  EXPECT_EQ(lives::count(), 1);
}

TEST(SnapshotDeathTest, DestroyingItUnderAWriterAborts) {
  EXPECT_DEATH(
      {
        auto* const s = new snapshot<int>(1);
        s->update([s](int&) { delete s; });
      },
      "destroyed while a writer was at work");
}

}  // namespace
}  // namespace tandem::sync
