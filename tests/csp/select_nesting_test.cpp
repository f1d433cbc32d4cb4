// Selects inside of selects, the same channel in several arms, and selects that wait for themselves.
#include <tandem/csp/select.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

TEST(SelectNested, AnArmMayAwaitAnotherSelectForItsValue) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<std::string>(0);
  auto [b_out, b_in] = make_channel<std::string>(0);
  auto body = [&a = a_in, &b = b_out]() -> task<> {
    auto chosen = co_await select(on_send(b, *std::get<0>(*co_await select(on_recv(a), on_timeout(1h)))),
                                  on_timeout(2h));
    EXPECT_EQ(chosen->index(), 0U);
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_TRUE(a_out.try_send("a value too long to be kept in the string itself").has_value());
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  EXPECT_EQ(*b_in.try_recv(), "a value too long to be kept in the string itself");
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

// The outer select's first arm is made before the inner select waits: its limit runs meanwhile.
TEST(SelectNested, ALimitRunsFromWhereItsArmWasMade) {
  sim_runtime sim;
  auto body = []() -> task<time_point> {
    const auto limit = deadline_in(10ms);
    auto inner = co_await select(on_timeout(4ms));
    EXPECT_TRUE(inner.has_value());
    auto chosen = co_await select(on_deadline(limit));
    EXPECT_TRUE(chosen.has_value());
    co_return now();
  };
  const time_point start = sim.now();
  EXPECT_EQ(sim.run(body).value() - start, 10ms);
}

// What runs for one arm selects over the same channels again.
task<int> sum_by_nested_selects(const receiver<int>& a, const receiver<int>& b, int depth) {
  auto chosen = co_await select(on_recv(a), on_recv(b));
  int sum = 0;
  std::visit([&](auto& value) { sum = value.value_or(0); }, *chosen);
  if (depth > 1) {
    const int rest = co_await sum_by_nested_selects(a, b, depth - 1);
    sum += rest;
  }
  co_return sum;
}

TEST(SelectNested, ASelectMayRunForAnArmOfAnotherOverTheSameChannels) {
  sim_runtime sim;
  auto [a_out, a_in] = make_channel<int>(0);
  auto [b_out, b_in] = make_channel<int>(2);
  auto selecting = sim.spawn(sum_by_nested_selects(a_in, b_in, 20));
  auto send = [](const sender<int>& to) -> task<> {
    for (int i = 0; i < 10; ++i) (void)co_await to.send(1);
  };
  sim.spawn(send(a_out)).detach();
  sim.spawn(send(b_out)).detach();
  sim.run_until_idle();
  ASSERT_TRUE(selecting.done());
  EXPECT_EQ(sim.get(selecting).value(), 20);
}

TEST(SelectNested, AnArmMayWaitForATaskThatSelects) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&rx = rx, &tx = tx]() -> task<int> {
    auto inner = [](const receiver<int>& from) -> task<int> {
      auto chosen = co_await select(on_recv(from), on_timeout(1h));
      co_return std::get<0>(*chosen).value();
    };
    auto waiting = spawn(inner(rx));
    auto chosen = co_await select(on_send(tx, 5), on_timeout(2h));
    EXPECT_EQ(chosen->index(), 0U);
    auto joined = co_await select(on_join(waiting));
    co_return std::get<0>(*joined).value();
  };
  EXPECT_EQ(sim.run(body).value(), 5);
}

TEST(SelectSameChannel, SendsOneValueThroughOneOfItsArms) {
  for (const std::size_t capacity : {0U, 1U, 4U}) {
    sim_runtime sim;
    auto [tx, rx] = make_channel<int>(capacity);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(tx.try_send(0).has_value());
    int sent = 0;
    auto body = [&sent, &tx = tx]() -> task<> {
      auto chosen = co_await select(on_send(tx, 1), on_send(tx, 2), on_send(tx, 3));
      sent = static_cast<int>(chosen->index()) + 1;
    };
    auto selecting = sim.spawn(body);
    sim.run_until_idle();
    ASSERT_FALSE(selecting.done());
    int last = rx.try_recv().value();
    sim.run_until_idle();
    ASSERT_TRUE(selecting.done());
    for (std::size_t i = 0; i < capacity; ++i) last = rx.try_recv().value();
    EXPECT_EQ(last, sent);
    EXPECT_EQ(rx.try_recv().error(), errc::would_block);  // and nothing else
  }
}

