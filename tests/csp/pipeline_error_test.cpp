// What a failing stage does to the others, and what run() tells of it.
#include <tandem/csp/pipeline.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using testing::task_order;
using std::chrono::milliseconds;

/// 0, 1, 2 … for ever; counts what it made.
auto count_up(int& made) {
  return [&made]() -> std::optional<int> { return made++; };
}

auto fails_at(int bad, errc code) {
  return [bad, code](int i) -> result<int> {
    if (i == bad) return fail(make_error(code, "bad value"));
    return i;
  };
}

bool any_stack(layer_view layer) {
  for (; layer; layer = layer.next()) {
    if (layer.has_stack()) return true;
    for (const error& cause : layer.causes())
      if (any_stack(cause.first_layer())) return true;
  }
  return false;
}

class PipelineError : public ::testing::TestWithParam<on_error> {};
INSTANTIATE_TEST_SUITE_P(Modes, PipelineError, ::testing::Values(on_error::stop, on_error::drain),
                         [](const auto& mode) { return mode.param == on_error::stop ? "Stop" : "Drain"; });

TEST_P(PipelineError, EverythingBeforeStopsWithinOneItem) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    testing::sim_options options;
    options.seed = seed;
    options.order = task_order::shuffled;
    sim_runtime sim(options);
    int made = 0, passed = 0, made_then = -1, passed_then = -1;
    auto stages = generate(count_up(made))
                      .map(1, [&](int i) { return ++passed, i; })
                      .filter([](const int&) { return true; })
                      .map(1,
                           [&](int i) -> result<int> {
                             if (i < 100) return i;
                             made_then = made;
                             passed_then = passed;
                             return fail(make_error(errc::data_loss, "bad value"));
                           })
                      .for_each([](int) {});
    EXPECT_EQ(sim.run(std::move(stages).run(GetParam())).error(), errc::data_loss);
    ASSERT_GE(made_then, 100);
    EXPECT_LE(made, made_then + 1);
    EXPECT_LE(passed, passed_then + 1);
    EXPECT_EQ(sim.live_tasks(), 0u);
  }
}

