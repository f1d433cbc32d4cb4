#include <tandem/csp/select.hpp>

#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

task<int> seven_after(duration d) {
  (void)co_await sleep_for(d);
  co_return 7;
}

TEST(SelectJoin, IsChosenWhenTheTaskEndsAndLeavesTheHandleEmpty) {
  sim_runtime sim;
  auto body = []() -> task<> {
    auto slow = spawn(seven_after(1s));
    const auto begun = now();
    auto chosen = co_await select(on_join(slow), on_timeout(2s));
    EXPECT_EQ(chosen->index(), 0U);
    EXPECT_EQ(std::get<0>(*chosen).value(), 7);
    EXPECT_EQ(now() - begun, 1s);
    EXPECT_FALSE(slow);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(SelectJoin, TakesWhatIsThereWithoutWaiting) {
  sim_runtime sim;
  auto body = []() -> task<> {
    auto quick = spawn(seven_after(0s));
    (void)co_await sleep_for(1s);
    auto chosen = co_await select(on_join(quick), otherwise());
    EXPECT_EQ(chosen->index(), 0U);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(SelectJoin, ThatLosesTakesNothing) {
  sim_runtime sim;
  auto body = []() -> task<int> {
    auto slow = spawn(seven_after(2s));
    auto first = co_await select(on_join(slow), on_timeout(1s));
    EXPECT_EQ(first->index(), 1U);
    EXPECT_TRUE(slow);
    const auto joined = co_await slow.join();
    co_return joined.value();
  };
  EXPECT_EQ(sim.run(body()).value(), 7);
}

TEST(SelectJoin, YieldsTheErrorOrExceptionOfTheTask) {
  sim_runtime sim;
  auto body = []() -> task<errc> {
    auto failing = spawn([]() -> task<result<int>> { co_return fail(errc::not_found, "no"); }());
    auto chosen = co_await select(on_join(failing));
    co_return std::get<0>(*chosen).error().code();
  };
  EXPECT_EQ(sim.run(body()).value(), errc::not_found);
}

TEST(SelectJoin, OfAnEmptyHandleIsNeverChosen) {
  sim_runtime sim;
  auto body = []() -> task<std::size_t> {
    join_handle<int> none;
    auto chosen = co_await select(on_join(none), on_timeout(1s));
    co_return chosen->index();
  };
  EXPECT_EQ(sim.run(body()).value(), 1U);
}

TEST(SelectJoin, OfOneselfIsNeverChosen) {
  sim_runtime sim;
  join_handle<std::size_t> self;
  self = sim.spawn([&self]() -> task<std::size_t> {
    auto chosen = co_await select(on_join(self), on_timeout(1s));
    co_return chosen->index();
  });
  sim.advance(1s);
  ASSERT_TRUE(self.done());
  EXPECT_EQ(sim.get(self).value(), 1U);
}

TEST(SelectJoin, OfTwoTasksTheFirstToEndIsChosenAndTheOtherStaysJoinable) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    sim_runtime sim(seed);
    auto body = []() -> task<int> {
      auto a = spawn(seven_after(1s));
      auto b = spawn(seven_after(1s));
      auto first = co_await select(on_join(a), on_join(b));
      auto& left = first->index() == 0 ? b : a;
      EXPECT_TRUE(left);
      const auto last = co_await left.join();
      co_return last.value();
    };
    ASSERT_EQ(sim.run(body()).value(), 7);
    ASSERT_EQ(sim.live_tasks(), 0U);
  }
}

TEST(SelectJoin, CancelledItLeavesTheHandle) {
  sim_runtime sim;
  auto slow = sim.spawn(seven_after(2s));
  const cancel_source source(sim.root_context());
  auto chooser = sim.spawn(
      [&slow]() -> task<errc> {
        auto chosen = co_await select(on_join(slow));
        co_return chosen ? errc::unknown : chosen.error().code();
      },
      source.context());
  sim.run_until_idle();
  ASSERT_FALSE(chooser.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(chooser).value(), errc::cancelled);
  sim.advance(2s);
  EXPECT_EQ(sim.get(slow).value(), 7);
}

TEST(SelectJoinStress, EndsRaceWithValuesAndNothingIsLost) {
  tandem::runtime rt({.workers = 2});
  auto body = []() -> task<int> {
    auto [tx, rx] = make_channel<int>(1);
    int received = 0;
    for (int i = 0; i < 2'000; ++i) {
      auto call = run_blocking([] { return 1; });
      auto sender_task = spawn([](sender<int> out) -> task<> { (void)co_await out.send(1); }(tx));
      bool joined = false;
      bool got = false;
      while (!joined || !got) {
        auto chosen = co_await select(on_join(call), on_recv(rx));
        if (chosen->index() == 0) {
          EXPECT_EQ(std::get<0>(*chosen).value(), 1);
          joined = true;
        } else {
          ++received;
          got = true;
        }
        if (joined && !got) {
          const auto value = co_await rx.recv();
          received += value.value();
          got = true;
        }
      }
      (void)co_await sender_task.join();
    }
    co_return received;
  };
  EXPECT_EQ(rt.block_on(body()), 2'000);
}

}  // namespace
}  // namespace tandem::csp
