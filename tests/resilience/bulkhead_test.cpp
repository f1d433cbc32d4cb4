#include <tandem/resilience/bulkhead.hpp>

#include <chrono>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;
using handle = join_handle<result<int>>;

TEST(Bulkhead, LetsSoManyInAndQueuesSoManyAndRejectsTheRest) {
  sim_runtime sim;
  const bulkhead b({.at_once = 2, .queue = 1, .name = "b"});
  const auto all = with(b);
  std::vector<handle> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(sim.spawn(all.run([] { return play(works(100ms)); })));
  sim.run_until_idle();
  EXPECT_EQ(b.info().state, "2 inside, 1 wait, 1 rejected");
  EXPECT_FALSE(b.admits({}));
  ASSERT_TRUE(calls[3].done());
  const auto got = sim.get(calls[3]);
  EXPECT_EQ(got.error().code(), errc::overloaded);
  EXPECT_EQ(got.error().message(), "b: too many calls at once: overloaded");
  EXPECT_EQ(retry_after_of(got.error()), 1s) << "the deadline of the queue: nothing is known yet";
  sim.advance(100ms);
  EXPECT_TRUE(sim.get(calls[0]).has_value());
  EXPECT_TRUE(sim.get(calls[1]).has_value());
  EXPECT_FALSE(calls[2].done()) << "it came in when they left";
  EXPECT_TRUE(b.admits({}));
  sim.advance(100ms);
  EXPECT_TRUE(sim.get(calls[2]).has_value());
  EXPECT_EQ(b.info().state, "0 inside, 0 wait, 1 rejected");
}

TEST(Bulkhead, TellsToComeBackWhenThoseBeforeWillHaveLeft) {
  sim_runtime sim;
  const bulkhead b({.at_once = 2, .queue = 3});
  const auto all = with(b);
  (void)call_through(sim, b, {}, works(100ms));
  std::vector<handle> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(sim.spawn(all.run([] { return play(works(100ms)); })));
  sim.run_until_idle();
  EXPECT_EQ(retry_after_of(sim.get(calls[5]).error()), 200ms) << "four, two at a time";
  sim.run_to_end();
}

TEST(Bulkhead, TheQueueIsServedInTheOrderOfComing) {
  sim_runtime sim;
  const bulkhead b({.at_once = 1, .queue = 10, .queue_deadline = 1h});
  std::vector<int> order;
  std::vector<handle> calls;
  for (int i = 0; i < 5; ++i)
    calls.push_back(sim.spawn(with(b).run([&order, i] {
      order.push_back(i);
      return play(works(1ms));
    })));
  sim.run_to_end();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(counter(b, "waited"), 4U);
}

TEST(Bulkhead, WhoWaitsInTheQueueForTooLongIsRejected) {
  sim_runtime sim;
  const bulkhead b({.at_once = 1, .queue = 1, .queue_deadline = 50ms});
  auto inside = sim.spawn(with(b).run([] { return play(works(1h)); }));
  sim.run_until_idle();
  auto waits = sim.spawn(with(b).run([] { return play(works()); }));
  sim.advance(50ms - 1ns);
  EXPECT_FALSE(waits.done());
  sim.advance(1ns);
  ASSERT_TRUE(waits.done());
  EXPECT_EQ(sim.get(waits).error().message(), b.name() + ": waited too long for others: overloaded");
  EXPECT_TRUE(sim.wait(inside).has_value());
}

TEST(Bulkhead, AWaiterWhoseContextEndsLeavesItsPlaceToOthers) {
  sim_runtime sim;
  const bulkhead b({.at_once = 1, .queue = 1});
  auto inside = sim.spawn(with(b).run([] { return play(works(1s)); }));
  sim.run_until_idle();
  EXPECT_EQ(sim.run(with_timeout(10ms, with(b).run([] { return play(works()); }))).error().code(),
            errc::deadline_exceeded);
  auto waits = sim.spawn(with(b).run([] { return play(works()); }));
  EXPECT_TRUE(sim.wait(waits).has_value());
  EXPECT_TRUE(sim.wait(inside).has_value());
}

TEST(Bulkhead, AnExceptionGivesThePlaceBack) {
  sim_runtime sim;
  const bulkhead b({.at_once = 1});
  for (int i = 0; i < 3; ++i) {
    const auto got = sim.run(with(b).run([] -> task<result<int>> {
      throw std::runtime_error("no");
      co_return 1;
    }));
    EXPECT_NE(got.error().message().find("no"), std::string::npos);
  }
}

TEST(Bulkhead, RefusesNonsense) {
  EXPECT_THROW(bulkhead({.at_once = 0}), std::invalid_argument);
  EXPECT_THROW(bulkhead({.queue = 1, .queue_deadline = 0s}), std::invalid_argument);
  EXPECT_THROW(bulkhead({.queue = 1, .queue_deadline = -1s}), std::invalid_argument);
  EXPECT_EQ(bulkhead({.at_once = 8, .queue = 100, .queue_deadline = 200ms}).info().settings,
            "8 at once, 100 wait up to 200ms");
}

}  // namespace
}  // namespace tandem::resilience
