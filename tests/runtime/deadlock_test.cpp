#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

// Waits for a task that waits for it.
struct pair_of_handles {
  join_handle<void> first, second;
  std::atomic<bool> there{false};  // both are
};

task<> join_second(std::shared_ptr<pair_of_handles> both) {
  while (!both->there) co_await yield();
  (void)co_await both->second.join();
}
task<> join_first(std::shared_ptr<pair_of_handles> both) {
  while (!both->there) co_await yield();
  (void)co_await both->first.join();
}
task<> wait_for_ever(std::shared_ptr<pair_of_handles>) { (void)co_await sleep_until(no_deadline); }

task<> wait_for_each_other() {
  const auto both = std::make_shared<pair_of_handles>();
  both->first = spawn(join_second(both), "chicken");
  both->second = spawn(join_first(both), "egg");
  both->there = true;
  (void)co_await sleep_for(1ms);  // a timer is armed: no deadlock yet
  auto third = spawn(wait_for_ever(both), "third");
  (void)co_await third.join();
}

TEST(Deadlock, EndsBlockOnAndTellsWhoWaitsForWhat) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers, .detect_deadlock = true});
    try {
      rt.block_on(wait_for_each_other());
      FAIL() << "it did not find the deadlock";
    } catch (const deadlock& found) {
      const std::string what = found.what();
      for (const char* expected :
           {"chicken", "egg", "third", "main", "waiting for a task to end (", "waiting for a time",
            "\n           awaited by "})
        EXPECT_NE(what.find(expected), std::string::npos) << expected << " is not in " << what;
    }
    EXPECT_EQ(rt.live_tasks(), 0u);  // they were cancelled, and ended
  }
}

TEST(Deadlock, IsNoneWhileABlockingCallRuns) {
  runtime rt({.workers = 2, .detect_deadlock = true});
  // The call outlasts many looks, and ends only because the program goes on as it should.
  auto body = []() -> task<int> {
    auto call = run_blocking([] {
      const auto end = std::chrono::steady_clock::now() + 100ms;
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
      return 7;
    });
    auto outcome = co_await call.join();
    co_return outcome.value_or(0);
  };
  EXPECT_EQ(rt.block_on(body()), 7);
}

TEST(Deadlock, IsFoundAfterABlockingCallWhoseResultNobodyAwaits) {
  runtime rt({.workers = 2, .detect_deadlock = true});
  auto body = []() -> task<> {
    run_blocking([] { std::this_thread::yield(); }).detach();
    (void)co_await sleep_until(no_deadline);
  };
  EXPECT_THROW(rt.block_on(body()), deadlock);
}

TEST(Deadlock, IsNoneWhileTimersAndYieldsGoOn) {
  runtime rt({.workers = 2, .detect_deadlock = true});
  auto body = []() -> task<int> {
    int done = 0;
    for (int i = 0; i < 200; ++i) {
      auto nap = []() -> task<> {
        (void)co_await sleep_for(50us);
        co_await yield();
      };
      auto napper = spawn(nap());
      if (auto ended = co_await napper.join(); ended) ++done;
    }
    co_return done;
  };
  EXPECT_EQ(rt.block_on(body()), 200);
}

TEST(Deadlock, IsNotLookedForUnlessAskedFor) {
  runtime rt({.workers = 1});
  auto forever = rt.spawn([]() -> task<result<void>> { co_return co_await sleep_until(no_deadline); });
  EXPECT_EQ(rt.block_on([]() -> task<int> { co_return 1; }()), 1);
  EXPECT_FALSE(forever.done());
}

}  // namespace
}  // namespace tandem
