// Who calls shutdown(), and how often: tasks, blocking calls, several threads, and while others use the runtime.
#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task_dump.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

void expect_refused(const result<void>& outcome) {
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::failed_precondition);
  EXPECT_NE(outcome.error().message().find("main()"), std::string::npos) << outcome.error().message();
}

TEST(ShutdownCaller, ATaskIsRefusedAndNothingHappens) {
  runtime rt({.workers = 2});
  auto body = [&rt]() -> task<bool> {
    expect_refused(rt.shutdown(duration::max()));
    co_return (co_await sleep_for(1ms)).has_value();
  };
  EXPECT_TRUE(rt.block_on(body()));
}

TEST(ShutdownCaller, ACallOfAfterFuncIsRefused) {
  runtime rt({.workers = 1});
  std::latch called(1);
  const cancel_source source(rt.root_context(), deadline_in(1ms));
  (void)after_func(source.context(), [&] {
    expect_refused(rt.shutdown(duration::max()));
    called.count_down();
  });
  called.wait();
}

TEST(ShutdownCaller, ABlockingCallIsRefused) {
  runtime rt({.workers = 1});
  auto body = [&rt]() -> task<> {
    auto call = run_blocking([&rt] { expect_refused(rt.shutdown(duration::max())); });
    (void)co_await call.join();
  };
  rt.block_on(body());
}

TEST(ShutdownCaller, TheReportOfAHeldWorkerIsRefused) {
  std::atomic<bool> reported = false;
  runtime* made = nullptr;
  runtime rt({.workers = 1, .held_limit = 10ms, .report = [&](const std::string&) {
                expect_refused(made->shutdown(duration::max()));
                reported = true;
              }});
  made = &rt;
  auto hold = [&reported]() -> task<> {
    while (!reported) std::this_thread::yield();
    co_return;
  };
  rt.block_on(hold());
}

TEST(ShutdownCaller, ATaskMayShutAnotherRuntimeDown) {
  runtime outer({.workers = 1});
  auto body = []() -> task<int> {
    runtime inner({.workers = 2});
    EXPECT_THROW(inner.block_on([]() -> task<int> { co_return 1; }()), std::logic_error);
    auto one = []() -> task<int> { co_return 1; };
    auto here = inner.spawn(one());
    const auto joined = co_await here.join();
    auto sleeper = inner.spawn([]() -> task<result<void>> { co_return co_await sleep_until(no_deadline); });
    EXPECT_TRUE(inner.shutdown(10s).has_value());
    const auto slept = co_await sleeper.join();
    EXPECT_EQ(slept.error().code(), errc::cancelled);
    co_return joined.value();
  };
  EXPECT_EQ(outer.block_on(body()), 1);
}

TEST(ShutdownCallerDeathTest, ARuntimeDestroyedByItsOwnTaskAborts) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  auto destroy_in_task = [] {
    auto rt = std::make_unique<runtime>(runtime_options{.workers = 1});
    runtime& kept = *rt;
    auto body = [](std::unique_ptr<runtime> last) -> task<> {
      last.reset();
      co_return;
    };
    kept.spawn(body(std::move(rt))).detach();
    std::this_thread::sleep_for(10s);
  };
  EXPECT_DEATH(destroy_in_task(), "a runtime was destroyed on a thread of its own");
}

