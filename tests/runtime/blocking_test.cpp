#include <tandem/runtime/blocking.hpp>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>

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

}  // namespace
}  // namespace tandem
