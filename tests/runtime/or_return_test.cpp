#include <tandem/runtime/or_return.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/errors/layer.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using testing::sim_runtime;
using names = std::vector<std::string>;

// Notes its end.
class witness {
 public:
  witness(names& ended, std::string name) : ended_(&ended), name_(std::move(name)) {}
  witness(witness&& other) noexcept : ended_(std::exchange(other.ended_, nullptr)), name_(std::move(other.name_)) {}
  ~witness() {
    if (ended_) ended_->push_back(name_);
  }

 private:
  names* ended_;
  std::string name_;
};

enum class outcome { value, error, exception };

task<result<int>> fetch(outcome how, bool suspends = false) {
  if (suspends) co_await yield();
  if (how == outcome::exception) throw std::runtime_error("thrown");
  if (how == outcome::error) co_return fail(errc::not_found, "nothing there");
  co_return 7;
}
task<result<void>> check(bool good) {
  if (!good) co_return fail(errc::invalid_argument, "bad");
  co_return {};
}

task<result<std::string>> text_of(outcome how, bool suspends) {
  const int v = co_await or_return(fetch(how, suspends));
  co_return std::to_string(v);
}

TEST(OrReturn, GivesTheValue) {
  sim_runtime sim;
  for (const bool suspends : {false, true}) EXPECT_EQ(sim.run(text_of(outcome::value, suspends)).value(), "7");
}

TEST(OrReturn, EndsTheCoroutineWithTheError) {
  sim_runtime sim;
  for (const bool suspends : {false, true}) {
    const auto r = sim.run(text_of(outcome::error, suspends));
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().message(), "nothing there");
    EXPECT_EQ(r.error().code(), errc::not_found);
    EXPECT_EQ(sim.live_tasks(), 0u);
  }
}

