// How children and supervisors end: the shutdown of a child spec, automatic shutdown, stop(), the system's end, and a
// child that stops its own supervisor.
#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

// The shutdown of a spec.

TEST(SupervisorShutdown, TellsAChildToEndAndWaitsForIt) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, 2s}));
  s.parts["a"].needs_to_stop = 2s - 1ns;
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.stop(1h)).has_value());
  EXPECT_EQ(s.sim.now() - before, 2s - 1ns);
  EXPECT_EQ(s.happened(), "+a -a");
  EXPECT_EQ(s.parts["a"].why_stopped.code(), errc::cancelled);
  EXPECT_TRUE(s.events.empty());
}

// If it does not end in time, it is killed: a task is left behind, and that is reported.
TEST(SupervisorShutdown, LeavesAChildBehindThatDoesNotEndInTime) {
  stage s;
  auto tree = s.begin(s.options(), s.child("first"), s.child({"a", restart_type::permanent, 2s}));
  s.parts["a"].needs_to_stop = 3s;
  const auto before = s.sim.now();
  const auto stopped = s.run(tree.stop(1h));
  EXPECT_EQ(s.sim.now() - before, 2s);
  EXPECT_EQ(stopped.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(stopped.error().message(), "children that have not ended: a");
  EXPECT_EQ(s.happened(), "+first +a -first");
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].what, child_incident::left_behind);
  EXPECT_EQ(to_string(s.events[0]), "supervisor top: child a was told to end, and did not in time: it is left behind");
  s.sim.advance(1s);
  EXPECT_EQ(s.happened(), "-a");
}

// The default is 5 seconds.
TEST(SupervisorShutdown, WaitsFiveSecondsForAWorkerUnlessToldOtherwise) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.parts["a"].needs_to_stop = 1h;
  const auto before = s.sim.now();
  (void)s.run(tree.terminate_child("a"));
  EXPECT_EQ(s.sim.now() - before, 5s);
}

TEST(SupervisorShutdown, OfZeroDoesNotWait) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, 0s}));
  s.parts["a"].needs_to_stop = 1h;
  const auto before = s.sim.now();
  (void)s.run(tree.terminate_child("a"));
  EXPECT_EQ(s.sim.now(), before);
}

// brutal_kill: unconditionally.
TEST(SupervisorShutdown, BrutalTellsAChildToEndAndDoesNotWait) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, child_shutdown::brutal()}));
  s.parts["a"].needs_to_stop = 1h;
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.stop(1s)).has_value());
  EXPECT_EQ(s.sim.now(), before);
  EXPECT_TRUE(s.events.empty());
  s.sim.advance(1h);
  EXPECT_EQ(s.happened(), "+a -a");
}

// infinity: as long as it takes.
TEST(SupervisorShutdown, InfinityWaitsAsLongAsItTakes) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, child_shutdown::infinity()}));
  s.parts["a"].needs_to_stop = 24h * 100;
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_EQ(s.sim.now() - before, 24h * 100);
}

// The default for supervisors is infinity: the subtree has ample time.
TEST(SupervisorShutdown, GivesASubtreeAllTheTimeItNeeds) {
  stage s;
  auto tree =
      s.begin(s.options(), supervisor_child("inner", s.options("inner"), s.child({"a", restart_type::permanent, 40s}),
                                            s.child({"b", restart_type::permanent, 40s})));
  s.parts["a"].needs_to_stop = 30s;
  s.parts["b"].needs_to_stop = 30s;
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.stop(1h)).has_value());
  EXPECT_EQ(s.sim.now() - before, 60s);
  EXPECT_EQ(s.happened(), "+a +b -b -a");
}

