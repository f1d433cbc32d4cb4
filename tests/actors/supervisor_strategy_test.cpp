// What OTP's manual says of principles, strategies, intensity and restart types, a test for each sentence that
// promises.
#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

// Children are started in the order of the list.
TEST(SupervisorPrinciples, StartsChildrenFromLeftToRight) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), s.child("c"));
  EXPECT_EQ(s.happened(), "+a +b +c");
  EXPECT_TRUE(s.run(tree.started()).has_value());
}

// A child is started when the one before is up.
TEST(SupervisorPrinciples, StartsAChildWhenTheOneBeforeIsUp) {
  stage s;
  s.parts["a"].needs_to_start = 2s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.sim.advance(2s - 1ns);
  EXPECT_EQ(s.happened(), "");
  EXPECT_EQ(s.state(tree, "a"), child_state::starting);
  s.sim.advance(1ns);
  EXPECT_EQ(s.happened(), "+a +b");
}

// When the supervisor ends, it first ends its children, in reverse order.
TEST(SupervisorPrinciples, StopsChildrenFromRightToLeft) {
  stage s;
  s.parts["b"].needs_to_stop = 1s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  EXPECT_TRUE(s.run(tree.stop(10s)).has_value());
  EXPECT_EQ(s.happened(), "-c -b -a");
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

// The idea is to keep children alive by restarting them.
TEST(SupervisorPrinciples, KeepsChildrenAliveByRestartingThem) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "+a !a +a");
  EXPECT_TRUE(s.parts["a"].running);
}

// Strategies.

TEST(SupervisorStrategy, IsOneForOneUnlessToldOtherwise) {
  EXPECT_EQ(supervisor_options().strategy, supervision_strategy::one_for_one);
}

TEST(SupervisorStrategy, OneForOneRestartsOnlyTheChildThatEnded) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b +b");
}

TEST(SupervisorStrategy, OneForAllStopsAllOthersAndThenStartsAll) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -c -a +a +b +c");
}

TEST(SupervisorStrategy, RestForOneStopsThoseAfterItAndThenStartsItAndThem) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::rest_for_one;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"), s.child("d"));
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -d -c +b +c +d");
}

// The rest is what comes after it in the order of starting, so what was added later belongs to it.
TEST(SupervisorStrategy, RestForOneCountsAddedChildrenAsLast) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::rest_for_one;
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  ASSERT_TRUE(s.run(tree.start_child(s.child("late"))).has_value());
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -late +b +late");
}

TEST(SupervisorStrategy, OneForAllStartsWhatWasStoppedByHandToo) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  ASSERT_TRUE(s.run(tree.terminate_child("b")).has_value());
  (void)s.happened();
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a +a +b");
}

// Restart types.

TEST(SupervisorRestartType, IsPermanentUnlessToldOtherwise) {
  EXPECT_EQ(child_options("a").restart, restart_type::permanent);
}

TEST(SupervisorRestartType, PermanentIsRestartedAfterANormalEnd) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.end("a");
  EXPECT_EQ(s.happened(), "+a !a +a");
}

TEST(SupervisorRestartType, PermanentIsRestartedAfterShutdownReason) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.fail_child("a", make_error(shutdown_reason, "done"));
  EXPECT_EQ(s.happened(), "+a !a +a");
}

TEST(SupervisorRestartType, TemporaryIsNeverRestarted) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::temporary}));
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "+a !a");
  EXPECT_TRUE(s.ids(tree).empty());
}

// … even when the strategy is rest_for_one or one_for_all and a sibling's end ends it.
TEST(SupervisorRestartType, TemporaryIsNotRestartedBecauseOfASibling) {
  for (const auto how : {supervision_strategy::one_for_all, supervision_strategy::rest_for_one}) {
    stage s;
    auto o = s.options();
    o.strategy = how;
    auto tree = s.begin(o, s.child("a"), s.child({"t", restart_type::temporary}), s.child("c"));
    (void)s.happened();
    s.fail_child("a");
    EXPECT_EQ(s.happened(), "!a -c -t +a +c");
    EXPECT_EQ(s.ids(tree), (std::vector<std::string>{"a", "c"}));
  }
}

