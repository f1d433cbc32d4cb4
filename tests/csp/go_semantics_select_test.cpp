// What the Go language specification says of the select statement, sentence by sentence; see go_semantics_test.cpp.
#include <tandem/csp/select.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;

// It chooses which of several sends and receives proceeds.
TEST(GoSelect, ChoosesAmongSendsAndReceives) {
  sim_runtime sim;
  auto [a_tx, a_rx] = make_channel<int>(1);
  auto [b_tx, b_rx] = make_channel<std::string>(1);
  auto body = [&]() -> task<> {
    auto chosen = co_await select(on_recv(a_rx), on_send(b_tx, "b"));
    EXPECT_EQ(chosen->index(), 1u);  // b has room, a has no value
    EXPECT_TRUE(a_tx.try_send(1).has_value());
    chosen = co_await select(on_recv(a_rx), on_send(b_tx, "c"));
    EXPECT_EQ(chosen->index(), 0u);
    EXPECT_EQ(std::get<0>(*chosen).value(), 1);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(b_rx.try_recv().value(), "b");
}

// A receiving case assigns the value, and whether there was one.
TEST(GoSelect, AReceivingArmGivesTheValueOrTellsOfTheClose) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(0).has_value());
  tx.close();
  auto body = [&rx = rx]() -> task<> {
    auto chosen = co_await select(on_recv(rx));
    EXPECT_EQ(std::get<0>(*chosen).value(), 0);
    chosen = co_await select(on_recv(rx));
    EXPECT_EQ(std::get<0>(*chosen).error(), errc::closed);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// There may be a default case, at any place in the list; it is chosen if no communication can proceed.
TEST(GoSelect, TakesTheDefaultAtAnyPlaceIfNothingCanProceed) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&]() -> task<> {
    auto first = co_await select(otherwise(), on_recv(rx));
    EXPECT_EQ(first->index(), 0u);
    auto middle = co_await select(on_recv(rx), otherwise(), on_recv(rx));
    EXPECT_EQ(middle->index(), 1u);
    EXPECT_TRUE(tx.try_send(1).has_value());
    auto last = co_await select(on_send(tx, 2), otherwise());  // full
    EXPECT_EQ(last->index(), 1u);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(rx.try_recv().value(), 1);
}

// … and is not if one can.
TEST(GoSelect, TakesNoDefaultIfOneCanProceed) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      auto chosen = co_await select(otherwise(), on_send(tx, i), on_recv(rx));
      EXPECT_NE(chosen->index(), 0u);
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// The operands of all cases are evaluated exactly once, on entering, whichever is chosen. Ours: in the order in which
// C++ evaluates arguments, which is not that of the source.
TEST(GoSelect, EvaluatesEveryOperandOnceWhicheverIsChosen) {
  sim_runtime sim;
  auto [a_tx, a_rx] = make_channel<int>(0);
  auto [b_tx, b_rx] = make_channel<int>(0);
  std::array<int, 3> evaluated{};
  auto count = [&evaluated](std::size_t which, auto& operand) -> auto& {
    ++evaluated[which];
    return operand;
  };
  int value = 5;
  auto body = [&]() -> task<std::size_t> {
    const int& sent = value;
    auto chosen = co_await select(on_recv(count(0, a_rx)), on_send(count(1, b_tx), count(2, sent)));
    co_return chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_FALSE(selecting.done());
  EXPECT_EQ(evaluated, (std::array<int, 3>{1, 1, 1}));
  value = 6;
  EXPECT_EQ(b_rx.try_recv().value(), 5);  // what it was on entering
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).value(), 1u);
  EXPECT_EQ(evaluated, (std::array<int, 3>{1, 1, 1}));
}

