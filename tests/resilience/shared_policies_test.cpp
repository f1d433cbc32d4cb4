// Policies that many tasks on several threads use at once: for ThreadSanitizer, and for sums that must come out even.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/resilience/adaptive_limit.hpp>
#include <tandem/resilience/breaker.hpp>
#include <tandem/resilience/bulkhead.hpp>
#include <tandem/resilience/rate_limit.hpp>
#include <tandem/resilience/shed.hpp>
#include <tandem/resilience/throttle.hpp>
#include <tandem/runtime/runtime.hpp>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;

TEST(SharedPolicies, LoseNoCallAndLeaveNothingBehind) {
  constexpr int tasks = 16;
  constexpr int calls = 500;
  std::atomic<int> changes{0};
  const breaker b({.failures_in_a_row = 3,
                   .window_calls = 50,
                   .isolation = 50us,
                   .longest_isolation = 1ms,
                   .most_states = 8,
                   .on_change = [&](const breaker_change&) { changes.fetch_add(1); },
                   .name = {}});
  const throttle t({.window = 10ms, .most_states = 8});
  const rate_limit r({.per_second = 1e6, .burst = 1000, .max_wait = 1s});
  const bulkhead bulk({.at_once = 4, .queue = 8, .queue_deadline = 100us});
  const shed s({.limit = 12});
  const adaptive_limit limit({.window = 1ms});
  const auto all = with(s, r, bulk, limit, b, t);

  std::atomic<std::uint64_t> served{0};
  std::vector<std::string> targets;
  for (int i = 0; i < 40; ++i) targets.push_back(std::to_string(i));

  const auto caller = [&](int which) -> task<> {
    std::uint32_t random = 12345U + static_cast<std::uint32_t>(which);
    for (int i = 0; i < calls; ++i) {
      random = random * 1664525 + 1013904223;
      const std::uint32_t draw = random >> 8;
      const call c{.target = targets[draw % targets.size()], .matters = static_cast<criticality>(draw % 4)};
      const auto work = [draw] -> task<result<int>> {
        co_await yield();
        if (draw % 7 == 0) throw std::runtime_error("no");
        if (draw % 3 == 0) co_return fail(errc::unavailable);
        if (draw % 50 == 0) (void)co_await sleep_for(200us);
        co_return 1;
      };
      try {
        const auto got = co_await all.run(c, work);
        if (got) served.fetch_add(1);
      } catch (const std::runtime_error&) {}
      if (i % 16 == 0) co_await yield();
    }
  };
  const auto operator_at_work = [&]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      (void)list_policies();
      (void)b.admits({.target = "1"});
      (void)t.admits({.target = "1"});
      if (i % 10 == 3) b.force_open();
      if (i % 10 == 4) b.automatic();
      co_await yield();
    }
  };

  const auto everybody = [&]() -> task<> {
    std::vector<join_handle<void>> running;
    for (int i = 0; i < tasks; ++i) running.push_back(spawn(caller(i)));
    running.push_back(spawn(operator_at_work()));
    for (auto& one : running) {
      const auto ended = co_await one.join();
      EXPECT_TRUE(ended.has_value());
    }
  };
  runtime rt({.workers = 4});
  rt.block_on(everybody());

  EXPECT_GT(served.load(), 0U);
  EXPECT_GT(changes.load(), 0);
  EXPECT_EQ(s.info().state, "0 of 12 inside");
  EXPECT_EQ(bulk.info().state.substr(0, 17), "0 inside, 0 wait,");
  EXPECT_EQ(limit.info().state.substr(0, 5), "0 of ");
}

}  // namespace
}  // namespace tandem::resilience
