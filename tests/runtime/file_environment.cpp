#include <gtest/gtest.h>

#include "kernel_threads.hpp"

namespace {

struct ends_without_kernel_threads : testing::Environment {
  void TearDown() override { await_end_of_kernel_threads(); }
};

[[maybe_unused]] testing::Environment* const registered =
    testing::AddGlobalTestEnvironment(new ends_without_kernel_threads);

}  // namespace
