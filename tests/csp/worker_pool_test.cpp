#include <tandem/csp/worker_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "pool_helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

/// A handler that sleeps for as long as the job says, and remembers what it began.
struct sleeper {
  std::vector<duration> began;
  std::vector<error> ends;

  auto handler() {
    return [this](duration d) -> task<result<void>> {
      began.push_back(d);
      auto slept = co_await sleep_for(d);
      if (!slept) ends.push_back(slept.error());
      co_return slept;
    };
  }
};

TEST(WorkerPool, RunsEachJobOnceInTheOrderTheyWereTaken) {
  sim_runtime sim;
  std::vector<int> ran;
  auto body = [&]() -> task<result<void>> {
    worker_pool<std::unique_ptr<int>> pool(
        [&](std::unique_ptr<int> job) -> task<result<void>> {
          ran.push_back(*job);
          co_return result<void>();
        },
        {.max_workers = 1, .queue_capacity = 3});
    for (int i = 0; i < 10; ++i) {
      auto job = std::make_unique<int>(i);
      TANDEM_CO_TRY(co_await pool.submit(std::move(job)));
      EXPECT_EQ(job, nullptr);
    }
    auto ended = co_await pool.shutdown(1s);
    EXPECT_TRUE(adds_up(pool.stats()));
    EXPECT_EQ(pool.stats().done, 10U);
    EXPECT_EQ(pool.stats().workers, 0U);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(ran, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(WorkerPool, TasksAreJobsToo) {
  sim_runtime sim;
  int ran = 0;
  auto body = [&]() -> task<result<void>> {
    worker_pool<task<result<void>>> pool([](task<result<void>> job) { return job; });
    auto job = [](int& count) -> task<result<void>> {
      ++count;
      co_return result<void>();
    };
    TANDEM_CO_TRY(co_await pool.submit(job(ran)));
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(ran, 1);
}

TEST(WorkerPoolFull, WaitServesSubmittersInTheOrderTheyCame) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1, .queue_capacity = 1});
    TANDEM_CO_TRY(co_await pool.submit(10ms));
    TANDEM_CO_TRY(co_await pool.submit(11ms));
    auto submit = [](worker_pool<duration>& to, duration d) -> task<result<void>> { co_return co_await to.submit(d); };
    auto first = spawn(submit(pool, 12ms));
    auto second = spawn(submit(pool, 13ms));
    co_await or_return(sleep_for(9ms));
    EXPECT_FALSE(first.done() || second.done());
    EXPECT_EQ(pool.stats().waiting, 2U);
    EXPECT_EQ(pool.stats().submitted, 2U);
    co_await or_return(sleep_for(2ms));  // the first job has ended, so the queue has room
    EXPECT_TRUE(first.done());
    EXPECT_FALSE(second.done());
    TANDEM_CO_TRY(co_await first.join());
    TANDEM_CO_TRY(co_await second.join());
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(s.began, (std::vector<duration>{10ms, 11ms, 12ms, 13ms}));
}

TEST(WorkerPoolFull, WithoutAQueueAWaitingJobGoesStraightToAWorker) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1, .queue_capacity = 0});
    TANDEM_CO_TRY(co_await pool.submit(5ms));
    EXPECT_EQ(pool.try_submit(6ms).error(), errc::would_block);
    const time_point before = now();
    TANDEM_CO_TRY(co_await pool.submit(7ms));
    EXPECT_EQ(now() - before, 5ms);
    EXPECT_EQ(pool.stats().queued, 0U);
    EXPECT_EQ(pool.stats().running, 1U);
    EXPECT_EQ(pool.stats().rejected, 1U);
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(s.began, (std::vector<duration>{5ms, 7ms}));
}

