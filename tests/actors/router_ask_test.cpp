// Asking several: first_success, ask_all(), ask_first().
#include <tandem/actors/ask_all.hpp>

#include <gtest/gtest.h>

#include <tandem/actors/router.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using asked_router = router<int(who)>;

struct three {
  explicit three(std::size_t capacity = 8) : s(sys, 3, capacity) {}
  [[nodiscard]] asked_router scatter() const { return asked_router(first_success(), {s.refs.begin(), s.refs.end()}); }
  result<int> ask(const asked_router& r, int n) {
    return sim.run([&]() -> task<result<int>> { co_return co_await r.ref().ask(who{n}, 1s); });
  }
  testing::sim_runtime sim;
  system sys{sim};
  sinks s;
};

TEST(RouterFirstSuccess, AsksAllAndGivesTheFirstAnswerThatIsNoError) {
  three t;
  t.s.states[0].answer_with = make_error(errc::not_found, "nothing here");
  (void)t.s.refs[1].try_tell(plug{});
  t.sim.run_until_idle();
  const auto r = t.scatter();
  EXPECT_EQ(t.ask(r, 4).value(), 5);
  t.s.states[1].open = true;
  t.sim.run_to_end();
  EXPECT_EQ(t.s.states[0].asked, 1);
  EXPECT_EQ(t.s.states[1].asked, 1);  // late: its answer is dropped
  EXPECT_EQ(t.s.states[2].asked, 1);
  EXPECT_EQ(t.sim.live_tasks(), 0u);
}

TEST(RouterFirstSuccess, JoinsTheErrorsIfAllFail) {
  three t;
  t.s.states[0].answer_with = make_error(errc::not_found, "not at zero");
  t.s.states[1].answer_with = make_error(errc::data_loss, "lost at one");
  t.s.end(t.sim, 2);
  const auto outcome = t.ask(t.scatter(), 1);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_TRUE(outcome.error().is(errc::data_loss));
  EXPECT_NE(outcome.error().message().find("not at zero"), std::string::npos);
  EXPECT_NE(outcome.error().message().find("lost at one"), std::string::npos);
}

TEST(RouterFirstSuccess, DoesWithoutWhoHasNoRoomAndWaitsAtOneIfNobodyHas) {
  three t(1);
  t.s.fill(t.sim, 0);
  const auto r = t.scatter();
  EXPECT_EQ(t.ask(r, 1).value(), 2);
  t.s.fill(t.sim, 1);
  t.s.fill(t.sim, 2);
  auto waiting = t.sim.spawn([&]() -> task<result<int>> { co_return co_await r.ref().ask(who{7}, 1s); });
  t.sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  for (auto& state : t.s.states) state.open = true;
  t.sim.run_to_end();
  EXPECT_EQ(t.sim.get(waiting).value(), 8);
  EXPECT_EQ(t.s.states[0].asked + t.s.states[1].asked + t.s.states[2].asked, 2 + 1);
}

TEST(RouterFirstSuccess, IsUnavailableWithoutRoutees) {
  three t;
  EXPECT_EQ(t.ask(asked_router(first_success()), 1).error().code(), errc::unavailable);
  const auto r = t.scatter();
  for (std::size_t i = 0; i < 3; ++i) t.s.end(t.sim, i);
  EXPECT_EQ(t.ask(r, 1).error().code(), errc::unavailable);
  EXPECT_EQ(r.size(), 0u);
}

TEST(RouterFirstSuccess, FailsTheAskerWhenAllEndWithoutAnAnswer) {
  three t;
  for (const auto& ref : t.s.refs) (void)ref.try_tell(plug{});
  t.sim.run_until_idle();
  const auto r = t.scatter();
  auto asking = t.sim.spawn([&]() -> task<result<int>> { co_return co_await r.ref().ask(who{7}, 10s); });
  t.sim.run_until_idle();
  ASSERT_FALSE(asking.done());
  EXPECT_TRUE(t.sys.shutdown(1s).has_value());
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(t.sim.get(asking).error().code(), errc::unavailable);
}

TEST(AskAll, GivesEveryAnswerInTheOrderOfTheRefs) {
  three t;
  t.s.states[1].answer_with = make_error(errc::not_found, "nothing here");
  std::vector<actor_ref<int(who)>> refs(t.s.refs.begin(), t.s.refs.end());
  refs.emplace_back();
  const auto answers =
      t.sim.run([&]() -> task<std::vector<result<int>>> { co_return co_await ask_all(refs, who{1}, 1s); }).value();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].value(), 2);
  EXPECT_EQ(answers[1].error().code(), errc::not_found);
  EXPECT_EQ(answers[2].value(), 2);
  EXPECT_EQ(answers[3].error().code(), errc::failed_precondition);
}

