// Pipelines that fork and join, sources and ends.
#include <tandem/csp/pipeline.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;
using numbers = std::vector<int>;

numbers up_to(int n) {
  numbers all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}

auto into(numbers& all) {
  return [&all](int i) { all.push_back(i); };
}

TEST(PipelineMapOrdered, KeepsTheOrderWhateverTheCallsTake) {
  sim_runtime sim;
  int running = 0, most = 0;
  numbers seen;
  auto slow = [&](int i) -> task<result<int>> {
    most = std::max(most, ++running);
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(1 + (i * 7) % 5)));
    --running;
    co_return i;
  };
  ASSERT_TRUE(sim.run(from(up_to(100)).map_ordered(4, slow).for_each(into(seen)).run()).has_value());
  EXPECT_EQ(seen, up_to(100));
  EXPECT_EQ(most, 4);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(PipelineMapOrdered, WorksForMoreTasksThanValuesAndForOne) {
  sim_runtime sim;
  for (const std::size_t n : {1u, 50u}) {
    numbers seen;
    auto stages = from(up_to(3)).map_ordered(n, [](int i) { return 2 * i; }).for_each(into(seen));
    ASSERT_TRUE(sim.run(std::move(stages).run()).has_value());
    EXPECT_EQ(seen, (numbers{0, 2, 4}));
  }
}

TEST(PipelineMapOrdered, FailsAtItsPlaceWithItsName) {
  sim_runtime sim;
  auto fails = [](int i) -> result<int> {
    if (i == 20) return fail(make_error(errc::data_loss, "twenty"));
    return i;
  };
  const auto ended = sim.run(from(up_to(100)).map_ordered(3, fails).for_each([](int) {}).run());
  EXPECT_EQ(ended.error().message(), "stage map_ordered#2: twenty");
}

TEST(PipelineMerge, GivesAllValuesEachLineInItsOrder) {
  sim_runtime sim;
  numbers seen;
  auto even = from(up_to(500)).map(1, [](int i) { return 2 * i; });
  auto odd = from(up_to(500)).map(1, [](int i) { return 2 * i + 1; });
  ASSERT_TRUE(sim.run(merge(std::move(even), std::move(odd)).for_each(into(seen)).run()).has_value());
  numbers evens, odds;
  for (const int i : seen) (i % 2 == 0 ? evens : odds).push_back(i);
  EXPECT_TRUE(std::ranges::is_sorted(evens));
  EXPECT_TRUE(std::ranges::is_sorted(odds));
  std::ranges::sort(seen);
  EXPECT_EQ(seen, up_to(1000));
}

TEST(PipelineMerge, OfNothingEndsAtOnce) {
  sim_runtime sim;
  numbers seen;
  EXPECT_TRUE(sim.run(merge(std::vector<pipeline<int>>()).for_each(into(seen)).run()).has_value());
  EXPECT_TRUE(seen.empty());
}

TEST(PipelineMerge, AFastLineIsNotHeldUpByASlowOne) {
  sim_runtime sim;
  auto [never_tx, never] = make_channel<int>(0);
  auto [tx, rx] = make_channel<int>(0);
  numbers seen;
  auto running = sim.spawn(merge(from(never), from(rx)).for_each(into(seen)).run());
  sim.run_until_idle();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tx.try_send(i).has_value());
    sim.run_until_idle();
  }
  EXPECT_EQ(seen, up_to(10));
  tx.close();
  never_tx.close();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
}