TEST(WorkerPoolFull, RejectLeavesTheJobWithTheCallerAndCountsIt) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<std::unique_ptr<int>> pool(
        [](std::unique_ptr<int>) -> task<result<void>> { co_return co_await sleep_for(1ms); },
        {.max_workers = 2, .queue_capacity = 3, .when_full = pool_full::reject});
    for (int i = 0; i < 5; ++i) TANDEM_CO_TRY(co_await pool.submit(std::make_unique<int>(i)));
    auto job = std::make_unique<int>(5);
    const auto refused = co_await pool.submit(std::move(job));
    EXPECT_EQ(refused.error(), errc::overloaded);
    EXPECT_NE(job, nullptr);
    EXPECT_EQ(pool.try_submit(std::move(job)).error(), errc::overloaded);
    EXPECT_NE(job, nullptr);
    EXPECT_EQ(pool.stats().rejected, 2U);
    EXPECT_EQ(pool.stats().submitted, 5U);
    co_await or_return(sleep_for(1ms));
    TANDEM_CO_TRY(co_await pool.submit(std::move(job)));
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolFull, DropDestroysTheNewJobAndCountsIt) {
  sim_runtime sim;
  std::vector<int> ran;
  const auto token = std::make_shared<int>();
  auto body = [&]() -> task<result<void>> {
    using job = std::pair<int, std::shared_ptr<int>>;
    worker_pool<job> pool(
        [&](job j) -> task<result<void>> {
          ran.push_back(j.first);
          co_return co_await sleep_for(1ms);
        },
        {.max_workers = 1, .queue_capacity = 1, .when_full = pool_full::drop});
    for (int i = 0; i < 4; ++i) TANDEM_CO_TRY(co_await pool.submit(job(i, token)));
    EXPECT_EQ(token.use_count(), 3);
    EXPECT_EQ(pool.stats().dropped, 2U);
    EXPECT_EQ(pool.stats().submitted, 2U);
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(ran, (std::vector{0, 1}));
  EXPECT_EQ(token.use_count(), 1);
}

TEST(WorkerPoolSubmit, CancelledWhileItWaitsKeepsTheJob) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<std::unique_ptr<int>> pool(
        [](std::unique_ptr<int>) -> task<result<void>> { co_return co_await sleep_for(10ms); },
        {.max_workers = 1, .queue_capacity = 0});
    TANDEM_CO_TRY(co_await pool.submit(std::make_unique<int>(1)));
    auto job = std::make_unique<int>(2);
    const auto late = co_await with_timeout(5ms, pool.submit(std::move(job)));
    EXPECT_EQ(late.error(), errc::deadline_exceeded);
    EXPECT_NE(job, nullptr);
    EXPECT_EQ(pool.stats().waiting, 0U);
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(pool.stats().done, 1U);
    EXPECT_EQ(pool.stats().submitted, 1U);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolSubmit, InALoopNoticesACancelThoughItNeverWaits) {
  sim_runtime sim;
  int accepted = 0;
  auto body = [&]() -> task<> {
    worker_pool<int> pool([](int) -> task<result<void>> { co_return result<void>(); },
                          {.max_workers = 1, .when_full = pool_full::drop});
    const cancel_source over;
    over.cancel();
    auto flood = [](worker_pool<int>& to, int& count) -> task<result<void>> {
      for (;;) {
        TANDEM_CO_TRY(co_await to.submit(1));
        ++count;
      }
    };
    EXPECT_EQ((co_await with_context(over.context(), flood(pool, accepted))).error(), errc::cancelled);
    (void)co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_LE(accepted, 256);
}

TEST(WorkerPoolSubmit, DoesNotTieTheJobToItsCallersContext) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler());
    const cancel_source over;
    TANDEM_CO_TRY(co_await with_context(over.context(), pool.submit(10ms)));
    over.cancel();
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(pool.stats().done, 1U);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_TRUE(s.ends.empty());
}

