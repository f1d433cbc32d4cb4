// Include it in one source file of a GoogleTest program: from then on simulations print their seed when a test fails,
// and leaks fail the test that made them.
#pragma once
#include <string>

#include <gtest/gtest.h>

#include <tandem/testing/test_framework.hpp>

namespace tandem::testing {

/// Not for users: its initialization installs the hooks.
inline const bool gtest_in_use = [] {
  use_test_framework({.has_failed = []() noexcept { return ::testing::Test::HasFailure(); },
                      .fail = [](const std::string& why) { ADD_FAILURE() << why; }});
  return true;
}();

}  // namespace tandem::testing