TEST(SupervisorRestartType, TransientIsRestartedAfterAnAbnormalEnd) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::transient}));
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "+a !a +a");
}

// Normal ends are: normal, shutdown, {shutdown, Term}.
TEST(SupervisorRestartType, TransientIsNotRestartedAfterANormalEnd) {
  for (const error& reason : {error(), make_error(shutdown_reason, "done"),
                              with_message(make_error(shutdown_reason, "done"), "more of it")}) {
    stage s;
    auto tree = s.begin(s.options(), s.child({"a", restart_type::transient}));
    s.fail_child("a", reason);
    EXPECT_EQ(s.happened(), "+a !a");
    EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
  }
}

TEST(SupervisorRestartType, TransientIsRestartedIfTheShutdownIsOnlyTheCauseOfItsError) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::transient}));
  s.fail_child("a", wrap(make_error(shutdown_reason, "elsewhere"), errc::internal, "so it broke"));
  EXPECT_EQ(s.happened(), "+a !a +a");
}

TEST(SupervisorRestartType, AnExceptionIsAnAbnormalEnd) {
  int lives = 0;
  stage s;
  auto o = s.options();
  auto tree = s.begin(o, task_child({"a", restart_type::transient}, [&lives]() -> task<> {
                        if (++lives == 1) throw std::out_of_range("no such thing");
                        co_return;
                      }));
  EXPECT_EQ(lives, 2);
  ASSERT_EQ(s.events.size(), 2u);
  EXPECT_EQ(s.events[0].reason.code(), errc::out_of_range);
  EXPECT_EQ(s.events[0].next, supervision_action::restart);
  EXPECT_EQ(s.events[1].next, supervision_action::keep);
}

// Intensity and period.

TEST(SupervisorIntensity, IsOneInFiveSecondsUnlessToldOtherwise) {
  EXPECT_EQ(supervisor_options().intensity, 1u);
  EXPECT_EQ(supervisor_options().period, 5s);
}

// If there are more restarts than that, the supervisor ends all its children and then itself.
TEST(SupervisorIntensity, MoreRestartsWithinThePeriodEndAllChildrenAndThenTheSupervisor) {
  stage s;
  auto o = s.options();
  o.intensity = 2;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.fail_child("b");
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b +b !b +b");
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -c -a");
  EXPECT_FALSE(s.run(tree.wait()).has_value());
}

TEST(SupervisorIntensity, RestartsOfAllChildrenCountTogether) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  (void)s.happened();
  s.fail_child("a");
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!a +a !b -a");
}

TEST(SupervisorIntensity, ARestartOfAllCountsOnce) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  s.fail_child("a");
  EXPECT_TRUE(s.parts["c"].running);
}

TEST(SupervisorIntensity, ARestartStillCountsWhenThePeriodHasJustPassed) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.fail_child("a");
  s.sim.advance(5s);
  s.fail_child("a");
  EXPECT_FALSE(s.parts["a"].running);
}

TEST(SupervisorIntensity, ARestartIsForgottenAfterThePeriod) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  for (int i = 0; i < 10; ++i) {
    s.fail_child("a");
    s.sim.advance(5s + 1ns);
  }
  EXPECT_TRUE(s.parts["a"].running);
}

TEST(SupervisorIntensity, ZeroMeansThatTheFirstRestartIsTooMany) {
  stage s;
  auto o = s.options();
  o.intensity = 0;
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "+a +b !b -a");
}

// The reason is then `shutdown`.
TEST(SupervisorIntensity, TheSupervisorThenEndsWithShutdownAndTheLastFailure) {
  stage s;
  auto o = s.options();
  o.intensity = 0;
  auto tree = s.begin(o, s.child("a"));
  s.fail_child("a", make_error(errc::data_loss, "disk gone"));
  const auto ended = s.run(tree.wait());
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().kind_key(), shutdown_reason.key());
  EXPECT_TRUE(is(ended.error(), errc::data_loss));
  EXPECT_EQ(ended.error().message(),
            "supervisor top gave up: more than 0 restarts in 5 s, the last of child a: disk gone");
}