TEST(WorkerPoolSubmit, ThatWaitsFailsWhenThePoolIsDestroyed) {
  sim_runtime sim;
  auto body = [&]() -> task<> {
    join_handle<result<void>> waiting;
    auto job = std::make_unique<int>(2);
    {
      worker_pool<std::unique_ptr<int>> pool(
          [](std::unique_ptr<int>) -> task<result<void>> { co_return co_await sleep_for(1h); },
          {.max_workers = 1, .queue_capacity = 0});
      EXPECT_TRUE((co_await pool.submit(std::make_unique<int>(1))).has_value());
      waiting = spawn(pool.submit(std::move(job)));
      co_await yield();
      EXPECT_EQ(pool.stats().waiting, 1U);
    }
    EXPECT_EQ((co_await waiting.join()).error(), errc::closed);
    EXPECT_NE(job, nullptr);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolWorkers, GrowWithTheLoadUpToMax) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.min_workers = 1, .max_workers = 3, .queue_capacity = 10});
    EXPECT_EQ(pool.stats().workers, 1U);
    EXPECT_EQ(pool.stats().idle, 1U);
    for (std::size_t i = 1; i <= 5; ++i) {
      TANDEM_CO_TRY(co_await pool.submit(1ms));
      EXPECT_EQ(pool.stats().workers, std::min<std::size_t>(i, 3));
      EXPECT_EQ(pool.stats().running, std::min<std::size_t>(i, 3));
      EXPECT_EQ(pool.stats().idle, 0U);
    }
    EXPECT_EQ(pool.stats().queued, 2U);
    co_await or_return(sleep_for(5ms));
    EXPECT_EQ(pool.stats().idle, 3U);
    EXPECT_EQ(pool.stats().peak_workers, 3U);
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(s.began.size(), 5U);
}

TEST(WorkerPoolWorkers, BeyondMinEndAfterKeepAliveAndNotBefore) {
  sim_runtime sim;
  std::unique_ptr<worker_pool<duration>> pool;
  sleeper s;
  auto make = [&]() -> task<result<void>> {
    const worker_pool_options<duration> options{.min_workers = 1, .max_workers = 4, .keep_alive = 1s};
    pool = std::make_unique<worker_pool<duration>>(s.handler(), options);
    for (int i = 0; i < 4; ++i) TANDEM_CO_TRY(co_await pool->submit(1ms));
    co_return result<void>();
  };
  ASSERT_TRUE(sim.run(make).has_value());
  sim.advance(1ms);
  ASSERT_EQ(pool->stats().idle, 4U);
  sim.advance(1s - 1ns);
  EXPECT_EQ(pool->stats().workers, 4U);
  sim.advance(1ns);
  EXPECT_EQ(pool->stats().workers, 1U);
  EXPECT_EQ(pool->stats().idle, 1U);
  sim.advance(1h);
  EXPECT_EQ(pool->stats().workers, 1U);
  ASSERT_TRUE(pool->try_submit(1ms).has_value());  // the one that stayed still works
  sim.advance(1ms);
  EXPECT_EQ(pool->stats().done, 5U);
  EXPECT_EQ(pool->stats().peak_workers, 4U);
  pool.reset();
}

TEST(WorkerPoolWorkers, TheOneThatBecameIdleLastIsUsedSoTheOthersEnd) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 2, .keep_alive = 10ms});
    TANDEM_CO_TRY(co_await pool.submit(1ms));
    TANDEM_CO_TRY(co_await pool.submit(2ms));
    for (int i = 0; i < 4; ++i) {
      co_await or_return(sleep_for(4ms));
      TANDEM_CO_TRY(co_await pool.submit(1ms));
    }
    EXPECT_EQ(pool.stats().workers, 1U);
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolWorkers, WithKeepAliveOfZeroStartAnewForEachJob) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 2, .keep_alive = 0s});
    for (int i = 0; i < 3; ++i) {
      TANDEM_CO_TRY(co_await pool.submit(1ms));
      co_await or_return(sleep_for(2ms));
      EXPECT_EQ(pool.stats().workers, 0U);
    }
    EXPECT_EQ(pool.stats().done, 3U);
    co_return co_await pool.shutdown(0s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolDeadline, CutsAJobOffAtItsLimitAndNotBefore) {
  sim_runtime sim;
  sleeper s;
  std::vector<error> failed;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(
        s.handler(), {.max_workers = 2, .job_limit = 10ms, .on_failed = [&](const error& e) { failed.push_back(e); }});
    TANDEM_CO_TRY(co_await pool.submit(10ms - 1ns));
    TANDEM_CO_TRY(co_await pool.submit(10ms + 1ns));
    co_await or_return(sleep_for(10ms - 1ns));
    EXPECT_EQ(pool.stats().running, 1U);
    EXPECT_EQ(pool.stats().done, 1U);
    co_await or_return(sleep_for(1ns));
    co_await yield();  // the worker has its turn at the same moment
    EXPECT_EQ(pool.stats().failed, 1U);
    co_return co_await pool.shutdown(1s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0], errc::deadline_exceeded);
}

