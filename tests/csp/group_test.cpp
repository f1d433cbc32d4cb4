#include <tandem/csp/group.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;
using std::chrono::milliseconds;

task<result<void>> fail_after(duration d) {
  TANDEM_CO_TRY(co_await sleep_for(d));
  co_return fail(make_error(errc::not_found, "no such thing"));
}

task<result<void>> sleep_long() { co_return co_await sleep_for(std::chrono::hours(1)); }

TEST(Group, WaitsForAllAndSucceeds) {
  sim_runtime sim;
  int done = 0;
  auto body = [&]() -> task<result<void>> {
    group g;
    for (int i = 1; i <= 5; ++i) {
      g.go([&done, i]() -> task<result<void>> {
        TANDEM_CO_TRY(co_await sleep_for(milliseconds(i)));
        ++done;
        co_return result<void>();
      });
    }
    EXPECT_EQ(done, 0);
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(done, 5);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Group, EmptyGroupIsDone) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Group, FirstErrorCancelsTheRestWithThatCause) {
  sim_runtime sim;
  error seen_by_other;
  auto body = [&]() -> task<result<void>> {
    group g;
    g.go([&]() -> task<> {
      auto slept = co_await sleep_for(std::chrono::hours(1));
      seen_by_other = slept.error();
    });
    g.go(fail_after(milliseconds(3)));
    g.go(fail_after(milliseconds(4)));
    co_return co_await g.wait();
  };
  const time_point start = sim.now();
  const auto outcome = sim.run(body);
  EXPECT_EQ(sim.now(), start + milliseconds(3));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error(), errc::not_found);
  EXPECT_EQ(seen_by_other, errc::cancelled);
  EXPECT_TRUE(seen_by_other.is(errc::not_found));
}

TEST(Group, ExceptionBecomesTheError) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    g.go(sleep_long());
    g.go([]() -> task<> {
      throw std::runtime_error("boom");
      co_return;
    });
    co_return co_await g.wait();
  };
  const auto outcome = sim.run(body);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(outcome.error().message().find("boom"), std::string::npos);
}

TEST(GroupLimit, QueuesInOrderAndNeverExceeds) {
  sim_runtime sim;
  int running = 0;
  int most = 0;
  std::vector<int> order;
  auto body = [&]() -> task<result<void>> {
    group g;
    g.set_limit(2);
    for (int i = 0; i < 7; ++i) {
      g.go([&, i]() -> task<> {
        order.push_back(i);
        most = std::max(most, ++running);
        (void)co_await sleep_for(milliseconds(1));
        --running;
      });
    }
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(most, 2);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6}));
}

