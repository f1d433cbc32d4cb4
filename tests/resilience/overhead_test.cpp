// What policies cost a call that succeeds at once; how much time, tells bench job P1.
#include <chrono>

#include <gtest/gtest.h>
#include <tandem/resilience/breaker.hpp>
#include <tandem/resilience/hedge.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/runtime.hpp>

#include "errors/allocation_count.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;

task<result<int>> answer(const call& c) { co_return static_cast<int>(c.attempt); }

TEST(IdlePolicies, TakeNoMemoryButFromThePool) {
#if TANDEM_NESTED_RESUME
  GTEST_SKIP() << "with a sanitizer the pool takes each block from the heap";
#endif
  const retry_budget extra;
  const auto policies = with(breaker(), timeout(1s), retry({.budget = extra}), hedge({.delay = 10ms, .budget = extra}));
  runtime_options options;
  options.workers = 1;
  runtime rt(options);
  auto body = [&]() -> task<std::size_t> {
    constexpr call c{.method = "get", .target = "a:80", .idempotent = true};
    for (int i = 0; i < 1000; ++i) (void)co_await policies.run(c, answer);  // the pool, and the timers, have grown
    const std::size_t before = testing::allocation_count();
    for (int i = 0; i < 100; ++i) (void)co_await policies.run(c, answer);
    co_return testing::allocation_count() - before;
  };
  EXPECT_EQ(rt.block_on(body()), 0U) << "allocations in 100 calls";
}

}  // namespace
}  // namespace tandem::resilience
