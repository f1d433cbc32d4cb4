// The stacks of errors that are made in tasks: who awaited whom, and who spawned the task.
#include <tandem/errors/stack.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::async_stack {

using testing::sim_runtime;

// Where the coroutines below await and spawn.
constexpr int line_of_inner = __LINE__ + 10, line_of_middle = __LINE__ + 14, line_of_outer = __LINE__ + 18;

enum class pause { none, yield, sleep };

task<error> fetch(pause how) {
  if (how == pause::yield) co_await yield();
  if (how == pause::sleep) (void)co_await sleep_for(std::chrono::microseconds(1));
  co_return make_error(errc::internal, "boom");
}
task<error> inner(pause how) {
  error e = co_await fetch(how);
  co_return e;
}
task<error> middle(pause how) {
  error e = co_await inner(how);
  co_return e;
}
task<error> outer(pause how) {
  error e = co_await middle(how);
  co_return e;
}

constexpr int line_of_parent = __LINE__ + 2;
task<error> parent() {
  auto child = spawn(outer(pause::yield), "child");
  auto e = co_await child.join();
  co_return *e;
}

std::vector<std::string> stack_of(const error& e) { return e.first_layer().frames(); }

// False in builds without libbacktrace or without debug information.
bool lines_are_known() {
  return describe_address(reinterpret_cast<const void*>(&stack_of)).find("async_stack_test.cpp:") != std::string::npos;
}

bool is_about(const std::string& frame, const std::string& function, int line) {
  return frame.starts_with(function) && frame.ends_with(fmt::format("async_stack_test.cpp:{}", line));
}

void expect_the_three_awaiters(const error& e, const std::string& task_name) {
  const auto frames = stack_of(e);
  const std::string all = fmt::format("{}", fmt::join(frames, "\n"));
  ASSERT_GE(frames.size(), 5u) << all;
  const std::size_t calls = frames.size() - 4;
  EXPECT_TRUE(frames[calls - 1].starts_with("tandem::async_stack::fetch(tandem::async_stack::pause) at ")) << all;
  EXPECT_EQ(calls, 1u) << all;  // not one of the scheduler's
  EXPECT_TRUE(is_about(frames[calls], "awaited by tandem::async_stack::inner(tandem::async_stack::pause)",
                       line_of_inner))
      << all;
  EXPECT_TRUE(is_about(frames[calls + 1], "awaited by tandem::async_stack::middle(tandem::async_stack::pause)",
                       line_of_middle))
      << all;
  EXPECT_TRUE(is_about(frames[calls + 2], "awaited by tandem::async_stack::outer(tandem::async_stack::pause)",
                       line_of_outer))
      << all;
  EXPECT_TRUE(frames[calls + 3].starts_with("task " + task_name + " spawned by ")) << all;
}

class AsyncStack : public ::testing::TestWithParam<pause> {
 protected:
  void SetUp() override {
    if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  }
};

TEST_P(AsyncStack, ShowsTheThreeCallersUnderSimulation) {
  sim_runtime sim;
  expect_the_three_awaiters(*sim.run(outer(GetParam())), "test body");
}

TEST_P(AsyncStack, ShowsTheThreeCallersOnTwoWorkers) {
  runtime rt({.workers = 2});
  for (int i = 0; i < 20; ++i) expect_the_three_awaiters(rt.block_on(outer(GetParam())), "main");
}

TEST_P(AsyncStack, OfASpawnedLambdaDoesNotShowWhatKeepsItAlive) {
  sim_runtime sim;
  auto body = [how = GetParam()] { return outer(how); };
  auto handle = sim.spawn(body, "lambda");
  expect_the_three_awaiters(*sim.wait(handle), "lambda");
}

INSTANTIATE_TEST_SUITE_P(AfterPauses, AsyncStack, ::testing::Values(pause::none, pause::yield, pause::sleep));

class AsyncStackOnce : public AsyncStack {};
INSTANTIATE_TEST_SUITE_P(Once, AsyncStackOnce, ::testing::Values(pause::none));

TEST_P(AsyncStackOnce, EndsWithTheTaskAndItsSpawner) {
  sim_runtime sim;
  const error e = *sim.run(parent());
  expect_the_three_awaiters(e, "child");
  const std::string last = stack_of(e).back();
  EXPECT_TRUE(is_about(last, "task child spawned by ", line_of_parent)) << last;
  EXPECT_NE(last.find(" tandem::async_stack::parent() at "), std::string::npos) << last;
}

