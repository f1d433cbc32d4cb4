// What OTP's manual says of the functions that command and question a supervisor, a test for each sentence that
// promises.
#include <gtest/gtest.h>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

bool says(const error& e, const char* what) { return e.message().find(what) != std::string::npos; }

// start_child adds a spec and starts the child.
TEST(SupervisorStartChild, AddsTheChildAndStartsIt) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  const auto started = s.run(tree.start_child(s.child("b")));
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(*started, child_state::running);
  EXPECT_EQ(s.happened(), "+a +b");
  EXPECT_EQ(s.ids(tree), (std::vector<std::string>{"a", "b"}));
}

// Added children behave as the others.
TEST(SupervisorStartChild, SupervisesItAsTheOthers) {
  stage s;
  auto tree = s.begin(s.options());
  ASSERT_TRUE(s.run(tree.start_child(s.child("b"))).has_value());
  s.fail_child("b");
  EXPECT_EQ(s.happened(), "+b !b +b");
}

// An id that exists: the spec is discarded, already_started if the process runs.
TEST(SupervisorStartChild, RefusesTheIdOfAChildThatRuns) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  const auto again = s.run(tree.start_child(s.child("a")));
  EXPECT_EQ(again.error().code(), errc::already_exists);
  EXPECT_TRUE(says(again.error(), "runs already"));
  EXPECT_EQ(s.parts["a"].lives, 1);
}

// … already_present if not.
TEST(SupervisorStartChild, RefusesTheIdOfAChildThatDoesNotRun) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  const auto again = s.run(tree.start_child(s.child("a")));
  EXPECT_EQ(again.error().code(), errc::already_exists);
  EXPECT_TRUE(says(again.error(), "does not run"));
}

// A start that has nothing to run: the spec is added, there is no process.
TEST(SupervisorStartChild, KeepsTheSpecOfAChildWithNothingToRun) {
  stage s;
  auto tree = s.begin(s.options());
  s.parts["a"].nothing_to_run = true;
  const auto started = s.run(tree.start_child(s.child("a")));
  EXPECT_EQ(*started, child_state::stopped);
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
}

// … unless it is temporary.
TEST(SupervisorStartChild, DropsATemporaryChildWithNothingToRun) {
  stage s;
  auto tree = s.begin(s.options());
  s.parts["a"].nothing_to_run = true;
  EXPECT_EQ(*s.run(tree.start_child(s.child({"a", restart_type::temporary}))), child_state::stopped);
  EXPECT_TRUE(s.ids(tree).empty());
}

// A start that fails: the spec is discarded, and the error tells why.
TEST(SupervisorStartChild, DropsAChildThatFailsToStart) {
  stage s;
  auto tree = s.begin(s.options());
  s.parts["a"].start_failures = 1;
  const auto started = s.run(tree.start_child(s.child("a")));
  EXPECT_EQ(started.error().code(), errc::resource_exhausted);
  EXPECT_TRUE(says(started.error(), "child a failed to start"));
  EXPECT_TRUE(s.ids(tree).empty());
  EXPECT_TRUE(s.run(tree.start_child(s.child("a"))).has_value());  // the id is free
}

TEST(SupervisorStartChild, RefusesASpecThatIsNotValid) {
  stage s;
  auto tree = s.begin(s.options());
  EXPECT_EQ(s.run(tree.start_child(s.child(""))).error().code(), errc::invalid_argument);
  EXPECT_EQ(s.run(tree.start_child(s.child({"a", restart_type::transient, {}, true}))).error().code(),
            errc::invalid_argument);
  EXPECT_EQ(s.happened(), "");
}

// If a supervisor ends and is made again, the children that were added are lost.
TEST(SupervisorStartChild, IsForgottenWhenTheSupervisorIsRestarted) {
  stage s;
  auto inner = s.options("inner");
  inner.intensity = 0;
  auto nested = supervisor_child("inner", inner, s.child("a"));
  const supervisor below = nested.handle();
  auto tree = s.begin(s.options(), std::move(nested));
  ASSERT_TRUE(s.run(below.start_child(s.child("late"))).has_value());
  (void)s.happened();
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a -late +a");
  EXPECT_EQ(s.ids(below), std::vector<std::string>{"a"});
}

