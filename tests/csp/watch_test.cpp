#include <tandem/csp/watch.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/select.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::leak_check;
using testing::sim_runtime;

static_assert(!std::copy_constructible<watch_receiver<int>> && std::movable<watch_receiver<int>>);
static_assert(std::copyable<watch_sender<int>>);

task<result<void>> change_of(watch_receiver<int>& rx) { co_return co_await rx.changed(); }

TEST(Watch, AReceiverSeesEachChangeOnce) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_watch<int>(1);
  EXPECT_EQ(rx.get(), 1);
  EXPECT_FALSE(rx.has_changed());
  auto first = sim.spawn(change_of(rx));
  sim.run_until_idle();
  ASSERT_FALSE(first.done());
  EXPECT_TRUE(tx.send(2).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(first).has_value());
  EXPECT_FALSE(rx.has_changed());
  EXPECT_EQ(rx.get(), 2);
  auto second = sim.spawn(change_of(rx));
  sim.run_until_idle();
  ASSERT_FALSE(second.done());
  tx.close();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(second).error(), errc::closed);
}

TEST(Watch, ManyChangesMakeOne) {
  sim_runtime sim;
  auto [tx, rx] = make_watch<int>(0);
  for (int i = 1; i <= 100; ++i) EXPECT_TRUE(tx.send(i).has_value());
  EXPECT_TRUE(rx.has_changed());
  EXPECT_TRUE(sim.run(change_of(rx)).has_value());
  EXPECT_EQ(rx.get(), 100);
  EXPECT_FALSE(rx.has_changed());
}

TEST(Watch, AValueThatWasGotIsNoChangeAnyMore) {
  auto [tx, rx] = make_watch<int>(0);
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_EQ(rx.get(), 1);
  EXPECT_FALSE(rx.has_changed());
}

TEST(Watch, EveryReceiverIsToldAndANewOneHasSeenWhatIsThere) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_watch<int>(0);
  EXPECT_TRUE(tx.send(1).has_value());
  auto second = rx.subscribe();
  auto third = tx.subscribe();
  EXPECT_FALSE(second.has_changed());
  EXPECT_EQ(third.get(), 1);
  auto a = sim.spawn(change_of(second));
  auto b = sim.spawn(change_of(third));
  sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  EXPECT_TRUE(tx.send(2).has_value());
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(a).has_value() && sim.get(b).has_value());
  EXPECT_EQ(second.get(), 2);
}

TEST(Watch, UpdateChangesTheCurrentValue) {
  auto [tx, rx] = make_watch<std::vector<int>>({1});
  EXPECT_TRUE(tx.update([](std::vector<int>& v) { v.push_back(2); }).value());
  EXPECT_TRUE(rx.has_changed());
  EXPECT_EQ(rx.get(), (std::vector{1, 2}));
}