// Two awaits of one kind in one coroutine are told apart.
constexpr int line_of_choice = __LINE__ + 3;
task<error> choose(bool first) {
  if (first) {
    error e = co_await fetch(pause::none);
    co_return e;
  }
  error e = co_await fetch(pause::none);
  co_return e;
}

TEST_P(AsyncStackOnce, TellsTheAwaitsOfACoroutineApart) {
  sim_runtime sim;
  for (const bool first : {true, false}) {
    const auto frames = stack_of(*sim.run(choose(first)));
    ASSERT_GE(frames.size(), 2u);
    EXPECT_TRUE(is_about(frames[frames.size() - 2], "awaited by tandem::async_stack::choose(bool)",
                         line_of_choice + (first ? 0 : 3)))
        << frames[frames.size() - 2];
  }
}

task<error> value() { co_return error(); }
task<error> thrower() {
  throw std::runtime_error("thrown");
  co_return error();
}
task<result<error>> refuse() { co_return fail(errc::not_found); }
task<result<error>> pass_refusal() { co_return co_await or_return(refuse()); }

task<error> after_children() {
  (void)co_await value();
  bool caught = false;
  try {
    (void)co_await thrower();
  } catch (const std::runtime_error&) {
    caught = true;
  }
  co_await yield();
  auto passed = co_await pass_refusal();
  { auto never_run = fetch(pause::none); }
  const auto limited = with_timeout(std::chrono::seconds(1), value());
  if (passed || !caught) co_return error();
  co_return make_error(errc::internal, "of the parent");
}
constexpr int line_of_after_children = __LINE__ + 4;
task<error> awaits_after_children() {
  auto limited = after_children();
  co_await yield();
  error e = co_await std::move(limited);
  co_return e;
}

TEST_P(AsyncStackOnce, ForgetsChildrenThatHaveEndedOrNeverRan) {
  sim_runtime sim;
  const auto frames = stack_of(*sim.run(awaits_after_children()));
  const std::string all = fmt::format("{}", fmt::join(frames, "\n"));
  ASSERT_EQ(frames.size(), 3u) << all;
  EXPECT_TRUE(frames[0].starts_with("tandem::async_stack::after_children() at ")) << all;
  EXPECT_TRUE(is_about(frames[1], "awaited by tandem::async_stack::awaits_after_children()", line_of_after_children))
      << all;
}

task<error> wraps() {
  error e = co_await fetch(pause::yield);
  co_return wrap(std::move(e), "wrapped");
}

template <class T>
task<error> template_fetch(T) {
  co_return make_error(errc::internal, "boom");
}

TEST(AsyncSite, NamesTheCoroutineAsItsAuthorDid) {
  sim_runtime sim;
  const std::string text = fmt::format("{:+}", *sim.run(template_fetch(1)));
  EXPECT_NE(text.find("template_fetch<int>(int) ("), std::string::npos) << text;
  EXPECT_EQ(text.find(".Frame"), std::string::npos) << text;
}

TEST_P(AsyncStackOnce, IsTakenOnceOnTheErrorsWay) {
  sim_runtime sim;
  const error e = *sim.run(wraps());
  EXPECT_TRUE(stack_of(e).empty());
  EXPECT_FALSE(stack_of(cause(e)).empty());
}

TEST_P(AsyncStackOnce, IsThatOfTheThreadOutsideOfTasks) {
  runtime rt({.workers = 1});
  const stack_trace here = stack_trace::capture();
  EXPECT_GT(here.calls().size(), 1u);
  EXPECT_TRUE(here.awaiters().empty());
  EXPECT_EQ(here.task_name(), nullptr);
  auto body = []() -> task<stack_trace> {
    auto call = run_blocking([] { return stack_trace::capture(); });
    auto stack = co_await call.join();
    co_return *stack;
  };
  const stack_trace blocking = rt.block_on(body());
  EXPECT_FALSE(blocking.calls().empty());
  EXPECT_TRUE(blocking.awaiters().empty());
  EXPECT_EQ(blocking.task_name(), nullptr);
}

task<stack_trace> deep(int levels) {
  if (levels == 0) co_return stack_trace::capture();
  auto stack = co_await deep(levels - 1);
  co_return stack;
}

TEST_P(AsyncStackOnce, KeepsTheInnermostAwaitersOfADeepChain) {
  sim_runtime sim;
  EXPECT_EQ(sim.run(deep(100))->awaiters().size(), stack_trace::max_awaiters);
  EXPECT_EQ(sim.run(deep(7))->awaiters().size(), 7u);
  EXPECT_EQ(sim.run(deep(7))->calls().size(), 1u);
}

}  // namespace tandem::async_stack