TEST(ShutdownCaller, ASecondThreadWaitsForTheFirstAndLearnsTheSame) {
  std::latch begun(1);
  runtime rt({.workers = 2});
  auto stubborn = [](std::latch& l) -> task<> {
    l.count_down();
    for (;;) co_await yield();
  };
  rt.spawn(without_cancel(stubborn(begun)), "stubborn").detach();
  begun.wait();
  std::string first;
  std::thread first_caller([&] { first = rt.shutdown(200ms).error().message(); });
  while (!detail::is_stopping(rt.core())) std::this_thread::yield();
  const auto impatient = rt.shutdown(0s);
  std::vector<std::string> heard(3);
  std::vector<std::thread> callers;
  for (std::string& text : heard) callers.emplace_back([&] { text = rt.shutdown(60s).error().message(); });
  for (auto& c : callers) c.join();
  first_caller.join();
  EXPECT_NE(first.find("destroyed tasks stubborn"), std::string::npos) << first;
  for (const auto& text : heard) EXPECT_EQ(text, first);
  EXPECT_EQ(rt.shutdown(0s).error().message(), first);  // it is over, and stays as it was
  EXPECT_EQ(impatient.error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(impatient.error().message() == "another call of shutdown() has not ended" ||
              impatient.error().message() == first);  // it came late
}

TEST(Shutdown, TasksMayStillSpawnWhileItGoesOnButThreadsMayNot) {
  std::latch begun(1);
  runtime rt({.workers = 2});
  auto child = []() -> task<int> {
    co_await yield();
    co_return 7;
  };
  auto parent = [&]() -> task<int> {
    begun.count_down();
    (void)co_await sleep_until(no_deadline);
    auto waiting = []() -> task<> { (void)co_await sleep_for(50ms); };
    co_await without_cancel(waiting());
    auto spawned = spawn(child());
    auto ended = co_await without_cancel([](join_handle<int> h) -> task<result<int>> {
      co_return co_await h.join();
    }(std::move(spawned)));
    co_return ended.value();
  };
  auto handle = rt.spawn(parent());
  begun.wait();
  std::thread closer([&] { EXPECT_TRUE(rt.shutdown(60s).has_value()); });
  while (!detail::is_stopping(rt.core())) std::this_thread::yield();
  auto late = rt.spawn(child());
  ASSERT_TRUE(late.done());
  EXPECT_EQ(late.target().take().error().code(), errc::cancelled);
  closer.join();
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(handle.target().take().value(), 7);
}

TEST(Shutdown, WhatIsSpawnedAfterItIsDestroyedAndItsHandleSaysSo) {
  runtime rt({.workers = 1});
  ASSERT_TRUE(rt.shutdown(10s).has_value());
  const auto argument = std::make_shared<int>(1);
  auto late = [](std::shared_ptr<int>) -> task<int> { co_return 1; };
  auto handle = rt.spawn(late(argument));
  EXPECT_EQ(argument.use_count(), 1);
  ASSERT_TRUE(handle.done());
  EXPECT_EQ(handle.target().take().error().code(), errc::cancelled);
  rt.spawn(late(argument)).detach();
  rt.spawn(late(argument), spawn_options::cancellable()).detach();
  EXPECT_EQ(argument.use_count(), 1);
  EXPECT_EQ(rt.live_tasks(), 0U);
}

// Other threads do all they can with a runtime that is shut down at a moment that differs from round to round.
class user_threads {
 public:
  explicit user_threads(runtime& rt) : rt_(rt) {
    start([&rt, this] {
      rt.spawn(count(), spawn_options::cancellable()).detach();
      auto cancelled = rt.spawn(nap(1h), spawn_options::cancellable());
      cancelled.cancel();
    });
    start([&rt, this] {
      try {
        rt.block_on(count());
      } catch (const std::logic_error&) {  // it is over
      }
    });
    start([&rt] {
      const cancel_source source(rt.root_context(), deadline_in(std::chrono::microseconds(100)));
      auto sleeper = rt.spawn(nap(1h), source.context());
      (void)after_func(source.context(), [] {});
      source.cancel(make_error(errc::aborted, "by a thread"));
      sleeper.detach();
    });
    start([&rt, this] { rt.spawn(call_and_count()).detach(); });
    start([&rt] { (void)rt.dump_tasks(); });
  }
  ~user_threads() {
    stop_ = true;
    for (auto& t : threads_) t.join();
  }
  [[nodiscard]] std::uint64_t counted() const { return counted_; }

 private:
  template <class F>
  void start(F once) {
    threads_.emplace_back([this, once] {
      while (!stop_) {
        if (rt_.live_tasks() < 200) once();  // or threads make more of them than workers can end
      }
    });
  }
  static task<result<void>> nap(duration d) { co_return co_await sleep_for(d); }
  task<> count() {
    co_await yield();
    ++counted_;
  }
  task<> call_and_count() {
    auto call = run_blocking([this] { ++counted_; });
    (void)co_await call.join();
  }

  runtime& rt_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> counted_ = 0;
  std::vector<std::thread> threads_;
};

TEST(ShutdownStress, AtEveryMomentWhileThreadsSpawnCancelBlockCallAndDump) {
  for (int round = 0; round < 20; ++round) {
    auto rt = std::make_unique<runtime>(runtime_options{.workers = 1 + static_cast<unsigned>(round) % 3});
    {
      const user_threads users(*rt);
      const auto enough = static_cast<std::uint64_t>(round) * 10;
      while (users.counted() < enough) std::this_thread::yield();
      std::vector<std::thread> closers;
      for (int i = 0; i < 2; ++i)
        closers.emplace_back([&rt] { EXPECT_TRUE(rt->shutdown(60s).has_value()); });
      for (auto& c : closers) c.join();
      EXPECT_EQ(rt->live_tasks(), 0U);
    }  // the users go on until here, with a runtime that has stopped
    EXPECT_EQ(rt->live_tasks(), 0U);
    rt.reset();
  }
}

}  // namespace
}  // namespace tandem