TEST(SelectSameChannel, ACloseIsSeenByOneArmAtEitherEnd) {
  for (const std::size_t capacity : {0U, 1U}) {
    sim_runtime sim;
    auto [tx, rx] = make_channel<int>(capacity);
    auto body = [&rx = rx, &tx = tx]() -> task<errc> {
      auto chosen = co_await select(on_recv(rx), on_recv(rx), on_send(tx, 1));
      errc seen{};
      std::visit([&](auto& outcome) { seen = outcome ? errc::unknown : outcome.error().code(); }, *chosen);
      co_return seen;
    };
    if (capacity == 0) {
      auto selecting = sim.spawn(body);
      sim.run_until_idle();
      ASSERT_FALSE(selecting.done());
      tx.close();
      sim.run_until_idle();
      EXPECT_EQ(sim.get(selecting).value(), errc::closed);
    } else {
      tx.close();
      EXPECT_EQ(sim.run(body).value(), errc::closed);
    }
  }
}

// A full channel with a parked select at both ends of it: the value that is taken makes room for the select's own send.
TEST(SelectSameChannel, ATakenValueMakesRoomForAWaitingSelectThatHasBothEnds) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto [other_out, other_in] = make_channel<int>(0);
  std::size_t index = 99;
  auto body = [&index, &tx = tx, &rx = rx, &other = other_in]() -> task<> {
    auto chosen = co_await select(on_recv(other), on_send(tx, 7), on_recv(rx));
    index = chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  EXPECT_EQ(rx.try_recv().value(), 7);
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);  // its receive is dead by now
  EXPECT_EQ(other_out.try_send(1).error(), errc::would_block);
  sim.run_until_idle();
  EXPECT_EQ(index, 1U);
}

// Many selects at both ends of one rendezvous channel pair up two by two, whatever the order.
TEST(SelectSameChannel, ManySelectsAtBothEndsPairUp) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    sim_runtime sim({.seed = seed, .order = testing::task_order::shuffled});
    auto [tx, rx] = make_channel<int>(0);
    int sent = 0;
    int received = 0;
    int sum = 0;
    auto body = [&, &tx = tx, &rx = rx](int mine) -> task<> {
      auto chosen = co_await select(on_recv(rx), on_send(tx, mine), on_recv(rx));
      if (chosen->index() == 1) {
        ++sent;
        sum += mine;
        co_return;
      }
      ++received;
      sum -= chosen->index() == 0 ? std::get<0>(*chosen).value() : std::get<2>(*chosen).value();
    };
    for (int i = 1; i <= 20; ++i) sim.spawn(body(i)).detach();
    sim.run_until_idle();
    ASSERT_EQ(sim.live_tasks(), 0U);
    EXPECT_EQ(sent, 10);
    EXPECT_EQ(received, 10);
    EXPECT_EQ(sum, 0);
  }
}

task<> wait_for_oneself() {
  auto [tx, rx] = make_channel<int>(0);
  (void)co_await select(on_send(tx, 1), on_recv(rx));
}

TEST(SelectDeadlock, OfASelectWithItselfIsReportedByTheSimulation) {
  sim_runtime sim;
  const auto outcome = sim.run(wait_for_oneself());
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error(), errc::failed_precondition);
  const std::string what = to_long_string(outcome.error());
  EXPECT_NE(what.find("an arm of a select"), std::string::npos) << what;
}

TEST(SelectDeadlock, OfAnEmptyVectorIsReportedByTheSimulation) {
  sim_runtime sim;
  auto body = []() -> task<> {
    std::vector<any_arm<result<int>>> none;
    (void)co_await select(none);
  };
  const auto outcome = sim.run(body);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(to_long_string(outcome.error()).find("an arm of a select"), std::string::npos);
}

TEST(SelectDeadlock, OfASelectWithItselfIsReportedByARuntimeThatLooksForIt) {
  for (const unsigned workers : {1U, 2U}) {
    runtime rt({.workers = workers, .detect_deadlock = true});
    try {
      rt.block_on(wait_for_oneself());
      FAIL() << "it did not find the deadlock";
    } catch (const deadlock& found) {
      const std::string what = found.what();
      EXPECT_NE(what.find("an arm of a select"), std::string::npos) << what;
    }
    EXPECT_EQ(rt.live_tasks(), 0U);
  }
}

}  // namespace
}  // namespace tandem::csp
