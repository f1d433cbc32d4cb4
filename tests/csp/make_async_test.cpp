#include <tandem/csp/make_async.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <tandem/csp/channel.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::csp {
namespace {

TEST(MakeAsync, RunsOffTheWorkersAndGivesTheValue) {
  runtime rt({.workers = 1});
  auto body = []() -> task<> {
    auto where = make_async([] { return std::this_thread::get_id(); });
    EXPECT_NE((co_await where()).value(), std::this_thread::get_id());
    auto sum = make_async([](int a, int b) { return a + b; });
    EXPECT_EQ((co_await sum(1, 2)).value(), 3);
    auto nothing = make_async([] {});
    EXPECT_TRUE((co_await nothing()).has_value());
  };
  rt.block_on(body());
}

TEST(MakeAsync, PassesOnErrorsAndExceptions) {
  runtime rt({.workers = 1});
  auto body = []() -> task<> {
    auto fails = make_async([](const std::string& what) -> result<int> { return fail(errc::not_found, what); });
    EXPECT_EQ((co_await fails("no such host")).error().message(), "no such host");
    auto throws = make_async([]() -> int { throw std::runtime_error("boom"); });
    EXPECT_NE((co_await throws()).error().message().find("boom"), std::string::npos);
  };
  rt.block_on(body());
}

TEST(MakeAsync, ArgumentsAndFunctionThatOnlyMoveBelongToTheCall) {
  runtime rt({.workers = 1});
  auto body = []() -> task<> {
    auto owned = std::make_unique<int>(40);
    auto add = make_async([two = std::make_unique<int>(2)](std::unique_ptr<int> n) { return *n + *two; });
    auto call = add(std::move(owned));
    { const auto gone = std::move(add); }
    EXPECT_EQ((co_await std::move(call)).value(), 42);
  };
  rt.block_on(body());
}

/// A call that blocks until it is let go, and what came of it.
struct blocked_call {
  std::latch begun{1};
  std::latch let_go{1};
};

/// Shares `held`, so that the test sees when the result is gone.
struct noted {
  explicit noted(std::shared_ptr<std::latch> g) : gone(std::move(g)) {}
  noted(noted&&) = default;
  ~noted() {
    if (gone) gone->count_down();
  }
  std::shared_ptr<std::latch> gone;
};

TEST(MakeAsync, AnAbandonedCallEndsTheAwaitAtOnceAndItsResultIsDestroyedWhenItComes) {
  runtime rt({.workers = 1});
  blocked_call call;
  const auto gone = std::make_shared<std::latch>(1);
  auto blocks = make_async([&call, gone] {
    call.begun.count_down();
    call.let_go.wait();
    return noted(gone);
  });
  auto body = [&]() -> task<> {
    const cancel_source source;
    auto waiting = spawn(with_context(source.context(), blocks()));
    (void)co_await make_async([&call] { call.begun.wait(); })();
    source.cancel(make_error(errc::aborted, "nobody wants it"));
    auto ended = co_await waiting.join();  // although the call still blocks
    EXPECT_EQ(ended.error(), errc::cancelled);
    EXPECT_TRUE(ended.error().is(errc::aborted));
  };
  rt.block_on(body());
  EXPECT_FALSE(gone->try_wait());
  call.let_go.count_down();
  gone->wait();
}

TEST(MakeAsync, TheErrorOrExceptionOfAnAbandonedCallIsReportedNowhere) {
  ::testing::internal::CaptureStderr();
  {
    runtime rt({.workers = 1});
    blocked_call call;
    auto throws = make_async([&call]() -> int {
      call.begun.count_down();
      call.let_go.wait();
      throw std::runtime_error("too late");
    });
    auto body = [&]() -> task<> {
      const cancel_source source;
      auto waiting = spawn(with_context(source.context(), throws()));
      (void)co_await make_async([&call] { call.begun.wait(); })();
      source.cancel();
      EXPECT_EQ((co_await waiting.join()).error(), errc::cancelled);
    };
    rt.block_on(body());
    call.let_go.count_down();
    EXPECT_TRUE(rt.shutdown(std::chrono::seconds(30)).has_value());  // waits for the call
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(MakeAsync, ACallThatWasAbandonedBeforeItBeganNeverRuns) {
  runtime rt({.workers = 1, .blocking_threads = 1});
  blocked_call first;
  std::atomic<bool> ran{false};
  auto holds_the_thread = make_async([&first] {
    first.begun.count_down();
    first.let_go.wait();
  });
  auto second = make_async([&ran] { ran = true; });
  auto body = [&]() -> task<> {
    auto holder = spawn(holds_the_thread());
    const cancel_source source;
    auto waiting = spawn(with_context(source.context(), second()));
    co_await yield();
    co_await yield();
    source.cancel();
    EXPECT_EQ((co_await waiting.join()).error(), errc::cancelled);
    first.let_go.count_down();
    (void)co_await holder.join();
    (void)co_await make_async([] {})();  // behind the second
  };
  rt.block_on(body());
  EXPECT_FALSE(ran);
}

TEST(MakeAsync, NothingIsCalledInAContextThatIsOver) {
  runtime rt({.workers = 1});
  std::atomic<bool> ran{false};
  auto call = make_async([&ran] { ran = true; });
  auto body = [&]() -> task<> {
    const cancel_source source;
    source.cancel();
    EXPECT_EQ((co_await with_context(source.context(), call())).error(), errc::cancelled);
    (void)co_await make_async([] {})();
  };
  rt.block_on(body());
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace tandem::csp
