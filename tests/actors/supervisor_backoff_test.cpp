// Delays between restarts, and what a supervisor says about its decisions.
#include <gtest/gtest.h>

#include <tandem/errors/short_code.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

backoff_options exact(duration initial, duration max) { return {.initial = initial, .max = max, .jitter = 0}; }

TEST(SupervisorBackoff, WaitsBeforeARestartAndLongerBeforeTheNext) {
  stage s;
  auto o = s.options();
  o.intensity = 10;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  s.fail_child("a");
  s.sim.advance(1s - 1ns);
  EXPECT_EQ(s.parts["a"].lives, 1);
  s.sim.advance(1ns);
  EXPECT_EQ(s.parts["a"].lives, 2);
  s.fail_child("a");
  s.sim.advance(2s - 1ns);
  EXPECT_EQ(s.parts["a"].lives, 2);
  s.sim.advance(1ns);
  EXPECT_EQ(s.parts["a"].lives, 3);
  s.fail_child("b");  // has delays of its own
  s.sim.advance(1s);
  EXPECT_EQ(s.parts["b"].lives, 2);
}

TEST(SupervisorBackoff, StartsOverOnceTheChildWasStable) {
  stage s;
  auto o = s.options();
  o.backoff = exact(1s, 1h);
  o.backoff.stable_after = 30s;
  auto tree = s.begin(o, s.child("a"));
  for (int i = 0; i < 5; ++i) {
    s.fail_child("a");
    EXPECT_EQ(s.events.back().delay, 1s);
    s.sim.advance(1s + 30s);
  }
}

TEST(SupervisorBackoff, StartsOverThoughTheStableChildWasStopped) {
  stage s;
  auto o = s.options();
  o.intensity = 10;
  o.backoff = exact(1s, 1h);
  o.backoff.stable_after = 30s;
  auto tree = s.begin(o, s.child("a"));
  s.fail_child("a");
  s.sim.advance(1s);
  s.fail_child("a");
  EXPECT_EQ(s.events.back().delay, 2s);
  s.sim.advance(2s + 30s);
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(s.run(tree.restart_child("a")).has_value());
  s.fail_child("a");
  EXPECT_EQ(s.events.back().delay, 1s);
}

TEST(SupervisorBackoff, SpacesRestartsThatFail) {
  stage s;
  auto o = s.options();
  o.intensity = 3;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"));
  (void)s.happened();
  s.parts["a"].start_failures = 2;
  s.fail_child("a");
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "!a xa");
  s.sim.advance(2s);
  EXPECT_EQ(s.happened(), "xa");
  s.sim.advance(4s);
  EXPECT_EQ(s.happened(), "+a");
}

TEST(SupervisorBackoff, StopsTheOthersBeforeTheDelayAndStartsAllAfterIt) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -c -a");
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "+a +b +c");
}

TEST(SupervisorBackoff, ARestartOfAllThatFailsAtAnotherChildIsSpacedByThatChildsDelay) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  o.intensity = 5;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  (void)s.happened();
  s.parts["a"].start_failures = 1;
  s.fail_child("b");
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "!b -a xa");
  EXPECT_EQ(s.events.size(), 2u);
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "+a +b");
}

TEST(SupervisorBackoff, RestForOneStartsNoneDuringTheDelayOfOneBefore) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::rest_for_one;
  o.intensity = 10;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.fail_child("c");
  s.sim.advance(500ms);
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!c !b");
  s.sim.advance(1s - 1ns);  // the delay of c is over
  EXPECT_EQ(s.happened(), "");
  s.sim.advance(1ns);
  EXPECT_EQ(s.happened(), "+b +c");
  s.sim.advance(10s);
  EXPECT_EQ(s.happened(), "");
}

TEST(SupervisorBackoff, RestForOneTriesNoneAgainDuringTheDelayOfOneBefore) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::rest_for_one;
  o.intensity = 10;
  o.backoff = exact(1s, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.parts["c"].start_failures = 1;
  s.fail_child("c");
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "!c xc");  // the next try would be at 3 s
  s.sim.advance(1500ms);
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a -b");
  s.sim.advance(1s - 1ns);
  EXPECT_EQ(s.happened(), "");
  s.sim.advance(1ns);
  EXPECT_EQ(s.happened(), "+a +b +c");
}

TEST(SupervisorBackoff, DoesNotDelayItsEnd) {
  stage s;
  auto o = s.options();
  o.backoff = exact(1h, 1h);
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  s.fail_child("a");
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.stop(1s)).has_value());
  EXPECT_EQ(s.sim.now(), before);
}

TEST(SupervisorBackoff, RepeatsInASimulation) {
  const auto delays = [](std::uint32_t seed) {
    stage s(seed);
    auto o = s.options();
    o.intensity = 100;
    o.backoff.initial = 1s;
    auto tree = s.begin(o, s.child("a"));
    std::vector<duration> seen;
    for (int i = 0; i < 5; ++i) {
      s.fail_child("a");
      seen.push_back(s.events.back().delay);
      s.sim.advance(1min);
    }
    return seen;
  };
  EXPECT_EQ(delays(3), delays(3));
  EXPECT_NE(delays(3), delays(4));
}

// Events.

TEST(SupervisionEvent, TellsChildReasonWithCodeRestartsInThePeriodAndTheNextAction) {
  stage s;
  auto o = s.options("prices");
  o.intensity = 3;
  o.backoff = exact(1500ms, 1h);
  auto tree = s.begin(o, s.child("feed"));
  const error why = make_error(errc::timed_out, "no answer");
  s.fail_child("feed", why);
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(to_string(s.events[0]), "supervisor prices: child feed failed: no answer [timed_out " + short_code(why) +
                                        "]; restart 1 of 3 in 5 s: starts again after 1.5 s");
}

TEST(SupervisionEvent, TellsThatTheSupervisorGivesUp) {
  stage s;
  auto o = s.options("prices");
  o.intensity = 0;
  auto tree = s.begin(o, s.child("feed"));
  s.end("feed");
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(to_string(s.events[0]),
            "supervisor prices: child feed ended; more than 0 restarts in 5 s: the supervisor gives up");
}

TEST(SupervisionEvent, TellsOfNormalEndsToTheHook) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::transient}), s.child({"b", restart_type::temporary}));
  s.end("a");
  s.end("b");
  ASSERT_EQ(s.events.size(), 2u);
  EXPECT_EQ(to_string(s.events[0]), "supervisor top: child a ended; stays stopped");
  EXPECT_EQ(to_string(s.events[1]), "supervisor top: child b ended; removed");
}

TEST(SupervisionEvent, GoesToStderrWithoutAHook) {
  stage s;
  supervisor_options o;
  auto tree = s.begin(o, s.child("a"), s.child({"b", restart_type::transient}));
  ::testing::internal::CaptureStderr();
  s.fail_child("a", make_error(errc::internal, "it broke"));
  s.end("b");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "tandem: supervisor supervisor: child a failed: it broke [internal " + short_code("it broke") +
                "]; restart 1 of 1 in 5 s: starts again\n");
}

TEST(SupervisionEvent, ThatAHookThrowsAtDoesNotStopTheSupervisor) {
  stage s;
  supervisor_options o;
  o.on_event = [](const supervision_event&) { throw std::runtime_error("no log"); };
  auto tree = s.begin(o, s.child("a"));
  ::testing::internal::CaptureStderr();
  s.fail_child("a");
  (void)::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(s.parts["a"].running);
}

}  // namespace
}  // namespace tandem::actors
