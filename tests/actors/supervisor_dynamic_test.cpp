// What OTP's manual says of simple_one_for_one, a test for each sentence that promises.
#include <gtest/gtest.h>

#include <concepts>

#include <tandem/actors/dynamic_supervisor.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

child_template<void(std::string)> parts_of(stage& s, child_options options) {
  return task_template<std::string>(
      std::move(options), [&s](child_start& start, std::string name) { return s.live(start, std::move(name)); });
}

using sessions = dynamic_supervisor<void(std::string)>;

sessions begin(stage& s, child_options options, supervisor_options o) {
  return start_supervisor(s.sys, std::move(o), parts_of(s, std::move(options)));
}

// All children are dynamically added instances of the same process.
TEST(DynamicSupervisor, StartsChildrenOfOneTemplateWithArgumentsOfTheirOwn) {
  stage s;
  auto sup = begin(s, "session", s.options());
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  EXPECT_EQ(s.happened(), "+a +b");
}

// When it is started, it starts no child.
TEST(DynamicSupervisor, BeginsWithoutChildren) {
  stage s;
  auto sup = begin(s, "session", s.options());
  EXPECT_TRUE(s.run(sup.started()).has_value());
  EXPECT_TRUE(s.run(sup.which_children())->empty());
}

TEST(DynamicSupervisor, RestartsOnlyTheChildThatEndedWithTheSameArguments) {
  stage s;
  auto sup = begin(s, "session", s.options());
  const auto a = s.run(sup.start_child("a"));
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  (void)s.happened();
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a +a");
  EXPECT_EQ(s.run(sup.which_children())->front().number, a->number);
}

template <class S>
concept deletes = requires(S s) {
  s.delete_child("a");
}
|| requires(S s) { s.delete_child(1u); };
template <class S>
concept restarts = requires(S s) {
  s.restart_child("a");
}
|| requires(S s) { s.restart_child(1u); };
template <class S>
concept terminates_by_id = requires(S s) {
  s.terminate_child("a");
};

// delete_child, restart_child, and terminate_child by id are invalid: here they do not compile.
TEST(DynamicSupervisor, HasNoFunctionsThatNeedAnId) {
  static_assert(!deletes<sessions> && !restarts<sessions> && !terminates_by_id<sessions>);
  static_assert(deletes<supervisor> && restarts<supervisor> && terminates_by_id<supervisor>);
}

// terminate_child takes what identifies the process.
TEST(DynamicSupervisor, TerminatesAChildByItsNumber) {
  stage s;
  auto sup = begin(s, "session", s.options());
  const auto a = s.run(sup.start_child("a"));
  const auto b = s.run(sup.start_child("b"));
  ASSERT_NE(a->number, b->number);
  (void)s.happened();
  EXPECT_TRUE(s.run(sup.terminate_child(a->number)).has_value());
  EXPECT_EQ(s.happened(), "-a");
  EXPECT_EQ(s.run(sup.which_children())->size(), 1u);
}

// What is no child of the supervisor is not found.
TEST(DynamicSupervisor, FindsNoChildOfAnother) {
  stage s;
  auto one = begin(s, "session", s.options());
  auto two = begin(s, "session", s.options());
  ASSERT_TRUE(s.run(one.start_child("a")).has_value());
  const auto second = s.run(one.start_child("b"));
  EXPECT_EQ(s.run(two.terminate_child(second->number)).error().code(), errc::not_found);
  EXPECT_EQ(s.run(two.terminate_child(0)).error().code(), errc::not_found);
}

// As it can have many children, it shuts them all down at once.
TEST(DynamicSupervisor, StopsAllChildrenInParallel) {
  stage s;
  auto sup = begin(s, "session", s.options());
  for (const auto* name : {"a", "b", "c"}) {
    s.parts[name].needs_to_stop = 3s;
    ASSERT_TRUE(s.run(sup.start_child(name)).has_value());
  }
  const auto before = s.sim.now();
  EXPECT_TRUE(s.run(sup.stop(10s)).has_value());
  EXPECT_EQ(s.sim.now() - before, 3s);
}

TEST(DynamicSupervisor, LeavesThoseBehindThatNeedLongerThanTheLimit) {
  stage s;
  auto sup = begin(s, {"session", restart_type::permanent, 2s}, s.options());
  s.parts["b"].needs_to_stop = 3s;
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  const auto before = s.sim.now();
  const auto stopped = s.run(sup.stop(10s));
  EXPECT_EQ(s.sim.now() - before, 2s);
  EXPECT_EQ(stopped.error().code(), errc::deadline_exceeded);
  EXPECT_NE(stopped.error().message().find("#2"), std::string::npos);
}

// A start function that has nothing to run: no child is added.
TEST(DynamicSupervisor, ForgetsAChildWithNothingToRun) {
  stage s;
  auto sup = begin(s, "session", s.options());
  s.parts["a"].nothing_to_run = true;
  const auto started = s.run(sup.start_child("a"));
  EXPECT_EQ(started->state, child_state::stopped);
  EXPECT_TRUE(s.run(sup.which_children())->empty());
}