// A time for a supervisor: it is then killed, and with it its children.
TEST(SupervisorShutdown, OfASupervisorThatIsTooShortLeavesItsChildrenBehind) {
  stage s;
  auto tree = s.begin(s.options(), supervisor_child({"inner", restart_type::permanent, 10s}, s.options("inner"),
                                                    s.child({"a", restart_type::permanent, 40s}), s.child("b")));
  s.parts["b"].needs_to_stop = 30s;
  s.parts["a"].needs_to_stop = 30s;
  s.parts["b"].needs_to_stop = 4s;
  const auto before = s.sim.now();
  const auto stopped = s.run(tree.stop(1h));
  EXPECT_EQ(s.sim.now() - before, 10s);
  EXPECT_EQ(stopped.error().message(), "children that have not ended: a of inner");
}

TEST(SupervisorShutdown, BrutalEndsASubtreeAtOnce) {
  stage s;
  auto tree = s.begin(s.options(), supervisor_child({"inner", restart_type::permanent, child_shutdown::brutal()},
                                                    s.options("inner"), s.child("a"), s.child("b")));
  s.parts["a"].needs_to_stop = 1h;
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(tree.terminate_child("inner")).has_value());
  EXPECT_EQ(s.sim.now(), before);
  EXPECT_TRUE(s.run(tree.restart_child("inner")).has_value());
  EXPECT_EQ(s.parts["a"].lives, 2);
}

// An error other than that of its end is reported.
TEST(SupervisorShutdown, ReportsAChildThatEndsBadly) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  s.parts["a"].stops_with = make_error(errc::data_loss, "half written");
  EXPECT_TRUE(s.run(tree.stop(1h)).has_value());
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].what, child_incident::stopped_badly);
  EXPECT_EQ(s.events[0].reason.code(), errc::data_loss);
}

TEST(SupervisorShutdown, TakesAChildThatEndedMeanwhileForEnded) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.parts["b"].needs_to_stop = 1s;
  auto stopping = s.sim.spawn(tree.stop(1h));
  s.sim.run_until_idle();
  s.fail_child("a");
  EXPECT_TRUE(s.sim.wait(stopping).has_value());
  EXPECT_EQ(s.happened(), "+a +b !a -b");
  EXPECT_EQ(s.parts["a"].lives, 1);
}

// A child that was left behind ends later: that is no news of its next life.
TEST(SupervisorShutdown, IgnoresTheEndOfALifeThatWasGivenUp) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, 1s}));
  s.parts["a"].needs_to_stop = 3s;
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(s.run(tree.restart_child("a")).has_value());
  s.sim.advance(10s);
  EXPECT_EQ(s.state(tree, "a"), child_state::running);
  EXPECT_EQ(s.parts["a"].lives, 2);
}

// stop().

TEST(SupervisorStop, EndsWithinItsLimitWhateverTheChildrenSay) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child({"b", restart_type::permanent, child_shutdown::infinity()}),
                      s.child({"c", restart_type::permanent, 1h}));
  s.parts["b"].needs_to_stop = 1h;
  s.parts["c"].needs_to_stop = 2s;
  const auto before = s.sim.now();
  const auto stopped = s.run(tree.stop(3s));
  EXPECT_EQ(s.sim.now() - before, 3s);
  EXPECT_EQ(stopped.error().message(), "children that have not ended: b, a");  // a was told, and not waited for
}

TEST(SupervisorStop, GoesOnWhenItsCallerGivesUp) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.parts["b"].needs_to_stop = 3s;
  auto given_up = s.sim.spawn(with_timeout(1s, tree.stop(1h)));
  s.sim.advance(1s);
  EXPECT_EQ(s.sim.get(given_up).error().code(), errc::deadline_exceeded);
  s.sim.advance(2s);
  EXPECT_EQ(s.happened(), "+a +b -b -a");
}

TEST(SupervisorStop, InterruptsAStartThatNeverEnds) {
  stage s;
  s.parts["b"].never_ready = true;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), s.child("c"));
  ASSERT_EQ(s.state(tree, "b"), child_state::starting);
  EXPECT_TRUE(s.run(tree.stop(1h)).has_value());
  EXPECT_EQ(s.happened(), "+a +b -b -a");
  EXPECT_EQ(s.run(tree.started()).error().code(), errc::cancelled);
}