TEST(WorkerPoolDeadline, CountsFromSubmitAndNeverBeginsWhatIsTooLate) {
  for (const bool in_time : {true, false}) {
    sim_runtime sim;
    sleeper s;
    std::vector<duration> lost;
    auto body = [&]() -> task<result<void>> {
      auto keep = [&](duration d, const error& why) {
        EXPECT_EQ(why, errc::deadline_exceeded);
        lost.push_back(d);
      };
      worker_pool<duration> pool(
          s.handler(), {.max_workers = 1, .job_limit = 10ms, .on_failed = [](const error&) {}, .on_lost = keep});
      TANDEM_CO_TRY(co_await pool.submit(in_time ? 10ms - 1ns : 10ms));
      TANDEM_CO_TRY(co_await pool.submit(7ms));
      auto ended = co_await pool.shutdown(1s);
      EXPECT_TRUE(adds_up(pool.stats()));
      EXPECT_EQ(pool.stats().expired, in_time ? 0U : 1U);
      co_return ended;
    };
    EXPECT_TRUE(sim.run(body).has_value());
    EXPECT_EQ(lost.size(), in_time ? 0U : 1U);
    EXPECT_EQ(s.began.size(), in_time ? 2U : 1U);
  }
}

TEST(WorkerPoolShutdown, FinishesTheQueueAndRefusesNewJobs) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1});
    for (int i = 0; i < 5; ++i) TANDEM_CO_TRY(co_await pool.submit(10ms));
    auto ending = spawn(pool.shutdown(50ms));
    co_await or_return(sleep_for(1ms));
    EXPECT_EQ((co_await pool.submit(1ms)).error(), errc::closed);
    EXPECT_EQ(pool.try_submit(1ms).error(), errc::closed);
    const auto ended = co_await ending.join();
    EXPECT_TRUE(ended.has_value());
    EXPECT_TRUE((co_await pool.shutdown(0s)).has_value());  // again: the same
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(s.began.size(), 5U);
}

TEST(WorkerPoolShutdown, AtItsLimitGivesUpTheQueueAndCancelsWhatRuns) {
  sim_runtime sim;
  sleeper s;
  std::vector<duration> lost;
  auto body = [&]() -> task<result<void>> {
    auto keep = [&](duration d, const error& why) {
      EXPECT_EQ(why, errc::timed_out);
      lost.push_back(d);
    };
    worker_pool<duration> pool(s.handler(), {.max_workers = 2, .on_lost = keep});
    for (duration d : std::vector<duration>{1000h, 10ms, 1000h, 4ms, 5ms}) TANDEM_CO_TRY(co_await pool.submit(d));
    const time_point before = now();
    const auto ended = co_await pool.shutdown(30ms);
    EXPECT_EQ(now() - before, 30ms);
    EXPECT_TRUE(adds_up(pool.stats()));
    EXPECT_EQ(pool.stats().done, 1U);
    EXPECT_EQ(pool.stats().failed, 2U);
    EXPECT_EQ(pool.stats().lost, 2U);
    EXPECT_EQ(pool.stats().workers, 0U);
    EXPECT_EQ((co_await pool.shutdown(1s)).error(), errc::timed_out);  // again: the same
    co_return ended;
  };
  const auto ended = sim.run(body);
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error(), errc::timed_out);
  EXPECT_NE(ended.error().message().find("lost 2 queued jobs and cancelled 2"), std::string::npos)
      << ended.error().message();
  EXPECT_EQ(lost, (std::vector<duration>{4ms, 5ms}));
  ASSERT_EQ(s.ends.size(), 2U);
  EXPECT_TRUE(s.ends[0].is(errc::timed_out));
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(WorkerPoolShutdown, WaitsForHandlersThatFinishInSpiteOfTheCancel) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool([](int) -> task<result<void>> {
      auto stubborn = []() -> task<result<void>> { co_return co_await sleep_for(1s); };
      co_return co_await without_cancel(stubborn());
    });
    TANDEM_CO_TRY(co_await pool.submit(1));
    const time_point before = now();
    auto ended = co_await pool.shutdown(1ms);
    EXPECT_EQ(now() - before, 1s);
    EXPECT_EQ(pool.stats().done, 1U);
    co_return ended;  // nothing was lost after all
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolShutdown, EndsAtOnceWhenItsCallersContextIsOver) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1});
    TANDEM_CO_TRY(co_await pool.submit(1000h));
    TANDEM_CO_TRY(co_await pool.submit(1000h));
    const time_point before = now();
    auto ended = co_await with_timeout(3ms, pool.shutdown(2h));
    EXPECT_EQ(now() - before, 3ms);
    EXPECT_EQ(pool.stats().lost, 1U);
    EXPECT_EQ(pool.stats().failed, 1U);
    co_return ended;
  };
  EXPECT_EQ(sim.run(body).error(), errc::deadline_exceeded);
}

