#include <tandem/errors/stack.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <thread>

#include <errors/allocation_count.hpp>
#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>

namespace tandem {

// With external linkage, so that every way of looking up names can find them.
[[gnu::noinline]] stack_trace take_stack_here(std::size_t skip) {
  stack_trace stack = stack_trace::capture(skip);
  asm volatile("" ::: "memory");
  return stack;
}

[[gnu::noinline]] int recurse(int depth, stack_trace& out) {
  if (depth == 0) {
    out = stack_trace::capture();
    return 0;
  }
  const int below = recurse(depth - 1, out);
  asm volatile("" ::: "memory");  // keeps the compiler from turning the recursion into a loop
  return below + 1;
}

[[gnu::noinline]] error make_error_here() {
  error e = make_error(errc::internal, "here");
  asm volatile("" ::: "memory");
  return e;
}

namespace {

void two_awaiters(task_trace& out) noexcept {
  EXPECT_EQ(out.awaiters.size(), stack_trace::max_awaiters);
  out.awaiters[0] = reinterpret_cast<const void*>(&take_stack_here);
  out.awaiters[1] = reinterpret_cast<const void*>(&recurse);
  out.awaiter_count = 2;
}

struct installed_walk {
  explicit installed_walk(task_walk walk) { set_task_walk(walk); }
  ~installed_walk() { set_task_walk(nullptr); }
};

std::vector<std::string> describe_calls(const stack_trace& stack) { return describe_stack({stack.calls(), {}, nullptr, {}}); }

// False in builds without libbacktrace or without debug information.
bool lines_are_known() {
  return describe_address(reinterpret_cast<const void*>(&take_stack_here)).find("stack_test.cpp:") != std::string::npos;
}

TEST(StackTrace, IsEmptyUntilCaptured) {
  const stack_trace none;
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.calls().empty());
}

TEST(StackTrace, BeginsWithTheFunctionThatCaptures) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  const std::vector<std::string> lines = describe_calls(take_stack_here(0));
  ASSERT_GE(lines.size(), 2u);
  EXPECT_NE(lines[0].find("take_stack_here"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("stack_test.cpp:"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("BeginsWithTheFunctionThatCaptures"), std::string::npos) << lines[1];
}

TEST(StackTrace, LeavesOutTheSkippedCalls) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  const std::vector<std::string> lines = describe_calls(take_stack_here(1));
  ASSERT_FALSE(lines.empty());
  EXPECT_NE(lines[0].find("LeavesOutTheSkippedCalls"), std::string::npos) << lines[0];
}

TEST(StackTrace, KeepsTheInnermostCallsOfADeepStack) {
  stack_trace stack;
  EXPECT_EQ(recurse(100, stack), 100);
  EXPECT_EQ(stack.calls().size(), stack_trace::max_calls);
}

TEST(StackTrace, NeverAllocates) {
  const std::size_t before = testing::allocation_count();
  const stack_trace stack = take_stack_here(0);
  EXPECT_EQ(testing::allocation_count(), before);
  EXPECT_FALSE(stack.empty());
}

TEST(StackTrace, NamesTheAwaitingCoroutinesOnceAWalkIsInstalled) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  const installed_walk walk(&two_awaiters);
  const stack_trace stack = take_stack_here(0);
  ASSERT_EQ(stack.awaiters().size(), 2u);
  const std::vector<std::string> lines = describe_stack({stack.calls(), stack.awaiters(), nullptr, {}});
  ASSERT_GT(lines.size(), 2u);
  EXPECT_TRUE(lines[lines.size() - 2].starts_with("awaited by ")) << lines[lines.size() - 2];
  EXPECT_NE(lines[lines.size() - 2].find("take_stack_here"), std::string::npos);
  EXPECT_NE(lines.back().find("recurse"), std::string::npos);
}

TEST(StackTrace, OfAFullStackStillHasTheAwaiters) {
  const installed_walk walk(&two_awaiters);
  stack_trace stack;
  EXPECT_EQ(recurse(100, stack), 100);
  EXPECT_EQ(stack.calls().size(), stack_trace::max_calls);
  EXPECT_EQ(stack.awaiters().size(), 2u);
}

TEST(StackTrace, IsNamedFromManyThreadsAtOnce) {
  const stack_trace stack = take_stack_here(0);
  const std::vector<std::string> expected = describe_calls(stack);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(describe_calls(stack), expected); });
  }
}

// Under ThreadSanitizer an unwinder that keeps something for each thread can crash the process here.
TEST(StackTrace, LetsTheThreadThatTookItEnd) {
  std::size_t calls = 0;
  std::thread([&] { calls = take_stack_here(0).calls().size(); }).join();
  EXPECT_GT(calls, 0u);
}

TEST(DescribeAddress, NamesWhatALibraryExportsThatWasLoadedLate) {
  (void)describe_address(reinterpret_cast<const void*>(&take_stack_here));  // libbacktrace looks for libraries now
  void* const library = dlopen(ERRORS_TEST_LATE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const void* const address = dlsym(library, "function_of_a_late_library");
  ASSERT_NE(address, nullptr);
  EXPECT_NE(describe_address(address).find("function_of_a_late_library"), std::string::npos) << describe_address(address);
  dlclose(library);
}

TEST(DescribeAddress, FallsBackToTheAddress) {
  EXPECT_EQ(describe_address(reinterpret_cast<const void*>(0x10)), "0x10");
}

TEST(ErrorStack, BeginsWhereTheErrorWasMade) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  const error e = make_error_here();
  const std::vector<std::string> frames = e.first_layer().frames();
  ASSERT_FALSE(frames.empty());
  EXPECT_NE(frames[0].find("make_error_here"), std::string::npos) << frames[0];
}

TEST(DescribeAddress, GivesModuleAndOffsetWhereThereIsNoFunction) {
  const std::string text = describe_address("of this program, but no function's");
  EXPECT_TRUE(text.starts_with("errors_test+0x")) << text;
}

}  // namespace
}  // namespace tandem