TEST(Watch, AnUpdateThatChangesNothingTellsNobody) {
  auto [tx, rx] = make_watch<int>(1);
  EXPECT_FALSE(tx.update([](int& n) { return std::exchange(n, 5) == 5; }).value());
  EXPECT_FALSE(rx.has_changed());
  EXPECT_EQ(tx.get(), 1);
  EXPECT_THROW((void)tx.update([](int&) { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(tx.get(), 1);
}

TEST(Watch, AnUpdateThatWasOvertakenIsDoneAgain) {
  auto [tx, rx] = make_watch<int>(1);
  int calls = 0;
  const auto changed = tx.update([&, &tx = tx](int& n) {
    if (++calls == 1) {
      EXPECT_TRUE(tx.send(10).has_value());
    }
    ++n;
  });
  EXPECT_TRUE(changed.value());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(rx.get(), 11);
}

TEST(Watch, DroppingTheLastSenderClosesItAfterTheLastChange) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_watch<std::string>("a");
  EXPECT_TRUE(tx.send("b").has_value());
  {
    const watch_sender<std::string> copy = tx;
    EXPECT_TRUE(copy == tx);
    tx = {};
    EXPECT_FALSE(rx.is_closed());
  }
  EXPECT_TRUE(rx.is_closed());
  auto change = [](watch_receiver<std::string>& from) -> task<result<void>> { co_return co_await from.changed(); };
  EXPECT_TRUE(sim.run(change(rx)).has_value());
  EXPECT_EQ(sim.run(change(rx)).error(), errc::closed);
  EXPECT_EQ(rx.get(), "b");
}

TEST(Watch, ASendAfterCloseChangesNothingAndLeavesTheValue) {
  auto [tx, rx] = make_watch<std::string>("a");
  EXPECT_TRUE(tx.close());
  EXPECT_FALSE(tx.close());
  std::string value(40, 'x');
  EXPECT_EQ(tx.send(std::move(value)).error(), errc::closed);
  EXPECT_EQ(value, std::string(40, 'x'));
  EXPECT_EQ(tx.update([](std::string& s) { s += 'b'; }).error(), errc::closed);
  EXPECT_EQ(rx.get(), "a");
}

TEST(Watch, SelectNoticesAChangeOnce) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_watch<int>(0);
  std::vector<int> got;
  auto body = [&]() -> task<> {
    for (;;) {
      auto chosen = co_await select(on_change(rx), on_timeout(1h));
      if (chosen->index() == 1) {
        got.push_back(-1);
      } else {
        if (!std::get<0>(*chosen)) co_return;
        got.push_back(rx.get());
      }
    }
  };
  auto selecting = sim.spawn(body);
  sim.run_until_idle();
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_TRUE(tx.send(2).has_value());
  sim.run_until_idle();
  EXPECT_EQ(got, (std::vector{2}));
  sim.advance(1h);
  EXPECT_EQ(got, (std::vector{2, -1}));
  EXPECT_TRUE(tx.send(3).has_value());
  sim.run_until_idle();
  EXPECT_EQ(got, (std::vector{2, -1, 3}));
  tx.close();
  sim.run_until_idle();
  EXPECT_TRUE(selecting.done());
}

TEST(Watch, AThreadWaitsForTheLastValue) {
  auto [tx, rx] = make_watch<int>(0);
  std::thread watching([&rx = rx] {
    int last = rx.get();
    while (rx.blocking_changed()) {
      const int next = rx.get();
      EXPECT_GE(next, last);  // a value got may be newer than the change that was waited for
      last = next;
    }
    EXPECT_EQ(last, 1000);
  });
  for (int i = 1; i <= 1000; ++i) EXPECT_TRUE(tx.send(i).has_value());
  tx = {};
  watching.join();
}

TEST(Watch, OldValuesGoWithTheirLastReader) {
  leak_check nothing_left;
  const auto counted = std::make_shared<int>(0);
  auto [tx, rx] = make_watch<std::shared_ptr<int>>(counted);
  EXPECT_EQ(counted.use_count(), 2);
  EXPECT_TRUE(tx.send(nullptr).has_value());
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(Watch, DefaultConstructedHandlesAreNeverReadyOrLoud) {
  sim_runtime sim;
  watch_receiver<int> rx;
  const watch_sender<int> tx;
  EXPECT_THROW((void)rx.get(), std::logic_error);
  EXPECT_THROW((void)rx.subscribe(), std::logic_error);
  EXPECT_THROW((void)rx.blocking_changed(), std::logic_error);
  EXPECT_THROW((void)tx.get(), std::logic_error);
  EXPECT_THROW((void)tx.send(1), std::logic_error);
  EXPECT_THROW((void)tx.update([](int&) {}), std::logic_error);
  EXPECT_THROW((void)tx.subscribe(), std::logic_error);
  EXPECT_FALSE(tx.close() || rx.is_closed() || rx.has_changed() || rx || tx);
  const cancel_source source(sim.root_context());
  auto waiting = sim.spawn(change_of(rx), source.context());
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  source.cancel();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(waiting).error(), errc::cancelled);
}

}  // namespace
}  // namespace tandem::csp
