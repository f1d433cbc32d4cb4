// Every wait that the kinds of channels brought, ended early: while it waits, before it, at a deadline, and by every
// schedule of a sender, a receiver, who closes and who cancels. Nothing is lost, and nothing is left.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/broadcast.hpp>
#include <tandem/csp/for_each.hpp>
#include <tandem/csp/lossy.hpp>
#include <tandem/csp/oneshot.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/csp/watch.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/testing/explore.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::explore;
using testing::sim_runtime;

/// Waits for more than an hour, expects that not to have taken effect, and gives the error.
struct wait {
  const char* name;
  task<error> (*body)();
};

template <class T>
error error_of_wait(const result<T>& ended) {
  EXPECT_FALSE(ended.has_value());
  return ended ? error() : ended.error();
}

task<error> lossy() {
  auto [tx, rx] = make_latest<std::string>();
  const error why = error_of_wait(co_await rx.recv());
  EXPECT_TRUE(tx.send("first").has_value());
  EXPECT_EQ(rx.size(), 1U);  // nobody waits any more
  co_return why;
}
task<error> unbounded() {
  auto [tx, rx] = make_unbounded<std::string>();
  const error why = error_of_wait(co_await rx.recv());
  EXPECT_TRUE(tx.send("first").has_value());
  EXPECT_EQ(rx.size(), 1U);
  co_return why;
}
task<error> oneshot() {
  auto [tx, rx] = make_oneshot<std::string>();
  const error why = error_of_wait(co_await rx.recv());
  EXPECT_TRUE(std::move(tx).send("only").has_value());
  EXPECT_EQ(rx.try_recv().value(), "only");
  co_return why;
}
task<error> many() {
  auto [tx, rx] = make_channel<std::string>(1);
  std::vector<std::string> got;
  const error why = error_of_wait(co_await rx.recv_many(got, 4));
  EXPECT_TRUE(got.empty());
  EXPECT_TRUE(tx.try_send("first").has_value());
  EXPECT_EQ(rx.size(), 1U);
  co_return why;
}
task<error> to_the_end() {
  auto [tx, rx] = make_channel<std::string>(1);
  const error why = error_of_wait(co_await for_each(rx, [](const std::string&) { ADD_FAILURE(); }));
  EXPECT_TRUE(tx.try_send("first").has_value());
  EXPECT_EQ(rx.size(), 1U);
  co_return why;
}
task<error> broadcast() {
  auto [tx, rx] = make_broadcast<std::string>(1);
  const error why = error_of_wait(co_await rx.recv());
  EXPECT_TRUE(tx.send("first").has_value());
  EXPECT_EQ(rx.try_recv().value().value, "first");
  co_return why;
}
task<error> watch() {
  auto [tx, rx] = make_watch<std::string>("first");
  const error why = error_of_wait(co_await rx.changed());
  EXPECT_TRUE(tx.send("second").has_value());
  EXPECT_TRUE(rx.has_changed());
  co_return why;
}
task<error> select_of_all() {
  auto [lossy_tx, lossy_rx] = make_latest<std::string>();
  auto [unbounded_tx, unbounded_rx] = make_unbounded<std::string>();
  auto [once_tx, once_rx] = make_oneshot<std::string>();
  auto [broadcast_tx, broadcast_rx] = make_broadcast<std::string>(1);
  auto [watch_tx, watch_rx] = make_watch<std::string>("first");
  const error why =
      error_of_wait(co_await select(on_recv(lossy_rx), on_recv(unbounded_rx), on_recv(once_rx), on_recv(broadcast_rx),
                                    on_change(watch_rx), on_recv(broadcast_rx), on_change(watch_rx)));
  EXPECT_TRUE(broadcast_tx.send("first").has_value());
  EXPECT_EQ(broadcast_rx.try_recv().value().value, "first");
  EXPECT_TRUE(watch_tx.send("second").has_value());
  EXPECT_TRUE(watch_rx.has_changed());
  EXPECT_TRUE(lossy_tx.send("first").has_value());
  EXPECT_EQ(lossy_rx.size(), 1U);
  co_return why;
}

