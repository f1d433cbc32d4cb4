// The dining philosophers. A fork is a channel with room for one: to take it is to receive, to lay it down to send.
#include <tandem/csp/channel.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/explore.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;

constexpr std::size_t seats = 5;

using fork_place = std::pair<sender<std::monostate>, receiver<std::monostate>>;

struct table {
  table() : seat(make_channel<std::monostate>(seats - 1)) {
    for (std::size_t i = 0; i < seats; ++i) {
      forks.push_back(make_channel<std::monostate>(1));
      EXPECT_TRUE(forks.back().first.try_send(std::monostate()).has_value());
    }
  }
  std::vector<fork_place> forks;
  fork_place seat;  // of the arbiter, who lets all but one sit down
  std::array<std::atomic<int>, seats> holders{};
  std::vector<int> eaten = std::vector<int>(seats, 0);  // of each by itself
};

enum class manners { left_first, lower_first, by_arbiter };

task<result<void>> dine(table& at, std::size_t who, manners by, int courses) {
  std::size_t first = who;
  std::size_t second = (who + 1) % seats;
  if (by == manners::lower_first && first > second) std::swap(first, second);
  for (int i = 0; i < courses; ++i) {
    if (by == manners::by_arbiter) co_await or_return(at.seat.first.send(std::monostate()));
    co_await or_return(at.forks[first].second.recv());
    EXPECT_EQ(++at.holders[first], 1);
    co_await yield();
    co_await or_return(at.forks[second].second.recv());
    EXPECT_EQ(++at.holders[second], 1);
    ++at.eaten[who];
    co_await yield();
    for (const std::size_t fork : {second, first}) {
      --at.holders[fork];
      co_await or_return(at.forks[fork].first.send(std::monostate()));
    }
    if (by == manners::by_arbiter) co_await or_return(at.seat.second.recv());
  }
  co_return result<void>();
}

task<result<void>> dinner(manners by, int courses) {
  table laid;
  auto serve = [&](group& g) -> task<> {
    for (std::size_t who = 0; who < seats; ++who) g.go(dine(laid, who, by, courses), "philosopher");
    co_return;
  };
  auto ended = co_await with_group(serve);
  if (ended) {
    EXPECT_EQ(laid.eaten, std::vector<int>(seats, courses));
  }
  co_return ended;
}

TEST(ClassicPhilosophers, WhoTakeTheLowerForkFirstDineUnderEverySchedule) {
  const testing::leak_check nothing_left;
  const auto explored = testing::explore(1000, [](sim_runtime& sim) -> result<void> {
    return sim.run(dinner(manners::lower_first, 3));
  });
  EXPECT_TRUE(explored.has_value()) << explored.error();
}

TEST(ClassicPhilosophers, WhomAnArbiterLetsSitDownDineUnderEverySchedule) {
  const testing::leak_check nothing_left;
  const auto explored = testing::explore(1000, [](sim_runtime& sim) -> result<void> {
    return sim.run(dinner(manners::by_arbiter, 3));
  });
  EXPECT_TRUE(explored.has_value()) << explored.error();
}

TEST(ClassicPhilosophers, WhoAllTakeTheLeftForkFirstStarveUnderSomeScheduleAndThatIsReported) {
  const testing::leak_check nothing_left;
  const auto explored = testing::explore(1000, [](sim_runtime& sim) -> result<void> {
    return sim.run(dinner(manners::left_first, 3));
  });
  ASSERT_FALSE(explored.has_value());
  EXPECT_TRUE(explored.error().is(errc::failed_precondition));
  const std::string report = fmt::format("{}", explored.error());
  for (const char* const named : {"philosopher", "a value from a channel", "TANDEM_SEED="})
    EXPECT_NE(report.find(named), std::string::npos) << report;
}

TEST(ClassicPhilosophers, DineOnWorkers) {
  for (const unsigned count : {2u, 4u}) {
    const testing::leak_check nothing_left;
    runtime workers({.workers = count});
    for (const manners by : {manners::lower_first, manners::by_arbiter})
      EXPECT_TRUE(workers.block_on(dinner(by, 2'000 / stress_divisor)).has_value());
  }
}

}  // namespace
}  // namespace tandem::csp
