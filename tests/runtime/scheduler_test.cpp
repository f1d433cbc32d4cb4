#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "next_slot.hpp"
#include "run_queue.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace {

task<> touch(std::atomic<int>& counter) {
  counter.fetch_add(1);
  co_await yield();
  counter.fetch_add(1);
}

TEST(RunQueue, GivesItemsInOrderAndRefusesWhenFull) {
  detail::run_queue q;
  for (detail::queue_item i = 1; i <= detail::run_queue::capacity; ++i) ASSERT_TRUE(q.push(i));
  EXPECT_FALSE(q.push(999));
  for (detail::queue_item i = 1; i <= detail::run_queue::capacity; ++i) ASSERT_EQ(q.pop(), i);
  EXPECT_EQ(q.pop(), 0U);
}

TEST(RunQueue, AThiefGetsTheOlderHalf) {
  detail::run_queue q;
  for (detail::queue_item i = 1; i <= 5; ++i) q.push(i);
  std::array<detail::queue_item, 8> loot{};
  EXPECT_EQ(q.steal(loot), 3U);
  EXPECT_EQ(loot[0], 1U);
  EXPECT_EQ(loot[2], 3U);
  EXPECT_EQ(q.pop(), 4U);
}

TEST(RunQueueStress, EveryItemIsTakenExactlyOnceWhileOthersSteal) {
  detail::run_queue q;
  constexpr detail::queue_item items = 200'000;
  std::vector<std::atomic<int>> taken(items + 1);
  std::atomic<detail::queue_item> total{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> thieves;
  for (int t = 0; t < 2; ++t) {
    thieves.emplace_back([&] {
      std::array<detail::queue_item, 128> loot{};
      while (!done.load()) {
        const auto n = q.steal(loot);
        for (std::uint32_t i = 0; i < n; ++i) taken[loot[i]].fetch_add(1);
        total.fetch_add(n);
      }
    });
  }
  for (detail::queue_item next = 1; next <= items;) {
    if (q.push(next)) {
      ++next;
    } else if (const auto item = q.pop()) {
      taken[item].fetch_add(1);
      total.fetch_add(1);
    }
  }
  while (const auto item = q.pop()) {
    taken[item].fetch_add(1);
    total.fetch_add(1);
  }
  while (total.load() != items) std::this_thread::yield();
  done = true;
  for (auto& t : thieves) t.join();
  for (detail::queue_item i = 1; i <= items; ++i) ASSERT_EQ(taken[i].load(), 1) << i;
}

TEST(Scheduler, RunsEveryTaskSpawnedFromOutsideAndInside) {
  runtime rt({.workers = 3});
  std::atomic<int> touched{0};
  auto body = [&]() -> task<> {
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < 10'000; ++i) handles.push_back(spawn(touch(touched)));
    for (auto& h : handles) (void)co_await h.join();
  };
  std::vector<join_handle<void>> outside;
  for (int i = 0; i < 1'000; ++i) outside.push_back(rt.spawn(touch(touched)));
  rt.block_on(body());
  auto join_all = [&]() -> task<> {
    for (auto& h : outside) (void)co_await h.join();
  };
  rt.block_on(join_all());
  EXPECT_EQ(touched.load(), 22'000);
  EXPECT_EQ(rt.live_tasks(), 0U);
}

TEST(Scheduler, ATaskBehindOneThatHoldsItsWorkerIsTakenByAnother) {
  runtime rt({.workers = 2});
  auto body = []() -> task<bool> {
    std::atomic<bool> other_ran{false};
    auto other = spawn([&]() -> task<> {
      other_ran = true;
      co_return;
    });
    while (!other_ran.load()) std::this_thread::yield();  // holds this worker until another one has run it
    (void)co_await other.join();
    co_return true;
  };
  EXPECT_TRUE(rt.block_on(body()));
}

TEST(Scheduler, ATaskThatWasMadeRunnableByOneThatHoldsItsWorkerIsTakenByAnother) {
  runtime rt({.workers = 2});
  std::atomic<bool> woken_ran{false};
  auto waits = [](std::atomic<bool>& ran) -> task<> {
    (void)co_await sleep_for(std::chrono::hours(1));
    ran = true;
  };
  auto body = [&]() -> task<> {
    cancel_source source;
    auto woken = spawn(waits(woken_ran), spawn_options(source.context()));
    for (int turns = 0; turns < 200; ++turns) co_await yield();
    source.cancel();  // puts it into this worker's slot if it sleeps already
    while (!woken_ran.load()) std::this_thread::yield();
    (void)co_await woken.join();
  };
  for (int i = 0; i < 20; ++i) {
    woken_ran = false;
    rt.block_on(body());
  }
  EXPECT_EQ(rt.live_tasks(), 0U);
}

// No CPU time at all, that is: nobody wakes, not even to look. The timer matters: somebody keeps time for it, and whoever
// goes to work hands that on.
TEST(Scheduler, IdleWorkersSoonSleepForGood) {
  runtime rt({.workers = 4});
  auto nothing = []() -> task<> { co_return; };
  rt.block_on(nothing());
  auto sleeper = rt.spawn([]() -> task<result<void>> { co_return co_await sleep_for(std::chrono::hours(1)); });
  auto& crew = rt.core().hands();
  std::uint64_t parked = 0;
  for (bool idle = false; !idle;) {
    const bool asleep = crew.all_asleep(parked);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // what is watched, not what is waited for
    idle = asleep && crew.all_asleep(parked);
  }
  EXPECT_LE(parked, 50U);  // they did not wake each other on the way
  sleeper.detach();
}

TEST(NextSlot, GivesWhatWasPutToTheOwnerOrToOneThief) {
  detail::sync::prepare_heavy_fence();
  detail::next_slot slot;
  EXPECT_EQ(slot.take(), 0U);
  slot.put(8);
  EXPECT_EQ(slot.take(), 8U);
  EXPECT_EQ(slot.steal(), 0U);
  slot.put(10);
  EXPECT_EQ(slot.steal(), 10U);
  EXPECT_EQ(slot.steal(), 0U);  // taken already, though the owner has not noticed
  EXPECT_EQ(slot.take(), 0U);
  slot.put(12);
  EXPECT_EQ(slot.take(), 12U);
}

TEST(NextSlotStress, EveryItemIsTakenExactlyOnceWhileOthersSteal) {
  detail::sync::prepare_heavy_fence();
  detail::next_slot slot;
  constexpr detail::queue_item items = 100'000;
  std::vector<std::atomic<int>> taken(items + 1);
  std::atomic<bool> done{false};
  std::vector<std::thread> thieves;
  for (int t = 0; t < 2; ++t) {
    thieves.emplace_back([&] {
      while (!done.load()) {
        if (!slot.has_item()) continue;  // as the crew does, or the owner would hardly ever get the slot's lock
        if (const auto item = slot.steal()) taken[item].fetch_add(1);
      }
    });
  }
  const auto take = [&] {
    if (const auto item = slot.take()) taken[item].fetch_add(1);
  };
  for (detail::queue_item i = 1; i <= items; ++i) {
    take();
    slot.put(i);
  }
  done = true;
  for (auto& t : thieves) t.join();
  take();
  for (detail::queue_item i = 1; i <= items; ++i) ASSERT_EQ(taken[i].load(), 1) << i;
}

TEST(Scheduler, RecordsTasksThatTwoThreadsSpawnAndFinishAtOnce) {
  runtime rt({.workers = 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i) {
        auto h = rt.spawn([]() -> task<int> { co_return 1; });
        h.detach();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_TRUE(rt.shutdown(std::chrono::seconds(30)).has_value());
  EXPECT_EQ(rt.live_tasks(), 0U);
}

}  // namespace
}  // namespace tandem