TEST(SupervisorStop, NamesWhatWasLeftBehindBeforeAndHasNotEnded) {
  for (const duration since : {1s, 2s}) {
    stage s;
    s.parts["a"].needs_to_stop = 3s;
    auto tree = s.begin(s.options(), s.child({"a", restart_type::permanent, 1s}), s.child("b"));
    ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());  // needs 2 s more
    ASSERT_EQ(s.events.size(), 1u);
    EXPECT_EQ(s.events[0].what, child_incident::left_behind);
    s.sim.advance(since);
    const auto stopped = s.run(tree.stop(1h));
    EXPECT_EQ(stopped.has_value(), since == 2s);
    EXPECT_EQ(stopped ? "" : stopped.error().message(), stopped ? "" : "children that have not ended: a");
  }
}

TEST(SupervisorStop, NamesWhatWasLeftBehindBelowOnlyIfItHasNotEnded) {
  for (const duration since : {1s, 2s}) {
    stage s;
    s.parts["a"].needs_to_stop = 3s;
    auto tree = s.begin(s.options(), supervisor_child({"in", restart_type::permanent, 1s}, s.options(), s.child("a")));
    ASSERT_TRUE(s.run(tree.terminate_child("in")).has_value());
    s.sim.advance(since);
    const auto stopped = s.run(tree.stop(1h));
    EXPECT_EQ(stopped ? "" : stopped.error().message(), since == 2s ? "" : "children that have not ended: a of in");
  }
}

TEST(SupervisorStop, OfAChildSupervisorIsANormalEndToItsParent) {
  stage s;
  auto nested = supervisor_child({"inner", restart_type::transient}, s.options("inner"), s.child("a"));
  const supervisor below = nested.handle();
  auto tree = s.begin(s.options(), std::move(nested));
  EXPECT_TRUE(s.run(below.stop(1s)).has_value());
  EXPECT_EQ(s.state(tree, "inner"), child_state::stopped);
  EXPECT_TRUE(s.run(below.wait()).has_value());
  EXPECT_TRUE(s.run(tree.restart_child("inner")).has_value());
  EXPECT_EQ(s.happened(), "+a -a +a");
  EXPECT_TRUE(s.run(below.started()).has_value());
}

TEST(SupervisorStop, LeavesNoTasksBehind) {
  stage s;
  {
    auto tree = s.begin(s.options(), s.child("a"), supervisor_child("inner", s.options("inner"), s.child("b")));
    EXPECT_TRUE(s.run(tree.stop(1s)).has_value());
  }
  EXPECT_EQ(s.sim.live_tasks(), 0u);
  EXPECT_EQ(s.sys.live_actors(), 0u);
}

// The system's end.

TEST(SupervisorSystem, StopsTheTreeInOrderWhenItShutsDown) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"),
                      supervisor_child("inner", s.options("inner"), s.child("b"), s.child("c")), s.child("d"));
  s.parts["c"].needs_to_stop = 1s;
  (void)s.happened();
  const auto ended = s.sys.shutdown(duration::max());
  EXPECT_TRUE(ended.has_value()) << ended.error();
  EXPECT_EQ(s.happened(), "-d -c -b -a");
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

TEST(SupervisorSystem, DoesNotStopTheTreeWhenTheHandleGoes) {
  stage s;
  { auto tree = s.begin(s.options(), s.child("a")); }
  s.sim.advance(1h);
  EXPECT_TRUE(s.parts["a"].running);
}

TEST(SupervisorSystem, StartsNothingOnceItWasShutDown) {
  stage s;
  ASSERT_TRUE(s.sys.shutdown(1s).has_value());
  auto tree = s.begin(s.options(), s.child("a"));
  EXPECT_EQ(s.run(tree.started()).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.wait()).error().code(), errc::unavailable);
  EXPECT_EQ(s.happened(), "");
}

