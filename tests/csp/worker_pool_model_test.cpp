// The same random operations on a pool and on a model of it; after each the numbers must agree.
#include <tandem/csp/worker_pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"
#include "pool_helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

class WorkerPoolModel : public ::testing::TestWithParam<pool_full> {};

/// A job runs until the test says how it ends, or its time is over.
struct job {
  int id;
};
struct running {
  int id;
  sender<bool> end;  // true: succeed
};

TEST_P(WorkerPoolModel, KeepsCountOfEveryJob) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    sim_runtime sim;
    std::mt19937 random(seed);
    std::vector<running> at_work;
    std::vector<int> began, lost;
    std::uint64_t told = 0;
    auto handler = [&](job j) -> task<result<void>> {
      began.push_back(j.id);
      auto [tx, rx] = make_channel<bool>(1);
      at_work.push_back({j.id, std::move(tx)});
      const auto well = co_await rx.recv();
      std::erase_if(at_work, [&](const running& r) { return r.id == j.id; });
      if (!well) co_return fail(well.error());
      if (!*well) co_return fail(make_error(errc::not_found, "as told"));
      co_return result<void>();
    };
    const std::size_t max_workers = 1 + random() % 4;
    const std::size_t capacity = random() % 4;
    worker_pool_options<job> options{.min_workers = random() % (max_workers + 1), .max_workers = max_workers,
                                     .queue_capacity = capacity, .when_full = GetParam(), .keep_alive = 50ms};
    options.job_limit = random() % 2 ? 100ms : duration::max();
    options.on_failed = [&](const error&) { ++told; };
    options.on_lost = [&](job j, const error&) { lost.push_back(j.id); };
    std::uint64_t tried = 0, taken = 0, refused = 0, closed = 0;
    auto submit = [&](worker_pool<job>& to, int id) -> task<> {
      const auto outcome = co_await to.submit(job(id));
      if (outcome) ++taken;
      else if (outcome.error() == errc::closed) ++closed;
      else ++refused;
    };
    auto play = [&]() -> task<result<void>> {
      worker_pool<job> pool(handler, options);
      for (int step = 0; step < 200; ++step) {
        switch (random() % 4) {
          case 0:
          case 1:
            ++tried;
            spawn(submit(pool, step)).detach();
            break;
          case 2:
            if (!at_work.empty()) (void)at_work[random() % at_work.size()].end.try_send(random() % 4 != 0);
            break;
          default: co_await or_return(sleep_for(std::chrono::milliseconds(random() % 30)));
        }
        co_await or_return(sleep_for(1ns));  // everything that can happen has happened
        const worker_pool_stats s = pool.stats();
        EXPECT_TRUE(adds_up(s));
        EXPECT_EQ(s.running, at_work.size());
        EXPECT_EQ(s.workers, s.running + s.idle);
        EXPECT_LE(s.workers, max_workers);
        EXPECT_GE(s.workers, options.min_workers);
        EXPECT_LE(s.queued, capacity);
        EXPECT_EQ(began.size(), s.running + s.done + s.failed);
        EXPECT_EQ(lost.size(), s.expired);
        EXPECT_EQ(told, s.failed);
        if (s.queued + s.waiting > 0) {
          EXPECT_EQ(s.running, max_workers);
        }
        if (s.waiting > 0) {
          EXPECT_EQ(s.queued, capacity);
        }
        // A dropped job is a success to its submitter.
        EXPECT_EQ(s.submitted, taken - s.dropped);
        EXPECT_EQ(s.rejected, refused);
        EXPECT_EQ(tried, taken + refused + s.waiting);
      }
      (void)co_await pool.shutdown(20ms);
      co_await or_return(sleep_for(1ns));
      const worker_pool_stats s = pool.stats();
      EXPECT_EQ(s.submitted, s.done + s.failed + s.expired + s.lost);
      EXPECT_EQ(lost.size(), s.expired + s.lost);
      EXPECT_EQ(tried, taken + refused + closed);
      EXPECT_EQ(s.workers + s.idle + s.waiting + s.queued + s.running, 0U);
      co_return result<void>();
    };
    EXPECT_TRUE(sim.run(play).has_value());
    sim.run_until_idle();
    EXPECT_EQ(sim.live_tasks(), 0U);
    EXPECT_TRUE(std::ranges::is_sorted(began));
    if (::testing::Test::HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, WorkerPoolModel,
                         ::testing::Values(pool_full::wait, pool_full::reject, pool_full::drop));

}  // namespace
}  // namespace tandem::csp