TEST(DynamicSupervisor, ForgetsAChildThatFailsToStart) {
  stage s;
  auto sup = begin(s, "session", s.options());
  s.parts["a"].start_failures = 1;
  EXPECT_EQ(s.run(sup.start_child("a")).error().code(), errc::resource_exhausted);
  EXPECT_TRUE(s.run(sup.which_children())->empty());
}

TEST(DynamicSupervisor, ForgetsATransientChildThatEndedNormally) {
  stage s;
  auto sup = begin(s, {"session", restart_type::transient}, s.options());
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  s.end("a");
  EXPECT_TRUE(s.run(sup.which_children())->empty());
}

TEST(DynamicSupervisor, TriesAFailedRestartAgain) {
  stage s;
  auto o = s.options();
  o.intensity = 3;
  auto sup = begin(s, "session", o);
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  (void)s.happened();
  s.parts["a"].start_failures = 1;
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "!a xa +a");
}

TEST(DynamicSupervisor, GivesUpAsOthersDo) {
  stage s;
  auto sup = begin(s, "session", s.options());
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  s.fail_child("a");
  s.fail_child("a");
  EXPECT_FALSE(s.parts["b"].running);
  EXPECT_FALSE(s.run(sup.wait()).has_value());
}

// Counts: one spec, active children, all children by type.
TEST(DynamicSupervisor, CountsOneSpecAndItsChildren) {
  stage s;
  auto o = s.options();
  o.backoff.initial = 1s;
  auto sup = begin(s, "session", o);
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  s.fail_child("a");
  const auto n = s.run(sup.count_children());
  EXPECT_EQ(n->specs, 1u);
  EXPECT_EQ(n->active, 1u);  // a is about to be restarted
  EXPECT_EQ(n->workers, 2u);
  EXPECT_EQ(n->supervisors, 0u);
}

// which_children gives no id for its children.
TEST(DynamicSupervisor, ListsChildrenWithoutIds) {
  stage s;
  auto sup = begin(s, "session", s.options());
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  EXPECT_EQ(s.run(sup.which_children())->front().id, "");
}

// The last significant child that ends shuts it down.
TEST(DynamicSupervisor, ShutsDownWithItsLastSignificantChild) {
  stage s;
  auto o = s.options();
  o.shut_down_on = auto_shutdown::all_significant;
  auto sup = begin(s, {"session", restart_type::temporary, {}, true}, o);
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  s.end("a");
  EXPECT_TRUE(s.run(sup.count_children()).has_value());
  s.fail_child("b");
  EXPECT_TRUE(s.run(sup.wait()).has_value());
  EXPECT_EQ(s.run(sup.count_children()).error().code(), errc::unavailable);
}

TEST(DynamicSupervisor, LosesItsChildrenWhenItIsRestarted) {
  stage s;
  auto inner = s.options("sessions");
  inner.intensity = 0;
  auto nested = supervisor_child("sessions", inner, parts_of(s, "session"));
  const sessions sup = nested.handle();
  auto tree = s.begin(s.options(), std::move(nested));
  ASSERT_TRUE(s.run(sup.start_child("a")).has_value());
  ASSERT_TRUE(s.run(sup.start_child("b")).has_value());
  s.fail_child("a");
  EXPECT_EQ(s.happened(), "+a +b !a -b");
  EXPECT_TRUE(s.run(sup.which_children())->empty());
  EXPECT_TRUE(s.run(sup.start_child("a")).has_value());
}

TEST(DynamicSupervisor, RefusesOtherStrategies) {
  stage s;
  auto o = s.options();
  o.strategy = supervision_strategy::one_for_all;
  auto sup = begin(s, "session", o);
  EXPECT_EQ(s.run(sup.started()).error().code(), errc::invalid_argument);
}

TEST(DynamicSupervisor, AnEmptyHandleStartsNothing) {
  stage s;
  const sessions sup;
  EXPECT_EQ(s.run(sup.start_child("a")).error().code(), errc::failed_precondition);
}

TEST(DynamicSupervisor, HoldsManyChildren) {
  testing::sim_runtime sim;
  system sys(sim);
  int running = 0;
  auto sup = start_supervisor(sys, {}, task_template<int>("n", [&running](int) -> task<result<void>> {
                                ++running;
                                auto slept = co_await sleep_for(24h);
                                --running;
                                co_return slept;
                              }));
  const auto filled = sim.run([&]() -> task<result<void>> {
    for (int i = 0; i < 10'000; ++i) TANDEM_CO_TRY(co_await sup.start_child(i));
    co_return result<void>();
  });
  ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(running, 10'000);
  EXPECT_TRUE(sim.run(sup.stop(1s)).has_value());
  EXPECT_EQ(running, 0);
}

}  // namespace
}  // namespace tandem::actors
