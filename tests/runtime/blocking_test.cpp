#include <tandem/runtime/blocking.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/with_context.hpp>

#include "thread_shortage.hpp"

namespace tandem {
namespace {

TEST(RunBlocking, RunsOffTheWorkersAndGivesTheValue) {
  runtime rt({.workers = 1});
  auto body = []() -> task<bool> {
    const auto here = std::this_thread::get_id();
    auto call = run_blocking([] { return std::this_thread::get_id(); });
    const auto there = co_await call.join();
    co_return there.value() != here;
  };
  EXPECT_TRUE(rt.block_on(body()));
}

TEST(RunBlocking, DeliversWhatTheFunctionThrowsAsAnError) {
  runtime rt({.workers = 1});
  auto body = []() -> task<result<int>> {
    auto call = run_blocking([]() -> int { throw std::runtime_error("disk on fire"); });
    co_return co_await call.join();
  };
  const auto outcome = rt.block_on(body());
  EXPECT_NE(outcome.error().message().find("disk on fire"), std::string::npos);
}

TEST(RunBlocking, CallsThatWaitForEachOtherRunAtTheSameTime) {
  runtime rt({.workers = 1});
  auto body = []() -> task<> {
    std::latch all(8);
    std::vector<join_handle<void>> calls;
    for (int i = 0; i < 8; ++i) calls.push_back(run_blocking([&] { all.arrive_and_wait(); }));
    for (auto& c : calls) (void)co_await c.join();
  };
  rt.block_on(body());
}

TEST(RunBlocking, QueuesCallsBeyondTheLimitOfThreads) {
  runtime rt({.workers = 1, .blocking_threads = 2});
  std::atomic<int> running{0}, most{0}, ran{0};
  auto body = [&]() -> task<> {
    std::vector<join_handle<void>> calls;
    for (int i = 0; i < 50; ++i) {
      calls.push_back(run_blocking([&] {
        const int now_running = ++running;
        for (int seen = most.load(); seen < now_running && !most.compare_exchange_weak(seen, now_running);) {
        }
        std::this_thread::yield();
        ++ran;
        --running;
      }));
    }
    for (auto& c : calls) (void)co_await c.join();
  };
  rt.block_on(body());
  EXPECT_EQ(ran.load(), 50);
  EXPECT_LE(most.load(), 2);
}

TEST(RunBlocking, HasALimitOf512ThreadsUnlessToldOtherwise) {
  runtime rt({.workers = 1});
  std::atomic<int> running{0}, ran{0};
  std::latch go(1);
  auto body = [&]() -> task<int> {
    std::vector<join_handle<void>> calls;
    for (int i = 0; i < 530; ++i) {
      calls.push_back(run_blocking([&] {
        ++running;
        go.wait();
        ++ran;
      }));
    }
    while (running < 512) std::this_thread::yield();  // for ever, if there are fewer threads
    co_await yield();
    const int most = running;
    go.count_down();
    for (auto& c : calls) (void)co_await c.join();
    co_return most;
  };
  EXPECT_EQ(rt.block_on(body()), 512);
  EXPECT_EQ(ran.load(), 530);
}

TEST(RunBlocking, ThrowsIfNoThreadCanBeHadAndLeavesNothingBehind) {
  runtime rt({.workers = 1});
  auto body = []() -> task<bool> {
    bool refused = false;
    const auto argument = std::make_shared<int>(1);
    {
      const thread_shortage none(0);
      try {
        (void)run_blocking([argument] {});
      } catch (const std::system_error&) {
        refused = true;
      }
    }
    EXPECT_EQ(argument.use_count(), 1);
    auto again = run_blocking([argument] { return *argument; });
    EXPECT_EQ((co_await again.join()).value(), 1);
    co_return refused;
  };
  EXPECT_TRUE(rt.block_on(body()));
}

TEST(RunBlocking, ACancelledJoinLeavesTheCallWhichRunsToItsEndAndCanBeJoinedAgain) {
  runtime rt({.workers = 1});
  std::latch go(1);
  auto join = [](join_handle<int>& call) -> task<result<int>> { co_return co_await call.join(); };
  auto body = [&]() -> task<int> {
    auto call = run_blocking([&go] {
      go.wait();
      return 7;
    });
    const auto late = co_await with_timeout(std::chrono::milliseconds(1), join(call));
    EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
    EXPECT_EQ((co_await call.join_for(std::chrono::milliseconds(1))).error().code(), errc::timed_out);
    EXPECT_FALSE(call.done());
    go.count_down();
    co_return (co_await call.join()).value();
  };
  EXPECT_EQ(rt.block_on(body()), 7);
}

TEST(RunBlocking, ACallMayBlockOnATaskOfItsOwnRuntime) {
  runtime rt({.workers = 1});
  auto inner = []() -> task<int> {
    co_await yield();
    co_return 7;
  };
  auto body = [&]() -> task<int> {
    auto call = run_blocking([&] { return rt.block_on(inner()); });
    co_return (co_await call.join()).value();
  };
  EXPECT_EQ(rt.block_on(body()), 7);
}

TEST(RunBlocking, OutsideOfTasksIsRefusedWithAdvice) {
  EXPECT_THROW((void)run_blocking([] {}), std::logic_error);
}

}  // namespace
}  // namespace tandem