// … and the effects of deleting a static child are lost as well.
TEST(SupervisorDeleteChild, IsForgottenWhenTheSupervisorIsRestarted) {
  stage s;
  auto inner = s.options("inner");
  inner.intensity = 0;
  auto nested = supervisor_child("inner", inner, s.child("a"), s.child("b"));
  const supervisor below = nested.handle();
  auto tree = s.begin(s.options(), std::move(nested));
  ASSERT_TRUE(s.run(below.terminate_child("b")).has_value());
  ASSERT_TRUE(s.run(below.delete_child("b")).has_value());
  (void)s.happened();
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a +a +b");
}

// terminate_child ends the process and keeps the spec.
TEST(SupervisorTerminateChild, EndsTheChildAndKeepsItsSpec) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  (void)s.happened();
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_EQ(s.happened(), "-a");
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
  EXPECT_EQ(s.parts["a"].lives, 1);
}

// … unless it is temporary: the spec is deleted as soon as the process ends.
TEST(SupervisorTerminateChild, DeletesTheSpecOfATemporaryChild) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::temporary}));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_TRUE(s.ids(tree).empty());
  EXPECT_EQ(s.run(tree.delete_child("a")).error().code(), errc::not_found);
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::not_found);
}

// A child that was ended can be started again explicitly.
TEST(SupervisorTerminateChild, LeavesAChildThatCanBeRestarted) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_EQ(*s.run(tree.restart_child("a")), child_state::running);
  EXPECT_EQ(s.happened(), "+a -a +a");
}

TEST(SupervisorTerminateChild, SucceedsForOneThatDoesNotRun) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_TRUE(s.run(tree.terminate_child("a")).has_value());
}

TEST(SupervisorTerminateChild, DoesNotFindWhatIsNotThere) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  EXPECT_EQ(s.run(tree.terminate_child("b")).error().code(), errc::not_found);
  EXPECT_EQ(s.run(tree.terminate_child("")).error().code(), errc::not_found);
}

TEST(SupervisorTerminateChild, PreventsARestartThatIsDue) {
  stage s;
  auto o = s.options();
  o.backoff.initial = 1s;
  auto tree = s.begin(o, s.child("a"));
  s.fail_child("a");
  ASSERT_EQ(s.state(tree, "a"), child_state::restarting);
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  s.sim.advance(1h);
  EXPECT_EQ(s.parts["a"].lives, 1);
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
}

// The supervisor is not disturbed by a child that it ended: that counts as no restart.
TEST(SupervisorTerminateChild, CountsAsNoRestart) {
  stage s;
  auto o = s.options();
  o.intensity = 0;
  auto tree = s.begin(o, s.child("a"));
  s.parts["a"].stops_with = make_error(errc::internal, "unclean");
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  EXPECT_TRUE(s.run(tree.restart_child("a")).has_value());
}

// delete_child deletes the spec; the process must not run.
TEST(SupervisorDeleteChild, DeletesTheSpecOfAChildThatIsStopped) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(s.run(tree.delete_child("a")).has_value());
  EXPECT_EQ(s.ids(tree), std::vector<std::string>{"b"});
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::not_found);
}

TEST(SupervisorDeleteChild, RefusesAChildThatRuns) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  const auto deleted = s.run(tree.delete_child("a"));
  EXPECT_EQ(deleted.error().code(), errc::failed_precondition);
  EXPECT_TRUE(says(deleted.error(), "runs"));
}

TEST(SupervisorDeleteChild, RefusesAChildThatIsAboutToBeRestarted) {
  stage s;
  auto o = s.options();
  o.backoff.initial = 1s;
  auto tree = s.begin(o, s.child("a"));
  s.fail_child("a");
  const auto deleted = s.run(tree.delete_child("a"));
  EXPECT_EQ(deleted.error().code(), errc::failed_precondition);
  EXPECT_TRUE(says(deleted.error(), "about to be started again"));
}

TEST(SupervisorDeleteChild, DoesNotFindWhatIsNotThere) {
  stage s;
  auto tree = s.begin(s.options());
  EXPECT_EQ(s.run(tree.delete_child("a")).error().code(), errc::not_found);
}

// restart_child: the process must not run.
TEST(SupervisorRestartChild, RefusesAChildThatRuns) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::failed_precondition);
}

TEST(SupervisorRestartChild, RefusesAChildThatIsAboutToBeRestarted) {
  stage s;
  auto o = s.options();
  o.backoff.initial = 1s;
  auto tree = s.begin(o, s.child("a"));
  s.fail_child("a");
  const auto restarted = s.run(tree.restart_child("a"));
  EXPECT_EQ(restarted.error().code(), errc::failed_precondition);
  EXPECT_TRUE(says(restarted.error(), "about to be started again"));
}

