#include <tandem/csp/for_each.hpp>

#include <memory>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/unbounded.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::leak_check;
using testing::sim_runtime;

/// 1 to n, and no more to come.
receiver<int> up_to(int n) {
  auto [tx, rx] = make_unbounded<int>();
  for (int i = 1; i <= n; ++i) EXPECT_TRUE(tx.send(i).has_value());
  return rx;
}

TEST(ForEach, HandsOverEveryValueInOrderAndEndsWellWithTheChannel) {
  leak_check nothing_left;
  sim_runtime sim;
  std::vector<int> got;
  const receiver<int> rx = up_to(4);
  auto body = [&]() -> task<result<void>> { co_return co_await for_each(rx, [&](int n) { got.push_back(n); }); };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(got, (std::vector{1, 2, 3, 4}));
}

TEST(ForEach, TakesFunctionsOfEveryKind) {
  leak_check nothing_left;
  sim_runtime sim;
  int sum = 0;
  auto plain = [&](int n) -> result<void> {
    sum += n;
    return {};
  };
  auto suspends = [&](int n) -> task<> {
    (void)co_await sleep_for(1s);
    sum += n;
  };
  auto suspends_and_may_fail = [&](int n) -> task<result<void>> {
    (void)co_await sleep_for(1s);
    sum += n;
    co_return result<void>();
  };
  EXPECT_TRUE(sim.run(for_each(up_to(4), plain)).has_value());
  EXPECT_TRUE(sim.run(for_each(up_to(4), suspends)).has_value());
  EXPECT_TRUE(sim.run(for_each(up_to(4), suspends_and_may_fail)).has_value());
  EXPECT_EQ(sum, 30);
}

TEST(ForEach, TheFunctionsErrorEndsItAndTheRestStays) {
  leak_check nothing_left;
  sim_runtime sim;
  const receiver<int> rx = up_to(4);
  auto fails = [](int n) -> result<void> {
    if (n == 2) return fail(errc::aborted);
    return {};
  };
  auto closed = [](int) -> task<result<void>> { co_return fail(errc::closed); };
  EXPECT_EQ(sim.run(for_each(rx, fails)).error(), errc::aborted);
  EXPECT_EQ(*rx.try_recv(), 3);
  EXPECT_EQ(sim.run(for_each(rx, closed)).error(), errc::closed);
}

TEST(ForEach, WhatTheFunctionThrowsTheAwaiterThrows) {
  sim_runtime sim;
  auto body = []() -> task<> {
    EXPECT_THROW((void)co_await for_each(up_to(2), [](int) { throw std::runtime_error("no"); }), std::runtime_error);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(ForEach, EndsWithTheCallersContext) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(1);
  int seen = 0;
  auto count = [&](const std::unique_ptr<int>&) { ++seen; };
  auto reading = sim.spawn(with_timeout(1s, for_each(rx, count)));
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(1)).has_value());
  sim.advance(1s - 1ns);
  ASSERT_FALSE(reading.done());
  sim.advance(1ns);
  EXPECT_EQ(sim.get(reading).error(), errc::deadline_exceeded);
  EXPECT_EQ(seen, 1);
  EXPECT_TRUE(tx.try_send(nullptr).has_value());
  EXPECT_EQ(rx.size(), 1U);
}

}  // namespace
}  // namespace tandem::csp
