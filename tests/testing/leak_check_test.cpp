#include <tandem/testing/leak_check.hpp>

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/gtest.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::testing {
namespace {

using namespace std::chrono_literals;

task<> nap() { (void)co_await sleep_for(1h); }

std::string left_behind(leak_check& check) {
  const auto clean = check.check(0s);
  return clean ? "nothing" : clean.error().message();
}

TEST(LeakCheck, FindsNothingWhereAllEnded) {
  leak_check check;
  {
    runtime rt({.workers = 1});
    auto [tx, rx] = csp::make_channel<int>(1);
    EXPECT_TRUE(rt.block_on([](csp::sender<int> into) -> task<bool> {
      const auto sent = co_await into.send(1);
      co_return sent.has_value();
    }(tx)));
  }
  EXPECT_TRUE(check.check());
}

TEST(LeakCheck, NamesTheTaskAndWhereItWasSpawnedAndItsTimer) {
  sim_runtime sim;
  leak_check check;
  sim.spawn(nap(), "napper").detach();
  const int spawned = __LINE__ - 1;
  sim.run_until_idle();
  const std::string left = left_behind(check);
  const std::string task = fmt::format("napper in the background ({}:{}), waiting", __FILE__, spawned);
  EXPECT_NE(left.find(task + " for a time to come"), std::string::npos) << left;
  EXPECT_NE(left.find("armed timers: 1"), std::string::npos) << left;
}

TEST(LeakCheck, NamesWhereAChannelWasMade) {
  leak_check check;
  const auto kept = std::make_unique<csp::sender<int>>(csp::make_channel<int>(1).first);
  const int made = __LINE__ - 1;
  EXPECT_EQ(left_behind(check), fmt::format("left behind: 1 x channel made at {}:{}", __FILE__, made));
}

TEST(LeakCheck, LeavesOutWhatWasThereBefore) {
  sim_runtime sim;
  const auto ends = csp::make_channel<int>(1);
  sim.spawn(nap(), "napper").detach();
  sim.run_until_idle();
  leak_check check;
  EXPECT_EQ(left_behind(check), "nothing");
}

TEST(LeakCheck, IsNotMisledByAnOlderTaskOfTheSameSiteThatEnds) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  std::vector<join_handle<void>> naps;
  const auto start = [&](const context& under) { naps.push_back(sim.spawn(nap(), spawn_options("napper", under))); };
  start(source.context());
  sim.run_until_idle();
  leak_check check;
  start(sim.root_context());
  source.cancel();
  sim.run_until_idle();
  const std::string left = left_behind(check);
  EXPECT_NE(left.find("tasks: napper"), std::string::npos) << left;
}

TEST(LeakCheck, GivesTasksOnWorkersAMomentToEnd) {
  runtime rt({.workers = 1});
  leak_check check;
  auto last = [](csp::receiver<int> from) -> task<> { (void)co_await from.recv(); };
  {
    auto [tx, rx] = csp::make_channel<int>(1);
    rt.spawn(last(rx)).detach();
  }  // the sender is gone, so the task is about to end
  EXPECT_TRUE(check.check(30s));
}

TEST(LeakCheck, FailsItsTestAtTheEndOfItsScope) {
  EXPECT_NONFATAL_FAILURE(
      {
        sim_runtime sim;
        leak_check check;
        sim.spawn(nap(), "napper").detach();
        sim.run_until_idle();
      },
      "left behind: tasks: napper");
}

}  // namespace
}  // namespace tandem::testing