TEST(WorkerPoolShutdown, WakesSubmittersThatWait) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1, .queue_capacity = 0});
    TANDEM_CO_TRY(co_await pool.submit(10ms));
    auto submit = [](worker_pool<duration>& to) -> task<result<void>> { co_return co_await to.submit(1ms); };
    auto waiting = spawn(submit(pool));
    co_await or_return(sleep_for(1ms));
    EXPECT_FALSE(waiting.done());
    auto ending = spawn(pool.shutdown(1s));
    EXPECT_EQ((co_await waiting.join()).error(), errc::closed);
    co_return co_await ending.join();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(s.began.size(), 1U);
}

TEST(WorkerPoolShutdown, MayBeAwaitedBySeveralAndTheShortestLimitHolds) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler());
    TANDEM_CO_TRY(co_await pool.submit(10s));
    const time_point before = now();
    auto patient = spawn(pool.shutdown(1h));
    auto hasty = spawn(pool.shutdown(1s));
    EXPECT_EQ((co_await patient.join()).error(), errc::timed_out);
    EXPECT_EQ((co_await hasty.join()).error(), errc::timed_out);
    EXPECT_EQ(now() - before, 1s);
    co_return result<void>();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolShutdown, WithoutWorkersIsDoneAtOnce) {
  sim_runtime sim;
  const time_point before = sim.now();
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool([](int) -> task<result<void>> { co_return result<void>(); });
    co_return co_await pool.shutdown(0s);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(sim.now(), before);
}

TEST(WorkerPoolShutdownAfter, JoinsTheJobsHoweverTheBodyEnds) {
  sim_runtime sim;
  auto body = [&](bool throws) -> task<result<void>> {
    int finished = 0;
    worker_pool<duration> pool([&](duration d) -> task<result<void>> {
      auto slept = co_await sleep_for(d);
      ++finished;
      co_return slept;
    });
    auto feed = [&]() -> task<result<void>> {
      for (int i = 0; i < 3; ++i) TANDEM_CO_TRY(co_await pool.submit(5ms));
      if (throws) throw std::runtime_error("no more");
      co_return fail(make_error(errc::not_found, "nothing there"));
    };
    auto ended = co_await pool.shutdown_after(feed, 1s);
    EXPECT_EQ(finished, 3);
    co_return ended;
  };
  EXPECT_EQ(sim.run(body(false)).error(), errc::not_found);
  EXPECT_NE(sim.run(body(true)).error().message().find("no more"), std::string::npos);
}

TEST(WorkerPoolEnd, OfThePoolsContextLosesWhatQueues) {
  sim_runtime sim;
  sleeper s;
  std::vector<duration> lost;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1, .on_lost = [&](duration d, const error& why) {
                                               EXPECT_EQ(why, errc::deadline_exceeded);
                                               lost.push_back(d);
                                             }});
    for (auto d : {1h, 2h, 3h}) TANDEM_CO_TRY(co_await pool.submit(d));
    auto waiting = co_await sleep_for(1h);
    EXPECT_EQ(waiting.error(), errc::deadline_exceeded);
    EXPECT_EQ(pool.try_submit(1ms).error(), errc::closed);
    auto ended = co_await without_cancel(pool.shutdown(1s));
    EXPECT_TRUE(adds_up(pool.stats()));
    EXPECT_EQ(pool.stats().lost, 2U);
    co_return ended;
  };
  EXPECT_EQ(sim.run(with_timeout(1s, body())).error(), errc::deadline_exceeded);
  EXPECT_EQ(lost, (std::vector<duration>{2h, 3h}));
}

