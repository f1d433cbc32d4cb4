#include <tandem/errors/exception.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <errors/allocation_count.hpp>
#include <errors/libraries.hpp>
#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/stack.hpp>

namespace tandem {

// With external linkage, so that every way of looking up names can find them.
[[gnu::noinline]] void throw_here() {
  throw std::runtime_error("here");
}

[[gnu::noinline]] void throw_nested_here() {
  try {
    throw_here();
  } catch (...) {
    std::throw_with_nested(std::runtime_error("outer"));
  }
}

volatile std::size_t past_the_end = 7;

[[gnu::noinline]] void read_past_the_end() {
  const std::vector<int> one(1);
  past_the_end = static_cast<std::size_t>(one.at(past_the_end));
}

[[gnu::noinline]] error convert_here(const std::exception_ptr& exception) {
  error e = from_exception(exception);
  asm volatile("" ::: "memory");
  return e;
}

namespace {

std::exception_ptr caught_from(void (*thrower)()) {
  try {
    thrower();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

std::string first_frame(const error& e) {
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) {
    if (!layer.has_stack()) continue;
    // Another copy of tandem in the process, as in the converting library, may have a part in each throw.
    for (const std::string& frame : layer.frames())
      if (frame.find("__cxa_throw") == std::string::npos) return frame;
  }
  return "nothing";
}

bool begins_in(const error& e, const std::string& function) {
  return first_frame(e).find(function) != std::string::npos;
}

// False in builds without libbacktrace or without symbols.
bool names_are_known() {
  return describe_address(reinterpret_cast<const void*>(&throw_here)).find("throw_here") != std::string::npos;
}

class ThrowStack : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!names_are_known()) GTEST_SKIP() << "frames have no names here";
  }
  void TearDown() override { set_throw_stacks(true); }
};

const error thrown_before_main = from_exception(caught_from(&throw_here));

TEST_F(ThrowStack, BeginsWhereTheExceptionWasThrown) {
  const error e = convert_here(caught_from(&throw_here));
  EXPECT_TRUE(begins_in(e, "throw_here")) << first_frame(e);
}

TEST_F(ThrowStack, IsKnownBeforeMain) { EXPECT_TRUE(begins_in(thrown_before_main, "throw_here")); }

TEST_F(ThrowStack, IsThatOfTheCallerForExceptionsThatWereNeverThrown) {
  const error e = convert_here(std::make_exception_ptr(std::runtime_error("a")));
  EXPECT_TRUE(begins_in(e, "convert_here")) << first_frame(e);
}

TEST_F(ThrowStack, StaysThatOfTheFirstThrowWhenRethrown) {
  std::exception_ptr exception = caught_from(&throw_here);
  for (int i = 0; i < 3; ++i) {
    try {
      try {
        std::rethrow_exception(std::exchange(exception, nullptr));
      } catch (...) {
        throw;
      }
    } catch (...) {
      exception = std::current_exception();
    }
  }
  EXPECT_TRUE(begins_in(from_exception(exception), "throw_here"));
}

TEST_F(ThrowStack, IsFoundInAnotherThreadAfterTheThrowingOneEnded) {
  std::exception_ptr exception;
  std::thread([&] { exception = caught_from(&throw_here); }).join();
  error e;
  std::thread([&] { e = from_exception(exception); }).join();
  EXPECT_TRUE(begins_in(e, "throw_here"));
}

TEST_F(ThrowStack, OfANestedExceptionIsTheInnermost) {
  const error e = from_exception(caught_from(&throw_nested_here));
  EXPECT_EQ(e.message(), "std::runtime_error: outer: std::runtime_error: here");
  EXPECT_TRUE(begins_in(e, "throw_here"));
  EXPECT_FALSE(e.first_layer().has_stack());
  EXPECT_TRUE(e.first_layer().next().has_stack());
}

TEST_F(ThrowStack, OfTheOuterExceptionServesWhereTheInnerWasNeverThrown) {
  const error e = from_exception(caught_from([] {
    try {
      std::rethrow_exception(std::make_exception_ptr(42));
    } catch (...) {
      throw_nested_here();
    }
  }));
  EXPECT_TRUE(begins_in(e, "throw_here"));
}

struct throws_while_unwinding {
  error& out;
  ~throws_while_unwinding() { out = from_exception(caught_from(&throw_here)); }
};

