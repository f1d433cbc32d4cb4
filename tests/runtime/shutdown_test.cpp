#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

TEST(Shutdown, EndsWaitsBelowTheRootContext) {
  runtime rt({.workers = 2});
  auto sleeper = rt.spawn([]() -> task<result<void>> { co_return co_await sleep_for(1h); });
  EXPECT_TRUE(rt.shutdown(30s).has_value());
  ASSERT_TRUE(sleeper.done());
  EXPECT_EQ(sleeper.target().take().error().code(), errc::cancelled);
}

TEST(Shutdown, EndsWaitsBelowOtherContexts) {
  runtime rt({.workers = 2});
  auto nap = []() -> task<result<void>> { co_return co_await sleep_for(1h); };
  auto sleeper = rt.spawn(with_timeout(2h, nap()));
  EXPECT_TRUE(rt.shutdown(30s).has_value());
  ASSERT_TRUE(sleeper.done());
  EXPECT_EQ(sleeper.target().take().error().code(), errc::cancelled);
}

TEST(Shutdown, LetsTasksFinishWhatTheyDoWhenCancelled) {
  std::atomic<int> cleaned{0};
  {
    runtime rt({.workers = 2});
    for (int i = 0; i < 100; ++i) {
      rt.spawn([&]() -> task<> {
          (void)co_await sleep_for(1h);
          co_await yield();
          ++cleaned;
        }).detach();
    }
  }
  EXPECT_EQ(cleaned.load(), 100);
}

TEST(Shutdown, NamesATaskThatDoesNotEnd) {
  std::atomic<bool> release{false};
  runtime rt({.workers = 2});
  auto stubborn = rt.spawn(
      [&]() -> task<> {
        while (!release.load()) co_await yield();
      },
      "stubborn");
  const auto outcome = rt.shutdown(50ms);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::deadline_exceeded);
  EXPECT_NE(outcome.error().message().find("stubborn"), std::string::npos) << outcome.error().message();
  release = true;
  stubborn.detach();
}

TEST(Shutdown, NamesABlockingCallThatDoesNotReturnAndNothingElse) {
  // The call outlives the test's scope.
  const auto begun = std::make_shared<std::latch>(1);
  const auto release = std::make_shared<std::latch>(1);
  runtime rt({.workers = 2});
  auto body = [begun, release]() -> task<> {
    auto call = run_blocking([begun, release] {
      begun->count_down();
      release->wait();
    });
    (void)co_await call.join();
  };
  rt.spawn(body()).detach();
  begun->wait();
  const auto outcome = rt.shutdown(500ms);  // enough for the task, however busy the machine
  release->count_down();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().message(), "shutdown left work behind: a call on the blocking pool did not return");
}

TEST(Shutdown, IsSafeToRepeat) {
  runtime rt({.workers = 1});
  EXPECT_TRUE(rt.shutdown(10s).has_value());
  EXPECT_TRUE(rt.shutdown(10s).has_value());
}

TEST(Shutdown, MayWaitForEver) {
  runtime rt({.workers = 1});
  std::atomic<bool> running = false;
  auto busy = rt.spawn([&]() -> task<> {
    running = true;
    auto uncancelled = []() -> task<> { (void)co_await sleep_for(20ms); };
    co_await with_context(context(), uncancelled());
  });
  while (!running) std::this_thread::yield();
  EXPECT_TRUE(rt.shutdown(duration::max()).has_value());
  EXPECT_TRUE(busy.done());
}

TEST(Shutdown, BlockOnAfterItIsRefusedInsteadOfWaitingForEver) {
  runtime rt({.workers = 1});
  ASSERT_TRUE(rt.shutdown(10s).has_value());
  auto late = []() -> task<int> { co_return 1; };
  EXPECT_THROW(rt.block_on(late()), std::logic_error);
}

TEST(ShutdownStress, ManyRuntimesStartAndStopUnderLoad) {
  for (int round = 0; round < 100; ++round) {
    runtime rt({.workers = 2});
    for (int i = 0; i < 20; ++i) {
      rt.spawn([]() -> task<> {
          for (;;)
            if (auto slept = co_await sleep_for(std::chrono::microseconds(10)); !slept) co_return;
        }).detach();
    }
    ASSERT_TRUE(rt.shutdown(30s).has_value()) << round;
  }
}

}  // namespace
}  // namespace tandem
