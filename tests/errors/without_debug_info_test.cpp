// Compiled with -g0, unlike everything around it.
#include <gtest/gtest.h>
#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>

namespace tandem {

[[gnu::noinline]] error make_error_without_debug_info() {
  error e = make_error(errc::internal, "here");
  asm volatile("" ::: "memory");
  return e;
}

namespace {

TEST(StackWithoutDebugInfo, NamesFunctions) {
  const std::vector<std::string> frames = make_error_without_debug_info().first_layer().frames();
  ASSERT_FALSE(frames.empty());
  EXPECT_NE(frames[0].find("make_error_without_debug_info"), std::string::npos) << frames[0];
  EXPECT_EQ(frames[0].find("_test.cpp"), std::string::npos) << "then this file has debug information: " << frames[0];
}

}  // namespace
}  // namespace tandem
