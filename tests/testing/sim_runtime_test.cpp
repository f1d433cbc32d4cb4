#include <tandem/testing/sim_runtime.hpp>

#include <cstdlib>
#include <set>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::testing {
namespace {

using namespace std::chrono_literals;

task<> append(std::vector<int>& order, int id) {
  order.push_back(id);
  co_await yield();
  order.push_back(id);
}

std::vector<int> order_with(const sim_options& options) {
  std::vector<int> order;
  sim_runtime sim(options);
  for (int id = 0; id < 8; ++id) sim.spawn(append(order, id)).detach();
  sim.run_until_idle();
  return order;
}

TEST(SimRuntime, RunsReadyTasksInTurnUnlessTheyAreShuffled) {
  const std::vector<int> in_turn{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(order_with({.seed = 1}), in_turn);
  EXPECT_EQ(order_with({.seed = 7}), in_turn);
}

TEST(SimRuntime, ShufflesReadyTasksAsTheSeedHasIt) {
  std::set<std::vector<int>> orders;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const auto order = order_with({.seed = seed, .order = task_order::shuffled});
    EXPECT_EQ(order, order_with({.seed = seed, .order = task_order::shuffled})) << "the same seed, another order";
    orders.insert(order);
  }
  EXPECT_GE(orders.size(), 19u);
}

class SimRuntimeSeed : public ::testing::Test {
 protected:
  SimRuntimeSeed() {
    if (const char* const text = std::getenv("TANDEM_SEED")) before_ = text;
  }
  ~SimRuntimeSeed() override { setenv("TANDEM_SEED", before_.c_str(), 1); }  // empty is as good as unset

 private:
  std::string before_;
};

TEST_F(SimRuntimeSeed, OfTheEnvironmentGoesBeforeTheProgramsUnlessItIsEmpty) {
  setenv("TANDEM_SEED", "77", 1);
  EXPECT_EQ(sim_runtime(5).seed(), 77U);
  setenv("TANDEM_SEED", "", 1);
  EXPECT_EQ(sim_runtime(5).seed(), 5U);
  unsetenv("TANDEM_SEED");
  EXPECT_EQ(sim_runtime(5).seed(), 5U);
}

TEST_F(SimRuntimeSeed, ThatIsNoneIsRefused) {
  for (const char* text : {"abc", "-1", "1x", " 1", "4294967296", "99999999999999999999"}) {
    setenv("TANDEM_SEED", text, 1);
    EXPECT_THROW(sim_runtime(), std::invalid_argument) << text;
  }
}

TEST(SimRuntimeDeathTest, WhatDoesNotEndIsNamedAndAborts) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  auto yield_for_ever = [] {
    sim_runtime sim;
    auto body = []() -> task<> {
      for (;;) co_await yield();
    };
    sim.spawn(body(), "restless").detach();
  };
  EXPECT_DEATH(yield_for_ever(), "tasks that do not end when cancelled: restless in the background");
  auto wait_for_ever = [] {
    sim_runtime sim;
    auto body = []() -> task<> { (void)co_await sleep_until(no_deadline); };
    sim.spawn(without_cancel(body()), "patient").detach();
    sim.run_until_idle();
  };
  EXPECT_DEATH(wait_for_ever(), "patient in the background .*waiting for a time to come");
}

TEST(SimRuntime, MayBeUsedInATaskOfAnother) {
  sim_runtime outer;
  auto body = []() -> task<int> {
    auto inner_body = []() -> task<int> {
      (void)co_await sleep_for(1h);
      co_return 7;
    };
    const time_point before = now();
    sim_runtime inner;
    const int seven = inner.run(inner_body()).value();
    EXPECT_EQ(now(), before);
    (void)co_await sleep_for(1s);
    EXPECT_EQ(now(), before + 1s);
    co_return seven;
  };
  EXPECT_EQ(outer.run(body()).value(), 7);
}

std::string failure_of(sim_runtime& sim, task<> body, std::source_location where = std::source_location::current()) {
  const auto outcome = sim.run(std::move(body), where);
  return outcome ? "it ended" : outcome.error().message();
}

std::string place(int line) { return fmt::format(" ({}:{})", __FILE__, line); }

task<> receive(csp::receiver<int> from) { (void)co_await from.recv(); }
task<> send(csp::sender<int> into) { (void)co_await into.send(1); }
task<> choose(csp::receiver<int> a, csp::receiver<int> b) {
  (void)co_await csp::select(csp::on_recv(a), csp::on_recv(b));
}
task<> nap() { (void)co_await sleep_for(1h); }
task<> tick() {
  ticker every(1h);
  (void)co_await every.next();
}
task<> join(join_handle<void> other) { (void)co_await other.join(); }
task<> gather(csp::receiver<int> from) {
  csp::group g;
  auto one = [](csp::receiver<int> source) -> task<> { (void)co_await source.recv(); };
  g.go(one(from));
  (void)co_await g.wait();
}

TEST(SimRuntime, FailsABodyThatWaitsForEverAndTellsWhatFor) {
  sim_runtime sim;
  auto [tx, rx] = csp::make_channel<int>(0);
  const std::string channel = place(__LINE__ - 1);
  const std::string failure = failure_of(sim, receive(rx));
  EXPECT_NE(failure.find("test body (" + std::string(__FILE__)), std::string::npos) << failure;
  EXPECT_NE(failure.find("waiting for a value from a channel" + channel), std::string::npos) << failure;
  EXPECT_NE(failure.find("TANDEM_SEED=1"), std::string::npos) << failure;
}

// Every suspension of tandem's own has a name; what was made somewhere is shown with that place.
TEST(SimRuntime, NamesEveryKindOfWait) {
  sim_runtime sim;
  auto [tx, rx] = csp::make_channel<int>(0);
  const std::string channel = place(__LINE__ - 1);
  auto [full, other] = csp::make_channel<int>(0);
  const std::string other_channel = place(__LINE__ - 1);
  auto holder = sim.spawn(receive(rx), "receive");
  sim.spawn(send(full), "send").detach();
  sim.spawn(choose(rx, rx), "choose").detach();
  sim.spawn(nap(), "nap").detach();
  sim.spawn(tick(), "tick").detach();
  sim.spawn(join(std::move(holder)), "join").detach();
  sim.spawn(gather(rx), "gather").detach();
  sim.run_until_idle();
  const std::string all = sim.stuck().message();
  for (const std::string& expected :
       {"waiting for a value from a channel" + channel, "waiting for room in a channel" + other_channel,
        std::string("waiting for an arm of a select"), std::string("waiting for a time to come"),
        std::string("waiting for a tick"), std::string("waiting for a task to end"),
        std::string("waiting for the tasks of a group (")})
    EXPECT_NE(all.find(expected), std::string::npos) << expected << " is not in " << all;
  EXPECT_NE(all.find("join in the background (" + std::string(__FILE__)), std::string::npos) << all;
}

}  // namespace
}  // namespace tandem::testing