TEST(SupervisorRestartChild, DoesNotFindWhatIsNotThere) {
  stage s;
  auto tree = s.begin(s.options());
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::not_found);
}

TEST(SupervisorRestartChild, GivesStoppedForAChildWithNothingToRun) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  s.parts["a"].nothing_to_run = true;
  EXPECT_EQ(*s.run(tree.restart_child("a")), child_state::stopped);
}

TEST(SupervisorRestartChild, GivesTheErrorOfAFailedStartAndKeepsTheSpec) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  s.parts["a"].start_failures = 1;
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::resource_exhausted);
  EXPECT_EQ(s.state(tree, "a"), child_state::stopped);
  EXPECT_TRUE(s.run(tree.restart_child("a")).has_value());
}

TEST(SupervisorRestartChild, StartsATransientChildThatEndedNormally) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::transient}));
  s.end("a");
  EXPECT_EQ(*s.run(tree.restart_child("a")), child_state::running);
}

// which_children: id, process or restarting or none, type.
TEST(SupervisorWhichChildren, TellsIdStateAndTypeInTheOrderOfStarting) {
  stage s;
  auto o = s.options();
  o.backoff.initial = 1s;
  o.backoff.jitter = 0;
  auto tree = s.begin(o, s.child("a"), supervisor_child("b", s.options("b")), s.child("c"), s.child("d"));
  s.sim.advance(3s);
  ASSERT_TRUE(s.run(tree.terminate_child("c")).has_value());
  s.fail_child("d", make_error(errc::data_loss, "lost"));
  const auto all = s.run(tree.which_children());
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ((*all)[0].id, "a");
  EXPECT_EQ((*all)[0].state, child_state::running);
  EXPECT_EQ((*all)[0].since, s.sim.now() - 3s);
  EXPECT_EQ((*all)[0].type, child_type::worker);
  EXPECT_EQ((*all)[1].type, child_type::supervisor);
  EXPECT_EQ((*all)[1].state, child_state::running);
  EXPECT_EQ((*all)[2].state, child_state::stopped);
  EXPECT_EQ((*all)[3].state, child_state::restarting);
  EXPECT_EQ((*all)[3].restarts, 0u);
  EXPECT_EQ((*all)[3].last_reason.code(), errc::data_loss);
  s.sim.advance(1s);
  const auto later = s.run(tree.which_children());
  EXPECT_EQ((*later)[3].state, child_state::running);
  EXPECT_EQ((*later)[3].restarts, 1u);
  EXPECT_EQ((*later)[3].since, s.sim.now());
  EXPECT_EQ((*later)[3].last_reason.code(), errc::data_loss);
}

TEST(SupervisorWhichChildren, IsAnsweredWhileTheSupervisorWaitsForAChild) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.parts["a"].needs_to_stop = 3s;
  auto ending = s.sim.spawn(tree.terminate_child("a"));
  s.sim.run_until_idle();
  ASSERT_FALSE(ending.done());
  const auto before = s.sim.now();
  EXPECT_EQ(s.state(tree, "a"), child_state::stopping);
  EXPECT_EQ(s.sim.now(), before);
  ASSERT_FALSE(ending.done());
  EXPECT_TRUE(s.sim.wait(ending).has_value());
}

// count_children: specs dead or alive, active, supervisors and workers alive or not.
TEST(SupervisorCountChildren, CountsSpecsActiveSupervisorsAndWorkers) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"), supervisor_child("c", s.options("c")),
                      supervisor_child("d", s.options("d")));
  ASSERT_TRUE(s.run(tree.terminate_child("b")).has_value());
  ASSERT_TRUE(s.run(tree.terminate_child("d")).has_value());
  const auto n = s.run(tree.count_children());
  EXPECT_EQ(n->specs, 4u);
  EXPECT_EQ(n->active, 2u);
  EXPECT_EQ(n->supervisors, 2u);
  EXPECT_EQ(n->workers, 2u);
}

