// The table of live tasks: who is in it, in which order, and that a visitor and the end of a task keep apart.
#include "task_table.hpp"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "block_heap.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using detail::task_record;
using detail::task_table;
using testing::sim_runtime;

task<> nap(duration d) { (void)co_await sleep_for(d); }

std::vector<std::uint64_t> ids_of(const detail::scheduler& s) {
  std::vector<std::uint64_t> ids;
  task_table::visit(s, [&](const task_record& t) { ids.push_back(t.id); });
  return ids;
}

TEST(TaskTable, HasTheTasksOfOneRuntimeInTheOrderOfTheirSpawning) {
  sim_runtime sim, other;
  std::vector<join_handle<void>> naps;
  for (int i = 0; i < 100; ++i) {
    naps.push_back(sim.spawn(nap(duration(100 - i))));
    other.spawn(nap(1s)).detach();
  }
  auto ids = ids_of(sim.core());
  EXPECT_EQ(ids.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  EXPECT_EQ(std::set<std::uint64_t>(ids.begin(), ids.end()).size(), 100U);
  sim.advance(50ns);
  EXPECT_EQ(ids_of(sim.core()).size(), 50U);
  EXPECT_EQ(ids_of(other.core()).size(), 100U);
  sim.advance(1s);
  other.advance(1s);
  EXPECT_TRUE(ids_of(sim.core()).empty());
}

TEST(TaskTable, AVisitorAndTheEndsOfTasksKeepApart) {
  runtime rt({.workers = 2});
  std::atomic<bool> done{false};
  std::size_t seen = 0;
  std::thread visitor([&] {
    while (!done.load()) {
      task_table::visit(rt.core(), [&](const task_record& t) {
        EXPECT_STREQ(t.name(), "short");
        EXPECT_EQ(t.owner, &rt.core());
        ++seen;
      });
    }
  });
  for (int round = 0; round < 20; ++round) {
    rt.block_on(
        []() -> task<> {
          std::vector<join_handle<void>> all;
          for (int i = 0; i < 500; ++i) all.push_back(spawn([]() -> task<> { co_await yield(); }, "short"));
          for (auto& h : all) (void)co_await h.join();
        }(),
        "short");
  }
  done = true;
  visitor.join();
  EXPECT_EQ(rt.live_tasks(), 0U);
}

TEST(TaskOrigin, IsOneNumberForANameAndAPlace) {
  const auto here = std::source_location::current();
  const auto there = std::source_location::current();
  const detail::origin_id first = detail::id_of_origin("a", here);
  EXPECT_EQ(detail::id_of_origin("a", here), first);
  EXPECT_NE(detail::id_of_origin("a", there), first);
  EXPECT_NE(detail::id_of_origin("b", here), first);
  detail::origin_id elsewhere = 0;
  std::thread([&] { elsewhere = detail::id_of_origin("a", here); }).join();
  EXPECT_EQ(elsewhere, first);
  EXPECT_STREQ(detail::origin_of(first).name, "a");
  EXPECT_EQ(detail::origin_of(first).site.line(), here.line());
}

struct bins_of_this_test {
  static constinit thread_local detail::block_bins current;
};
constinit thread_local detail::block_bins bins_of_this_test::current;

TEST(BlockHeap, GivesBlocksThatAreAlignedAsTheirSizeAllowsAndTakesThemFromAnyThread) {
  using heap = detail::block_heap<bins_of_this_test>;
  for (const std::size_t size : {8UL, 24UL, 96UL, 104UL, 1'000UL, 1'024UL, 5'000UL}) {
    std::vector<void*> all;
    for (int i = 0; i < 1'000; ++i) {
      all.push_back(heap::allocate(size));
      const auto at = reinterpret_cast<std::uintptr_t>(all.back());
      EXPECT_EQ(at % (size % 16 == 0 ? 16 : 8), 0U);
      std::memset(all.back(), i & 0xff, size);
    }
    EXPECT_EQ(std::set<void*>(all.begin(), all.end()).size(), all.size());
    std::thread([&] {
      for (void* const p : all) heap::free(p, size);
    }).join();
  }
  const std::size_t regions = heap::regions().size();
  for (int round = 0; round < 10; ++round) {
    std::vector<void*> all;
    for (int i = 0; i < 1'000; ++i) all.push_back(heap::allocate(96));
    for (void* const p : all) heap::free(p, 96);
  }
  EXPECT_EQ(heap::regions().size(), regions) << "what was freed elsewhere is used again";
}

}  // namespace
}  // namespace tandem