TEST(PipelineTee, EverySideAndThePipelineSeeEachValue) {
  sim_runtime sim;
  auto [tx_a, a] = make_channel<int>(4);
  auto [tx_b, b] = make_channel<int>(4);
  std::vector<sender<int>> sides;
  sides.push_back(std::move(tx_a));
  sides.push_back(std::move(tx_b));
  auto body = [&, a = std::move(a), b = std::move(b)]() mutable -> task<> {
    numbers main, left, right;
    group g;
    g.go(from(std::move(a)).for_each(into(left)).run());
    g.go(from(std::move(b)).for_each(into(right)).run());
    g.go(from(up_to(100)).tee(std::move(sides)).for_each(into(main)).run());
    EXPECT_TRUE((co_await g.wait()).has_value());  // the sides were closed at the end
    EXPECT_EQ(main, up_to(100));
    EXPECT_EQ(left, main);
    EXPECT_EQ(right, main);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(PipelineTee, GoesAtThePaceOfTheSlowestSide) {
  sim_runtime sim;
  auto [tx, side] = make_channel<int>(0);
  numbers seen;
  auto running = sim.spawn(from(up_to(10)).tee(std::move(tx)).for_each(into(seen)).run());
  sim.run_until_idle();
  EXPECT_EQ(seen, numbers());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(sim.run(recv_by(side)).value(), i);
    sim.run_until_idle();
    EXPECT_EQ(seen, up_to(i + 1));
  }
  side.close();  // enough: the pipeline goes on without it
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
  EXPECT_EQ(seen, up_to(10));
}

TEST(PipelineTee, EndsWhenWhatComesAfterItHasEnded) {
  sim_runtime sim;
  auto [tx, side] = make_channel<int>(1000);
  auto body = [&, tx = std::move(tx)]() mutable -> task<result<void>> {
    group g;
    {
      auto values = from(std::views::iota(0)).tee(std::move(tx)).start(g);
      EXPECT_EQ((co_await values.recv()).value(), 0);
    }
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(std::move(body)).has_value());  // with its end of the side
  while (sim.run(recv_by(side))) {
  }
  EXPECT_TRUE(side.is_closed());
}

TEST(PipelineBroadcast, EveryLineSeesEachValueThroughItsOwnStages) {
  sim_runtime sim;
  numbers seen, doubled;
  std::vector<numbers> batches;
  auto stages = from(up_to(50)).broadcast(
      [&](auto in) { return std::move(in).for_each(into(seen)); },
      [&](auto in) { return std::move(in).map(1, [](int i) { return 2 * i; }).for_each(into(doubled)); },
      [&](auto in) {
        return std::move(in).batch(25).for_each([&](numbers b) { batches.push_back(std::move(b)); });
      });
  ASSERT_TRUE(sim.run(std::move(stages).run()).has_value());
  EXPECT_EQ(seen, up_to(50));
  ASSERT_EQ(doubled.size(), 50u);
  EXPECT_EQ(doubled[49], 98);
  EXPECT_EQ(batches.size(), 2u);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(PipelineBroadcast, GoesAtThePaceOfTheSlowestLine) {
  sim_runtime sim;
  int fast = 0, slow = 0, ahead = 0;
  auto stages = from(up_to(200)).broadcast(
      [&](auto in) {
        return std::move(in).for_each([&](int) { ahead = std::max(ahead, ++fast - slow); });
      },
      [&](auto in) {
        return std::move(in).for_each([&](int) -> task<> {
          (void)co_await sleep_for(milliseconds(1));
          ++slow;
        });
      });
  ASSERT_TRUE(sim.run(std::move(stages).run()).has_value());
  EXPECT_EQ(slow, 200);
  EXPECT_LE(ahead, static_cast<int>(stage_buffer) + 3);
}

TEST(PipelineBroadcast, ALineThatFailsNamesItsStageAndDrainsTheOthers) {
  sim_runtime sim;
  numbers seen;
  int passed = 0;
  auto stages = from(std::views::iota(0))
                    .map(1, [&](int i) { return ++passed, i; })
                    .broadcast([&](auto in) { return std::move(in).for_each(into(seen)); },
                               [&](auto in) {
                                 return std::move(in)
                                     .for_each([](int i) -> result<void> {
                                       if (i == 30) return fail(make_error(errc::data_loss, "thirty"));
                                       return {};
                                     })
                                     .named("bill");
                               });
  const auto ended = sim.run(std::move(stages).run(on_error::drain));
  EXPECT_EQ(ended.error().message(), "stage bill: thirty");
  EXPECT_GE(seen.size(), 31u);
  EXPECT_EQ(seen, up_to(static_cast<int>(seen.size())));
}

TEST(PipelineBroadcast, LeavesOutALineThatEndsEarly) {
  sim_runtime sim;
  numbers seen;
  auto [tx, few] = make_channel<int>(0);
  auto stages = from(up_to(100)).broadcast([&](auto in) { return std::move(in).for_each(into(seen)); },
                                           [&](auto in) { return std::move(in).sink(std::move(tx)); });
  auto running = sim.spawn(std::move(stages).run());
  sim.run_until_idle();
  EXPECT_EQ(sim.run(recv_by(few)).value(), 0);
  few.close();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
  EXPECT_EQ(seen, up_to(100));
}

TEST(PipelineBroadcast, ALineThatIsStartedByItselfIsTold) {
  sim_runtime sim;
  pipeline<int> kept = from(up_to(1));
  auto stages = from(up_to(10)).broadcast([&](auto in) {
    kept = std::move(in);
    return from(up_to(3)).for_each([](int) {});
  });
  auto body = [&]() -> task<> {
    group g;
    EXPECT_THROW((void)std::move(kept).start(g), std::logic_error);
    (void)co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_TRUE(sim.run(std::move(stages).run()).has_value());
}

TEST(PipelineSink, SendsIntoAChannelAndClosesItAtTheEnd) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(100);
  ASSERT_TRUE(sim.run(from(up_to(10)).sink(std::move(tx)).run()).has_value());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sim.run(recv_by(rx)).value(), i);
  EXPECT_EQ(sim.run(recv_by(rx)).error(), errc::closed);
}

TEST(PipelineSink, EndsWellWhenItsChannelIsClosed) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto running = sim.spawn(from(std::views::iota(0)).sink(std::move(tx)).run());
  sim.run_until_idle();
  rx.close();
  sim.run_until_idle();
  EXPECT_TRUE(sim.get(running).has_value());
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(PipelineGenerate, TakesPlainFunctionsAndTasksWithAndWithoutResults) {
  sim_runtime sim;
  auto run = [&sim](auto f) {
    numbers seen;
    EXPECT_TRUE(sim.run(generate(std::move(f)).for_each(into(seen)).run()).has_value());
    return seen;
  };
  using maybe = std::optional<int>;
  auto next = [](int& i) { return i < 3 ? maybe(i++) : maybe(); };
  EXPECT_EQ(run([=, i = 0]() mutable -> maybe { return next(i); }), up_to(3));
  EXPECT_EQ(run([=, i = 0]() mutable -> result<maybe> { return next(i); }), up_to(3));
  EXPECT_EQ(run([=, i = 0]() mutable -> task<maybe> { co_return next(i); }), up_to(3));
  EXPECT_EQ(run([=, i = 0]() mutable -> task<result<maybe>> { co_return next(i); }), up_to(3));
}

}  // namespace
}  // namespace tandem::csp