TEST_P(PipelineError, EndsLinesBesideThatWaitForAChannel) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);  // nobody sends, nobody closes
  int made = 0;
  auto beside = from(rx).map(1, [](int i) { return i; });
  auto failing = generate(count_up(made)).map(1, fails_at(10, errc::data_loss));
  auto stages = merge(std::move(beside), std::move(failing)).for_each([](int) {});
  EXPECT_EQ(sim.run(std::move(stages).run(GetParam())).error(), errc::data_loss);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST_P(PipelineError, EndsChannelsThatAreMergedAsTheyAre) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);  // nobody sends, nobody closes
  int made = 0;
  auto failing = generate(count_up(made)).map(1, fails_at(10, errc::data_loss));
  auto stages = merge(from(rx), std::move(failing)).map(1, [](int i) { return i; }).for_each([](int) {});
  EXPECT_EQ(sim.run(std::move(stages).run(GetParam())).error(), errc::data_loss);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(PipelineDrain, LinesBesideGiveWhatTheyHaveUnderWay) {
  sim_runtime sim;
  std::vector<int> seen;
  int made = 0, passed = 0;
  auto slow = [&seen](int i) -> task<result<void>> {
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(1)));
    seen.push_back(i);
    co_return result<void>();
  };
  // The line beside: its source is told to end, the stage behind that hands on what it got.
  auto beside = generate(count_up(made)).map(1, [&passed](int i) { return ++passed, i; });
  auto failing = generate([]() -> task<result<std::optional<int>>> {
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(100)));
    co_return fail(make_error(errc::data_loss, "unreadable"));
  });
  auto stages = merge(std::move(beside), std::move(failing)).for_each(slow);
  EXPECT_EQ(sim.run(std::move(stages).run(on_error::drain)).error().message(), "stage generate#3: unreadable");
  EXPECT_EQ(static_cast<int>(seen.size()), passed);
  for (int i = 0; i < passed; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST_P(PipelineError, NamesTheStageInMessageAndField) {
  sim_runtime sim;
  int made = 0;
  auto stages = generate(count_up(made)).map(3, fails_at(7, errc::data_loss)).for_each([](int) {});
  const error failed = sim.run(std::move(stages).run(GetParam())).error();
  EXPECT_EQ(failed.message(), "stage map#2: bad value");
  ASSERT_EQ(failed.first_layer().fields().size(), 1u);
  EXPECT_EQ(failed.first_layer().fields()[0].key, "stage");
  EXPECT_EQ(failed.first_layer().fields()[0].value, "map#2");
}

TEST_P(PipelineError, UsesTheNameAStageWasGiven) {
  sim_runtime sim;
  int made = 0;
  auto map = generate(count_up(made)).map(1, fails_at(7, errc::data_loss)).named("parse").for_each([](int) {});
  EXPECT_EQ(sim.run(std::move(map).run(GetParam())).error().message(), "stage parse: bad value");
  auto refuses = [](int) -> result<void> { return fail(errc::not_found); };
  auto sink = generate(count_up(made)).for_each(refuses).named("store");
  EXPECT_EQ(sim.run(std::move(sink).run(GetParam())).error().message(), "stage store: not_found");
  auto source = generate([]() -> result<std::optional<int>> { return fail(errc::not_found); }).named("read");
  EXPECT_EQ(sim.run(std::move(source).for_each([](int) {}).run(GetParam())).error().message(), "stage read: not_found");
}

TEST_P(PipelineError, AnExceptionArrivesWithItsStack) {
  sim_runtime sim;
  int made = 0;
  auto stages = generate(count_up(made)).for_each([](int i) {
    if (i == 20) throw std::runtime_error("boom");
  });
  const error failed = sim.run(std::move(stages).run(GetParam())).error();
  EXPECT_EQ(failed, errc::internal);
  EXPECT_NE(failed.message().find("stage for_each#2"), std::string::npos);
  EXPECT_NE(failed.message().find("boom"), std::string::npos);
  EXPECT_TRUE(any_stack(failed.first_layer()));
}

TEST_P(PipelineError, AnExceptionOfAPredicateOrASourceIsAnError) {
  sim_runtime sim;
  int made = 0;
  auto predicate = generate(count_up(made)).filter([](const int& i) {
    if (i == 3) throw std::invalid_argument("three");
    return true;
  });
  EXPECT_EQ(sim.run(std::move(predicate).for_each([](int) {}).run(GetParam())).error(), errc::invalid_argument);
  auto source = generate([]() -> task<std::optional<int>> {
    throw std::out_of_range("no more");
    co_return 1;
  });
  EXPECT_EQ(sim.run(std::move(source).for_each([](int) {}).run(GetParam())).error(), errc::out_of_range);
}

TEST(PipelineDrain, TheSinkSeesAllThatLeftTheFailedStage) {
  sim_runtime sim;
  std::vector<int> seen;
  int made = 0;
  auto slow = [&seen](int i) -> task<result<void>> {
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(1)));
    seen.push_back(i);
    co_return result<void>();
  };
  auto stages = generate(count_up(made))
                    .map(1, fails_at(50, errc::data_loss))
                    .map(1, [](int i) { return i; })
                    .for_each(slow);
  EXPECT_EQ(sim.run(std::move(stages).run(on_error::drain)).error(), errc::data_loss);
  ASSERT_EQ(seen.size(), 50u);
  EXPECT_EQ(seen.back(), 49);
}

TEST(PipelineStop, TheSinkSeesNoMore) {
  sim_runtime sim;
  int seen = 0;
  int seen_then = -1;
  int made = 0;
  auto fails = [&](int i) -> result<int> {
    if (i < 50) return i;
    seen_then = seen;
    return fail(errc::data_loss);
  };
  auto slow = [&seen](int) -> task<result<void>> {
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(1)));
    ++seen;
    co_return result<void>();
  };
  auto stages = generate(count_up(made)).map(1, fails).for_each(slow);
  EXPECT_EQ(sim.run(std::move(stages).run()).error(), errc::data_loss);
  EXPECT_EQ(seen, seen_then);
}