// A start that fails.

// Those already started are ended first; the reason is that of the child.
TEST(SupervisorStart, FailsWithTheReasonOfTheChildAndStopsThoseBeforeInReverse) {
  stage s;
  s.parts["c"].start_failures = 1;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), s.child("c"), s.child("d"));
  EXPECT_EQ(s.happened(), "+a +b xc -b -a");
  const auto started = s.run(tree.started());
  EXPECT_EQ(started.error().code(), errc::resource_exhausted);
  EXPECT_EQ(started.error().message(), "supervisor top: child c failed to start: c cannot start");
  EXPECT_FALSE(s.run(tree.wait()).has_value());
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].what, child_incident::start_failed);
  EXPECT_EQ(s.events[0].next, supervision_action::give_up);
}

TEST(SupervisorStart, IsToldToHaveFailedOnceThoseBeforeHaveEnded) {
  stage s;
  s.parts["a"].needs_to_stop = 1s;
  s.parts["b"].start_failures = 1;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  auto told = s.sim.spawn(tree.started());
  s.sim.advance(1s - 1ns);
  ASSERT_TRUE(s.parts["a"].running);
  EXPECT_FALSE(told.done());
  s.sim.advance(1ns);
  ASSERT_TRUE(told.done());
  EXPECT_EQ(s.sim.get(told).error().code(), errc::resource_exhausted);
}

TEST(SupervisorStart, OfASubtreeThatFailsFailsTheWholeTree) {
  stage s;
  s.parts["b"].start_failures = 1;
  auto tree = s.begin(s.options(), s.child("a"), supervisor_child("inner", s.options("inner"), s.child("b")));
  EXPECT_EQ(s.happened(), "+a xb -a");
  EXPECT_EQ(s.run(tree.started()).error().message(),
            "supervisor top: child inner failed to start: supervisor inner: child b failed to start: b cannot start");
}

// A start that gives `ignore` is a start: the others follow.
TEST(SupervisorStart, GoesOnPastAChildWithNothingToRun) {
  stage s;
  s.parts["a"].nothing_to_run = true;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  EXPECT_TRUE(s.run(tree.started()).has_value());
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
  EXPECT_EQ(s.state(tree, "b"), child_state::running);
}

// … whose spec is kept, unless it is temporary.
TEST(SupervisorStart, DropsATemporaryChildWithNothingToRun) {
  stage s;
  s.parts["a"].nothing_to_run = true;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::temporary}), s.child("b"));
  EXPECT_EQ(s.ids(tree), std::vector<std::string>{"b"});
}

TEST(SupervisorStart, FailsForOptionsThatContradictThemselves) {
  stage s;
  auto o = s.options();
  o.period = 0s;
  EXPECT_EQ(s.run(s.begin(o, s.child("a")).started()).error().code(), errc::invalid_argument);
  o = s.options();
  o.backoff.factor = 0.5;
  EXPECT_EQ(s.run(s.begin(o, s.child("a")).started()).error().code(), errc::invalid_argument);
  EXPECT_EQ(s.run(s.begin(s.options(), s.child("a"), s.child("a")).started()).error().code(), errc::invalid_argument);
  EXPECT_EQ(s.happened(), "");
}

// Automatic shutdown.

supervisor_options significant(stage& s, auto_shutdown how) {
  auto o = s.options();
  o.shut_down_on = how;
  return o;
}
child_options significant(const char* id, restart_type type) { return child_options(id, type, {}, true); }

// never is the default; specs with significant children are refused.
TEST(SupervisorAutoShutdown, NeverIsTheDefaultAndRefusesSignificantChildren) {
  stage s;
  EXPECT_EQ(supervisor_options().shut_down_on, auto_shutdown::never);
  auto tree = s.begin(s.options(), s.child("a"), s.child(significant("b", restart_type::transient)));
  EXPECT_EQ(s.run(tree.started()).error().code(), errc::invalid_argument);
  EXPECT_EQ(s.happened(), "");
}

