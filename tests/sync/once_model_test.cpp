// once_value, recursive_mutex: whose call decides, and who holds it how often, as random tasks come, go and fail.
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/sleep.hpp>
#include <tandem/sync/once.hpp>
#include <tandem/sync/recursive_mutex.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

/// Callers with a function each, of which one takes effect: the first that was not cancelled in the middle of it.
struct scene {
  once_value<int> value;
  int running = 0, calls = 0, cancelled_calls = 0;
  int winner = -1;  // the caller whose call has taken effect
  bool winner_fails = false;
};

struct caller {
  int number;
  bool fails, throws;
  duration takes;
  cancel_source source;
  bool done = false;
};

task<> call(scene& s, caller& me) {
  auto load = [&s, &me]() -> task<result<int>> {
    EXPECT_EQ(++s.running, 1);
    EXPECT_EQ(s.winner, -1) << "called again";
    ++s.calls;
    const auto slept = co_await sleep_for(me.takes);
    --s.running;
    if (!slept) {
      ++s.cancelled_calls;
      co_return fail(slept.error());
    }
    s.winner = me.number;
    s.winner_fails = me.fails || me.throws;
    if (me.throws) throw std::runtime_error("thrown");
    if (me.fails) co_return fail(errc::data_loss);
    co_return me.number;
  };
  const auto got = co_await s.value.get(load);
  me.done = true;
  if (got) {
    EXPECT_FALSE(s.winner_fails);
    EXPECT_EQ(**got, s.winner);
  } else if (!this_task::cancelled()) {
    EXPECT_TRUE(s.winner_fails) << got.error();
  }
}

TEST(OnceModel, OneCallTakesEffectAndAllSeeIt) {
  for (std::uint32_t seed = 1; seed <= 400; ++seed) {
    std::mt19937 random(seed);
    scene s;
    testing::sim_runtime sim({.seed = seed, .order = testing::task_order::shuffled});
    std::deque<caller> callers;
    for (int i = 0; i < 12; ++i) {
      callers.push_back({i, random() % 8 == 0, random() % 8 == 0, std::chrono::nanoseconds(random() % 4),
                         cancel_source(sim.root_context())});
      sim.spawn(call(s, callers.back()), callers.back().source.context()).disown();
      if (random() % 2 == 0) callers[random() % callers.size()].source.cancel();
      if (random() % 2 == 0) sim.advance(std::chrono::nanoseconds(random() % 3));
    }
    sim.run_to_end();
    for (const caller& c : callers) EXPECT_TRUE(c.done);
    EXPECT_EQ(s.value.is_done(), s.winner != -1);
    EXPECT_EQ(s.calls, s.cancelled_calls + (s.winner != -1 ? 1 : 0));
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

struct nest {
  recursive_mutex lock;
  std::uint64_t owner = 0;
  std::size_t depth = 0;
  int entries = 0;
};

task<> enter_and_leave(nest& n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<recursive_mutex::guard> mine;
  for (int step = 0; step < 200; ++step) {
    switch (random() % 5) {
      case 0: {
        auto held = n.lock.try_lock();
        EXPECT_TRUE(held || mine.empty());
        EXPECT_TRUE(!held || n.owner == 0 || !mine.empty());
        if (held) mine.push_back(std::move(*held));
        break;
      }
      case 1: {
        auto held = co_await n.lock.lock_for(std::chrono::nanoseconds(random() % 20));
        EXPECT_TRUE(held || mine.empty());
        if (held) mine.push_back(std::move(*held));
        break;
      }
      case 2:
        (void)co_await sleep_for(std::chrono::nanoseconds(random() % 5));
        continue;
      default:
        if (!mine.empty()) mine.pop_back();
    }
    EXPECT_EQ(n.lock.depth(), mine.size());
    if (!mine.empty()) {
      EXPECT_TRUE(n.owner == 0 || n.owner == this_task::id());
      n.owner = this_task::id();
      ++n.entries;
    } else if (n.owner == this_task::id()) {
      n.owner = 0;
    }
    if (step % 11 == 0) co_await yield();
  }
  while (!mine.empty()) mine.pop_back();
  if (n.owner == this_task::id()) n.owner = 0;
}

TEST(RecursiveMutexModel, BelongsToOneTaskAsOftenAsThatHasLockedIt) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    nest n;
    testing::sim_runtime sim({.seed = seed, .order = testing::task_order::shuffled});
    for (std::uint32_t i = 0; i < 6; ++i) sim.spawn(enter_and_leave(n, seed * 100 + i)).disown();
    sim.run_to_end();
    EXPECT_EQ(sim.live_tasks(), 0U);
    EXPECT_GT(n.entries, 0);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tandem::sync
