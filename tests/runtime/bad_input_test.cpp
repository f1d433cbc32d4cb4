// Times out of range, and destructors that throw: what is defined for them.
#include <latch>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/after.hpp>
#include <tandem/runtime/cron.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/wall_clock.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

const std::vector<duration> past = {0ns, -1ns, -24h * 365, duration::min() + 1ns, duration::min()};
const std::vector<duration> never = {duration::max(), duration::max() - 1ns, 24h * 365 * 280};

task<result<void>> nap(duration d) { co_return co_await sleep_for(d); }

// On workers, too: there the deadlines reach the system's clock.
template <class Test>
void on_both(Test test) {
  sim_runtime sim;
  EXPECT_TRUE(sim.run(test()).has_value());
  runtime rt({.workers = 2});
  rt.block_on(test());
}

TEST(TimesInThePast, EndWaitsAtOnce) {
  on_both([]() -> task<> {
    for (const duration d : past) {
      EXPECT_TRUE((co_await sleep_for(d)).has_value());
      EXPECT_TRUE((co_await sleep_until(deadline_in(d))).has_value());
      EXPECT_TRUE((co_await after(d)).has_value());
      timer t(d);
      EXPECT_TRUE((co_await t.wait()).has_value());
      EXPECT_EQ((co_await with_timeout(d, nap(1h))).error().code(), errc::deadline_exceeded);
      EXPECT_EQ((co_await with_deadline(deadline_in(d), nap(1h))).error().code(), errc::deadline_exceeded);
      auto handle = spawn(nap(duration::max()), spawn_options::cancellable());
      EXPECT_EQ((co_await handle.join_for(d)).error().code(), errc::timed_out);
      EXPECT_TRUE(handle.cancel());
      EXPECT_EQ((co_await handle.join_for(1h)).error().code(), errc::cancelled);
    }
    EXPECT_TRUE((co_await sleep_until(time_point::min())).has_value());
    EXPECT_TRUE((co_await at(wall_time::min())).has_value());
  });
}

TEST(TimesInThePast, MakeADeadlineThatIsNoticedAtTheFirstWait) {
  on_both([]() -> task<> {
    const cancel_source source(this_task::context(), time_point::min());
    EXPECT_EQ(source.context().deadline(), time_point::min());
    EXPECT_EQ((co_await with_context(source.context(), nap(1h))).error().code(), errc::deadline_exceeded);
    EXPECT_TRUE(source.context().is_over());
  });
}

TEST(TimesOutOfRange, NeverComeAndDoNotOverflow) {
  on_both([]() -> task<> {
    for (const duration d : never) {
      EXPECT_EQ((co_await with_timeout(1ms, nap(d))).error().code(), errc::deadline_exceeded);
      EXPECT_TRUE((co_await with_timeout(d, nap(1ms))).has_value());
      auto handle = spawn(nap(1ms));
      EXPECT_TRUE((co_await handle.join_for(d)).has_value());
      timer t(d);
      auto wait = [](timer& from) -> task<result<void>> { co_return co_await from.wait(); };
      EXPECT_EQ((co_await with_timeout(1ms, wait(t))).error().code(), errc::deadline_exceeded);
      EXPECT_TRUE(t.reset(d));
      EXPECT_TRUE(t.stop());
      ticker often(d);
      auto next = [](ticker& from) -> task<result<tick>> { co_return co_await from.next(); };
      EXPECT_EQ((co_await with_timeout(1ms, next(often))).error().code(), errc::deadline_exceeded);
    }
    EXPECT_EQ((co_await with_timeout(1ms, at(wall_time::max()))).error().code(), errc::deadline_exceeded);
  });
}

TEST(TimesOutOfRange, AWallClockAtTheEndOfTimeStaysThere) {
  for (const wall_time edge : {wall_time::max(), wall_time::max() - 500ms}) {
    sim_runtime sim;
    sim.set_wall_clock(edge);
    EXPECT_EQ(sim.wall_now(), edge);
    auto late = sim.spawn(at(wall_time::max()));
    cron often(wall_time::max() - 1s, 900ms);
    if (edge != wall_time::max()) {
      EXPECT_EQ(sim.run(often.next()).value().when, wall_time::max() - 100ms);
    }
    EXPECT_EQ(sim.run(often.next()).error().code(), errc::out_of_range);
    sim.advance(2s);
    EXPECT_EQ(sim.wall_now(), wall_time::max());
    EXPECT_TRUE(late.done());
  }
}