TEST(GroupLimit, TryGoRefusesAndLeavesTheBody) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    g.set_limit(1);
    g.go([]() -> task<> { (void)co_await sleep_for(milliseconds(1)); });
    auto refused = [held = std::make_unique<int>(1)]() -> task<> {
      EXPECT_EQ(*held, 1);
      co_return;
    };
    EXPECT_FALSE(g.try_go(std::move(refused)));
    EXPECT_TRUE((co_await g.wait()).has_value());
    EXPECT_TRUE(g.try_go(std::move(refused)));
    EXPECT_THROW(g.set_limit(0), std::invalid_argument);
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(GroupLimit, RaisingItStartsQueuedBodies) {
  sim_runtime sim;
  int started = 0;
  auto body = [&]() -> task<result<void>> {
    group g;
    g.set_limit(1);
    for (int i = 0; i < 4; ++i) {
      g.go([&]() -> task<> {
        ++started;
        (void)co_await sleep_for(milliseconds(10));
      });
    }
    (void)co_await sleep_for(milliseconds(1));
    EXPECT_EQ(started, 1);
    g.set_limit(3);
    (void)co_await sleep_for(milliseconds(1));
    EXPECT_EQ(started, 3);
    co_return co_await g.wait();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(started, 4);
}

TEST(GroupLimit, QueuedBodiesOfAFailedGroupNeverRun) {
  sim_runtime sim;
  const auto held = std::make_shared<int>(0);
  bool ran = false;
  auto body = [&]() -> task<result<void>> {
    group g;
    g.set_limit(1);
    g.go(fail_after(milliseconds(1)));
    for (int i = 0; i < 10000; ++i) {
      g.go([&ran, held]() -> task<> {
        ran = true;
        co_return;
      });
    }
    auto outcome = co_await g.wait();
    EXPECT_EQ(held.use_count(), 1);  // destroyed before wait() returned
    g.go([&ran]() -> task<> {
      ran = true;
      co_return;
    });
    EXPECT_FALSE((co_await g.wait()).has_value());
    co_return outcome;
  };
  EXPECT_EQ(sim.run(body).error(), errc::not_found);
  EXPECT_FALSE(ran);
}

TEST(GroupWait, ReturnsAfterBodiesAndCapturesAreGone) {
  sim_runtime sim;
  const auto held = std::make_shared<int>(0);
  auto body = [&]() -> task<> {
    group g;
    g.go([held]() -> task<> { (void)co_await sleep_for(milliseconds(1)); });
    auto parameter = [](std::shared_ptr<int>) -> task<> { (void)co_await sleep_for(milliseconds(1)); };
    g.go(parameter(held));
    EXPECT_EQ(held.use_count(), 3);
    EXPECT_TRUE((co_await g.wait()).has_value());
    EXPECT_EQ(held.use_count(), 1);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(GroupWait, CallersContextEndsTheBodiesAndWaitsForThem) {
  sim_runtime sim;
  bool cleaned_up = false;
  auto body = [&]() -> task<> {
    group g;
    g.go([&]() -> task<> {
      (void)co_await sleep_for(std::chrono::hours(1));
      for (int i = 0; i < 10; ++i) co_await yield();
      cleaned_up = true;
    });
    // Narrower than the context the group was made in.
    const auto outcome = co_await with_timeout(milliseconds(5), g.wait());
    EXPECT_TRUE(cleaned_up);
    EXPECT_EQ(outcome.error(), errc::deadline_exceeded);
  };
  EXPECT_TRUE(sim.run(body).has_value());
}

TEST(Group, CancelEndsIt) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    g.go(sleep_long());
    g.cancel(make_error(errc::aborted, "changed my mind"));
    co_return co_await g.wait();
  };
  EXPECT_EQ(sim.run(body).error(), errc::aborted);
}

TEST(GroupDestructor, CancelsWhatStillRuns) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&rx = rx]() -> task<> {
    group g;
    auto wait = [](receiver<int> in) -> task<result<void>> {
      auto got = co_await in.recv();
      co_return fail(got.error());
    };
    g.go(wait(rx));
    co_await yield();
  };
  EXPECT_TRUE(sim.run(body).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(GroupDestructor, ReportsAnErrorNobodyWaitedFor) {
  sim_runtime sim;
  auto body = []() -> task<> {
    group g;
    g.go(fail_after(milliseconds(1)));
    (void)co_await sleep_for(milliseconds(2));
  };
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(sim.run(body).has_value());
  const std::string printed = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(printed.find("no such thing"), std::string::npos);
  EXPECT_NE(printed.find("group_test.cpp"), std::string::npos);
}

TEST(WithGroup, JoinsEvenIfTheBodyThrows) {
  sim_runtime sim;
  bool ended = false;
  auto inner = [&](group& g) -> task<> {
    g.go([&]() -> task<> {
      (void)co_await sleep_for(std::chrono::hours(1));
      ended = true;
    });
    co_await yield();
    throw std::runtime_error("boom");
  };
  auto body = [&]() -> task<result<void>> { co_return co_await with_group(inner); };
  EXPECT_FALSE(sim.run(body).has_value());
  EXPECT_TRUE(ended);
}

TEST(WithGroup, JoinsAfterAnEarlyReturnAndWhenTheCallerIsCancelled) {
  sim_runtime sim;
  int ended = 0;
  auto slow = [&ended]() -> task<> {
    (void)co_await sleep_for(std::chrono::hours(1));
    co_await yield();
    ++ended;
  };
  auto returns_early = [&](group& g) -> task<result<void>> {
    g.go(slow);
    co_await yield();
    co_return fail(errc::not_found);
  };
  EXPECT_EQ(sim.run(with_group(returns_early)).error(), errc::not_found);
  EXPECT_EQ(ended, 1);
  auto waits = [&](group& g) -> task<> {
    g.go(slow);
    co_return;
  };
  EXPECT_EQ(sim.run(with_timeout(milliseconds(5), with_group(waits))).error(), errc::deadline_exceeded);
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

/// Answers requests in the background, until it is closed.
class service {
 public:
  void begin(int& answered) {
    requests_.go([this, &answered]() -> task<result<void>> {
      TANDEM_CO_TRY(co_await sleep_for(milliseconds(1)));
      ++answered;
      ++answered_;
      co_return result<void>();
    });
  }
  task<result<void>> close() {
    requests_.cancel();
    co_return co_await requests_.wait();
  }
  task<result<void>> finish() { return requests_.wait(); }
  int answered() const { return answered_; }

 private:
  int answered_ = 0;
  group requests_;
};

TEST(Group, IsAMemberWhoseTasksUseTheObjectItIsIn) {
  sim_runtime sim;
  int answered = 0;
  auto body = [&]() -> task<> {
    const auto patient = std::make_unique<service>();
    for (int i = 0; i < 3; ++i) patient->begin(answered);
    EXPECT_TRUE((co_await patient->finish()).has_value());
    EXPECT_EQ(patient->answered(), 3);
    patient->begin(answered);  // again
    EXPECT_TRUE((co_await patient->finish()).has_value());
    EXPECT_EQ(answered, 4);

    const auto closed = std::make_unique<service>();
    closed->begin(answered);
    EXPECT_EQ((co_await closed->close()).error(), errc::cancelled);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(answered, 4);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(Group, AnExceptionKeepsTheStackOfItsThrow) {
  sim_runtime sim;
  auto body = []() -> task<result<void>> {
    group g;
    g.go([]() -> task<> {
      throw std::runtime_error("boom");
      co_return;
    });
    co_return co_await g.wait();
  };
  const error failed = sim.run(body).error();
  bool stack = false;
  for (layer_view layer = failed.first_layer(); layer; layer = layer.next()) stack = stack || layer.has_stack();
  EXPECT_TRUE(stack);
}

}  // namespace
}  // namespace tandem::csp
