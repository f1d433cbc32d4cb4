#include <tandem/resilience/adaptive_limit.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/sync/semaphore.hpp>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

// A server that does `capacity` calls at once; more wait for their turn.
class server {
 public:
  server(int most, int capacity) : slots_(most), capacity_(most) { set(capacity); }

  void set(int capacity) {
    if (capacity > capacity_) slots_.release(capacity - capacity_);
    while (capacity < capacity_) {  // before there are calls, or as they end
      auto one = slots_.try_acquire();
      if (!one) break;
      (void)one->release();
      --capacity_;
    }
    closing_ = capacity_ - std::min(capacity, capacity_);
    capacity_ = std::max(capacity_, capacity);
  }

  task<result<int>> serve(duration takes) {
    auto slot = co_await slots_.acquire();
    if (!slot) co_return std::unexpected(slot.error());
    if (auto slept = co_await sleep_for(takes); !slept) co_return std::unexpected(slept.error());
    if (closing_ > 0) {
      --closing_;
      --capacity_;
      (void)slot->release();
    }
    co_return 1;
  }

 private:
  sync::semaphore slots_;
  int capacity_;
  int closing_ = 0;
};

struct world {
  sim_runtime sim{1};
  adaptive_limit limit;
  composition<adaptive_limit> around;
  server backend;
  duration takes = 50ms;
  bool varies = false;
  std::minstd_rand random{sim.seed()};
  std::uint64_t served = 0;
  const cancel_source stop{sim.root_context()};

  explicit world(int capacity, adaptive_limit_options o = {}) : limit(o), around(limit), backend(1000, capacity) {}
  ~world() {
    stop.cancel();
    sim.run_until_idle();
  }

  duration one() {
    if (!varies) return takes;
    return std::chrono::duration_cast<duration>(takes * std::exponential_distribution<double>(1)(random));
  }
  // More clients than anybody could serve: each calls, and comes back soon if it is rejected.
  task<> client() {
    while (!this_task::context().is_over()) {
      auto got = co_await around.run([this] { return backend.serve(one()); });
      if (got)
        ++served;
      else if (auto slept = co_await sleep_for(takes * 3 / 2 + duration(random() % 10'000'000)); !slept)
        break;
    }
  }
  void start(int clients) {
    for (int i = 0; i < clients; ++i) sim.spawn(client(), spawn_options(stop.context())).detach();
  }
  // The mean over some time, because the limit moves about a little.
  double mean_limit(duration over) {
    double sum = 0;
    for (int i = 0; i < 100; ++i) {
      sim.advance(over / 100);
      sum += limit.limit();
    }
    return sum / 100;
  }
};

TEST(AdaptiveLimit, FindsTheCapacityOfAServer) {
  for (const int capacity : {4, 40, 100}) {
    world w(capacity);
    w.start(2 * capacity + 20);
    w.sim.advance(20s + 1200s / capacity);  // fewer calls in a second: longer windows
    EXPECT_NEAR(w.mean_limit(20s), capacity, 0.25 * capacity);
  }
}

TEST(AdaptiveLimit, ComesDownFromFarAbove) {
  world w(10, {.initial = 200});
  w.start(250);
  w.sim.advance(2min);
  EXPECT_NEAR(w.mean_limit(10s), 10, 2.5);
}

TEST(AdaptiveLimit, StaysThereAlsoIfCallsTakeMuchLongerThanAWindow) {
  world w(200, {.initial = 100});
  w.takes = 2s;
  w.start(400);
  w.sim.advance(10min);
  for (int i = 0; i < 10; ++i) EXPECT_NEAR(w.mean_limit(20s), 200, 50);
}

TEST(AdaptiveLimit, FindsItAlsoIfCallsAreOfVeryDifferentLength) {
  world w(40);
  w.varies = true;
  w.start(120);
  w.sim.advance(30s);
  EXPECT_NEAR(w.mean_limit(20s), 40, 10);
}

TEST(AdaptiveLimit, FollowsACapacityThatDoublesAndHalves) {
  world w(30);
  w.start(120);
  w.sim.advance(30s);
  ASSERT_NEAR(w.mean_limit(10s), 30, 7.5);
  w.backend.set(60);
  w.sim.advance(10s);
  EXPECT_NEAR(w.mean_limit(10s), 60, 15);
  w.backend.set(30);
  w.sim.advance(10s);
  EXPECT_NEAR(w.mean_limit(10s), 30, 7.5);
}

TEST(AdaptiveLimit, RecoversWhenEachCallTakesTwiceAsLong) {
  world w(30);
  w.start(120);
  w.sim.advance(30s);
  w.takes = 100ms;
  w.sim.advance(20s);
  EXPECT_NEAR(w.mean_limit(10s), 30, 7.5);
}

