#include <tandem/csp/collect.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;

task<result<int>> after_ms(int ms, int value) {
  TANDEM_CO_TRY(co_await sleep_for(milliseconds(ms)));
  co_return value;
}

TEST(Collect, GivesTheValuesInTheOrderOfGoWhateverTheBodiesTake) {
  sim_runtime sim;
  auto body = []() -> task<result<std::vector<int>>> {
    collect<int> all;
    for (int i = 0; i < 10; ++i) all.go(after_ms(10 - i, i));
    co_return co_await all.wait();
  };
  EXPECT_EQ(sim.run(body).value(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Collect, TakesTasksAndFunctionsWithAndWithoutResultsAndValuesThatOnlyMove) {
  sim_runtime sim;
  using owned = std::unique_ptr<int>;
  auto body = []() -> task<> {
    collect<owned> all;
    auto plain = [](int i) -> task<owned> { co_return std::make_unique<int>(i); };
    auto fallible = [](int i) -> task<result<owned>> { co_return std::make_unique<int>(i); };
    all.go(plain(0));
    all.go(fallible(1));
    all.go([&] { return plain(2); });
    all.go([held = std::make_unique<int>(3)]() -> task<result<owned>> { co_return std::make_unique<int>(*held); });
    const auto values = co_await all.wait();
    EXPECT_TRUE(values.has_value());
    EXPECT_EQ(values->size(), 4u);
    for (std::size_t i = 0; i < values->size(); ++i) EXPECT_EQ(*(*values)[i], static_cast<int>(i));
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Collect, TheFirstErrorCancelsTheRestAndThereAreNoValues) {
  sim_runtime sim;
  auto body = []() -> task<result<std::vector<int>>> {
    collect<int> all;
    all.go(after_ms(1, 1));
    all.go([]() -> task<result<int>> {
      TANDEM_CO_TRY(co_await sleep_for(milliseconds(2)));
      co_return fail(make_error(errc::not_found, "no such thing"));
    });
    all.go(after_ms(3'600'000, 3));
    co_return co_await all.wait();
  };
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(body).error(), errc::not_found);
  EXPECT_EQ(sim.now() - start, milliseconds(2));
}

TEST(Collect, AnExceptionBecomesTheErrorWithItsMessage) {
  sim_runtime sim;
  auto body = []() -> task<result<std::vector<int>>> {
    collect<int> all;
    all.go([]() -> task<int> {
      throw std::runtime_error("boom");
      co_return 1;
    });
    co_return co_await all.wait();
  };
  EXPECT_NE(sim.run(body).error().message().find("boom"), std::string::npos);
}

TEST(Collect, RunsAtMostAsManyAsItsLimitAndKeepsTheOrder) {
  sim_runtime sim;
  int running = 0, most = 0;
  auto body = [&]() -> task<result<std::vector<int>>> {
    collect<int> all;
    all.set_limit(2);
    for (int i = 0; i < 6; ++i) {
      all.go([&, i]() -> task<int> {
        most = std::max(most, ++running);
        (void)co_await sleep_for(milliseconds(i % 3));
        --running;
        co_return i;
      });
    }
    co_return co_await all.wait();
  };
  EXPECT_EQ(sim.run(body).value(), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(most, 2);
}

TEST(Collect, TryGoThatRefusesLeavesTheBodyAndNoPlace) {
  sim_runtime sim;
  auto body = []() -> task<> {
    collect<int> all;
    all.set_limit(1);
    all.go(after_ms(1, 1));
    auto refused = [held = std::make_unique<int>(2)]() -> task<int> { co_return *held; };
    EXPECT_FALSE(all.try_go(std::move(refused)));
    auto a_task = after_ms(0, 3);
    EXPECT_FALSE(all.try_go(std::move(a_task)));
    EXPECT_EQ((co_await all.wait()).value(), std::vector<int>(1, 1));
    EXPECT_TRUE(all.try_go(std::move(refused)));
    EXPECT_EQ((co_await all.wait()).value(), std::vector<int>(1, 2));  // used again, starting without values
    EXPECT_TRUE(all.try_go(std::move(a_task)));
    EXPECT_EQ((co_await all.wait()).value(), std::vector<int>(1, 3));
    EXPECT_TRUE((co_await all.wait()).value().empty());
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Collect, BodiesMayAddOthers) {
  sim_runtime sim;
  auto body = []() -> task<> {
    collect<int> all;
    all.go([&]() -> task<int> {
      for (int i = 1; i < 1000; ++i) all.go(after_ms(0, i));
      co_return 0;
    });
    const auto values = co_await all.wait();
    EXPECT_EQ(values.value().size(), 1000u);
    EXPECT_EQ(values.value().back(), 999);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Collect, DestroyedWhileBodiesRunItCancelsThemAndTheyHarmNothing) {
  sim_runtime sim;
  bool ended = false;
  auto body = [&]() -> task<> {
    collect<std::string> all;
    auto ignores_cancel = [](bool& done) -> task<std::string> {
      (void)co_await sleep_for(std::chrono::hours(1));
      done = true;
      co_return "too late, and long enough to be allocated";
    };
    all.go(ignores_cancel(ended));
    co_await yield();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(ended);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Collect, TheCallersContextEndsTheBodiesAndWaitsForThem) {
  sim_runtime sim;
  auto body = []() -> task<result<std::vector<int>>> {
    collect<int> all;
    all.go(after_ms(3'600'000, 1));
    co_return co_await with_timeout(milliseconds(5), all.wait());
  };
  EXPECT_EQ(sim.run(body).error(), errc::deadline_exceeded);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(WithCollect, JoinsOnEveryPath) {
  sim_runtime sim;
  int ended = 0;
  auto slow = [&ended](collect<int>& c) {
    c.go([&ended]() -> task<result<int>> {
      auto slept = co_await sleep_for(milliseconds(10));
      co_await yield();
      ++ended;
      if (!slept) co_return fail(std::move(slept).error());
      co_return 7;
    });
  };
  auto well = [&](collect<int>& c) -> task<> {
    slow(c);
    co_return;
  };
  auto fails = [&](collect<int>& c) -> task<result<void>> {
    slow(c);
    co_return fail(errc::not_found);
  };
  auto throws = [&](collect<int>& c) -> task<> {
    slow(c);
    co_await yield();
    throw std::runtime_error("boom");
  };
  EXPECT_EQ(sim.run(with_collect<int>(well)).value(), std::vector<int>(1, 7));
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(sim.run(with_collect<int>(fails)).error(), errc::not_found);
  const int after_failure = ended;
  EXPECT_NE(sim.run(with_collect<int>(throws)).error().message().find("boom"), std::string::npos);
  EXPECT_EQ(ended, after_failure + 1);
  EXPECT_EQ(sim.run(with_timeout(milliseconds(5), with_collect<int>(well))).error(), errc::deadline_exceeded);
  EXPECT_EQ(ended, after_failure + 2);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

}  // namespace
}  // namespace tandem::csp
