#include <tandem/resilience/tied.hpp>

#include <atomic>
#include <chrono>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/worker_pool.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;
using job = task<result<void>>;
using pool = csp::worker_pool<job>;

job run_job(job j) { return j; }
job busy_for(duration d) { co_return co_await sleep_for(d); }

csp::worker_pool_options<job> one_at_a_time() { return {.max_workers = 1}; }

TEST(Tie, IsClaimedOnce) {
  const tie a;
  const tie b = a;
  EXPECT_FALSE(a.is_claimed());
  EXPECT_TRUE(b.claim());
  EXPECT_FALSE(a.claim());
  EXPECT_TRUE(a.is_claimed());
  EXPECT_TRUE(tie().claim()) << "another tie";
}

TEST(SendTied, SendsOnlyOneIfThatIsClaimedWithinTheDelay) {
  sim_runtime sim;
  std::vector<std::string> log;
  auto body = [&]() -> task<result<void>> {
    const tie t;
    auto first = [&]() -> job {
      log.emplace_back("first");
      (void)t.claim();
      co_return result<void>();
    };
    auto second = [&]() -> job {
      log.emplace_back("second");
      co_return result<void>();
    };
    const auto sent = co_await send_tied(t, first, second, 1ms);
    EXPECT_EQ(log, std::vector<std::string>{"first"});
    co_return sent;
  };
  const time_point start = sim.now();
  EXPECT_TRUE(sim.run(body()).has_value());
  EXPECT_EQ(sim.now(), start);
}

// Sends to queues of which the first fails if it is said so; gives what was sent, and when.
result<void> send(sim_runtime& sim, duration delay, bool first_fails, bool second_fails, std::string& sent) {
  auto body = [](sim_runtime& s, duration d, bool fails, bool fails_too, std::string& log) -> task<result<void>> {
    const time_point start = s.now();
    auto queue = [&s, &log, start](const char* name, bool refuses) -> job {
      log += name + std::to_string((s.now() - start) / 1ms);
      if (refuses) co_return std::unexpected(error_of(errc::overloaded));
      co_return result<void>();
    };
    auto first = [&queue, fails] { return queue("a", fails); };
    auto second = [&queue, fails_too] { return queue("b", fails_too); };
    co_return co_await send_tied(tie(), first, second, d);
  };
  return sim.run(body(sim, delay, first_fails, second_fails, sent));
}

TEST(SendTied, SendsTheOtherWhenTheDelayHasPassed) {
  sim_runtime sim;
  std::string sent;
  EXPECT_TRUE(send(sim, 2ms, false, false, sent).has_value());
  EXPECT_EQ(sent, "a0b2");
}

TEST(SendTied, SendsBothAtOnceWithoutADelay) {
  sim_runtime sim;
  std::string sent;
  EXPECT_TRUE(send(sim, 0ms, false, false, sent).has_value());
  EXPECT_TRUE(send(sim, -5ms, false, false, sent).has_value());
  EXPECT_EQ(sent, "a0b0a0b0");
}

TEST(SendTied, OneQueueIsEnough) {
  sim_runtime sim;
  std::string sent;
  EXPECT_TRUE(send(sim, 2ms, true, false, sent).has_value());
  EXPECT_EQ(sent, "a0b0") << "who was refused need not wait";
  EXPECT_TRUE(send(sim, 2ms, false, true, sent).has_value());
  EXPECT_EQ(send(sim, 2ms, true, true, sent).error().code(), errc::overloaded);
}

TEST(RunTied, RunsInTheQueueThatIsShorterThoughNobodyKnew) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<result<std::size_t>> {
    pool a(&run_job, one_at_a_time());
    pool b(&run_job, one_at_a_time());
    (void)a.try_submit(busy_for(1s));
    (void)b.try_submit(busy_for(100ms));
    const time_point start = now();
    int calls = 0;
    auto which = [&calls](std::size_t where) -> task<result<std::size_t>> {
      ++calls;
      (void)co_await sleep_for(10ms);
      co_return where;
    };
    const auto ran = co_await run_tied(a, b, which);
    EXPECT_EQ(now() - start, 110ms);
    auto ended = co_await a.shutdown(1h);
    EXPECT_TRUE(ended.has_value()) << "the twin was dropped";
    EXPECT_EQ(calls, 1);
    co_return ran;
  });
  EXPECT_EQ(got.value(), 1U);
}