TEST(AdaptiveLimit, TheServerHasEnoughToDoMeanwhile) {
  world w(30);
  w.start(120);
  w.sim.advance(30s);
  w.served = 0;
  w.sim.advance(30s);
  EXPECT_GT(w.served, 30 * 600 * 0.95) << "of 600 a second";
}

TEST(AdaptiveLimit, DoesNotRiseWhileNobodyUsesIt) {
  world w(100);
  w.start(5);
  w.sim.advance(60s);
  EXPECT_LE(w.limit.limit(), 20);
}

TEST(AdaptiveLimit, FallsWhileCallsFail) {
  sim_runtime sim;
  const adaptive_limit limit({.window = 10ms, .window_calls = 1});
  for (int i = 0; i < 200; ++i) (void)call_through(sim, limit, {}, fails(10ms));
  EXPECT_EQ(limit.limit(), 1);
}

TEST(AdaptiveLimit, RejectsWithTheTimeACallTakesAndWhatMattersLeastFirst) {
  sim_runtime sim;
  const adaptive_limit limit({.initial = 8, .window = 1ms, .window_calls = 1, .shares = least_first, .name = "l"});
  for (int i = 0; i < 6; ++i) (void)call_through(sim, limit, {}, works(30ms));
  const double all = limit.limit();
  ASSERT_EQ(all, 8);
  std::vector<join_handle<result<int>>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(sim.spawn(with(limit).run([] { return play(works(1s)); })));
  sim.run_until_idle();
  EXPECT_TRUE(limit.admits({}));
  EXPECT_FALSE(limit.admits({.matters = criticality::sheddable})) << "half of it is taken";
  const auto got = call_through(sim, limit, {.matters = criticality::sheddable}, works());
  EXPECT_EQ(got.error().code(), errc::overloaded);
  EXPECT_EQ(got.error().message(), "l: too many calls at once: overloaded");
  EXPECT_EQ(retry_after_of(got.error()), 30ms);
  sim.run_to_end();
}

TEST(AdaptiveLimit, AnExceptionAndACallThatIsGivenUpGiveThePlaceBack) {
  sim_runtime sim;
  const adaptive_limit limit({.initial = 1, .most = 1});
  (void)sim.run(with(limit).run([] -> task<result<int>> {
    throw std::runtime_error("no");
    co_return 1;
  }));
  EXPECT_EQ(sim.run(with_timeout(1s, with(limit).run([] { return play(works(1h)); }))).error().code(),
            errc::deadline_exceeded);
  EXPECT_TRUE(call_through(sim, limit, {}, works()).has_value());
  EXPECT_EQ(limit.info().state, "0 of 1.0 inside, 0 rejected");
}

TEST(AdaptiveLimit, ACallThatHangsDoesNotKeepTheBaseFromBeingMeasured) {
  sim_runtime sim;
  const adaptive_limit limit({.initial = 8, .window_calls = 1});
  auto hangs = sim.spawn(with(limit).run([] { return play(works(1h)); }));
  sim.run_until_idle();
  for (int i = 0; i < 10; ++i) (void)call_through(sim, limit, {}, works(1ms));
  EXPECT_EQ(limit.info().state, "1 of 4.0 inside, 0 rejected") << "half of it while the base is measured";
  for (int i = 0; i < 30; ++i) (void)call_through(sim, limit, {}, works(1ms));
  EXPECT_EQ(limit.info().state, "1 of 8.0 inside, 0 rejected");
  EXPECT_TRUE(sim.wait(hangs).has_value());
}

TEST(AdaptiveLimit, AClockThatWentBackDoesNotStopIt) {
  const adaptive_limit limit({.window = 10ms, .window_calls = 1});
  sim_runtime sim;
  sim.advance(24h);
  for (int i = 0; i < 10; ++i) (void)call_through(sim, limit, {}, works(10ms));
  sim_runtime earlier;
  for (int i = 0; i < 200; ++i) (void)call_through(earlier, limit, {}, fails(10ms));
  EXPECT_EQ(limit.limit(), 1);
}

TEST(AdaptiveLimit, RefusesNonsense) {
  EXPECT_THROW(adaptive_limit({.least = 0}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.initial = 2, .most = 1}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.initial = NAN}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.window = 0s}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.window_calls = 0}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.remeasure = 0}), std::invalid_argument);
  EXPECT_THROW(adaptive_limit({.shares = {1, 1, 1, 0}}), std::invalid_argument);
  EXPECT_EQ(adaptive_limit().info().settings, "1 to 1000 at once, changed each 100ms");
}

}  // namespace
}  // namespace tandem::resilience
