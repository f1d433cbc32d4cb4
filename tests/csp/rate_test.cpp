#include <tandem/csp/rate.hpp>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(TokenBucket, IsFullAtTheStartAndFillsAtTheRate) {
  sim_runtime sim;
  token_bucket bucket(rate(10), 3);
  auto body = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.try_acquire().has_value());
    EXPECT_EQ(bucket.try_acquire().error(), errc::would_block);
    (void)co_await sleep_for(milliseconds(100) - nanoseconds(1));
    EXPECT_EQ(bucket.try_acquire().error(), errc::would_block);
    (void)co_await sleep_for(nanoseconds(1));
    EXPECT_TRUE(bucket.try_acquire().has_value());
    EXPECT_EQ(bucket.try_acquire().error(), errc::would_block);
    (void)co_await sleep_for(std::chrono::hours(1));  // no more than the burst comes together
    EXPECT_TRUE(bucket.try_acquire(3).has_value());
    EXPECT_EQ(bucket.try_acquire().error(), errc::would_block);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(TokenBucket, AcquireWaitsExactlyUntilItsTokensAreThere) {
  sim_runtime sim;
  token_bucket bucket(rate(10), 5);
  auto body = [&]() -> task<> {
    const time_point start = now();
    EXPECT_TRUE((co_await bucket.acquire(5)).has_value());
    EXPECT_EQ(now(), start);
    EXPECT_TRUE((co_await bucket.acquire(3)).has_value());
    EXPECT_EQ(now() - start, milliseconds(300));
    EXPECT_TRUE((co_await bucket.acquire(0)).has_value());
    EXPECT_TRUE((co_await bucket.acquire(1)).has_value());
    EXPECT_EQ(now() - start, milliseconds(400));
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(TokenBucket, LosesNothingToRounding) {
  sim_runtime sim;
  token_bucket bucket(rate(7, std::chrono::seconds(3)), 2);  // one each 428571428 4/7 ns
  auto body = [&]() -> task<> {
    (void)co_await bucket.acquire(2);
    const time_point start = now();
    for (int i = 0; i < 70'000; ++i) (void)co_await bucket.acquire();
    EXPECT_EQ(now() - start, std::chrono::seconds(30'000));
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(TokenBucket, ServesInTheOrderTheyCame) {
  sim_runtime sim;
  token_bucket bucket(rate(10), 10);
  std::string order;
  auto take = [&](char name, std::uint64_t n) -> task<> {
    EXPECT_TRUE((co_await bucket.acquire(n)).has_value());
    order += name;
  };
  auto body = [&]() -> task<> {
    (void)co_await bucket.acquire(10);
    auto a = spawn(take('a', 8));
    auto b = spawn(take('b', 1));
    auto c = spawn(take('c', 5));
    co_await yield();
    (void)co_await sleep_for(milliseconds(300));
    EXPECT_EQ(bucket.try_acquire().error(), errc::would_block);  // three are there, but others wait
    EXPECT_EQ(order, "");
    for (auto* t : {&a, &b, &c}) (void)co_await t->join();
    EXPECT_EQ(order, "abc");
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(TokenBucket, WhoGivesUpHasTakenNothingAndLetsTheNextGo) {
  sim_runtime sim;
  token_bucket bucket(rate(10), 10);
  auto body = [&]() -> task<> {
    const time_point start = now();
    (void)co_await bucket.acquire(10);
    auto first = spawn(with_timeout(milliseconds(100), bucket.acquire(10)));
    auto second = spawn(with_timeout(milliseconds(50), bucket.acquire(1)));  // queues behind it
    auto third = spawn(bucket.acquire(2));
    EXPECT_EQ((co_await second.join()).error(), errc::deadline_exceeded);
    EXPECT_EQ((co_await first.join()).error(), errc::deadline_exceeded);
    EXPECT_EQ(now() - start, milliseconds(100));
    EXPECT_TRUE((co_await third.join()).has_value());
    EXPECT_EQ(now() - start, milliseconds(200));
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(TokenBucket, RefusesWhatItCanNeverGive) {
  sim_runtime sim;
  token_bucket bucket(rate(10), 3);
  auto body = [&]() -> task<> {
    EXPECT_EQ((co_await bucket.acquire(4)).error(), errc::invalid_argument);
    EXPECT_EQ(bucket.try_acquire(4).error(), errc::invalid_argument);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_THROW(rate(0), std::invalid_argument);
  EXPECT_THROW(rate(1, nanoseconds(0)), std::invalid_argument);
  EXPECT_THROW(rate(1, nanoseconds(-1)), std::invalid_argument);
  EXPECT_THROW(token_bucket(rate(1), 0), std::invalid_argument);
  EXPECT_THROW(token_bucket(rate(1), std::numeric_limits<std::uint64_t>::max()), std::invalid_argument);
}

TEST(TokenBucket, ALoopThatNeverWaitsLetsOthersRun) {
  sim_runtime sim;
  token_bucket bucket(rate(1'000'000'000), 1'000'000'000);
  bool other = false;
  auto body = [&]() -> task<> {
    auto t = spawn([&]() -> task<> {
      other = true;
      co_return;
    });
    while (!other) (void)co_await bucket.acquire();
    (void)co_await t.join();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(TokenBucketDeathTest, DestroyedWhileATaskWaitsSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto destroy = [] {
    sim_runtime sim;
    auto bucket = std::make_unique<token_bucket>(rate(1), 1);
    sim.spawn(bucket->acquire()).disown();
    sim.spawn(bucket->acquire()).disown();  // sleeps: nobody else queues
    sim.run_until_idle();
    bucket.reset();
  };
  EXPECT_DEATH(destroy(), "a token bucket was destroyed while tasks wait for its tokens \\(1 of them\\)");
}

TEST(TokenBucket, ManyTasksOnSeveralWorkersNeverExceedTheBurstAndRate) {
  runtime rt({.workers = 2});
  token_bucket bucket(rate(1, std::chrono::hours(1)), 100);  // so the burst is all there is
  std::atomic<int> taken{0};
  auto body = [&]() -> task<> {
    std::vector<join_handle<void>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(spawn([&]() -> task<> {
        for (int k = 0; k < 100; ++k) {
          if (bucket.try_acquire()) ++taken;
          co_await yield();
        }
      }));
    }
    for (auto& t : all) (void)co_await t.join();
  };
  rt.block_on(body());
  EXPECT_EQ(taken, 100);
}

}  // namespace
}  // namespace tandem::csp
