#include <tandem/runtime/context.hpp>

#include <algorithm>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
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

task<result<void>> nap(duration d) { co_return co_await sleep_for(d); }

TEST(Context, EndsAWaitAtItsDeadlineNotBefore) {
  sim_runtime sim;
  auto handle = sim.spawn(with_timeout(1s, nap(1h)));
  sim.run_until_idle();
  ASSERT_FALSE(handle.done());
  sim.advance(1s - 1ns);
  EXPECT_FALSE(handle.done());
  sim.advance(1ns);
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(sim.get(handle).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Context, DoesNotDisturbAWaitThatEndsInTime) {
  sim_runtime sim;
  EXPECT_TRUE(sim.run(with_timeout(2s, nap(1s))).has_value());
}

TEST(Context, TheInnerOfTwoDeadlinesCounts) {
  sim_runtime sim;
  const auto start = sim.now();
  EXPECT_EQ(sim.run(with_timeout(1s, with_timeout(5s, nap(1h)))).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.now() - start, 1s);
}

TEST(Context, IsInheritedBySpawnedTasks) {
  sim_runtime sim;
  auto parent = []() -> task<result<void>> {
    auto child = spawn(nap(1h));
    auto waited = co_await child.join();   // ends when our own context does
    EXPECT_EQ(waited.error().code(), errc::deadline_exceeded);
    co_return waited;
  };
  auto handle = sim.spawn(with_timeout(1s, parent()));
  sim.advance(1s);
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(sim.live_tasks(), 0U);  // the child ended too
  (void)sim.get(handle);
}

TEST(Context, CarriesTheCauseOfACancel) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  auto handle = sim.spawn(nap(1h), source.context());
  sim.run_until_idle();
  EXPECT_TRUE(source.cancel(make_error(errc::resource_exhausted, "quota used up")));
  EXPECT_FALSE(source.cancel());
  sim.run_until_idle();
  const auto outcome = sim.get(handle);
  EXPECT_EQ(outcome.error().code(), errc::cancelled);
  EXPECT_TRUE(is(outcome.error(), errc::resource_exhausted));
}

TEST(Context, AWaitUnderAContextThatIsOverDoesNotStart) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  source.cancel();
  auto handle = sim.spawn(nap(1h), source.context());
  sim.run_until_idle();
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(sim.get(handle).error().code(), errc::cancelled);
}

TEST(Context, ACancelReachesAChainOfAMillionWithoutRecursion) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  context leaf = top.context();
  for (int i = 0; i < 1'000'000; ++i) leaf = cancel_source(leaf).context();
  auto handle = sim.spawn(nap(1h), leaf);
  sim.run_until_idle();
  top.cancel();
  sim.run_until_idle();
  EXPECT_TRUE(leaf.is_over());
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(sim.get(handle).error().code(), errc::cancelled);
  // Releasing the chain must not recurse either.
  leaf = context();
}

TEST(Context, ACancelReachesAMillionChildrenOfOneAndTheWaitsBelowThem) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  std::vector<cancel_source> children;
  children.reserve(1'000'000);
  for (int i = 0; i < 1'000'000; ++i) children.emplace_back(top.context());
  // Leaving from the middle of the list leaves the others where they are.
  for (std::size_t i = 0; i < children.size(); i += 3) children[i] = cancel_source(top.context());
  auto handle = sim.spawn(nap(1h), children[children.size() / 2].context());
  sim.run_until_idle();
  top.cancel(make_error(errc::aborted, "all of them"));
  sim.run_until_idle();
  EXPECT_TRUE(std::ranges::all_of(children, [](const cancel_source& c) { return c.context().is_over(); }));
  EXPECT_TRUE(children.back().context().why().is(errc::aborted));
  EXPECT_EQ(sim.get(handle).error().code(), errc::cancelled);
}

TEST(Context, TheRootOfAnotherRuntimeEndsWaitsToo) {
  runtime rt({.workers = 1});
  runtime other({.workers = 1});
  std::latch begun(1);
  auto body = [](std::latch& l) -> task<result<void>> {
    l.count_down();
    co_return co_await sleep_until(no_deadline);
  };
  auto handle = rt.spawn(body(begun), other.root_context());
  begun.wait();
  while (rt.dump_tasks().find("waiting") == std::string::npos) std::this_thread::yield();
  EXPECT_TRUE(other.shutdown(60s).has_value());
  auto join = [](join_handle<result<void>>& h) -> task<result<void>> { co_return co_await h.join(); };
  EXPECT_EQ(rt.block_on(join(handle)).error().code(), errc::cancelled);
  auto late = rt.spawn(nap(1h), other.root_context());
  EXPECT_EQ(rt.block_on(join(late)).error().code(), errc::cancelled);
}

