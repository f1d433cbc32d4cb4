// What cancelled timers leave behind: nothing, in the heap or anywhere else.
#include <cstddef>
#include <malloc.h>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/with_context.hpp>

#include "timer_heap.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;

std::size_t bytes_in_use() { return mallinfo2().uordblks; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int many = 100'000;
#else
constexpr int many = 5'000'000;
#endif

task<> arm_and_stop(int n) {
  for (int i = 0; i < n; ++i) {
    timer t(10s);
    detail::selection wait;
    wait.bind(detail::current_task());
    EXPECT_TRUE(t.source().enlist(wait, 0, detail::current_task()));
    EXPECT_FALSE(t.source().leave());
    EXPECT_TRUE(t.stop());
  }
  co_return;
}

task<> arm_deadlines(int n) {
  for (int i = 0; i < n; ++i) {
    const cancel_source limit(this_task::context(), deadline_in(10s));
    limit.cancel();
  }
  co_return;
}

TEST(TimerMemory, MillionsOfTimersMadeAndStoppedLeaveNothingBehind) {
  runtime rt({.workers = 2});
  rt.block_on(arm_and_stop(1'000));  // the heap and the pools get their first memory
  const std::size_t before = bytes_in_use();
  rt.block_on(arm_and_stop(many));
  EXPECT_LE(bytes_in_use(), before + 64 * 1024);
}

TEST(TimerMemory, DeadlinesThatDidNotComeLeaveNothingBehind) {
  runtime rt({.workers = 2});
  rt.block_on(arm_deadlines(1'000));
  const std::size_t before = bytes_in_use();
  rt.block_on(arm_deadlines(many / 10));
  EXPECT_LE(bytes_in_use(), before + 64 * 1024);
}

TEST(TimerMemory, AHeapThatWasLargeGivesItsMemoryBack) {
  struct plain : detail::timer_node {
    plain() : timer_node([](timer_node&) noexcept -> detail::job* { return nullptr; }) {}
  };
  detail::timer_heap heap;
  const std::size_t before = bytes_in_use();
  {
    std::vector<plain> nodes(100'000);
    for (std::size_t i = 0; i < nodes.size(); ++i) heap.add(nodes[i], time_point(1h + i * 1us));
    for (auto& n : nodes) heap.remove(n);
  }
  EXPECT_EQ(heap.next_due(), no_deadline);
  EXPECT_LE(bytes_in_use(), before + 64 * 1024);
}

}  // namespace
}  // namespace tandem