TEST(AskAll, OfNobodyGivesNothing) {
  three t;
  const std::vector<sink::protocol::ref> nobody;
  EXPECT_TRUE(t.sim.run([&]() -> task<std::vector<result<int>>> { co_return co_await ask_all(nobody, who{1}, 1s); })
                  .value()
                  .empty());
}

TEST(AskAll, GivesUpAtTheLimitWithTheAnswersThatCame) {
  three t;
  (void)t.s.refs[1].try_tell(plug{});
  t.sim.run_until_idle();
  auto all = t.sim.spawn(ask_all(t.s.refs, who{1}, 5ms));
  t.sim.advance(5ms - 1ns);
  ASSERT_FALSE(all.done());
  t.sim.advance(1ns);
  ASSERT_TRUE(all.done());
  const auto answers = t.sim.get(all).value();
  EXPECT_EQ(answers[0].value(), 2);
  EXPECT_EQ(answers[1].error().code(), errc::timed_out);
  EXPECT_EQ(answers[2].value(), 2);
  t.s.states[1].open = true;
  t.sim.run_to_end();
}

TEST(AskAll, CancelledItWithdrawsWhatWaitsForRoom) {
  three t(1);
  t.s.fill(t.sim, 1);
  const cancel_source source(t.sim.root_context());
  auto all = t.sim.spawn(ask_all(t.s.refs, who{1}, 1s), source.context());
  t.sim.run_until_idle();
  ASSERT_FALSE(all.done());
  source.cancel();
  t.sim.run_until_idle();
  ASSERT_TRUE(all.done());
  const auto answers = t.sim.get(all).value();
  EXPECT_EQ(answers[0].value(), 2);
  EXPECT_EQ(answers[1].error().code(), errc::cancelled);
  t.s.states[1].open = true;
  t.sim.run_to_end();
  EXPECT_EQ(t.s.states[1].asked, 0);
}

TEST(AskFirst, GivesTheFirstSuccessAndWithdrawsWhatWaitsForRoom) {
  three t(1);
  t.s.states[0].answer_with = make_error(errc::not_found, "nothing here");
  t.s.fill(t.sim, 1);
  EXPECT_EQ(t.sim.run(ask_first(t.s.refs, who{1}, 1s)).value(), 2);
  t.s.states[1].open = true;
  t.sim.run_to_end();
  EXPECT_EQ(t.s.states[1].asked, 0);
}

TEST(AskFirst, WaitsForRoomIfThatIsWhatTheAnswerNeeds) {
  three t(1);
  for (std::size_t i = 0; i < 3; ++i) t.s.fill(t.sim, i);
  auto first = t.sim.spawn(ask_first(t.s.refs, who{1}, 1s));
  t.sim.run_until_idle();
  ASSERT_FALSE(first.done());
  t.s.states[2].open = true;
  t.sim.advance(1ms);
  EXPECT_EQ(t.sim.get(first).value(), 2);
  for (auto& state : t.s.states) state.open = true;
  t.sim.run_to_end();
}

TEST(AskFirst, JoinsTheErrorsAndTimesOut) {
  three t;
  for (auto& state : t.s.states) state.answer_with = make_error(errc::data_loss, "lost");
  EXPECT_EQ(t.sim.run(ask_first(t.s.refs, who{1}, 1s)).error().code(), errc::data_loss);
  EXPECT_EQ(t.sim.run(ask_first(std::vector<sink::protocol::ref>(), who{1}, 1s)).error().code(), errc::unavailable);
  for (auto& state : t.s.states) state.open = false;
  for (const auto& ref : t.s.refs) (void)ref.try_tell(plug{});
  t.sim.run_until_idle();
  auto first = t.sim.spawn(ask_first(t.s.refs, who{1}, 5ms));
  t.sim.advance(5ms);
  ASSERT_TRUE(first.done());
  EXPECT_EQ(t.sim.get(first).error().code(), errc::timed_out);
  for (auto& state : t.s.states) state.open = true;
  t.sim.run_to_end();
}

}  // namespace
}  // namespace tandem::actors
