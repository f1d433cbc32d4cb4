#include <tandem/resilience/singleflight.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

using flights = singleflight<std::string, int>;

// A function that takes a while, and what became of it.
struct work {
  duration takes = 100ms;
  int started = 0;
  int ended = 0;
  int cancelled = 0;

  auto call(int value = 7) {
    return [this, value]() -> task<result<int>> {
      ++started;
      const result<void> slept = co_await sleep_for(takes);
      ++ended;
      if (!slept) {
        ++cancelled;
        co_return fail(slept.error());
      }
      co_return value;
    };
  }
};

// Both ways a function can run: in the first caller's task, and in one of its own.
class SingleflightBothWays : public ::testing::TestWithParam<bool> {
 protected:
  // A call in a context that can end, or cannot.
  template <class T>
  auto spawn(task<T> body) {
    if (GetParam()) body = with_timeout(1h, std::move(body));
    return sim.spawn(std::move(body));
  }
  sim_runtime sim;
  flights group;
};
INSTANTIATE_TEST_SUITE_P(, SingleflightBothWays, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "InATaskOfItsOwn" : "InTheCallersTask"; });

TEST_P(SingleflightBothWays, WhoComesWhileItRunsGetsTheSameValue) {
  work w;
  auto a = spawn(group.run("k", w.call(1)));
  auto b = spawn(group.run("k", w.call(2)));
  auto other = spawn(group.run("l", w.call(3)));
  sim.advance(99ms);
  ASSERT_FALSE(a.done() || b.done());
  auto c = spawn(group.run("k", w.call(4)));
  sim.advance(1ms);
  EXPECT_EQ(sim.get(a).value(), 1);
  EXPECT_EQ(sim.get(b).value(), 1);
  EXPECT_EQ(sim.get(c).value(), 1);
  EXPECT_EQ(sim.get(other).value(), 3);
  EXPECT_EQ(w.started, 2);
  EXPECT_EQ(sim.run(group.run("k", w.call(5))).value(), 5) << "nothing is kept";
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST_P(SingleflightBothWays, AnErrorReachesAllWithItsWholeChain) {
  const auto fails = [] -> task<result<int>> {
    (void)co_await sleep_for(1ms);
    co_return fail(wrap(make_error(errc::unavailable, "no route"), "fetch"));
  };
  auto a = spawn(group.run("k", fails));
  auto b = spawn(group.run("k", fails));
  sim.advance(1ms);
  const error first = sim.get(a).error();
  EXPECT_EQ(first.message(), "fetch: no route");
  EXPECT_EQ(sim.get(b).error(), first);
}

TEST_P(SingleflightBothWays, AnExceptionReachesAll) {
  int started = 0;
  const auto throws = [&] -> task<result<int>> {
    ++started;
    (void)co_await sleep_for(1ms);
    throw std::runtime_error("broken");
  };
  auto catches = [&]() -> task<std::string> {
    try {
      (void)co_await group.run("k", throws);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  auto a = spawn(catches());
  auto b = spawn(catches());
  sim.advance(1ms);
  EXPECT_EQ(sim.get(a).value(), "broken");
  EXPECT_EQ(sim.get(b).value(), "broken");
  EXPECT_EQ(started, 1);
  EXPECT_EQ(sim.run(group.run("k", work().call(5))).value(), 5) << "the key is free again";
}

TEST_P(SingleflightBothWays, AWaiterThatIsCancelledLeavesTheOthers) {
  work w;
  auto a = spawn(group.run("k", w.call()));
  auto b = sim.spawn(with_timeout(10ms, group.run("k", w.call())));
  auto c = spawn(group.run("k", w.call()));
  sim.advance(10ms - 1ns);
  ASSERT_FALSE(b.done());
  sim.advance(1ns);
  ASSERT_TRUE(b.done());
  EXPECT_EQ(sim.get(b).error().code(), errc::deadline_exceeded);
  sim.advance(90ms);
  EXPECT_EQ(sim.get(a).value(), 7);
  EXPECT_EQ(sim.get(c).value(), 7);
  EXPECT_EQ(w.cancelled, 0);
}

TEST_P(SingleflightBothWays, TheFunctionSeesTheValuesOfTheFirstCallersContext) {
  static constexpr context_key<std::string> user("user");
  const auto reads = [] -> task<result<int>> {
    (void)co_await sleep_for(1ms);
    const std::string* const name = this_task::context().value(user);
    co_return name && *name == "first" ? 1 : 0;
  };
  auto a = spawn(with_value(user, "first", group.run("k", reads)));
  auto b = spawn(with_value(user, "second", group.run("k", reads)));
  sim.advance(1ms);
  EXPECT_EQ(sim.get(a).value(), 1);
  EXPECT_EQ(sim.get(b).value(), 1);
}

TEST_P(SingleflightBothWays, TenThousandWaitersCostOneCall) {
  constexpr int n = 10'000;
  work w;
  std::vector<join_handle<result<int>>> waiters;
  for (int i = 0; i < n; ++i) waiters.push_back(spawn(group.run("k", w.call(i))));
  sim.advance(100ms);
  for (auto& each : waiters) ASSERT_EQ(sim.get(each).value(), 0);
  EXPECT_EQ(w.started, 1);
  EXPECT_EQ(group.info().counters,
            (std::vector<policy_counter>{{"led", 1}, {"joined", n - 1}, {"left", 0}, {"abandoned", 0}}));
}

TEST_P(SingleflightBothWays, AfterForgetTheNextCallStartsAnew) {
  work w;
  auto a = spawn(group.run("k", w.call(1)));
  sim.run_until_idle();
  EXPECT_TRUE(group.forget("k"));
  EXPECT_FALSE(group.forget("k"));
  auto b = spawn(group.run("k", w.call(2)));
  auto c = spawn(group.run("k", w.call(3)));
  sim.advance(100ms);
  EXPECT_EQ(sim.get(a).value(), 1);
  EXPECT_EQ(sim.get(b).value(), 2);
  EXPECT_EQ(sim.get(c).value(), 2) << "the end of the forgotten one did not take away the new one";
}

TEST(Singleflight, TheLeaderMayLeaveTheOthers) {
  sim_runtime sim;
  const flights group;
  work w;
  auto leader = sim.spawn(with_timeout(10ms, group.run("k", w.call())));
  auto waiter = sim.spawn(group.run("k", w.call()));
  sim.advance(10ms);
  ASSERT_TRUE(leader.done());
  EXPECT_EQ(sim.get(leader).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(w.ended, 0);
  sim.advance(90ms);
  EXPECT_EQ(sim.get(waiter).value(), 7);
}

TEST(Singleflight, TheFunctionIsCancelledWhenTheLastHasLeftAtTheLatestDeadline) {
  sim_runtime sim;
  const flights group;
  work w{.takes = 1h};
  auto a = sim.spawn(with_timeout(10ms, group.run("k", w.call())));
  auto b = sim.spawn(with_timeout(30ms, group.run("k", w.call())));
  auto c = sim.spawn(with_timeout(20ms, group.run("k", w.call())));
  sim.advance(30ms - 1ns);
  ASSERT_TRUE(a.done() && c.done());
  ASSERT_EQ(w.ended, 0);
  sim.advance(1ns);
  EXPECT_EQ(w.cancelled, 1);
  EXPECT_EQ(sim.get(b).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_EQ(group.info().counters,
            (std::vector<policy_counter>{{"led", 1}, {"joined", 2}, {"left", 3}, {"abandoned", 1}}));
  EXPECT_EQ(group.info().state, "0 under way, 2 of 3 calls shared another's");
}

TEST(Singleflight, ACallAfterAllHaveLeftDoesNotWaitForAFunctionThatIgnoresItsCancel) {
  sim_runtime sim;
  const flights group;
  bool ended = false;
  auto deaf = [&] -> task<result<int>> {
    (void)co_await without_cancel([]() -> task<result<void>> { co_return co_await sleep_for(1h); }());
    ended = true;
    co_return 1;
  };
  auto a = sim.spawn(with_timeout(10ms, group.run("k", deaf)));
  sim.advance(10ms);
  EXPECT_EQ(sim.get(a).error().code(), errc::deadline_exceeded);
  work w;
  EXPECT_EQ(sim.run(group.run("k", w.call(2))).value(), 2);
  ASSERT_FALSE(ended);
  sim.advance(1h);
  EXPECT_TRUE(ended);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Singleflight, ACallerWhoseContextIsOverStartsNothing) {
  sim_runtime sim;
  const flights group;
  work w;
  const cancel_source over{context()};
  over.cancel();
  EXPECT_EQ(sim.run(with_context(over.context(), group.run("k", w.call()))).error().code(), errc::cancelled);
  EXPECT_EQ(w.started, 0);
}

TEST(Singleflight, OnlyACallerThatCanLeaveCostsATask) {
  sim_runtime sim;
  const flights group;
  std::size_t tasks = 0;
  const auto counts = [&] -> task<result<int>> {
    tasks = sim.live_tasks();
    co_return 1;
  };
  (void)sim.run(group.run("k", counts));
  EXPECT_EQ(tasks, 1U);
  (void)sim.run(with_timeout(1s, group.run("k", counts)));
  EXPECT_EQ(tasks, 2U);
}

TEST(Singleflight, ALoopOfCallsThatNeverWaitLetsOthersRun) {
  sim_runtime sim;
  const flights group;
  bool stop = false;
  auto loop = sim.spawn([&]() -> task<result<void>> {
    while (!stop) (void)co_await group.run("k", [] -> task<int> { co_return 1; });
    co_return result<void>();
  });
  auto other = sim.spawn([&]() -> task<> {
    stop = true;
    co_return;
  });
  sim.run_until_idle();
  EXPECT_TRUE(loop.done() && other.done());
}

TEST(Singleflight, ALoneCallerGetsTheValueWithoutACopy) {
  struct counted {
    explicit counted(int& n) noexcept : copies(&n) {}
    counted(const counted& other) noexcept : copies(other.copies) { ++*copies; }
    counted(counted&&) noexcept = default;
    int* copies;
  };
  sim_runtime sim;
  const singleflight<int, counted> group;
  int copies = 0;
  const auto makes = [&] -> task<counted> {
    (void)co_await sleep_for(1ms);
    co_return counted(copies);
  };
  (void)sim.run(group.run(1, makes));
  EXPECT_EQ(copies, 0);
  auto a = sim.spawn(group.run(1, makes));
  auto b = sim.spawn(group.run(1, makes));
  sim.advance(1ms);
  EXPECT_TRUE(a.done() && b.done());
  EXPECT_EQ(copies, 1);
}

TEST(Singleflight, AFunctionMayGiveNothing) {
  sim_runtime sim;
  const singleflight<int, void> group;
  int called = 0;
  EXPECT_TRUE(sim.run(group.run(1, [&] -> task<> {
                  ++called;
                  co_return;
                })).has_value());
  EXPECT_EQ(sim.run(group.run(1, [] -> task<result<void>> { co_return fail(errc::aborted); })).error().code(),
            errc::aborted);
  EXPECT_EQ(called, 1);
}

TEST(Singleflight, KeysOfOneHashAreKeptApart) {
  struct same_for_all {
    std::size_t operator()(int) const noexcept { return 1; }
  };
  sim_runtime sim;
  const singleflight<int, int, same_for_all> group;
  work w;
  std::vector<join_handle<result<int>>> handles;
  for (int i = 0; i < 200; ++i) handles.push_back(sim.spawn(group.run(i % 100, w.call(i % 100))));
  sim.advance(100ms);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(sim.get(handles[static_cast<std::size_t>(i)]).value(), i % 100);
  EXPECT_EQ(w.started, 100);
}

TEST(Singleflight, ASubscriptionJoinsAtOnceAndIsWaitedForLater) {
  sim_runtime sim;
  const flights group;
  work w;
  auto body = [&]() -> task<result<int>> {
    subscription<int> first = group.subscribe("k", w.call(1));
    subscription<int> second = group.subscribe("k", w.call(2));
    EXPECT_FALSE(first.done());
    auto third = spawn(group.run("k", w.call(3)));
    (void)co_await sleep_for(1h);
    EXPECT_TRUE(first.done() && second.done());
    const result<int> a = co_await first.wait();
    const result<int> b = co_await second.wait();
    const result<int> c = co_await third.join();
    EXPECT_EQ(w.started, 1);
    co_return *a * 100 + *b * 10 + *c;
  };
  EXPECT_EQ(sim.run(body()).value(), 111);
}

TEST(Singleflight, DroppingASubscriptionIsLeaving) {
  sim_runtime sim;
  const flights group;
  work w{.takes = 1h};
  auto body = [&]() -> task<> {
    std::optional<subscription<int>> a = group.subscribe("k", w.call());
    std::optional<subscription<int>> b = group.subscribe("k", w.call());
    (void)co_await sleep_for(1ms);
    a.reset();
    (void)co_await sleep_for(1ms);
    EXPECT_EQ(w.cancelled, 0);
    b.reset();
    (void)co_await sleep_for(1ms);
    EXPECT_EQ(w.cancelled, 1);
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(Singleflight, AWaitForASubscriptionThatWasCancelledMayBeRepeated) {
  sim_runtime sim;
  const flights group;
  work w;
  auto body = [&]() -> task<result<int>> {
    subscription<int> s = group.subscribe("k", w.call());
    const result<int> early = co_await with_timeout(10ms, s.wait());
    EXPECT_EQ(early.error().code(), errc::deadline_exceeded);
    const result<int> late = co_await s.wait();
    EXPECT_TRUE(s.done());
    bool threw = false;
    try {
      (void)co_await s.wait();
    } catch (const std::logic_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    co_return late;
  };
  EXPECT_EQ(sim.run(body()).value(), 7);
}

TEST(Singleflight, SubscriptionsAndFunctionsMayOutliveIt) {
  sim_runtime sim;
  work w;
  std::optional<flights> group(std::in_place);
  auto body = [&]() -> task<result<int>> {
    subscription<int> s = group->subscribe("k", w.call());
    group.reset();
    co_return co_await s.wait();
  };
  EXPECT_EQ(sim.run(body()).value(), 7);
}

TEST(Singleflight, ShutdownEndsCallersAndFunctions) {
  const flights group;
  work w{.takes = 1h};
  {
    sim_runtime sim;
    (void)sim.spawn(group.run("a", w.call()));
    (void)sim.spawn(with_timeout(2h, group.run("a", w.call())));
    (void)sim.spawn(with_timeout(2h, group.run("b", w.call())));
    (void)sim.spawn(group.run("b", w.call()));
    sim.run_until_idle();
    ASSERT_EQ(w.started, 2);
  }  // aborts if a task does not end
  EXPECT_EQ(w.cancelled, 2);
  sim_runtime sim;
  w.takes = 1ms;
  EXPECT_EQ(sim.run(group.run("a", w.call())).value(), 7);
}

TEST(Singleflight, IsListed) {
  const flights group({.shards = 3, .name = "pages"});
  const auto all = list_policies();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().kind, "singleflight");
  EXPECT_EQ(all.back().name, "pages");
  EXPECT_EQ(all.back().settings, "4 shards");
  EXPECT_THROW(flights({.shards = 4097}), std::invalid_argument);
}

// Four threads call, leave and forget; whatever the schedule, each outcome is that of its key, and all ends.
TEST(SingleflightStress, CallersOnManyThreadsGetTheOutcomeOfTheirKey) {
  constexpr int keys = 3, callers = 16, calls = 400;
  runtime rt({.workers = 4});
  const singleflight<int, int> group({.shards = 2});
  std::array<std::atomic<int>, keys> running{};
  std::atomic<int> got{0}, cancelled{0}, wrong{0};
  auto caller = [&](int me) -> task<> {
    for (int i = 0; i < calls; ++i) {
      const int key = (me + i) % keys;
      const bool waits = i % 3 != 0;
      auto function = [&running, &wrong, key, waits]() -> task<result<int>> {
        // Key 0 is never left nor forgotten, so its function never runs twice at once.
        if (running[static_cast<std::size_t>(key)].fetch_add(1) > 0 && key == 0) ++wrong;
        if (waits) co_await this_task::yield();
        running[static_cast<std::size_t>(key)].fetch_sub(1);
        co_return key;
      };
      result<int> outcome = fail(errc::unknown);
      if (key == 1 && i % 2) {
        outcome = co_await with_timeout(i % 5 * 1us, group.run(key, function));
      } else if (key == 2 && i % 2) {
        outcome = co_await with_timeout(1h, group.run(key, function));
      } else {
        outcome = co_await group.run(key, function);
      }
      if (key == 2 && i % 7 == 0) group.forget(key);
      if (!outcome) {
        ++cancelled;
      } else if (*outcome == key) {
        ++got;
      } else {
        ++wrong;
      }
    }
  };
  auto all = [&]() -> task<> {
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < callers; ++i) handles.push_back(spawn(caller(i)));
    for (auto& h : handles) (void)co_await h.join();
  };
  rt.block_on(all());
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(got + cancelled, callers * calls);
  EXPECT_GT(got, callers * calls / 2);
  EXPECT_TRUE(rt.shutdown(10s).has_value()) << "nothing is left under way";
}

}  // namespace
}  // namespace tandem::resilience
