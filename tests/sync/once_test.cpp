#include <tandem/sync/once.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<once> && stays_where_it_is<once_value<int>>);

TEST(Once, CallsTheFirstFunctionForAll) {
  once o;
  testing::sim_runtime sim;
  int calls = 0;
  auto body = [&]() -> task<result<void>> {
    auto count = [&] { ++calls; };
    co_return co_await o.call(count);
  };
  EXPECT_FALSE(o.is_done());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(sim.run(body()).has_value());
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(o.is_done());
}

TEST(Once, TakesEachKindOfFunction) {
  testing::sim_runtime sim;
  auto body = []() -> task<> {
    auto nothing = [] {};
    auto failing = []() -> result<void> { return fail(errc::data_loss); };
    auto later = []() -> task<> { (void)co_await sleep_for(1s); };
    auto failing_later = []() -> task<result<void>> { co_return fail(errc::data_loss); };
    once a, b, c, d;
    EXPECT_TRUE((co_await a.call(nothing)).has_value());
    EXPECT_EQ((co_await b.call(failing)).error().code(), errc::data_loss);
    EXPECT_EQ((co_await b.call(nothing)).error().code(), errc::data_loss);
    EXPECT_TRUE((co_await c.call(later)).has_value());
    EXPECT_EQ((co_await d.call(failing_later)).error().code(), errc::data_loss);

    auto seven = [] { return 7; };
    auto eight = []() -> result<int> { return 8; };
    auto nine = []() -> task<int> { co_return 9; };
    auto ten = []() -> task<result<int>> { co_return 10; };
    once_value<int> v, w, x, y;
    EXPECT_EQ(v.get_if(), nullptr);
    const int* const first = (co_await v.get(seven)).value();
    EXPECT_EQ(*first, 7);
    EXPECT_EQ((co_await v.get(eight)).value(), first);
    EXPECT_EQ(v.get_if(), first);
    EXPECT_EQ(*(co_await w.get(eight)).value(), 8);
    EXPECT_EQ(*(co_await x.get(nine)).value(), 9);
    EXPECT_EQ(*(co_await y.get(ten)).value(), 10);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(Once, WhoComesWhileItRunsWaitsAndGetsTheSame) {
  once_value<std::unique_ptr<int>> v;
  testing::sim_runtime sim;
  int calls = 0;
  auto body = [&]() -> task<const int*> {
    auto load = [&]() -> task<std::unique_ptr<int>> {
      ++calls;
      (void)co_await sleep_for(1s);
      co_return std::make_unique<int>(7);
    };
    auto got = co_await v.get(load);
    co_return got.value()->get();
  };
  std::vector<join_handle<const int*>> all;
  for (int i = 0; i < 5; ++i) all.push_back(sim.spawn(body()));
  sim.advance(1s - 1ns);
  for (auto& each : all) ASSERT_FALSE(each.done());
  EXPECT_FALSE(v.is_done());
  sim.run_to_end();
  for (auto& each : all) EXPECT_EQ(sim.get(each).value(), v.get_if()->get());
  EXPECT_EQ(calls, 1);
}

TEST(Once, AnExceptionIsSeenByAllAndLeavesItDone) {
  once o;
  once_value<std::string> v;
  testing::sim_runtime sim;
  int calls = 0;
  auto body = [&]() -> task<> {
    auto throws = [&] {
      ++calls;
      throw std::runtime_error("disk gone");
    };
    auto throws_later = [&]() -> task<std::string> {
      ++calls;
      (void)co_await sleep_for(1s);
      throw std::runtime_error("disk gone");
    };
    const auto a = co_await o.call(throws);
    EXPECT_NE(a.error().message().find("disk gone"), std::string::npos) << a.error().message();
    const auto b = co_await v.get(throws_later);
    EXPECT_NE(b.error().message().find("disk gone"), std::string::npos) << b.error().message();
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(sim.run(body()).has_value());
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(o.is_done() && v.is_done());
  EXPECT_EQ(v.get_if(), nullptr);
}

TEST(Once, WhoWaitsLeavesWhenItIsCancelledAndTheCallGoesOn) {
  once o;
  testing::sim_runtime sim;
  auto slow = [&]() -> task<result<void>> {
    auto call = []() -> task<> { (void)co_await sleep_for(1s); };
    co_return co_await o.call(call);
  };
  const cancel_source source(sim.root_context());
  auto runs = sim.spawn(slow());
  sim.run_until_idle();
  auto waits = sim.spawn(slow(), source.context());
  auto patient = sim.spawn(slow());
  sim.run_until_idle();
  source.cancel();
  EXPECT_EQ(sim.wait(waits).error().code(), errc::cancelled);
  EXPECT_FALSE(runs.done());
  EXPECT_TRUE(sim.wait(patient).has_value());
  EXPECT_TRUE(sim.wait(runs).has_value());
  EXPECT_EQ(sim.now(), time_point(24h + 1s));
}

TEST(Once, ACallThatEndedBecauseItsCallerWasCancelledHasNotHappened) {
  once_value<int> v;
  testing::sim_runtime sim;
  auto caller = [&v](int value, duration takes) -> task<result<const int*>> {
    auto load = [value, takes]() -> task<result<int>> {
      if (auto slept = co_await sleep_for(takes); !slept) co_return fail(slept.error());
      co_return value;
    };
    co_return co_await v.get(load);
  };
  const cancel_source source(sim.root_context());
  auto first = sim.spawn(caller(1, 1s), source.context());
  sim.run_until_idle();
  auto second = sim.spawn(caller(2, 1s));
  auto third = sim.spawn(caller(3, 1s));
  sim.run_until_idle();
  source.cancel();
  EXPECT_EQ(sim.wait(first).error().code(), errc::cancelled);
  EXPECT_FALSE(v.is_done());
  EXPECT_EQ(*sim.wait(second).value(), 2);
  EXPECT_EQ(*sim.wait(third).value(), 2);
}

TEST(Once, AnErrorThatOnlyLooksLikeACancelIsKept) {
  once o;
  testing::sim_runtime sim;
  int calls = 0;
  auto caller = [&]() -> task<result<void>> {
    auto refuse = [&]() -> result<void> {
      ++calls;
      return fail(errc::cancelled);
    };
    co_return co_await o.call(refuse);
  };
  EXPECT_EQ(sim.run(caller()).error().code(), errc::cancelled);
  EXPECT_EQ(sim.run(caller()).error().code(), errc::cancelled);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(o.is_done());
}

TEST(Once, ThatIsDoneGivesItsValueInAContextThatIsOver) {
  once_value<int> v;
  testing::sim_runtime sim;
  auto caller = [&]() -> task<result<const int*>> {
    auto seven = [] { return 7; };
    co_return co_await v.get(seven);
  };
  EXPECT_EQ(*sim.run(caller()).value(), 7);
  const cancel_source source(sim.root_context());
  source.cancel();
  auto late = sim.spawn(caller(), source.context());
  EXPECT_EQ(*sim.wait(late).value(), 7);
}

TEST(Once, WaitsForAnotherCallForALimitedTime) {
  once_value<int> v;
  once o;
  testing::sim_runtime sim;
  auto slow = [&]() -> task<> {
    auto seven = []() -> task<int> {
      (void)co_await sleep_for(10ms);
      co_return 7;
    };
    auto nothing = []() -> task<> { (void)co_await sleep_for(10ms); };
    auto both = sim.spawn([&o, nothing]() -> task<> { (void)co_await o.call(nothing); });
    (void)co_await v.get(seven);
    (void)co_await both.join();
  };
  auto first = sim.spawn(slow());
  sim.run_until_idle();
  auto impatient = [&](duration limit) -> task<result<const int*>> {
    auto eight = [] { return 8; };
    co_return co_await v.get_for(limit, eight);
  };
  auto late = [&]() -> task<result<void>> {
    auto nothing = [] {};
    co_return co_await o.call_until(now() + 1ms, nothing);
  };
  EXPECT_EQ(sim.run(impatient(0ms)).error(), errc::timed_out);
  EXPECT_EQ(sim.run(impatient(1ms)).error(), errc::timed_out);
  EXPECT_EQ(sim.run(late()).error(), errc::timed_out);
  EXPECT_EQ(*sim.run(impatient(20ms)).value(), 7);
  EXPECT_TRUE(sim.wait(first).has_value());
}

TEST(Once, ATaskThatComesBackFromInsideWaitsForItselfAndIsNamed) {
  once o;
  testing::sim_runtime sim;
  auto body = [&]() -> task<result<void>> {
    auto inner = [] {};
    auto outer = [&o, inner]() -> task<result<void>> { co_return co_await o.call(inner); };
    co_return co_await o.call(outer);
  };
  const auto ended = sim.run(body());
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("waiting for a mutex"), std::string::npos) << ended.error().message();
}

}  // namespace
}  // namespace tandem::sync