// … also added ones.
TEST(SupervisorAutoShutdown, NeverRefusesToAddASignificantChild) {
  stage s;
  auto tree = s.begin(s.options());
  EXPECT_EQ(s.run(tree.start_child(s.child(significant("b", restart_type::transient)))).error().code(),
            errc::invalid_argument);
}

// Significant and permanent is not valid.
TEST(SupervisorAutoShutdown, RefusesAPermanentChildThatIsSignificant) {
  stage s;
  auto tree =
      s.begin(significant(s, auto_shutdown::any_significant), s.child(significant("a", restart_type::permanent)));
  EXPECT_EQ(s.run(tree.started()).error().code(), errc::invalid_argument);
}

// any_significant: when a transient significant child ends normally. The others are ended in reverse order.
TEST(SupervisorAutoShutdown, AnyShutsDownWhenATransientSignificantChildEndsNormally) {
  stage s;
  auto tree = s.begin(significant(s, auto_shutdown::any_significant), s.child("a"),
                      s.child(significant("b", restart_type::transient)), s.child("c"));
  (void)s.happened();
  s.end("b");
  EXPECT_EQ(s.happened(), "!b -c -a");
  EXPECT_TRUE(s.run(tree.wait()).has_value());
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].next, supervision_action::shut_down);
}

TEST(SupervisorAutoShutdown, AnyGoesOnWhenATransientSignificantChildFails) {
  stage s;
  auto tree = s.begin(significant(s, auto_shutdown::any_significant), s.child("a"),
                      s.child(significant("b", restart_type::transient)));
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "+a +b !b +b");
}

// … or when a temporary significant child ends, normally or not.
TEST(SupervisorAutoShutdown, AnyShutsDownWhenATemporarySignificantChildEnds) {
  for (const error& reason : {error(), make_error(errc::internal, "broken")}) {
    stage s;
    auto tree = s.begin(significant(s, auto_shutdown::any_significant), s.child("a"),
                        s.child(significant("b", restart_type::temporary)));
    s.fail_child("b", reason);
    EXPECT_EQ(s.happened(), "+a +b !b -a");
    EXPECT_TRUE(s.run(tree.wait()).has_value());
  }
}

TEST(SupervisorAutoShutdown, IgnoresTheEndOfOthers) {
  stage s;
  auto tree = s.begin(significant(s, auto_shutdown::any_significant), s.child({"a", restart_type::transient}),
                      s.child(significant("b", restart_type::temporary)));
  s.end("a");
  EXPECT_TRUE(s.parts["b"].running);
}

// all_significant: when the last active significant child ends.
TEST(SupervisorAutoShutdown, AllShutsDownWhenTheLastSignificantChildEnds) {
  stage s;
  auto tree =
      s.begin(significant(s, auto_shutdown::all_significant), s.child("a"),
              s.child(significant("b", restart_type::transient)), s.child(significant("c", restart_type::temporary)));
  (void)s.happened();
  s.end("b");
  EXPECT_EQ(s.happened(), "!b");
  s.fail_child("c");
  EXPECT_EQ(s.happened(), "!c -a");
}

