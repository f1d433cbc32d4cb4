#include <tandem/runtime/escape_handler.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using testing::sim_runtime;

task<int> throwing() {
  co_await this_task::yield();
  throw std::runtime_error("boom");
}

std::vector<std::string> heard;

void listen(const escaped_exception& escaped) noexcept {
  heard.push_back(std::string(escaped.task) + ": " + escaped.what.message());
  EXPECT_NE(std::string(escaped.spawned_at.file_name()).find("escape_handler_test"), std::string::npos);
}

class EscapeHandler : public ::testing::Test {
 protected:
  EscapeHandler() { heard.clear(); }
  ~EscapeHandler() override { set_escape_handler(nullptr); }
};

TEST(EscapeDeathTest, ByDefaultTheReportHasTheChainAndAStackAndTheProcessAborts) {
  EXPECT_DEATH(
      {
        sim_runtime sim;
        sim.spawn(throwing(), "worker bee").detach();
        sim.run_until_idle();
      },
      "task worker bee \\(.*escape_handler_test.*was ended by an exception.*boom");
}

TEST(EscapeDeathTest, AlsoForAFunctionCalledAfterAContext) {
  EXPECT_DEATH(
      {
        sim_runtime sim;
        const cancel_source source(sim.root_context());
        after_func(source.context(), [] { throw std::runtime_error("late boom"); });
        source.cancel();
        sim.run_until_idle();
      },
      "task after_func .*late boom");
}

TEST_F(EscapeHandler, HearsOfItInsteadAndTheProgramGoesOn) {
  EXPECT_NE(set_escape_handler(&listen), nullptr);
  sim_runtime sim;
  sim.spawn(throwing(), "first").detach();
  { auto dropped = sim.spawn(throwing(), "second"); }
  sim.run_until_idle();
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_NE(heard[0].find("first: "), std::string::npos);
  EXPECT_NE(heard[0].find("boom"), std::string::npos);
  EXPECT_NE(heard[1].find("second: "), std::string::npos);
  EXPECT_EQ(set_escape_handler(nullptr), &listen);
}

TEST_F(EscapeHandler, HearsOfItWhenTheHandleIsDroppedAfterTheEnd) {
  set_escape_handler(&listen);
  sim_runtime sim;
  {
    auto handle = sim.spawn(throwing(), "late");
    sim.run_until_idle();
    EXPECT_TRUE(heard.empty());
  }
  EXPECT_EQ(heard.size(), 1U);
}

TEST_F(EscapeHandler, HearsNothingOfWhatIsJoinedNorOfErrors) {
  set_escape_handler(&listen);
  sim_runtime sim;
  auto failing = []() -> task<result<void>> { co_return fail(errc::data_loss, "an error, not an exception"); };
  EXPECT_FALSE(sim.run(throwing()).has_value());
  ::testing::internal::CaptureStderr();
  sim.spawn(failing()).detach();
  sim.run_until_idle();
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("an error, not an exception"), std::string::npos);
  EXPECT_TRUE(heard.empty());
}

TEST_F(EscapeHandler, IsNotToldOfAnExceptionThatOnlySaysTheContextIsOver) {
  set_escape_handler(&listen);
  {
    sim_runtime sim;
    sim.spawn(
           []() -> task<> {
             const auto slept = co_await sleep_for(std::chrono::hours(1));
             slept.value();  // throws std::bad_expected_access<error>
           },
           "heartbeat")
        .detach();
    sim.run_until_idle();
  }  // cancels it
  EXPECT_TRUE(heard.empty()) << heard.front();
}

}  // namespace
}  // namespace tandem