TEST(RunTied, TakesBothBackIfTheCallerGoesBeforeTheyBegan) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<result<void>> {
    pool a(&run_job, one_at_a_time());
    pool b(&run_job, one_at_a_time());
    (void)a.try_submit(busy_for(1s));
    (void)b.try_submit(busy_for(1s));
    bool called = false;
    auto never = [&called](std::size_t) -> task<result<int>> {
      called = true;
      co_return 1;
    };
    const time_point start = now();
    // Between the two sends, and after both.
    for (const duration patience : std::initializer_list<duration>{500us, 50ms}) {
      const auto ran = co_await with_timeout(patience, run_tied(a, b, never));
      EXPECT_EQ(ran.error().code(), errc::deadline_exceeded);
    }
    EXPECT_EQ(now() - start, 50ms + 500us) << "it waited for nobody";
    auto ended = co_await a.shutdown(1h);
    ended = co_await b.shutdown(1h);
    EXPECT_FALSE(called);
    co_return ended;
  });
  EXPECT_TRUE(got.has_value());
}

TEST(RunTied, CancelsAndAwaitsWhatHasBegun) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<result<void>> {
    pool a(&run_job, one_at_a_time());
    pool b(&run_job, one_at_a_time());
    std::string end = "none";
    auto endless = [&end](std::size_t) -> task<result<int>> {
      const auto slept = co_await sleep_for(1h);
      end = slept.error().message();
      co_return std::unexpected(slept.error());
    };
    const auto ran = co_await with_timeout(50ms, run_tied(a, b, endless));
    EXPECT_EQ(ran.error().code(), errc::deadline_exceeded);
    EXPECT_EQ(end, "deadline_exceeded") << "it ended before the call did";
    auto ended = co_await a.shutdown(1h);
    co_return ended;
  });
  EXPECT_TRUE(got.has_value());
}

TEST(RunTied, EndsWithItsPool) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<result<int>> {
    pool a(&run_job, one_at_a_time());
    pool b(&run_job, one_at_a_time());
    auto endless = [](std::size_t) -> task<result<int>> {
      const auto slept = co_await sleep_for(1h);
      co_return std::unexpected(slept.error());
    };
    auto running = spawn(run_tied(a, b, endless));
    (void)co_await sleep_for(10ms);
    (void)co_await a.shutdown(0s);
    const auto ran = co_await running.join();
    co_return ran;
  });
  EXPECT_EQ(got.error().code(), errc::cancelled);
}

TEST(RunTied, FailsIfBothPoolsEndBeforeTheyCameToIt) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<result<int>> {
    csp::worker_pool_options<job> quiet = one_at_a_time();
    quiet.on_lost = [](job, const error&) {};
    pool a(&run_job, quiet);
    pool b(&run_job, quiet);
    (void)a.try_submit(busy_for(1h));
    (void)b.try_submit(busy_for(1h));
    auto never = [](std::size_t) -> task<result<int>> { co_return 1; };
    auto running = spawn(run_tied(a, b, never));
    (void)co_await sleep_for(10ms);
    (void)co_await a.shutdown(0s);
    EXPECT_FALSE(running.done()) << "the other may still come to it";
    (void)co_await b.shutdown(0s);
    auto ran = co_await running.join();
    EXPECT_EQ(ran.error().message(), "both pools had ended: closed");
    ran = co_await run_tied(a, b, never);
    co_return ran;
  });
  EXPECT_EQ(got.error().code(), errc::closed) << "pools that take nothing say so at once";
}

TEST(RunTied, AnExceptionPassesThrough) {
  sim_runtime sim;
  const auto got = sim.run([]() -> task<std::string> {
    pool a(&run_job, one_at_a_time());
    pool b(&run_job, one_at_a_time());
    auto throws = [](std::size_t) -> task<result<int>> {
      throw std::runtime_error("no");
      co_return 1;
    };
    std::string what = "nothing";
    try {
      (void)co_await run_tied(a, b, throws);
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    (void)co_await a.shutdown(1h);
    co_return what;
  });
  EXPECT_EQ(got.value(), "no");
}

TEST(RunTied, RunsEachOnceOnSeveralWorkers) {
  runtime workers({.workers = 4});
  workers.block_on([]() -> task<> {
    pool a(&run_job, {.max_workers = 2});
    pool b(&run_job, {.max_workers = 2});
    std::atomic<int> calls{0};
    auto caller = [](pool& x, pool& y, std::atomic<int>& count) -> task<int> {
      int right = 0;
      for (int i = 0; i < 500; ++i) {
        auto work = [&count, i](std::size_t) -> task<result<int>> {
          ++count;
          co_return i;
        };
        const auto ran = co_await run_tied(x, y, work, 0ms);
        if (ran && *ran == i) ++right;
      }
      co_return right;
    };
    std::vector<join_handle<int>> callers;
    for (int i = 0; i < 8; ++i) callers.push_back(spawn(caller(a, b, calls)));
    for (auto& each : callers) {
      const auto right = co_await each.join();
      EXPECT_EQ(right.value_or(-1), 500);
    }
    EXPECT_EQ(calls.load(), 8 * 500);
    (void)co_await a.shutdown(1h);
    (void)co_await b.shutdown(1h);
  }());
}

}  // namespace
}  // namespace tandem::resilience
