#include <gtest/gtest.h>

#include <optional>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

// A recorder with room for two that is busy with a hold.
struct full_mailbox {
  testing::sim_runtime sim;
  recorder::state state;
  system sys{sim};
  recorder::protocol::ref ref = sys.spawn<recorder>(spawn_actor_options("r", 2), state);

  full_mailbox() {
    EXPECT_TRUE(ref.try_tell(hold{}).has_value());
    sim.run_until_idle();
    EXPECT_TRUE(state.holding);
    EXPECT_TRUE(ref.try_tell(note{1}).has_value());
    EXPECT_TRUE(ref.try_tell(note{2}).has_value());
  }
  task<result<void>> tell(int n) { co_return co_await ref.tell(note{n}); }
};

TEST(Mailbox, RefusesTryTellWhenFull) {
  full_mailbox m;
  EXPECT_EQ(m.ref.try_tell(note{3}).error().code(), errc::would_block);
  m.state.open = true;
  m.sim.run_to_end();
  EXPECT_EQ(m.state.seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(m.ref.try_tell(note{4}).has_value());
}

TEST(Mailbox, AdmitsWaitingTellsInTheirOrder) {
  full_mailbox m;
  auto a = m.sim.spawn(m.tell(3));
  auto b = m.sim.spawn(m.tell(4));
  auto c = m.sim.spawn(m.tell(5));
  m.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done() || c.done());
  EXPECT_EQ(m.ref.try_tell(note{9}).error().code(), errc::would_block);
  m.state.open = true;
  m.sim.run_to_end();
  EXPECT_TRUE(m.sim.get(a).has_value());
  EXPECT_TRUE(m.sim.get(b).has_value());
  EXPECT_TRUE(m.sim.get(c).has_value());
  EXPECT_EQ(m.state.seen, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(m.sim.live_tasks(), 0u);
}

TEST(Mailbox, ACancelledWaitingTellWasNotSent) {
  full_mailbox m;
  const cancel_source source(m.sim.root_context());
  auto a = m.sim.spawn(m.tell(3), source.context());
  auto b = m.sim.spawn(m.tell(4));
  m.sim.run_until_idle();
  ASSERT_FALSE(a.done() || b.done());
  source.cancel();
  m.sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  EXPECT_EQ(m.sim.get(a).error().code(), errc::cancelled);
  m.state.open = true;
  m.sim.run_to_end();
  EXPECT_TRUE(m.sim.get(b).has_value());
  EXPECT_EQ(m.state.seen, (std::vector<int>{1, 2, 4}));
}

TEST(Mailbox, AWaitingTellEndsWithItsContextsDeadline) {
  full_mailbox m;
  auto limited = m.sim.spawn(with_timeout(5ms, m.tell(3)));
  m.sim.run_until_idle();
  m.sim.advance(5ms - 1ns);
  ASSERT_FALSE(limited.done());
  m.sim.advance(1ns);
  ASSERT_TRUE(limited.done());
  EXPECT_EQ(m.sim.get(limited).error().code(), errc::deadline_exceeded);
  m.state.open = true;
  m.sim.run_to_end();
  EXPECT_EQ(m.state.seen, (std::vector<int>{1, 2}));
}

TEST(Mailbox, AWaitingTellFailsWhenTheActorEnds) {
  full_mailbox m;
  auto a = m.sim.spawn(m.tell(3));
  m.sim.run_until_idle();
  ASSERT_FALSE(a.done());
  EXPECT_TRUE(m.sys.shutdown(1s).has_value());
  ASSERT_TRUE(a.done());
  EXPECT_EQ(m.sim.get(a).error().code(), errc::unavailable);
  EXPECT_EQ(m.sys.dead_letters(), 2u);  // the two that were accepted
}

TEST(Mailbox, AnAskThatFindsNoRoomTimesOutUnsent) {
  struct gate {
    bool open = false;
    int handled = 0;
  };
  class slow {
   public:
    using protocol = actors::protocol<void(hold), int(get)>;
    explicit slow(gate& g) : gate_(g) {}
    task<> on(hold) {
      while (!gate_.open) {
        auto slept = co_await sleep_for(1ms);
        if (!slept) co_return;
      }
    }
    int on(get) { return ++gate_.handled; }

   private:
    gate& gate_;
  };
  testing::sim_runtime sim;
  gate g;
  system sys(sim);
  const auto ref = sys.spawn<slow>(spawn_actor_options("slow", 1), g);
  const auto ask = [&](duration limit) -> task<result<int>> { co_return co_await ref.ask(get{}, limit); };
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  auto first = sim.spawn(ask(1s));
  auto second = sim.spawn(ask(10ms));
  auto third = sim.spawn(ask(1s));
  sim.run_until_idle();
  sim.advance(10ms);
  ASSERT_TRUE(second.done());
  EXPECT_FALSE(first.done() || third.done());
  EXPECT_EQ(sim.get(second).error().code(), errc::timed_out);
  g.open = true;
  sim.run_to_end();
  EXPECT_EQ(sim.get(first).value(), 1);
  EXPECT_EQ(sim.get(third).value(), 2);
  EXPECT_EQ(g.handled, 2);
}

}  // namespace
}  // namespace tandem::actors