TEST(TimesOutOfRange, AWallClockAtTheBeginningOfTimeWaitsForTheEnd) {
  for (const wall_time edge : {wall_time::min(), wall_time::min() + 500ms}) {
    sim_runtime sim;
    sim.set_wall_clock(edge);
    auto late = sim.spawn(at(wall_time::max()));
    sim.advance(2s);
    EXPECT_FALSE(late.done());
    sim.set_wall_clock(wall_time::max());
    sim.advance(2s);
    EXPECT_TRUE(late.done());
  }
}

/// Throws when it goes, once.
struct throwing {
  throwing() = default;
  throwing(throwing&& other) noexcept : armed(std::exchange(other.armed, false)) {}
  ~throwing() noexcept(false) {
    if (armed) throw std::runtime_error("thrown by a destructor");
  }
  bool armed = true;
};

TEST(ThrowingDestructor, OfALocalEndsTheTaskLikeAnyException) {
  sim_runtime sim;
  auto body = []() -> task<int> {
    const throwing local;
    co_return 1;
  };
  const auto ended = sim.run(body());
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("thrown by a destructor"), std::string::npos) << ended.error();
}

TEST(ThrowingDestructor, OfALocalMayBeCaught) {
  sim_runtime sim;
  auto body = []() -> task<int> {
    int caught = 0;
    try {
      const throwing local;
      co_await yield();
    } catch (const std::runtime_error&) {
      caught = 1;
    }
    auto inner = []() -> task<> {
      const throwing local;
      co_await yield();
    };
    try {
      co_await inner();
    } catch (const std::runtime_error&) {
      ++caught;
    }
    co_return caught;
  };
  EXPECT_EQ(sim.run(body()).value(), 2);
}

class ThrowingDestructorDeathTest : public ::testing::Test {
 protected:
  ThrowingDestructorDeathTest() { ::testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(ThrowingDestructorDeathTest, WhileAFrameIsDestroyedEndsTheProgram) {
  auto destroy_argument = [] {
    sim_runtime sim;
    auto body = [](throwing) -> task<> { co_return; };
    (void)sim.run(body(throwing()));
  };
  EXPECT_DEATH(destroy_argument(), "terminate called after throwing");
}

TEST_F(ThrowingDestructorDeathTest, OfATaskThatShutdownDestroysEndsTheProgram) {
  auto destroy_by_force = [] {
    std::latch begun(1);
    runtime rt({.workers = 1, .shutdown_limit = 0s});
    auto body = [](std::latch& l) -> task<> {
      const throwing local;
      l.count_down();
      for (;;) co_await yield();
    };
    rt.spawn(without_cancel(body(begun))).detach();
    begun.wait();
  };
  EXPECT_DEATH(destroy_by_force(), "terminate called after throwing");
}

TEST_F(ThrowingDestructorDeathTest, OfACoroutineThatOrReturnEndsEndsTheProgram) {
  auto end_early = [] {
    sim_runtime sim;
    auto inner = []() -> task<result<int>> {
      const throwing local;
      co_await or_return(result<void>(fail(errc::not_found, "nothing there")));
      co_return 1;
    };
    auto outer = [&inner]() -> task<int> {
      const auto ended = co_await inner();
      co_return ended ? 1 : 0;
    };
    (void)sim.run(outer());
  };
  EXPECT_DEATH(end_early(), "terminate called after throwing");
}

TEST_F(ThrowingDestructorDeathTest, DuringAnotherExceptionEndsTheProgram) {
  auto throw_twice = [] {
    sim_runtime sim;
    auto body = []() -> task<> {
      const throwing local;
      co_await yield();
      throw std::logic_error("first");
    };
    (void)sim.run(body());
  };
  EXPECT_DEATH(throw_twice(), "terminate called after throwing");
}

TEST(SpawnBadInput, OutsideOfTasksItIsRefusedWithAdvice) {
  auto body = []() -> task<> { co_return; };
  try {
    spawn(body()).detach();
    ADD_FAILURE() << "it was taken";
  } catch (const std::logic_error& refused) {
    EXPECT_NE(std::string(refused.what()).find("runtime::spawn()"), std::string::npos) << refused.what();
  }
}

}  // namespace
}  // namespace tandem
