#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct titled {
  using protocol = actors::protocol<void(note)>;
  explicit titled(std::string t) : title(std::move(t)) {}
  void on(note) {}
  std::string title;
};

TEST(ActorName, MayBeAStringLiteralUnlessTheActorIsMadeOfIt) {
  testing::sim_runtime sim;
  system sys(sim);
  EXPECT_EQ(sys.spawn<counter>("sum").name(), "sum");
  EXPECT_EQ(sys.spawn<titled>("tale", "The Tempest").name(), "tale");
  EXPECT_EQ(sys.spawn<titled>("The Tempest").name(), "");
}

TEST(ActorName, FindsTheActorRegisteredUnderIt) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  ASSERT_TRUE(sys.register_name("sum", ref).has_value());
  const auto found = sys.lookup<void(add), std::int64_t(get)>("sum");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, ref);
  const auto narrow = sys.lookup<std::int64_t(get)>("sum");
  ASSERT_TRUE(narrow.has_value());
  EXPECT_EQ(narrow->id(), ref.id());
}

TEST(ActorName, WithAnotherProtocolIsRefusedNamingBoth) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  ASSERT_TRUE(sys.register_name("sum", ref).has_value());
  const auto found = sys.lookup<int(get)>("sum");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), errc::failed_precondition);
  EXPECT_EQ(found.error().message(),
            "actor sum takes (tandem::actors::add, tandem::actors::get->long), which does not cover "
            "(tandem::actors::get->int)");
}

TEST(ActorName, IsTakenOnce) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  ASSERT_TRUE(sys.register_name("sum", ref).has_value());
  EXPECT_EQ(sys.register_name("sum", ref).error().code(), errc::already_exists);
  EXPECT_TRUE(sys.unregister_name("sum"));
  EXPECT_FALSE(sys.unregister_name("sum"));
  EXPECT_EQ(sys.lookup<void(add)>("sum").error().code(), errc::not_found);
  EXPECT_TRUE(sys.register_name("sum", ref).has_value());
  EXPECT_EQ(sys.register_name("none", actor_ref<void(add)>()).error().code(), errc::failed_precondition);
}

TEST(ActorName, KeepsItsActorAliveAndEndsWithIt) {
  class quitter {
   public:
    using protocol = actors::protocol<void(get)>;
    explicit quitter(actor_context& c) : context_(c) {}
    void on(get) { context_.quit(); }

   private:
    actor_context& context_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  ASSERT_TRUE(sys.register_name("q", sys.spawn<quitter>()).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sys.live_actors(), 1u);
  ASSERT_TRUE(sys.lookup<void(get)>("q")->try_tell(get{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sys.live_actors(), 0u);
  EXPECT_EQ(sys.lookup<void(get)>("q").error().code(), errc::not_found);
}

TEST(ActorName, IsNotGivenToAnActorThatHasEnded) {
  class quitter {
   public:
    using protocol = actors::protocol<void(get)>;
    explicit quitter(actor_context& c) : context_(c) {}
    void on(get) { context_.quit(); }

   private:
    actor_context& context_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<quitter>();
  ASSERT_TRUE(ref.try_tell(get{}));
  sim.run_until_idle();
  // Nobody would take the name out again: the next life of the actor could not have it.
  EXPECT_EQ(sys.register_name("phoenix", ref).error().code(), errc::unavailable);
  EXPECT_TRUE(sys.register_name("phoenix", sys.spawn<quitter>()));
}

}  // namespace
}  // namespace tandem::actors
