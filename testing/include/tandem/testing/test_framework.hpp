// How this library learns that a test failed, and fails one, without depending on a test framework.
#pragma once
#include <string>

namespace tandem::testing {

struct test_framework {
  /// Has the test that runs failed? Called on the test's thread.
  bool (*has_failed)() noexcept;
  /// Fails it, and goes on.
  void (*fail)(const std::string& why);
};

/// Replaces the default, which knows of no failure and aborts the program to fail a test. Include gtest.hpp for
/// GoogleTest. Threads: call it before the first test.
void use_test_framework(const test_framework& framework) noexcept;

/// Not for users: what is in use.
[[nodiscard]] const test_framework& test_framework_in_use() noexcept;

}  // namespace tandem::testing