TEST(OrReturn, LetsExceptionsThrough) {
  sim_runtime sim;
  auto catches = [](bool suspends) -> task<std::string> {
    try {
      (void)co_await text_of(outcome::exception, suspends);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing was thrown";
  };
  for (const bool suspends : {false, true}) EXPECT_EQ(sim.run(catches(suspends)).value(), "thrown");
}

TEST(OrReturn, OfVoidOnlyGoesOn) {
  sim_runtime sim;
  auto body = [](bool good, int& passed) -> task<result<void>> {
    co_await or_return(check(true));
    ++passed;
    co_await or_return(check(good));
    ++passed;
    co_return {};
  };
  int passed = 0;
  EXPECT_TRUE(sim.run(body(true, passed)).has_value());
  EXPECT_EQ(passed, 2);
  EXPECT_EQ(sim.run(body(false, passed)).error().code(), errc::invalid_argument);
  EXPECT_EQ(passed, 3);
}

TEST(OrReturn, TakesResults) {
  sim_runtime sim;
  auto good = []() -> task<result<int>> {
    result<int> named = 3;
    co_await or_return(named) += 1;  // a reference
    const result<std::string> constant = std::string("ab");
    const std::string& text = co_await or_return(constant);
    co_await or_return(result<void>());
    const int moved = co_await or_return(result<int>(5));
    co_return *named + moved + static_cast<int>(text.size());
  };
  EXPECT_EQ(sim.run(good()).value(), 11);
  auto named_fails = []() -> task<result<int>> {
    result<std::string> bad = fail(errc::closed);
    (void)co_await or_return(bad);
    co_return 0;
  };
  EXPECT_EQ(sim.run(named_fails()).error().code(), errc::closed);
  auto temporary_fails = []() -> task<result<int>> {
    co_await or_return(result<void>(fail(errc::closed)));
    co_return 0;
  };
  EXPECT_EQ(sim.run(temporary_fails()).error().code(), errc::closed);
}

TEST(OrReturn, TakesOperations) {
  sim_runtime sim;
  auto joins = [](outcome how) -> task<result<int>> {
    auto handle = spawn(fetch(how, true));
    const int v = co_await or_return(handle.join());
    co_await or_return(sleep_for(std::chrono::seconds(1)));
    co_return v;
  };
  EXPECT_EQ(sim.run(joins(outcome::value)).value(), 7);
  EXPECT_EQ(sim.run(joins(outcome::error)).error().code(), errc::not_found);
}

TEST(OrReturn, MovesWhatCannotBeCopied) {
  sim_runtime sim;
  auto make = []() -> task<result<std::unique_ptr<int>>> { co_return std::make_unique<int>(4); };
  auto body = [](auto maker) -> task<result<std::unique_ptr<int>>> {
    auto first = co_await or_return(maker());
    auto second = co_await or_return(result<std::unique_ptr<int>>(std::move(first)));
    co_return second;
  };
  EXPECT_EQ(**sim.run(body(make)), 4);
}

TEST(OrReturn, EndsTheWaitOfACancelledTask) {
  sim_runtime sim;
  auto sleeper = []() -> task<result<int>> {
    co_await or_return(sleep_for(std::chrono::hours(1)));
    co_return 1;
  };
  auto limited = [](auto sleeps) -> task<result<int>> {
    const int v = co_await or_return(with_timeout(std::chrono::seconds(1), sleeps()));
    co_return v;
  };
  EXPECT_EQ(sim.run(limited(sleeper)).error().code(), errc::deadline_exceeded);
}

task<result<int>> nested(int depth, bool suspends, names* ended) {
  std::vector<witness> local;
  if (ended) local.emplace_back(*ended, std::to_string(depth));
  if (depth == 0) co_return co_await or_return(fetch(outcome::error, suspends));
  const int v = co_await or_return(nested(depth - 1, suspends, ended));
  co_return v + 1;
}

TEST(OrReturn, PassesAnErrorThroughAnyNumberOfCoroutines) {
  sim_runtime sim;
  for (const bool suspends : {false, true}) {
    for (const int depth : {0, 1, 2, 3, 10, 100, 1000}) {
      names ended;
      EXPECT_EQ(sim.run(nested(depth, suspends, &ended)).error().code(), errc::not_found);
      ASSERT_EQ(ended.size(), static_cast<std::size_t>(depth) + 1);
      for (int i = 0; i <= depth; ++i) EXPECT_EQ(ended[static_cast<std::size_t>(i)], std::to_string(i));
    }
  }
}

// What is destroyed when, by the names of the witnesses.
task<result<int>> failing(witness) {
  co_await yield();
  co_return fail(errc::internal, "failed");
}
witness noted(names& ended, const char* name) { return witness(ended, name); }
int first_of(const witness&, int v) { return v; }

task<result<int>> holder(names& ended, witness) {
  const witness outer(ended, "outer");
  for (int i = 0; i < 3; ++i) {
    const witness inner(ended, "inner");
    if (i == 1) {
      const int v = first_of(noted(ended, "temporary"), co_await or_return(failing(noted(ended, "child's"))));
      ended.push_back("unreachable");
      co_return v;
    }
  }
  co_return 0;
}

TEST(OrReturn, DestroysEverythingOnceBeforeTheAwaiterGoesOn) {
  sim_runtime sim;
  names ended;
  auto awaits = [](names& e) -> task<void> {
    auto named = holder(e, witness(e, "argument"));
    e.push_back("awaits");
    auto r = co_await std::move(named);
    e.push_back(r.error().message());
  };
  ASSERT_TRUE(sim.run(awaits(ended)).has_value());
  ASSERT_EQ(ended.size(), 8u);
  EXPECT_EQ(ended[0], "awaits");
  EXPECT_EQ(ended[1], "inner");  // of the first turn
  EXPECT_EQ(ended[2], "child's");
  EXPECT_EQ(ended[3], "temporary");
  EXPECT_EQ(ended[4], "inner");
  EXPECT_EQ(ended[5], "outer");
  EXPECT_EQ(ended[6], "argument");
  EXPECT_EQ(ended[7], "failed");
}

TEST(OrReturn, DestroysTheOutermostCoroutineBeforeTheJoinEnds) {
  sim_runtime sim;
  names ended;
  auto handle = sim.spawn(holder(ended, witness(ended, "argument")));
  EXPECT_EQ(sim.wait(handle).error().message(), "failed");
  ASSERT_EQ(ended.size(), 6u);
  EXPECT_EQ(ended.back(), "argument");
}

TEST(OrReturn, DestroysWhatAnAwaitedTaskHeldBeforeItGivesTheValue) {
  sim_runtime sim;
  names ended;
  auto child = [](witness) -> task<result<int>> { co_return 1; };
  auto body = [&ended](auto make) -> task<result<int>> {
    auto named = make(witness(ended, "child's"));
    const int v = co_await or_return(std::move(named));
    ended.push_back("value");
    co_return v;
  };
  EXPECT_EQ(sim.run(body(child)).value(), 1);
  EXPECT_EQ(ended, (names{"child's", "value"}));
}

TEST(OrReturn, DoesNotGrowTheStackInALoop) {
  sim_runtime sim;
  auto loop = []() -> task<int> {
    int failures = 0;
    for (int i = 0; i < 100'000; ++i) {
      auto r = co_await text_of(outcome::error, false);
      failures += r ? 0 : 1;
    }
    co_return failures;
  };
  EXPECT_EQ(sim.run(loop()).value(), 100'000);
}

TEST(OrReturn, FailsOnWhateverWorkerTheAwaitedTaskEnds) {
  runtime rt({.workers = 2});
  names unused;
  auto body = [](int rounds) -> task<int> {
    int failures = 0;
    for (int i = 0; i < rounds; ++i) {
      auto blocking = []() -> task<result<int>> {
        auto call = run_blocking([]() -> result<int> { return fail(errc::not_found); });
        co_return co_await or_return(call.join());  // resumed by another thread
      };
      auto through = [](auto make) -> task<result<int>> {
        const int v = co_await or_return(make());
        co_return v;
      };
      auto r = co_await through(blocking);
      failures += r ? 0 : 1;
      auto deep = co_await nested(5, true, nullptr);
      failures += deep ? 0 : 1;
    }
    co_return failures;
  };
  std::vector<join_handle<int>> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(rt.spawn(body(50)));
  auto all = [](std::vector<join_handle<int>>& running) -> task<int> {
    int failures = 0;
    for (auto& handle : running) {
      auto n = co_await handle.join();
      failures += *n;
    }
    co_return failures;
  };
  EXPECT_EQ(rt.block_on(all(handles)), 8 * 50 * 2);
}

TEST(OrReturn, IsLeftAloneByShutdown) {
  names ended;
  {
    runtime rt({.workers = 2});
    auto sleeper = [](names& e) -> task<result<void>> {
      const witness local(e, "local");
      co_await or_return(sleep_for(std::chrono::hours(1)));
      co_return {};
    };
    auto handle = rt.spawn(sleeper(ended));
    EXPECT_TRUE(rt.shutdown(std::chrono::seconds(10)).has_value());
    ASSERT_TRUE(handle.done());
    handle.detach();
  }
  EXPECT_EQ(ended, (names{"local"}));
}

TEST(OrReturn, OfATaskThatIsNeverAwaitedDestroysIt) {
  names ended;
  { auto never = or_return(failing(witness(ended, "argument"))); }
  EXPECT_EQ(ended, (names{"argument"}));
}

}  // namespace
}  // namespace tandem