// What is about to be restarted is still active.
TEST(SupervisorAutoShutdown, AllWaitsForOneThatIsAboutToBeRestarted) {
  stage s;
  auto o = significant(s, auto_shutdown::all_significant);
  o.backoff.initial = 1s;
  auto tree = s.begin(o, s.child(significant("b", restart_type::transient)),
                      s.child(significant("c", restart_type::temporary)));
  s.fail_child("b");
  s.end("c");
  s.sim.advance(1s);
  EXPECT_TRUE(s.parts["b"].running);
  s.end("b");
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

// It applies only to children that end by themselves: not to those ended because of a sibling,
TEST(SupervisorAutoShutdown, DoesNotFollowFromASiblingsEnd) {
  for (const auto how : {supervision_strategy::one_for_all, supervision_strategy::rest_for_one}) {
    stage s;
    auto o = significant(s, auto_shutdown::any_significant);
    o.strategy = how;
    auto tree = s.begin(o, s.child("a"), s.child(significant("t", restart_type::temporary)));
    s.fail_child("a");
    EXPECT_EQ(s.happened(), "+a +t !a -t +a");
    EXPECT_EQ(s.state(tree, "a"), child_state::running);
  }
}

// nor by terminate_child.
TEST(SupervisorAutoShutdown, DoesNotFollowFromTerminateChild) {
  stage s;
  auto tree = s.begin(significant(s, auto_shutdown::any_significant), s.child("a"),
                      s.child(significant("t", restart_type::temporary)));
  ASSERT_TRUE(s.run(tree.terminate_child("t")).has_value());
  EXPECT_EQ(s.state(tree, "a"), child_state::running);
}

// The parent is not involved; it sees a supervisor that has ended, and restarts it only if it is permanent.
TEST(SupervisorAutoShutdown, IsANormalEndToTheParent) {
  stage s;
  auto inner = significant(s, auto_shutdown::any_significant);
  auto tree = s.begin(s.options(), supervisor_child({"inner", restart_type::transient}, inner,
                                                    s.child(significant("b", restart_type::transient))));
  s.end("b");
  EXPECT_EQ(s.state(tree, "inner"), child_state::stopped);
  EXPECT_EQ(s.parts["b"].lives, 1);
}

TEST(SupervisorAutoShutdown, OfAPermanentSupervisorIsFollowedByItsRestart) {
  stage s;
  auto inner = significant(s, auto_shutdown::any_significant);
  auto tree =
      s.begin(s.options(), supervisor_child("inner", inner, s.child(significant("b", restart_type::transient))));
  s.end("b");
  EXPECT_EQ(s.state(tree, "inner"), child_state::running);
  EXPECT_EQ(s.parts["b"].lives, 2);
}

// From within.

TEST(SupervisorFromWithin, AChildThatEndsItselfIsToldSoAndEnded) {
  supervisor tree;
  result<void> told = fail(errc::unknown);
  result<void> after;
  stage s;
  s.begin_as(tree, s.options(), s.child("other"), task_child("self", [&]() -> task<> {
               told = co_await tree.terminate_child("self");
               after = co_await sleep_for(1h);
             }));
  EXPECT_TRUE(told.has_value());
  EXPECT_EQ(after.error().code(), errc::cancelled);
  EXPECT_EQ(s.state(tree, "self"), child_state::stopped);
  EXPECT_EQ(s.state(tree, "other"), child_state::running);
}

TEST(SupervisorFromWithin, AChildThatStopsItsSupervisorDoesNotWaitForItself) {
  supervisor tree;
  result<void> told = fail(errc::unknown);
  stage s;
  s.begin_as(tree, s.options(), s.child("other"), task_child("self", [&]() -> task<> {
               told = co_await tree.stop(1h);
               (void)co_await sleep_for(1h);
             }));
  EXPECT_TRUE(told.has_value());
  EXPECT_TRUE(s.run(tree.wait()).has_value());
  EXPECT_EQ(s.happened(), "+other -other");
}

TEST(SupervisorFromWithin, HoldsWhileTheChildShieldsItselfFromItsContext) {
  supervisor tree;
  result<void> told = fail(errc::unknown);
  stage s;
  s.begin_as(tree, s.options(),
             task_child({"self", restart_type::permanent, child_shutdown::infinity()},
                        [&]() -> task<> { told = co_await without_cancel(tree.stop(1h)); }));
  EXPECT_TRUE(told.has_value());
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

TEST(SupervisorFromWithin, AGrandchildThatStopsTheWholeTreeDoesNotWaitForIt) {
  supervisor tree;
  result<void> told = fail(errc::unknown);
  stage s;
  s.begin_as(tree, s.options(), s.child("other"),
             supervisor_child("inner", s.options("inner"),
                              task_child("self", [&]() -> task<> { told = co_await without_cancel(tree.stop(1h)); })));
  EXPECT_TRUE(told.has_value());
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

TEST(SupervisorFromWithin, AGrandchildThatEndsItsBranchDoesNotWaitForIt) {
  supervisor tree;
  result<void> told = fail(errc::unknown);
  stage s;
  s.begin_as(tree, s.options(), s.child("other"),
             supervisor_child("inner", s.options("inner"), task_child("self", [&]() -> task<> {
                                told = co_await without_cancel(tree.terminate_child("inner"));
                              })));
  EXPECT_TRUE(told.has_value());
  EXPECT_EQ(s.state(tree, "inner"), child_state::stopped);
  EXPECT_EQ(s.state(tree, "other"), child_state::running);
}

TEST(SupervisorFromWithin, ACommandThatWouldWaitForTheCallerFails) {
  supervisor tree;
  result<child_state> starting = child_state::running;
  result<void> stopping;
  stage s;
  auto self = task_child("self", [&](child_start& start) -> task<> {
    starting = co_await tree.restart_child("other");
    start.ready();
    (void)co_await sleep_for(1h);
    stopping = co_await without_cancel(tree.terminate_child("other"));
  });
  s.begin_as(tree, s.options(), s.child("other"), std::move(self));
  EXPECT_EQ(starting.error().code(), errc::failed_precondition);
  EXPECT_TRUE(s.run(tree.terminate_child("self")).has_value());
  EXPECT_EQ(stopping.error().code(), errc::failed_precondition);
  EXPECT_TRUE(s.parts["other"].running);
}

TEST(SupervisorFromWithin, ACommandThatQueuesFailsWhenItsCallerIsToldToEnd) {
  supervisor tree;
  result<void> queued;
  stage s;
  s.parts["slow"].needs_to_stop = 2s;
  auto self = task_child({"self", restart_type::permanent, child_shutdown::infinity()}, [&]() -> task<> {
    (void)co_await sleep_for(1s);
    queued = co_await without_cancel(tree.delete_child("nobody"));
  });
  s.begin_as(tree, s.options(), s.child("slow"), std::move(self));
  auto first = s.sim.spawn(tree.terminate_child("slow"));
  s.sim.run_until_idle();
  auto second = s.sim.spawn(tree.terminate_child("self"));
  s.sim.advance(2s - 1ns);
  ASSERT_TRUE(queued.has_value());  // it waits behind both
  s.sim.advance(1ns);
  EXPECT_EQ(queued.error().code(), errc::failed_precondition);
  EXPECT_TRUE(s.sim.get(first).has_value());
  EXPECT_TRUE(s.sim.get(second).has_value());
}

TEST(SupervisorFromWithin, AChildMayCommandItsSiblings) {
  supervisor tree;
  result<void> ended = fail(errc::unknown);
  stage s;
  s.begin_as(tree, s.options(), s.child("other"), task_child({"self", restart_type::temporary}, [&]() -> task<> {
               ended = co_await tree.terminate_child("other");
             }));
  EXPECT_TRUE(ended.has_value());
  EXPECT_EQ(s.happened(), "+other -other");
}

TEST(SupervisorFromWithin, AChildThatWaitsForItsSupervisorIsCancelledWithIt) {
  supervisor tree;
  result<void> waited;
  stage s;
  s.begin_as(tree, s.options(), task_child("self", [&]() -> task<> { waited = co_await tree.wait(); }));
  EXPECT_TRUE(s.run(tree.stop(1h)).has_value());
  EXPECT_EQ(waited.error().code(), errc::cancelled);
}

}  // namespace
}  // namespace tandem::actors