TEST(Context, ACancelReachesManyWaits) {
  sim_runtime sim;
  const cancel_source source(sim.root_context());
  std::vector<join_handle<result<void>>> handles;
  for (int i = 0; i < 10'000; ++i) handles.push_back(sim.spawn(nap(1h), source.context()));
  sim.run_until_idle();
  source.cancel();
  sim.run_until_idle();
  for (auto& h : handles) EXPECT_EQ(sim.get(h).error().code(), errc::cancelled);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

// What swaps the context puts it back, however the piece below ends; otherwise the waits after it would fail too.
TEST(Context, IsTheOldOneAgainAfterAPieceThatWasCancelledOrThrew) {
  sim_runtime sim;
  auto throwing = []() -> task<result<void>> {
    co_await yield();
    throw std::runtime_error("boom");
  };
  auto body = [&throwing]() -> task<bool> {
    const cancel_source over;
    over.cancel();
    EXPECT_EQ((co_await with_timeout(1s, nap(1h))).error().code(), errc::deadline_exceeded);
    EXPECT_EQ((co_await with_context(over.context(), nap(1h))).error().code(), errc::cancelled);
    bool thrown = false;
    try {
      (void)co_await with_timeout(1s, throwing());
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_EQ(this_task::context().deadline(), no_deadline);
    const auto slept = co_await sleep_for(10s);  // past all of the deadlines above
    co_return thrown && slept.has_value();
  };
  EXPECT_TRUE(sim.run(body()).value());
  EXPECT_EQ(sim.live_tasks(), 0U);
}

TEST(Context, OfSeveralReasonsTheFirstWinsAndStays) {
  sim_runtime sim;
  const cancel_source top(sim.root_context(), sim.now() + 2s);
  const cancel_source child(top.context(), sim.now() + 1s, make_error(errc::overloaded, "took too long"));
  const cancel_source sibling(top.context());
  sibling.cancel(make_error(errc::unavailable, "not needed"));
  sim.advance(1s);
  EXPECT_EQ(child.context().why().code(), errc::deadline_exceeded);
  EXPECT_TRUE(child.context().why().is(errc::overloaded));  // the cause given for the deadline
  EXPECT_FALSE(top.context().is_over());
  EXPECT_FALSE(child.cancel(make_error(errc::aborted, "too late")));
  sim.advance(1s);
  EXPECT_EQ(top.context().why().code(), errc::deadline_exceeded);
  EXPECT_FALSE(top.context().why().is(errc::overloaded));
  EXPECT_TRUE(child.context().why().is(errc::overloaded));
  EXPECT_TRUE(sibling.context().why().is(errc::unavailable));
}

TEST(Context, AChildHasTheReasonOfItsParentAndCausesNest) {
  sim_runtime sim;
  const cancel_source top(sim.root_context());
  const cancel_source child(top.context());
  auto handle = sim.spawn(nap(1h), child.context());
  sim.run_until_idle();
  error cause = wrap(make_error(errc::not_found, "no such row"), errc::aborted, "rolled back");
  top.cancel(std::move(cause));
  sim.run_until_idle();
  const auto ended = sim.get(handle);
  EXPECT_EQ(ended.error().code(), errc::cancelled);
  EXPECT_EQ(ended.error().message(), "cancelled: rolled back: no such row");
  EXPECT_TRUE(ended.error().is(errc::aborted) && ended.error().is(errc::not_found));
  const cancel_source elsewhere;  // a cancel that is passed on stays one layer
  elsewhere.cancel(ended.error());
  EXPECT_EQ(elsewhere.context().why().message(), ended.error().message());
}

TEST(Context, ADeadlineOutsideOfARuntimeIsRefusedWithAdvice) {
  EXPECT_THROW(cancel_source(context(), now() + 1s), std::logic_error);
}

TEST(Context, MayOutliveTheRuntime) {
  std::unique_ptr<cancel_source> source;
  {
    runtime rt({.workers = 1});
    source = std::make_unique<cancel_source>(rt.root_context(), now() + 1h);
  }
  EXPECT_TRUE(source->context().is_over());  // shutdown ended it
}

TEST(Context, ARootThatOutlivesItsRuntimeGivesChildrenThatAreOver) {
  context root;
  {
    runtime rt({.workers = 1});
    root = rt.root_context();
  }
  const cancel_source child(root);
  const cancel_source grandchild(child.context(), now() + 1h);
  EXPECT_TRUE(child.context().is_over());
  EXPECT_TRUE(grandchild.context().is_over());
}

TEST(Context, OneMadeOutsideOfARuntimeMayHaveChildren) {
  const cancel_source outside;
  const cancel_source child(outside.context());
  sim_runtime sim;
  auto napping = sim.spawn(with_timeout(1h, nap(2h)), outside.context());  // a deadline below it, in a task
  sim.run_until_idle();
  ASSERT_FALSE(napping.done());
  outside.cancel();
  sim.run_until_idle();
  EXPECT_TRUE(child.context().is_over());
  EXPECT_EQ(sim.get(napping).error().code(), errc::cancelled);
}

TEST(Context, ARefusedDeadlineLeavesTheParentAsItWas) {
  const cancel_source outside;
  EXPECT_THROW(cancel_source(outside.context(), now() + 1h), std::logic_error);
  EXPECT_TRUE(outside.cancel());  // walks the children: the refused one must not be among them
}

TEST(ContextStress, CancelRacesWithWakingAndLosesNoTask) {
  runtime rt({.workers = 4});
  auto body = []() -> task<int> {
    int ended = 0;
    for (int round = 0; round < 300; ++round) {
      const cancel_source source;
      std::vector<join_handle<result<void>>> sleepers;
      for (int i = 0; i < 20; ++i) sleepers.push_back(spawn(nap(std::chrono::microseconds(i)), source.context()));
      auto canceller = spawn([&]() -> task<> {
        co_await yield();
        source.cancel();
      });
      for (auto& s : sleepers) {
        (void)co_await s.join();
        ++ended;
      }
      (void)co_await canceller.join();
    }
    co_return ended;
  };
  EXPECT_EQ(rt.block_on(body()), 300 * 20);
}

}  // namespace
}  // namespace tandem