/// The specification's example: a select over two sends to one channel makes random bits.
std::vector<int> random_bits(std::uint32_t seed, int count) {
  sim_runtime sim(seed);
  auto [tx, rx] = make_channel<int>(1);
  std::vector<int> bits;
  auto body = [&]() -> task<> {
    for (int i = 0; i < count; ++i) {
      auto chosen = co_await select(on_send(tx, 0), on_send(tx, 1));
      EXPECT_TRUE(chosen.has_value());
      bits.push_back(rx.try_recv().value());
      EXPECT_EQ(static_cast<std::size_t>(bits.back()), chosen->index());
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
  return bits;
}

// If several can proceed, one is chosen uniformly at random. select_fairness_test.cpp has the statistics over a
// million rounds; ours also repeats itself for the same seed.
TEST(GoSelect, ChoosesAtRandomAmongThoseThatCanProceed) {
  constexpr int count = 10'000;
  const std::vector<int> bits = random_bits(1, count);
  int ones = 0;
  int changes = 0;
  for (int i = 0; i < count; ++i) {
    ones += bits[i];
    changes += i > 0 && bits[i] != bits[i - 1];
  }
  EXPECT_NEAR(ones, count / 2, 250);  // five times the standard deviation
  EXPECT_NEAR(changes, count / 2, 250);
  EXPECT_EQ(bits, random_bits(1, count));
}

// Without a default it blocks until at least one can proceed.
TEST(GoSelect, BlocksUntilOneCanProceed) {
  sim_runtime sim;
  auto [a_tx, a_rx] = make_channel<int>(0);
  auto [b_tx, b_rx] = make_channel<int>(1);
  ASSERT_TRUE(b_tx.try_send(0).has_value());
  auto body = [&]() -> task<std::size_t> {
    auto chosen = co_await select(on_recv(a_rx), on_send(b_tx, 1));
    co_return chosen->index();
  };
  auto selecting = sim.spawn(body);
  sim.advance(std::chrono::hours(1));
  ASSERT_FALSE(selecting.done());
  EXPECT_EQ(b_rx.try_recv().value(), 0);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(selecting).value(), 1u);
}

// Only the chosen operation is executed: the others take, send and lose nothing.
TEST(GoSelect, ExecutesTheChosenOperationAlone) {
  sim_runtime sim(7);
  auto [a_tx, a_rx] = make_channel<int>(4);
  auto [b_tx, b_rx] = make_channel<std::unique_ptr<int>>(4);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(a_tx.try_send(i).has_value());
  auto body = [&]() -> task<> {
    auto value = std::make_unique<int>(7);
    auto chosen = co_await select(on_recv(a_rx), on_send(b_tx, std::move(value)));
    const bool received = chosen->index() == 0;
    EXPECT_EQ(a_rx.size(), received ? 1u : 2u);
    EXPECT_EQ(b_rx.size(), received ? 0u : 1u);
    EXPECT_EQ(value != nullptr, received);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

// What a receive is assigned to is evaluated, and the chosen case's statements are run, after the communication.
TEST(GoSelect, RunsTheStatementsOfTheChosenCaseOnly) {
  sim_runtime sim;
  auto [a_tx, a_rx] = make_channel<int>(1);
  auto [b_tx, b_rx] = make_channel<int>(1);
  ASSERT_TRUE(b_tx.try_send(3).has_value());
  std::vector<int> slots(4, 0);
  int indexed = 0;
  auto body = [&]() -> task<> {
    auto slot = [&]() -> int& { return ++indexed, slots[2]; };
    auto chosen = co_await select(on_recv(a_rx), on_recv(b_rx));
    switch (chosen->index()) {
      case 0:
        ADD_FAILURE();
        break;
      case 1:
        slot() = std::get<1>(*chosen).value();
        break;
    }
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(indexed, 1);
  EXPECT_EQ(slots, (std::vector<int>{0, 0, 3, 0}));
}

// Over nil channels only, and over no case at all, it blocks for ever. Ours: until the context ends; and without arms
// it does not compile (SelectWithoutArms), except over a vector of arms.
TEST(GoSelect, OverNothingThatIsEverReadyBlocksForEver) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto over_nil = []() -> task<errc> {
    const receiver<int> from;
    const sender<int> into;
    auto chosen = co_await select(on_recv(from), on_send(into, 1));
    co_return chosen.has_value() ? errc::unknown : chosen.error().code();
  };
  auto over_none = []() -> task<errc> {
    std::vector<any_arm<result<int>>> none;
    auto chosen = co_await select(none);
    co_return chosen.has_value() ? errc::unknown : chosen.error().code();
  };
  auto first = sim.spawn(over_nil, source.context());
  auto second = sim.spawn(over_none, source.context());
  sim.advance(std::chrono::hours(24));
  ASSERT_FALSE(first.done() || second.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(first).value(), errc::cancelled);
  EXPECT_EQ(sim.get(second).value(), errc::cancelled);
}

// A nil channel among others disables its case: the way to leave out a channel that is closed.
TEST(GoSelect, ANilChannelDisablesItsCase) {
  sim_runtime sim;
  auto [a_tx, a_rx] = make_channel<int>(3);
  auto [b_tx, b_rx] = make_channel<int>(3);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(a_tx.try_send(i).has_value());
    ASSERT_TRUE(b_tx.try_send(i * 10).has_value());
  }
  a_tx.close();
  b_tx.close();
  auto body = [a = std::move(a_rx), b = std::move(b_rx)]() mutable -> task<int> {
    int sum = 0;
    while (a || b) {
      auto chosen = co_await select(on_recv(a), on_recv(b));
      auto& received = chosen->index() == 0 ? std::get<0>(*chosen) : std::get<1>(*chosen);
      if (received) {
        sum += *received;
      } else {
        (chosen->index() == 0 ? a : b) = {};
      }
    }
    co_return sum;
  };
  EXPECT_EQ(sim.run(std::move(body)).value(), 66);
}

// A closed channel can always proceed: a receive gives what is buffered, then that it is closed; a send panics. Ours:
// the arm of the send is chosen and tells errc::closed, and the value is kept.
TEST(GoSelect, AClosedChannelCanProceed) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(0);
  tx.close();
  auto body = [&]() -> task<> {
    auto value = std::make_unique<int>(1);
    auto sent = co_await select(on_send(tx, std::move(value)), otherwise());
    EXPECT_EQ(sent->index(), 0u);
    EXPECT_EQ(std::get<0>(*sent).error(), errc::closed);
    EXPECT_TRUE(value);
    auto received = co_await select(on_recv(rx), otherwise());
    EXPECT_EQ(received->index(), 0u);
    EXPECT_EQ(std::get<0>(*received).error(), errc::closed);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

}  // namespace
}  // namespace tandem::csp
