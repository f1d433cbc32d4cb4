// Many submitters, few workers that come and go: every job is run once or accounted for, whatever ends the pool.
#include <tandem/csp/worker_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"
#include "pool_helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;

struct counts {
  std::atomic<std::uint64_t> taken = 0, ran = 0, lost = 0, sum_taken = 0, sum_ended = 0;
};

using job = std::unique_ptr<std::uint64_t>;

task<result<void>> feed(worker_pool<job>& pool, counts& c, unsigned seed, int jobs) {
  std::mt19937 random(seed);
  for (int i = 0; i < jobs; ++i) {
    const std::uint64_t value = random() % 1000;
    auto one = std::make_unique<std::uint64_t>(value);
    result<void> outcome;
    if (random() % 4 == 0) {
      outcome = co_await with_timeout(std::chrono::microseconds(random() % 20), pool.submit(std::move(one)));
    } else {
      outcome = co_await pool.submit(std::move(one));
    }
    EXPECT_EQ(outcome.has_value(), one == nullptr);
    if (outcome) {
      ++c.taken;
      c.sum_taken += value;
    } else if (outcome.error() == errc::closed) {
      co_return {};
    }
  }
  co_return {};
}

void stress(unsigned workers, unsigned seed, bool cut_short) {
  counts c;
  runtime rt({.workers = workers});
  auto body = [&]() -> task<result<void>> {
    worker_pool_options<job> options{.max_workers = 1 + seed % 5, .queue_capacity = seed % 4, .keep_alive = 0s};
    if (seed % 2) options.keep_alive = 20us;
    options.on_lost = [&](job one, const error&) {
      ++c.lost;
      c.sum_ended += *one;
    };
    worker_pool<job> pool(
        [&](job one) -> task<result<void>> {
          if (*one % 8 == 0) co_await yield();
          if (*one % 64 == 1) (void)co_await sleep_for(30us);
          ++c.ran;
          c.sum_ended += *one;
          co_return result<void>();
        },
        std::move(options));
    group feeders;
    for (unsigned i = 0; i < 16; ++i) feeders.go(feed(pool, c, seed * 100 + i, 2000 / stress_divisor));
    if (cut_short) {
      co_await or_return(sleep_for(500us));
      (void)co_await pool.shutdown(10us);
    }
    co_await or_return(feeders.wait());
    (void)co_await pool.shutdown(10s);
    const worker_pool_stats s = pool.stats();
    EXPECT_TRUE(adds_up(s));
    EXPECT_EQ(s.submitted, c.taken);
    EXPECT_EQ(s.done, c.ran);
    EXPECT_EQ(s.lost, c.lost);
    EXPECT_EQ(s.workers + s.queued + s.running + s.waiting, 0U);
    co_return {};
  };
  const auto ended = rt.block_on(body());
  EXPECT_TRUE(ended.has_value());
  EXPECT_EQ(c.taken, c.ran + c.lost);
  EXPECT_EQ(c.sum_taken, c.sum_ended);
}

class WorkerPoolStress : public ::testing::TestWithParam<unsigned> {};

TEST_P(WorkerPoolStress, RunsEveryJobItTookOnce) {
  for (unsigned seed = 1; seed <= 8; ++seed) stress(GetParam(), seed, false);
}
TEST_P(WorkerPoolStress, LosesNoneWithoutTellingWhenItIsCutShort) {
  for (unsigned seed = 1; seed <= 16; ++seed) stress(GetParam(), seed, true);
}

INSTANTIATE_TEST_SUITE_P(Workers, WorkerPoolStress, ::testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace tandem::csp