TEST(WorkerPoolEnd, OfThePoolItselfLosesWhatQueuesAndCancelsWhatRuns) {
  sim_runtime sim;
  const auto token = std::make_shared<int>();
  std::size_t lost = 0;
  bool told = false;
  auto body = [&]() -> task<result<void>> {
    worker_pool<std::shared_ptr<int>> pool(
        [](std::shared_ptr<int>) -> task<result<void>> { co_return co_await sleep_for(1000h); },
        {.max_workers = 1, .on_failed = [&](const error& e) { told = e == errc::cancelled; },
         .on_lost = [&](std::shared_ptr<int>, const error&) { ++lost; }});
    for (int i = 0; i < 3; ++i) TANDEM_CO_TRY(co_await pool.submit(token));
    co_await yield();
    co_return result<void>();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  sim.run_until_idle();
  EXPECT_EQ(lost, 2U);
  EXPECT_TRUE(told);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(WorkerPoolEnd, WithoutShutdownSaysOnStderrWhatWasLost) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool([](int) -> task<result<void>> { co_return co_await sleep_for(1000h); }, {.max_workers = 1});
    for (int i = 0; i < 3; ++i) TANDEM_CO_TRY(co_await pool.submit(1));
    co_await yield();
    co_return result<void>();
  };
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(sim.run(body).has_value());
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("destroyed without shutdown(), and with it 2 queued jobs"), std::string::npos) << said;
}

TEST(WorkerPoolFailures, AreToldAndDoNotEndTheWorker) {
  sim_runtime sim;
  std::vector<std::string> told;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool(
        [](int n) -> task<result<void>> {
          if (n == 1) throw std::runtime_error("thrown");
          if (n == 2) co_return fail(make_error(errc::not_found, "returned"));
          co_return result<void>();
        },
        {.max_workers = 1, .on_failed = [&](const error& e) { told.push_back(e.message()); }});
    for (int i = 0; i < 4; ++i) TANDEM_CO_TRY(co_await pool.submit(i));
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(pool.stats().failed, 2U);
    EXPECT_EQ(pool.stats().done, 2U);
    EXPECT_EQ(pool.stats().peak_workers, 1U);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told[0].find("thrown"), std::string::npos);
  EXPECT_EQ(told[1], "returned");
}

TEST(WorkerPoolFailures, OfAFunctionThatThrowsBeforeItGivesATaskAreToldToo) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool([](int) -> task<result<void>> { throw std::runtime_error("at once"); });
    TANDEM_CO_TRY(co_await pool.submit(1));
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(pool.stats().failed, 1U);
    co_return ended;
  };
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(sim.run(body).has_value());
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("a job of the worker pool made at "), std::string::npos) << said;
  EXPECT_NE(said.find("at once"), std::string::npos) << said;
}

TEST(WorkerPoolFailures, OfTheFunctionsThatAreToldAreOnlyReported) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool(
        [](int) -> task<result<void>> { co_return fail(make_error(errc::not_found, "no")); },
        {.max_workers = 1, .on_failed = [](const error&) { throw std::runtime_error("told"); }});
    TANDEM_CO_TRY(co_await pool.submit(1));
    TANDEM_CO_TRY(co_await pool.submit(2));
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(pool.stats().failed, 2U);
    co_return ended;
  };
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("threw an exception"), std::string::npos);
}

