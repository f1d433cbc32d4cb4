#include <tandem/runtime/this_task.hpp>

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

TEST(ThisTask, KnowsItsNameAlsoAfterADetach) {
  sim_runtime sim;
  std::vector<std::string> names;
  auto body = [](std::vector<std::string>& seen) -> task<> {
    seen.emplace_back(this_task::name());
    (void)co_await sleep_for(1s);
    seen.emplace_back(this_task::name());
  };
  auto handle = sim.spawn(body(names), "fetch");
  sim.run_until_idle();
  handle.detach("background fetch");
  sim.advance(1s);
  EXPECT_EQ(names, (std::vector<std::string>{"fetch", "background fetch"}));
}

TEST(ThisTask, HasAnIdOfItsOwnThatAwaitedTasksShare) {
  sim_runtime sim;
  std::set<std::uint64_t> ids;
  auto inner = []() -> task<std::uint64_t> { co_return this_task::id(); };
  auto body = [inner](std::set<std::uint64_t>& all) -> task<> {
    EXPECT_EQ(co_await inner(), this_task::id());
    all.insert(this_task::id());
  };
  for (int i = 0; i < 3'000; ++i) sim.spawn(body(ids)).detach();
  sim.run_until_idle();
  EXPECT_EQ(ids.size(), 3'000U);
  EXPECT_EQ(ids.count(0), 0U);
}

TEST(ThisTask, OutsideOfTasksThereIsNone) {
  EXPECT_STREQ(this_task::name(), "");
  EXPECT_EQ(this_task::id(), 0U);
  EXPECT_FALSE(this_task::cancelled());
  EXPECT_TRUE(this_task::check().has_value());
  EXPECT_FALSE(this_task::context().is_over());
}

TEST(ThisTask, CheckTellsALoopThatComputesToStop) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto body = []() -> task<result<int>> {
    for (int rounds = 0;; ++rounds) {
      EXPECT_EQ(this_task::cancelled(), !this_task::check().has_value());
      if (auto go_on = this_task::check(); !go_on) co_return fail(std::move(go_on).error());
      co_await this_task::yield();
    }
  };
  auto handle = sim.spawn(body(), source.context());
  auto canceller = sim.spawn([&source]() -> task<> {
    source.cancel(make_error(errc::aborted, "lost the race"));
    co_return;
  });
  sim.run_until_idle();
  const auto outcome = sim.get(handle);
  EXPECT_EQ(outcome.error().code(), errc::cancelled);
  EXPECT_TRUE(outcome.error().is(errc::aborted));
  (void)sim.get(canceller);
}

// A loop that does not look at its results cannot be ended, but it must not keep the worker to itself either.
TEST(ThisTask, ALoopThatIgnoresCancelledWaitsLetsOthersRun) {
  sim_runtime sim;
  const cancel_source over(sim.root_context());
  over.cancel();
  bool stop = false;
  auto sleeps = [](bool& until) -> task<> {
    while (!until) (void)co_await sleep_for(1s);
  };
  auto joins = [](bool& until, join_handle<void>& other) -> task<> {
    while (!until) (void)co_await other.join();
  };
  auto endless = []() -> task<> { (void)co_await sleep_until(no_deadline); };
  auto waiting = sim.spawn(endless());
  auto sleeper = sim.spawn(sleeps(stop), over.context());
  auto joiner = sim.spawn(joins(stop, waiting), over.context());
  auto stopper = sim.spawn([&stop]() -> task<> {
    stop = true;
    co_return;
  });
  sim.run_until_idle();  // hangs if one of the loops never yields
  EXPECT_TRUE(sleeper.done() && joiner.done() && stopper.done());
  waiting.detach();
}

}  // namespace
}  // namespace tandem