class KindsCancel : public ::testing::TestWithParam<wait> {
 protected:
  testing::leak_check nothing_left_;
  sim_runtime sim_;
};

TEST_P(KindsCancel, WhileItWaits) {
  const cancel_source source(sim_.root_context());
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.advance(1h);
  ASSERT_FALSE(handle.done());
  source.cancel(make_error(errc::aborted, "not needed"));
  sim_.run_to_end();
  ASSERT_TRUE(handle.done());
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted)) << why;
}

TEST_P(KindsCancel, BeforeItWaits) {
  const cancel_source source(sim_.root_context());
  source.cancel();
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.run_to_end();
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(sim_.get(handle).value().code(), errc::cancelled);
}

TEST_P(KindsCancel, AtTheDeadlineNotBefore) {
  const cancel_source source(sim_.root_context(), sim_.now() + 1h);
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.advance(1h - 1ns);
  ASSERT_FALSE(handle.done());
  sim_.run_to_end();
  EXPECT_EQ(sim_.get(handle).value().code(), errc::deadline_exceeded);
}

INSTANTIATE_TEST_SUITE_P(Waits, KindsCancel,
                         ::testing::Values(wait{"lossy", lossy}, wait{"unbounded", unbounded}, wait{"oneshot", oneshot},
                                           wait{"recv_many", many}, wait{"for_each", to_the_end},
                                           wait{"broadcast", broadcast}, wait{"watch", watch},
                                           wait{"select", select_of_all}),
                         [](const auto& instance) { return std::string(instance.param.name); });

// By every schedule: the cancel comes before, between and after all that the others do.

constexpr int values = 3;
constexpr std::uint32_t schedules = 400;

task<> cancel_soon(const cancel_source& source) {
  for (int i = 0; i < 2; ++i) co_await this_task::yield();
  source.cancel();
}

/// Takes all that comes until it is cancelled or the channel ends, plainly or by select.
task<> take(const receiver<int>& rx, std::vector<int>& got, bool by_select) {
  const receiver<int> never;
  for (;;) {
    if (by_select) {
      auto chosen = co_await select(on_recv(rx), on_recv(never));
      if (!chosen) co_return;
      auto& value = std::get<0>(*chosen);
      if (!value) co_return;
      got.push_back(*value);
    } else {
      auto value = co_await rx.recv();
      if (!value) co_return;
      got.push_back(*value);
    }
  }
}

template <class Sender>
task<> send_all(Sender tx) {
  for (int i = 0; i < values; ++i) {
    (void)tx.send(i);
    co_await this_task::yield();
  }
}

template <class Make>
void nothing_is_lost(Make make) {
  const auto explored = explore(schedules, [&](sim_runtime& sim) -> result<void> {
    auto body = [&]() -> task<result<void>> {
      auto [tx, rx] = make();
      const cancel_source source;
      std::vector<int> got;
      std::vector<int> others;
      auto sending = spawn(send_all(std::move(tx)), "sender");
      auto cancelled = spawn(take(rx, got, false), source.context());
      auto selecting = spawn(take(rx, others, true), source.context());
      auto cancelling = spawn(cancel_soon(source), "canceller");
      (void)co_await sending.join();
      (void)co_await cancelled.join();
      (void)co_await selecting.join();
      (void)co_await cancelling.join();
      std::size_t left = 0;
      while (auto value = rx.try_recv()) ++left;
      if (got.size() + others.size() + left + rx.dropped() != values) co_return fail(errc::internal);
      co_return result<void>();
    };
    return sim.run(body);
  });
  EXPECT_TRUE(explored) << explored.error();
}

TEST(KindsEveryMoment, WhatIsSentIsReceivedOrCountedOrStillThere) {
  nothing_is_lost([] { return make_latest<int>(); });
  nothing_is_lost([] { return make_drop_newest<int>(1); });
  nothing_is_lost([] { return make_drop_newest<int>(0); });
  nothing_is_lost([] { return make_unbounded<int>(); });
}

