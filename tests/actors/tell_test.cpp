#include <gtest/gtest.h>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

TEST(ActorTell, ReachesTheHandlersInTheOrderSent) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(state);
  const auto sent = sim.run([&]() -> task<result<void>> {
    for (int i = 0; i < 5; ++i) TANDEM_CO_TRY(co_await ref.tell(note{i}));
    co_return result<void>();
  });
  ASSERT_TRUE(sent.has_value());
  sim.run_until_idle();
  EXPECT_EQ(state.seen, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(ActorTell, OfASubsetRefReachesTheSameActor) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  const actor_ref<void(add)> narrow = ref;
  ASSERT_TRUE(narrow.try_tell(add{40}).has_value());
  ASSERT_TRUE(ref.try_tell(add{2}).has_value());
  EXPECT_EQ(narrow.id(), ref.id());
  EXPECT_EQ(sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}, 1s); }).value(), 42);
}

TEST(ActorTell, ThroughAnEmptyRefFails) {
  testing::sim_runtime sim;
  const actor_ref<void(add)> nobody;
  EXPECT_FALSE(nobody);
  EXPECT_EQ(nobody.try_tell(add{1}).error().code(), errc::failed_precondition);
  const auto told = sim.run([&]() -> task<result<void>> { co_return co_await nobody.tell(add{1}); });
  EXPECT_EQ(told.error().code(), errc::failed_precondition);
}

TEST(ActorTell, ToAnEndedActorSaysThatItHasEndedAndWhy) {
  class quitter {
   public:
    using protocol = actors::protocol<void(add)>;
    explicit quitter(actor_context& c) : context_(c) {}
    void on(add) { context_.quit(make_error(errc::data_loss, "disk gone")); }

   private:
    actor_context& context_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<quitter>(spawn_actor_options("q"));
  ASSERT_TRUE(ref.try_tell(add{1}).has_value());
  sim.run_until_idle();
  const auto late = ref.try_tell(add{2});
  EXPECT_EQ(late.error().code(), errc::unavailable);
  EXPECT_TRUE(is(late.error(), errc::data_loss));
  EXPECT_EQ(late.error().message(), "actor q has ended: disk gone");
  EXPECT_EQ(sys.live_actors(), 0u);
  EXPECT_EQ(sys.dead_letters(), 0u);  // the sender was told
}

TEST(ActorTell, PicksTheMessageAValueConvertsTo) {
  class numbers {
   public:
    using protocol = actors::protocol<void(std::int64_t), std::string(std::string)>;
    void on(std::int64_t) {}
    std::string on(std::string s) { return s + "!"; }
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<numbers>();
  EXPECT_TRUE(ref.try_tell(1).has_value());
  const auto answer = sim.run([&]() -> task<result<std::string>> { co_return co_await ref.ask("hi", 1s); });
  EXPECT_EQ(answer.value(), "hi!");
}

TEST(ActorTell, ThatNeedNotWaitNoticesACancelOncePerSliceAndSendsNothingThen) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(state);
  const cancel_source source(sim.root_context());
  source.cancel();
  std::size_t sent = 0;
  auto told = sim.spawn([&]() -> task<result<void>> {
    for (;; ++sent) TANDEM_CO_TRY(co_await ref.tell(note{1}));
  }, source.context());
  sim.run_until_idle();
  ASSERT_TRUE(told.done());
  EXPECT_EQ(sim.get(told).error().code(), errc::cancelled);
  EXPECT_LE(sent, 256u);
  EXPECT_EQ(state.seen.size(), sent);
}

}  // namespace
}  // namespace tandem::actors
