// How many workers a runtime gets: what it is asked for, TANDEM_WORKERS, or the CPUs; and what it refuses.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>

#include "cpu_count.hpp"
#include "thread_shortage.hpp"

namespace tandem {
namespace {

class Workers : public ::testing::Test {
 protected:
  Workers() {
    if (const char* const text = std::getenv("TANDEM_WORKERS")) before_ = text;
    unsetenv("TANDEM_WORKERS");
  }
  ~Workers() override {
    if (before_.empty()) {
      unsetenv("TANDEM_WORKERS");
    } else {
      setenv("TANDEM_WORKERS", before_.c_str(), 1);
    }
  }

  // Of a runtime made with nothing said but TANDEM_WORKERS; `complaint` is what it writes to stderr meanwhile.
  unsigned count(const char* text) {
    setenv("TANDEM_WORKERS", text, 1);
    ::testing::internal::CaptureStderr();
    const unsigned n = runtime().worker_count();
    complaint_ = ::testing::internal::GetCapturedStderr();
    return n;
  }

  std::string complaint_;

 private:
  std::string before_;
};

TEST_F(Workers, AreTheUsableCpusUnlessSomethingIsSaid) {
  EXPECT_EQ(runtime().worker_count(), detail::usable_cpus());
  EXPECT_EQ(runtime({.workers = 0}).worker_count(), detail::usable_cpus());
}

TEST_F(Workers, AreWhatTheEnvironmentSays) {
  EXPECT_EQ(count("3"), 3U);
  EXPECT_EQ(complaint_, "");
  EXPECT_EQ(runtime({.workers = 2}).worker_count(), 2U);  // what the program says goes before
}

TEST_F(Workers, AnEmptyVariableSaysNothing) {
  EXPECT_EQ(count(""), detail::usable_cpus());
  EXPECT_EQ(complaint_, "");
}

TEST_F(Workers, WhatIsNoCountOfWorkersIsReportedAndLeftAside) {
  for (const char* text : {"0", "-1", "-18446744073709551615", "abc", "2x", " 2", "+2", "2.5", "0x2", "1025",
                           "99999999999", "99999999999999999999999"}) {
    EXPECT_EQ(count(text), detail::usable_cpus()) << text;
    EXPECT_NE(complaint_.find("TANDEM_WORKERS=" + std::string(text) + " is not a number from 1 to 1024"),
              std::string::npos)
        << complaint_;
  }
}

TEST_F(Workers, AMillionAreRefusedBeforeAnythingIsStarted) {
  EXPECT_THROW(runtime({.workers = 1'000'000}), std::invalid_argument);
  EXPECT_THROW(runtime({.workers = 1'025}), std::invalid_argument);
}

TEST_F(Workers, WhoseThreadsCannotAllBeStartedAreRefusedAndNoneIsLeft) {
  for (const int threads : {0, 1, 3}) {
    const thread_shortage after(threads);
    EXPECT_THROW(runtime({.workers = 8}), std::system_error) << threads;
  }
  runtime rt({.workers = 8});  // there are threads again
  auto body = []() -> task<int> { co_return 1; };
  EXPECT_EQ(rt.block_on(body()), 1);
}

}  // namespace
}  // namespace tandem