task<> take(broadcast_receiver<int>& rx, std::uint64_t& accounted, bool by_select) {
  for (;;) {
    std::optional<result<broadcast_value<int>>> next;
    if (by_select) {
      auto chosen = co_await select(on_recv(rx), on_timeout(1h));
      if (!chosen) co_return;
      next.emplace(std::move(std::get<0>(*chosen)));
    } else {
      next.emplace(co_await rx.recv());
    }
    if (!*next) co_return;
    if (static_cast<std::uint64_t>((*next)->value) != accounted + (*next)->missed) ADD_FAILURE() << "out of order";
    accounted += 1 + (*next)->missed;
  }
}

TEST(KindsEveryMoment, ABroadcastIsReadOnWhereACancelStopped) {
  for (const std::size_t capacity : {1U, 2U, 4U}) {
    const auto explored = explore(schedules, [&](sim_runtime& sim) -> result<void> {
      auto body = [&]() -> task<result<void>> {
        auto [tx, rx] = make_broadcast<int>(capacity);
        auto second = rx.subscribe();
        const cancel_source source;
        std::uint64_t first_saw = 0;
        std::uint64_t second_saw = 0;
        auto sending = spawn(send_all(std::move(tx)), "sender");
        auto cancelled = spawn(take(rx, first_saw, false), source.context());
        auto selecting = spawn(take(second, second_saw, true), source.context());
        auto cancelling = spawn(cancel_soon(source), "canceller");
        (void)co_await cancelled.join();
        (void)co_await selecting.join();
        (void)co_await cancelling.join();
        (void)co_await take(rx, first_saw, true);  // the rest, until it closes
        (void)co_await take(second, second_saw, false);
        (void)co_await sending.join();
        if (first_saw != values || second_saw != values) co_return fail(errc::internal);
        co_return result<void>();
      };
      return sim.run(body);
    });
    EXPECT_TRUE(explored) << explored.error();
  }
}

task<> follow(watch_receiver<int>& rx, int& last) {
  for (;;) {
    if (auto changed = co_await rx.changed(); !changed) co_return;
    const int next = rx.get();
    if (next <= last) ADD_FAILURE() << next << " after " << last;
    last = next;
  }
}

TEST(KindsEveryMoment, AWatchShowsTheLastValueWhateverWasCancelled) {
  const auto explored = explore(schedules, [](sim_runtime& sim) -> result<void> {
    auto body = []() -> task<result<void>> {
      auto [tx, rx] = make_watch<int>(-1);
      const cancel_source source;
      int last = -1;
      auto sending = spawn(send_all(std::move(tx)), "sender");
      auto cancelled = spawn(follow(rx, last), source.context());
      auto cancelling = spawn(cancel_soon(source), "canceller");
      (void)co_await cancelled.join();
      (void)co_await cancelling.join();
      (void)co_await follow(rx, last);
      (void)co_await sending.join();
      if (last != values - 1) co_return fail(errc::internal);
      co_return result<void>();
    };
    return sim.run(body);
  });
  EXPECT_TRUE(explored) << explored.error();
}

/// Gives the value if it was handed back.
task<result<int>> answer(oneshot_sender<int> tx) {
  co_await this_task::yield();
  int value = 7;
  if (auto sent = std::move(tx).send(std::move(value)); !sent) co_return value;
  co_return 0;
}
task<result<int>> await_answer(receiver<int> rx) { co_return co_await rx.recv(); }

TEST(KindsEveryMoment, AOneshotsValueIsReceivedOrHandedBack) {
  const auto explored = explore(schedules, [](sim_runtime& sim) -> result<void> {
    auto body = []() -> task<result<void>> {
      auto [tx, rx] = make_oneshot<int>();
      const receiver<int> rest = rx;
      const cancel_source source;
      auto answering = spawn(answer(std::move(tx)), "answer");
      auto waiting = spawn(await_answer(std::move(rx)), source.context());
      auto cancelling = spawn(cancel_soon(source), "canceller");
      const auto got = co_await waiting.join();
      (void)co_await cancelling.join();
      const auto back = co_await answering.join();
      const auto left = rest.try_recv();
      if (got.value_or(0) + back.value_or(0) + left.value_or(0) != 7) co_return fail(errc::internal);
      co_return result<void>();
    };
    return sim.run(body);
  });
  EXPECT_TRUE(explored) << explored.error();
}

}  // namespace
}  // namespace tandem::csp
