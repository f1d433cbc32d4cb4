// Tasks and groups as children.
#include <gtest/gtest.h>

#include <memory>

#include <tandem/csp/group.hpp>
#include <tandem/runtime/this_task.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

TEST(SupervisedTask, ThatIsPlainIsUpAtOnce) {
  bool ran = false;
  stage s;
  auto tree = s.begin(s.options(), task_child("a", [&ran]() -> task<result<void>> {
                        ran = true;
                        co_return co_await sleep_for(1h);
                      }));
  EXPECT_TRUE(ran);
  EXPECT_EQ(s.state(tree, "a"), child_state::running);
}

TEST(SupervisedTask, GetsAFreshContextForEachLife) {
  std::vector<error> seen;
  stage s;
  auto tree = s.begin(s.options(), task_child("a", [&seen]() -> task<result<void>> {
                        if (auto go_on = this_task::check(); !go_on) seen.push_back(go_on.error());
                        auto slept = co_await sleep_for(1h);
                        seen.push_back(slept.error());
                        co_return slept;
                      }));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(s.run(tree.restart_child("a")).has_value());
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].code(), errc::cancelled);
  EXPECT_NE(seen[0].message().find("supervisor top was told to end child a"), std::string::npos);
}

TEST(SupervisedTask, DoesNotEndWithTheContextOfWhoAddedIt) {
  stage s;
  auto tree = s.begin(s.options());
  auto spec = s.child("a");
  cancel_source mine((context()));
  auto adding = s.sim.spawn(tree.start_child(std::move(spec)), mine.context());
  EXPECT_TRUE(s.sim.wait(adding).has_value());
  mine.cancel();
  s.sim.run_until_idle();
  EXPECT_TRUE(s.parts["a"].running);
}

TEST(SupervisedTask, KeepsItsFunctionOverItsLives) {
  auto token = std::make_unique<int>(0);
  int lives = 0;
  stage s;
  auto body = [token = std::move(token), &lives]() mutable -> task<result<void>> {
    lives = ++*token;
    co_return co_await sleep_for(1h);
  };
  auto tree = s.begin(s.options(), task_child("a", std::move(body)));
  ASSERT_TRUE(s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(s.run(tree.restart_child("a")).has_value());
  EXPECT_EQ(lives, 2);
}

TEST(SupervisedTask, IsGoneBeforeItsEndIsTold) {
  std::weak_ptr<int> held;
  stage s;
  auto o = s.options();
  bool gone = false;
  o.on_event = [&](const supervision_event&) { gone = held.expired(); };
  auto tree = s.begin(o, task_child({"a", restart_type::temporary}, [&held]() -> task<> {
                        const auto local = std::make_shared<int>(0);
                        held = local;
                        co_return;
                      }));
  EXPECT_TRUE(gone);
}

TEST(SupervisedTask, ThatThrowsBeforeItGivesATaskHasFailed) {
  stage s;
  auto o = s.options();
  o.intensity = 0;
  auto tree = s.begin(o, task_child("a", []() -> task<> { throw std::invalid_argument("bad"); }));
  EXPECT_TRUE(is(s.run(tree.wait()).error(), errc::invalid_argument));
}

TEST(SupervisedGroup, IsUpWhenItsFunctionHasEndedAndEndsWithItsTasks) {
  int running = 0;
  stage s;
  auto tree = s.begin(s.options(),
                      group_child({"g", restart_type::transient},
                                  [&running](csp::group& g) {
                                    for (int i = 1; i <= 3; ++i)
                                      g.go([&running, i]() -> task<result<void>> {
                                        ++running;
                                        auto slept = co_await sleep_for(std::chrono::seconds(i));
                                        --running;
                                        co_return slept;
                                      });
                                  }),
                      s.child("after"));
  EXPECT_EQ(running, 3);
  EXPECT_EQ(s.happened(), "+after");
  s.sim.advance(3s - 1ns);
  EXPECT_EQ(s.state(tree, "g"), child_state::running);
  s.sim.advance(1ns);
  EXPECT_EQ(s.state(tree, "g"), child_state::stopped);
}

TEST(SupervisedGroup, FailsWithItsFirstErrorAndTakesItsOtherTasksAlong) {
  int lives = 0;
  int cancelled = 0;
  stage s;
  auto tree = s.begin(s.options(), group_child("g", [&](csp::group& g) -> task<> {
                        ++lives;
                        g.go([&cancelled]() -> task<result<void>> {
                          auto slept = co_await sleep_for(1h);
                          ++cancelled;
                          co_return slept;
                        });
                        if (lives == 1) g.go([]() -> task<result<void>> { co_return fail(errc::data_loss, "torn"); });
                        co_return;
                      }));
  EXPECT_EQ(lives, 2);
  EXPECT_EQ(cancelled, 1);
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].reason.code(), errc::data_loss);
}

TEST(SupervisedGroup, IsStoppedByTheEndOfItsContext) {
  int cancelled = 0;
  stage s;
  auto tree = s.begin(s.options(), group_child("g", [&cancelled](csp::group& g) {
                        for (int i = 0; i < 3; ++i)
                          g.go([&cancelled]() -> task<result<void>> {
                            auto slept = co_await sleep_for(1h);
                            if (!slept) ++cancelled;
                            co_return slept;
                          });
                      }));
  EXPECT_TRUE(s.run(tree.stop(1s)).has_value());
  EXPECT_EQ(cancelled, 3);
  EXPECT_EQ(s.sim.live_tasks(), 0u);
}

TEST(SupervisedGroup, WhoseFunctionFailsHasFailedToStart) {
  int cancelled = 0;
  stage s;
  auto tree = s.begin(s.options(), s.child("a"), group_child("g", [&cancelled](csp::group& g) -> task<result<void>> {
                        g.go([&cancelled]() -> task<result<void>> {
                          auto slept = co_await sleep_for(1h);
                          if (!slept) ++cancelled;
                          co_return slept;
                        });
                        co_await yield();
                        co_return fail(errc::not_found, "no table");
                      }));
  EXPECT_EQ(s.run(tree.started()).error().code(), errc::not_found);
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(s.happened(), "+a -a");
}

}  // namespace
}  // namespace tandem::actors