// A failing child that ended normally is named all the same.
TEST(SupervisorIntensity, TheReasonNamesAChildThatEndedWithoutAnError) {
  stage s;
  auto o = s.options();
  o.intensity = 0;
  auto tree = s.begin(o, s.child("a"));
  s.end("a");
  EXPECT_EQ(s.run(tree.wait()).error().message(),
            "supervisor top gave up: more than 0 restarts in 5 s, the last of child a: it ended");
}

// When a supervisor ends, the next higher one restarts it, or ends itself.
TEST(SupervisorIntensity, TheNextHigherSupervisorRestartsOneThatGaveUp) {
  stage s;
  auto inner = s.options("inner");
  inner.intensity = 0;
  auto nested = supervisor_child("inner", inner, s.child("a"), s.child("b"));
  const supervisor below = nested.handle();
  auto tree = s.begin(s.options(), std::move(nested));
  (void)s.happened();
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -a +a +b");
  EXPECT_EQ(s.state(below, "a"), child_state::running);  // by the same handle
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -a");
  const auto ended = s.run(tree.wait());
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().message(),
            "supervisor top gave up: more than 1 restarts in 5 s, the last of child inner: supervisor inner gave up: "
            "more than 0 restarts in 5 s, the last of child b: it broke");
}

// … but gave up means shutdown, so that it does not restart a transient one.
TEST(SupervisorIntensity, ATransientSupervisorThatGaveUpIsNotRestarted) {
  stage s;
  auto inner = s.options("inner");
  inner.intensity = 0;
  auto tree = s.begin(s.options(), supervisor_child({"inner", restart_type::transient}, inner, s.child("a")));
  (void)s.happened();
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a");
  EXPECT_EQ(s.state(tree, "inner"), child_state::stopped);
}

// The number of restarts multiplies from level to level.
TEST(SupervisorIntensity, RestartsMultiplyOverLevels) {
  stage s;
  auto inner = s.options("inner");
  inner.intensity = 2;
  auto outer = s.options();
  outer.intensity = 3;
  auto tree = s.begin(outer, supervisor_child("inner", inner, s.child("a")));
  while (s.parts["a"].running) s.fail_child("a");
  EXPECT_EQ(s.parts["a"].lives, 3 * 4);
}

// A restart that fails.

TEST(SupervisorRestart, ThatFailsIsTriedAgainAndCounts) {
  stage s;
  auto o = s.options();
  o.intensity = 3;
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  (void)s.happened();
  s.parts["a"].start_failures = 2;
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a xa xa +a");
  EXPECT_EQ(s.events.back().restarts, 3u);
}

TEST(SupervisorRestart, ThatFailsTooOftenEndsTheSupervisor) {
  stage s;
  auto o = s.options();
  o.intensity = 3;
  auto tree = s.begin(o, s.child("a"), s.child("b"));
  (void)s.happened();
  s.parts["a"].start_failures = 100;
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a xa xa xa -b");
  EXPECT_TRUE(is(s.run(tree.wait()).error(), errc::resource_exhausted));
}

TEST(SupervisorRestart, OneForAllThatFailsAtOneStartsAgainFromTheFirst) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  o.intensity = 5;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"));
  (void)s.happened();
  s.parts["b"].start_failures = 1;
  s.fail_child("c");
  EXPECT_EQ(s.happened(), "!c -b -a +a xb -a +a +b +c");
}

TEST(SupervisorRestart, RestForOneThatFailsAtOneGoesOnFromThere) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::rest_for_one;
  o.intensity = 5;
  auto tree = s.begin(o, s.child("a"), s.child("b"), s.child("c"), s.child("d"));
  (void)s.happened();
  s.parts["c"].start_failures = 1;
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "!b -d -c +b xc +c +d");
}

TEST(SupervisorRestart, OfAChildWithNothingToRunLeavesItStopped) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.parts["a"].nothing_to_run = true;
  s.fail_child("a");
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
}

}  // namespace
}  // namespace tandem::actors