TEST(PipelineDrain, JoinsTheErrorsOfAllStagesThatFail) {
  sim_runtime sim;
  int made = 0;
  auto stages = generate(count_up(made))
                    .map(1, fails_at(10, errc::data_loss))
                    .named("parse")
                    .for_each([](int i) -> result<void> {
                      if (i == 9) return fail(make_error(errc::out_of_range, "nine"));
                      return {};
                    });
  const error failed = sim.run(std::move(stages).run(on_error::drain)).error();
  EXPECT_EQ(failed, errc::data_loss);  // the first
  EXPECT_TRUE(failed.is(errc::out_of_range));
  ASSERT_EQ(failed.first_layer().causes().size(), 2u);
  EXPECT_EQ(failed.first_layer().causes()[0].message(), "stage parse: bad value");
  EXPECT_EQ(failed.first_layer().causes()[1].message(), "stage for_each#3: nine");
}

TEST(PipelineStop, AStageThatWasToldToEndAddsNoErrorUnlessItHasOneOfItsOwn) {
  sim_runtime sim;
  int made = 0;
  auto slow = [](int i) -> task<result<int>> {
    if (auto slept = co_await sleep_for(milliseconds(i == 0 ? 1000 : 1)); !slept) {
      if (i == 0) co_return fail(make_error(errc::unavailable, "could not clean up"));
      co_return fail(std::move(slept).error());
    }
    co_return i;
  };
  auto stages = generate(count_up(made)).map(3, slow).for_each([](int i) -> result<void> {
    if (i == 5) return fail(make_error(errc::data_loss, "five"));
    return {};
  });
  const error failed = sim.run(std::move(stages).run()).error();
  ASSERT_EQ(failed.first_layer().causes().size(), 2u);
  EXPECT_EQ(failed.first_layer().causes()[0].message(), "stage for_each#3: five");
  EXPECT_EQ(failed.first_layer().causes()[1].message(), "stage map#2: could not clean up");
}

/// Counts those that exist.
class counted {
 public:
  explicit counted(int& alive) : alive_(&alive) { ++alive; }
  counted(counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  counted& operator=(counted&&) = delete;
  ~counted() { --*alive_; }

 private:
  int* alive_;
};

TEST(PipelineCancel, EndsAllStagesAndDestroysWhatIsUnderWay) {
  sim_runtime sim;
  int alive = 0;
  int most = 0;
  auto slow = [](counted c) -> task<result<counted>> {
    TANDEM_CO_TRY(co_await sleep_for(milliseconds(3)));
    co_return std::move(c);
  };
  auto stages = generate([&]() -> std::optional<counted> {
                  most = std::max(most, alive);
                  return counted(alive);
                })
                    .map(2, slow)
                    .map_ordered(3, slow)
                    .batch(4)
                    .for_each([](std::vector<counted>) {});
  const auto ended = sim.run(with_timeout(milliseconds(50), std::move(stages).run(on_error::drain)));
  EXPECT_EQ(ended.error(), errc::deadline_exceeded);
  EXPECT_GT(most, 16);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST_P(PipelineError, FailsTheGroupItWasStartedInOnceAllStagesHaveEnded) {
  sim_runtime sim;
  int made = 0;
  bool others_saw = false;
  auto body = [&]() -> task<result<void>> {
    group g;
    g.go([&]() -> task<> { others_saw = (co_await sleep_for(std::chrono::hours(1))).error() == errc::cancelled; });
    auto values = generate(count_up(made)).map(1, fails_at(40, errc::data_loss)).start(g, GetParam());
    while (auto value = co_await values.recv()) co_await yield();
    co_return co_await g.wait();
  };
  EXPECT_EQ(sim.run(body).error(), errc::data_loss);
  EXPECT_TRUE(others_saw);
}

TEST(PipelineStop, ASourceOfAnEndlessRangeIsNotReadOnAfterAFailure) {
  sim_runtime sim;
  int read = 0;
  int read_then = -1;
  auto lazy = std::views::iota(0) | std::views::transform([&](int i) { return ++read, i; });
  auto stages = from(lazy).for_each([&](int i) -> result<void> {
    if (i < 30) return {};
    read_then = read;
    return fail(errc::data_loss);
  });
  EXPECT_EQ(sim.run(std::move(stages).run()).error(), errc::data_loss);
  EXPECT_LE(read, read_then + 1);
}

}  // namespace
}  // namespace tandem::csp