TEST(WorkerPoolTimes, AreWhatJobsWaitedAndRan) {
  sim_runtime sim;
  sleeper s;
  auto body = [&]() -> task<result<void>> {
    worker_pool<duration> pool(s.handler(), {.max_workers = 1});
    for (auto d : {10ms, 20ms, 30ms}) TANDEM_CO_TRY(co_await pool.submit(d));
    auto ended = co_await pool.shutdown(1s);
    const worker_pool_stats told = pool.stats();
    EXPECT_EQ(told.queue_time, 0ms + 10ms + 30ms);
    EXPECT_EQ(told.longest_queue_time, 30ms);
    EXPECT_EQ(told.run_time, 60ms);
    EXPECT_EQ(told.longest_run_time, 30ms);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolMisuse, Throws) {
  sim_runtime sim;
  auto handler = [](int) -> task<result<void>> { co_return result<void>(); };
  auto body = [&]() -> task<> {
    using pool = worker_pool<int>;
    EXPECT_THROW(pool({}), std::invalid_argument);
    EXPECT_THROW(pool(handler, {.max_workers = 0}), std::invalid_argument);
    EXPECT_THROW(pool(handler, {.min_workers = 3, .max_workers = 2}), std::invalid_argument);
    EXPECT_THROW(pool(handler, {.keep_alive = -1ns}), std::invalid_argument);
    EXPECT_THROW(pool(handler, {.job_limit = 0s}), std::invalid_argument);
    EXPECT_THROW(pool(handler, {.queue_capacity = std::size_t(-1)}), std::bad_alloc);
    co_return;
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_THROW(worker_pool<int>{handler}, std::logic_error);
}

TEST(WorkerPoolMisuse, ShutdownByAJobOfItsOwnThrows) {
  sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    worker_pool<int>* own = nullptr;
    std::vector<error> told;
    worker_pool<int> pool([&](int) -> task<result<void>> { co_return co_await own->shutdown(1s); },
                          {.on_failed = [&](const error& e) { told.push_back(e); }});
    own = &pool;
    TANDEM_CO_TRY(co_await pool.submit(1));
    auto ended = co_await pool.shutdown(1s);
    EXPECT_EQ(told.size(), 1U);
    EXPECT_NE(told.at(0).message().find("cannot wait for the pool's end"), std::string::npos);
    co_return ended;
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(WorkerPoolOfARuntime, TakesJobsFromPlainThreads) {
  std::atomic<int> ran = 0;
  runtime rt({.workers = 2});
  auto body = [&]() -> task<result<void>> {
    worker_pool<int> pool(
        [&](int) -> task<result<void>> {
          ++ran;
          co_return result<void>();
        },
        {.max_workers = 4, .queue_capacity = 16, .keep_alive = 0s});
    auto feed = [&] {
      for (int i = 0; i < 1000;)
        if (pool.try_submit(i)) ++i;
    };
    auto one = run_blocking(feed);
    auto two = run_blocking(feed);
    TANDEM_CO_TRY(co_await one.join());
    TANDEM_CO_TRY(co_await two.join());
    co_return co_await pool.shutdown(10s);
  };
  EXPECT_TRUE(rt.block_on(body()).has_value());
  EXPECT_EQ(ran, 2000);
}

TEST(WorkerPoolOfARuntime, ThatIsShutDownTakesNoMore) {
  std::unique_ptr<worker_pool<std::unique_ptr<int>>> pool;
  runtime rt({.workers = 1});
  auto make = [&]() -> task<> {
    pool = std::make_unique<worker_pool<std::unique_ptr<int>>>(
        [](std::unique_ptr<int>) -> task<result<void>> { co_return result<void>(); });
    co_return;
  };
  rt.block_on(make());
  ASSERT_TRUE(rt.shutdown(10s).has_value());
  auto job = std::make_unique<int>(1);
  EXPECT_EQ(pool->try_submit(std::move(job)).error(), errc::closed);
  EXPECT_NE(job, nullptr);
}

TEST(WorkerPoolOfARuntime, ThatDestroysItsTasksCountsTheirJobs) {
  std::unique_ptr<worker_pool<int>> pool;
  std::atomic<int> began = 0;
  runtime rt({.workers = 1});
  auto make = [&]() -> task<> {
    auto stubborn = [](std::atomic<int>& begun) -> task<result<void>> {
      begun = 1;
      for (;;) co_await yield();
    };
    pool = std::make_unique<worker_pool<int>>(
        [&, stubborn](int) { return without_cancel(stubborn(began)); }, worker_pool_options<int>{.max_workers = 1});
    (void)pool->try_submit(1);
    (void)pool->try_submit(2);
    while (began == 0) co_await yield();
  };
  rt.block_on(make());
  EXPECT_FALSE(rt.shutdown(20ms).has_value());
  EXPECT_EQ(pool->stats().failed, 1U);
  EXPECT_EQ(pool->stats().queued, 1U);
  ::testing::internal::CaptureStderr();
  pool.reset();
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("1 queued jobs"), std::string::npos);
}

}  // namespace
}  // namespace tandem::csp