// get_childspec: all that the child was added with.
TEST(SupervisorGetChildSpec, GivesWhatTheChildWasAddedWithAndTheDefaults) {
  stage s;
  auto tree = s.begin(s.options(), s.child({"a", restart_type::transient, 7s}), s.child("b"),
                      supervisor_child("c", s.options("c")));
  const auto a = s.run(tree.get_child_spec("a"));
  EXPECT_EQ(a->options.restart, restart_type::transient);
  EXPECT_EQ(a->shutdown, child_shutdown(7s));
  EXPECT_EQ(a->type, child_type::worker);
  EXPECT_FALSE(a->options.significant);
  EXPECT_EQ(s.run(tree.get_child_spec("b"))->shutdown, child_shutdown(5s));
  EXPECT_EQ(s.run(tree.get_child_spec("c"))->shutdown, child_shutdown::infinity());
  EXPECT_EQ(s.run(tree.get_child_spec("d")).error().code(), errc::not_found);
}

// check_childspecs.
TEST(SupervisorCheckChildSpecs, AcceptsWhatIsRightAndRefusesTheRest) {
  stage s;
  const auto check = [&](auto_shutdown how, auto... options) {
    return check_child_specs(detail::list_of(s.child(child_options(options))...), how);
  };
  EXPECT_TRUE(check(auto_shutdown::never, "a", "b").has_value());
  EXPECT_FALSE(check(auto_shutdown::never, "a", "a").has_value());
  EXPECT_FALSE(check(auto_shutdown::never, "").has_value());
  const child_options significant("a", restart_type::transient, {}, true);
  EXPECT_TRUE(check(auto_shutdown::any_significant, significant).has_value());
  EXPECT_FALSE(check(auto_shutdown::never, significant).has_value());
  EXPECT_FALSE(
      check(auto_shutdown::any_significant, child_options("a", restart_type::permanent, {}, true)).has_value());
}

// All functions fail if the supervisor does not exist.
TEST(SupervisorCommands, FailOnceTheSupervisorHasEnded) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"));
  ASSERT_TRUE(s.run(tree.stop(1s)).has_value());
  EXPECT_EQ(s.run(tree.start_child(s.child("b"))).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.terminate_child("a")).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.restart_child("a")).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.delete_child("a")).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.get_child_spec("a")).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.which_children()).error().code(), errc::unavailable);
  EXPECT_EQ(s.run(tree.count_children()).error().code(), errc::unavailable);
  EXPECT_TRUE(s.run(tree.stop(1s)).has_value());
  EXPECT_TRUE(s.run(tree.wait()).has_value());
}

TEST(SupervisorCommands, FailOnAnEmptyHandle) {
  stage s;
  const supervisor nobody;
  EXPECT_FALSE(nobody);
  EXPECT_EQ(s.run(nobody.started()).error().code(), errc::failed_precondition);
  EXPECT_EQ(s.run(nobody.stop(1s)).error().code(), errc::failed_precondition);
  EXPECT_EQ(s.run(nobody.which_children()).error().code(), errc::failed_precondition);
}

TEST(SupervisorCommands, FailOnASupervisorThatWasNeverStarted) {
  stage s;
  const auto spec = supervisor_child("inner", s.options("inner"), s.child("a"));
  EXPECT_EQ(s.run(spec.handle().which_children()).error().code(), errc::failed_precondition);
  EXPECT_EQ(s.run(spec.handle().started()).error().code(), errc::failed_precondition);
}

TEST(SupervisorCommands, ThatWaitAreRefusedWhenTheSupervisorEnds) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.parts["b"].needs_to_stop = 1s;
  auto stopping = s.sim.spawn(tree.stop(5s));
  s.sim.run_until_idle();
  auto command = s.sim.spawn(tree.restart_child("a"));
  s.sim.run_until_idle();
  ASSERT_FALSE(command.done());
  EXPECT_TRUE(s.sim.wait(stopping).has_value());
  EXPECT_EQ(s.sim.wait(command).error().code(), errc::unavailable);
}

TEST(SupervisorCommands, EndWithTheCallersContextAndAreThenNotCarriedOut) {
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), s.child("b"));
  s.parts["a"].needs_to_stop = 3s;
  auto first = s.sim.spawn(tree.terminate_child("a"));
  s.sim.run_until_idle();
  auto second = s.sim.spawn(with_timeout(1s, tree.terminate_child("b")));
  s.sim.advance(1s);
  EXPECT_EQ(s.sim.get(second).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(s.sim.wait(first).has_value());
  s.sim.run_until_idle();
  EXPECT_TRUE(s.parts["b"].running);
}

}  // namespace
}  // namespace tandem::actors