TEST_F(ThrowStack, IsThatOfEachOfTwoExceptionsInFlight) {
  error inner;
  error outer;
  try {
    const throws_while_unwinding cleanup{inner};
    throw_in_a_library();
  } catch (...) {
    outer = from_exception(std::current_exception());
  }
  EXPECT_TRUE(begins_in(inner, "throw_here")) << first_frame(inner);
  EXPECT_TRUE(begins_in(outer, "throw_in_a_library")) << first_frame(outer);
}

TEST_F(ThrowStack, IsKnownForWhatTheStandardLibraryThrows) {
  const error e = from_exception(caught_from(&read_past_the_end));
  ASSERT_EQ(e.code(), errc::out_of_range);
  const std::vector<std::string> frames = e.first_layer().frames();
  const auto is_ours = [](const std::string& frame) {  // inlined, with or without debug information
    return frame.find("_M_range_check") != frame.npos || frame.find("read_past_the_end") != frame.npos;
  };
  EXPECT_TRUE(std::ranges::any_of(frames, is_ours)) << to_long_string(e);
  EXPECT_FALSE(is_ours(frames[0]));  // but the library's own function that throws
}

TEST_F(ThrowStack, IsKnownToACopyOfTandemInASharedLibrary) {
  EXPECT_NE(first_frame_found_in_a_library(&throw_here).find("throw_here"), std::string::npos);
  EXPECT_NE(first_frame_found_in_a_library(&throw_in_a_library).find("throw_in_a_library"), std::string::npos);
}

TEST_F(ThrowStack, IsNotTakenWhileTurnedOff) {
  const std::exception_ptr before = caught_from(&throw_here);
  set_throw_stacks(false);
  EXPECT_TRUE(begins_in(convert_here(caught_from(&throw_here)), "convert_here"));
  EXPECT_TRUE(begins_in(convert_here(before), "throw_here"));
  set_throw_stacks(true);
  EXPECT_TRUE(begins_in(convert_here(caught_from(&throw_here)), "throw_here"));
}

struct counted {
  explicit counted(std::atomic<int>& its_alive) : alive(&its_alive) { ++*alive; }
  counted(const counted& other) : alive(other.alive) { ++*alive; }
  ~counted() { --*alive; }
  std::atomic<int>* alive;
};

TEST(Throw, StillDestroysTheExceptionOnce) {
  std::atomic<int> alive = 0;
  try {
    throw counted(alive);
  } catch (const counted&) {
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Throw, OfTypesWithoutADestructorStillWorks) {
  for (int i = 0; i < 100; ++i) {
    try {
      throw i;
    } catch (int caught) {
      EXPECT_EQ(caught, i);
    }
  }
}

TEST(Throw, CallsNoOperatorNew) {
  const std::size_t before = testing::allocation_count();
  try {
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(testing::allocation_count(), before);
}

TEST(Throw, IsSafeFromManyThreadsAtOnce) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      std::vector<std::exception_ptr> kept;
      for (int i = 0; i < 500; ++i) {
        kept.push_back(caught_from(&throw_here));
        if (i % 3 == 0) kept.clear();
        if (i % 50 == 0) set_throw_stacks(i % 100 == 0);
      }
    });
  }
  threads.clear();
  set_throw_stacks(true);
}

// The last exception of the process is destroyed long after main().
std::exception_ptr kept_after_main;

TEST(ThrowDeathTest, WorksAfterMain) {
  const auto leave = [] {
    kept_after_main = caught_from(&throw_here);
    std::atexit([] {
      const error e = from_exception(caught_from(&throw_here));
      _exit(!names_are_known() || begins_in(e, "throw_here") ? 7 : 8);
    });
    std::exit(0);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(7), "");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end the process when memory runs out
TEST(ThrowDeathTest, WorksWithoutMemory) {
  const auto throw_without_memory = [] {
    const rlimit none = {0, 0};
    if (::setrlimit(RLIMIT_AS, &none) != 0) _exit(9);
    // Every size, as malloc keeps freed blocks by theirs; through a pointer, as compilers take success for granted.
    void* (*volatile allocate)(std::size_t) = &std::malloc;
    for (std::size_t size = 8192; size >= 8; size -= 8)
      while (allocate(size) != nullptr) {
      }
    try {
      throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
      const error e = from_exception(std::current_exception());
      _exit(e.first_layer() == error_of(errc::resource_exhausted).first_layer() ? 7 : 8);
    }
  };
  EXPECT_EXIT(throw_without_memory(), ::testing::ExitedWithCode(7), "");
}
#endif

}  // namespace
}  // namespace tandem
