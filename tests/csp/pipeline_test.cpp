#include <tandem/csp/pipeline.hpp>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

TEST(Pipeline, CarriesEveryValueThroughItsStages) {
  sim_runtime sim;
  std::vector<std::string> out;
  auto stages = from(numbers(1000))
                    .map(1, [](int i) { return 2 * i; })
                    .filter([](const int& i) { return i % 4 == 0; })
                    .map(1, [](int i) -> task<result<std::string>> { co_return std::to_string(i); })
                    .for_each([&](std::string s) { out.push_back(std::move(s)); });
  auto body = [&]() -> task<result<void>> { co_return co_await std::move(stages).run(); };
  ASSERT_TRUE(sim.run(body).has_value());
  ASSERT_EQ(out.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], std::to_string(4 * i));
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Pipeline, MapsUpToNAtATime) {
  sim_runtime sim;
  int running = 0;
  int most = 0;
  long sum = 0;
  auto stages = from(numbers(40))
                    .map(4,
                         [&](int i) -> task<result<int>> {
                           most = std::max(most, ++running);
                           TANDEM_CO_TRY(co_await sleep_for(milliseconds(1)));
                           --running;
                           co_return i;
                         })
                    .for_each([&](int i) { sum += i; });
  auto body = [&]() -> task<result<void>> { co_return co_await std::move(stages).run(); };
  const time_point start = sim.now();
  ASSERT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(sim.now() - start, milliseconds(10));
  EXPECT_EQ(most, 4);
  EXPECT_EQ(sum, 39 * 40 / 2);
}

TEST(Pipeline, FlatMapGivesManyOrNone) {
  sim_runtime sim;
  std::string all;
  auto split = [](std::string line, const sender<char>& out) -> task<result<void>> {
    for (const char c : line) TANDEM_CO_TRY(co_await out.send(c));
    co_return result<void>();
  };
  auto stages = from(std::vector<std::string>{"ab", "", "cde"}).flat_map<char>(1, split).for_each([&](char c) { all += c; });
  auto body = [&]() -> task<result<void>> { co_return co_await std::move(stages).run(); };
  ASSERT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(all, "abcde");
}

TEST(Pipeline, FlatMapThatFailsWithClosedOfItsOwnFailsThePipeline) {
  sim_runtime sim;
  int arrived = 0;
  auto lookup = [](int i, const sender<int>& out) -> task<result<void>> {
    if (i == 3) co_return fail(errc::closed);  // of a channel that has nothing to do with the pipeline
    co_return co_await out.send(std::move(i));
  };
  auto stages = from(numbers(10)).flat_map<int>(1, lookup).for_each([&](int) { ++arrived; });
  auto body = [&]() -> task<result<void>> { co_return co_await std::move(stages).run(); };
  const auto done = sim.run(body);
  ASSERT_FALSE(done.has_value()) << "ended well after " << arrived << " of 10 values";
  EXPECT_EQ(done.error().code(), errc::closed);
}

TEST(Pipeline, ErrorInAStageCancelsUpstreamAndSurfaces) {
  sim_runtime sim;
  int produced = 0;
  auto stages = from(numbers(1'000'000))
                    .map(2,
                         [&](int i) -> result<int> {
                           ++produced;
                           return i;
                         })
                    .map(2,
                         [](int i) -> result<int> {
                           if (i == 10) return fail(make_error(errc::data_loss, "bad value"));
                           return i;
                         })
                    .for_each([](int) {});
  auto body = [&]() -> task<result<void>> { co_return co_await std::move(stages).run(); };
  EXPECT_EQ(sim.run(body).error(), errc::data_loss);
  EXPECT_LT(produced, 2000);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Pipeline, ErrorAndExceptionOfTheSinkSurface) {
  sim_runtime sim;
  auto failing = from(numbers(100)).for_each([](int i) -> task<result<void>> {
    if (i == 5) co_return fail(errc::out_of_range, "five");
    co_return result<void>();
  });
  auto throwing = from(numbers(100)).for_each(3, [](int i) {
    if (i == 5) throw std::runtime_error("boom");
  });
  auto body = [&]() -> task<> {
    EXPECT_EQ((co_await std::move(failing).run()).error(), errc::out_of_range);
    EXPECT_EQ((co_await std::move(throwing).run()).error(), errc::internal);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Pipeline, DeadlineEndsEveryStage) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  int seen = 0;
  auto body = [&seen, &rx = rx]() -> task<> {
    auto stages = from(rx).map(2, [](int i) { return i; }).for_each([&](int) { ++seen; });
    EXPECT_EQ((co_await with_timeout(milliseconds(5), std::move(stages).run())).error(), errc::deadline_exceeded);
  };
  auto running = sim.spawn(body);
  sim.run_until_idle();
  ASSERT_TRUE(tx.try_send(1).has_value());
  sim.advance(milliseconds(5));
  EXPECT_TRUE(running.done());
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Pipeline, StartGivesTheChannelAndDroppingItEndsTheStages) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    {
      auto values = from(numbers(1'000'000)).map(2, [](int i) { return i; }).start(g);
      EXPECT_TRUE((co_await values.recv()).has_value());
    }
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Pipeline, ViewsAreCopiedAndContainersEmptied) {
  sim_runtime sim;
  std::vector<std::string> words{"one long enough not to be small", "two"};
  std::size_t bytes = 0;
  auto body = [&]() -> task<result<void>> {
    auto stages = from(std::span(words)).for_each([&](std::string s) { bytes += s.size(); });
    co_return co_await std::move(stages).run();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(bytes, words[0].size() + 3);
  EXPECT_EQ(words[1], "two");
}

TEST(Pipeline, NoStageFunctionIsLeftWhenRunHasReturned) {
  sim_runtime sim;
  const auto held = std::make_shared<int>(0);
  auto body = [&]() -> task<> {
    auto stages = from(numbers(10))
                      .map(2, [held](int i) { return i; })
                      .filter([held](const int&) { return true; })
                      .map_ordered(2, [held](int i) { return i; })
                      .for_each([held](int) {});
    EXPECT_EQ(held.use_count(), 5);
    EXPECT_TRUE((co_await std::move(stages).run()).has_value());
    EXPECT_EQ(held.use_count(), 1);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Pipeline, APipelineThatWasConsumedIsRefused) {
  sim_runtime sim;
  auto source = from(numbers(1));
  auto stages = std::move(source).for_each([](int) {});
  EXPECT_THROW((void)std::move(source).map(1, [](int i) { return i; }), std::logic_error);
  EXPECT_THROW((void)std::move(source).for_each([](int) {}), std::logic_error);
  EXPECT_TRUE(sim.run(std::move(stages).run()).has_value());
  EXPECT_THROW((void)std::move(stages).run(), std::logic_error);
}

TEST(Pipeline, StageNeedsATask) {
  EXPECT_THROW((void)from(numbers(1)).map(0, [](int i) { return i; }), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::csp
