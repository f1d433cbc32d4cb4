// The context that an actor's handlers run under: what it promises does not depend on whether the actor slept
// meanwhile, when it gives up one that nobody uses.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/runtime/after_func.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct nap {
  duration how_long;
};
struct act {
  std::function<void()> what;
};
struct crash {};

struct log {
  std::vector<error> naps;  // how they ended
  std::vector<const tandem::detail::context_state*> under;  // the context of each; to compare with
};

// Waits; and does what it is told to, in a handler that has waited.
class waiter {
 public:
  using protocol = actors::protocol<void(nap), void(act), void(crash)>;
  explicit waiter(log& l) : log_(l) {}
  task<> on(nap n) {
    log_.under.push_back(this_task::context().state());
    const auto slept = co_await sleep_for(n.how_long);
    log_.naps.push_back(slept ? error() : slept.error());
  }
  task<> on(act a) {
    (void)co_await sleep_for(1ms);
    a.what();
  }
  result<void> on(crash) { return fail(errc::data_loss, "crashed"); }

 private:
  log& log_;
};

struct world {
  testing::sim_runtime sim;
  log l;
  system sys{sim};
  waiter::protocol::ref ref;
  ~world() {
    (void)sys.shutdown(duration::max());
    sim.run_to_end();
  }
  void tell(auto message) {
    ASSERT_TRUE(ref.try_tell(std::move(message)).has_value());
    sim.run_until_idle();
  }
  // What is told last is handled, and the actor idle.
  void take(auto message) {
    tell(std::move(message));
    sim.advance(1ms);
    ASSERT_EQ(state(), actor_state::idle);
  }
  void interrupt() {
    dynamic_cast<detail::local_target&>(*ref.target()).request_exit(make_error(errc::cancelled, "enough"), true);
    sim.run_until_idle();
  }
  [[nodiscard]] actor_state state() {
    for (const actor_info& a : sys.list_actors())
      if (a.id == ref.id()) return a.state;
    return actor_state::ending;
  }
};

struct alone : world {
  alone() { ref = sys.spawn<waiter>(std::ref(l)); }
};

struct supervised : world {
  supervisor tree;
  supervised() {
    auto child = actor_child<waiter>(sys, actor_child_options("waiter"), std::ref(l));
    ref = child.ref();
    supervisor_options options;
    options.name = "tree";
    tree = start_supervisor(sys, std::move(options), std::move(child));
    sim.run_until_idle();
  }
};

TEST(OwnContext, OfAnActorThatWaitedAndSleptInterruptsItsNextWait) {
  alone w;
  w.take(nap{1ms});
  w.tell(nap{1h});
  ASSERT_EQ(w.state(), actor_state::waiting);
  w.interrupt();
  ASSERT_EQ(w.l.naps.size(), 2U);
  EXPECT_FALSE(w.l.naps[0]);
  EXPECT_EQ(w.l.naps[1].code(), errc::cancelled);
  EXPECT_NE(w.l.naps[1].message().find("enough"), std::string::npos);
  EXPECT_EQ(w.sys.live_actors(), 0U);
}

TEST(OwnContext, OfAnActorThatWaitedAndSleptTwiceInterruptsItsNextWait) {
  alone w;
  w.take(nap{1ms});
  w.take(nap{1ms});
  w.tell(nap{1h});
  w.interrupt();
  ASSERT_EQ(w.l.naps.size(), 3U);
  EXPECT_EQ(w.l.naps[2].code(), errc::cancelled);
  EXPECT_EQ(w.sys.live_actors(), 0U);
}

TEST(OwnContext, AnInterruptionWhileItSleepsIsNotForgotten) {
  alone w;
  w.take(nap{1ms});
  w.interrupt();
  EXPECT_EQ(w.sys.live_actors(), 0U);
  EXPECT_EQ(w.ref.try_tell(nap{1h}).error().code(), errc::unavailable);
}

TEST(OwnContext, ATaskThatTheFirstHandlerToWaitSpawnedIsCancelledWhenTheActorEnds) {
  alone w;
  error ended;
  w.take(act{[&] {
    spawn([](error& why) -> task<> {
      if (const auto slept = co_await sleep_for(1h); !slept) why = slept.error();
    }(ended)).detach();
  }});
  ASSERT_EQ(w.sim.live_tasks(), 1U);
  w.ref = {};  // nobody reaches it any more
  w.sim.run_until_idle();
  EXPECT_EQ(w.sys.live_actors(), 0U);
  EXPECT_EQ(ended.code(), errc::cancelled);
  EXPECT_EQ(w.sim.live_tasks(), 0U);
}

TEST(OwnContext, ACallThatTheFirstHandlerToWaitRegisteredComesWhenTheActorEnds) {
  alone w;
  int calls = 0;
  w.take(act{[&] { after_func(this_task::context(), [&calls] { ++calls; }); }});
  ASSERT_EQ(calls, 0);
  w.tell(crash{});
  EXPECT_EQ(w.sys.live_actors(), 0U);
  EXPECT_EQ(calls, 1);
}

TEST(OwnContext, ACopyThatTheFirstHandlerToWaitKeptIsOverWhenTheActorHasEnded) {
  alone w;
  context kept;
  w.take(act{[&] { kept = this_task::context(); }});
  ASSERT_FALSE(kept.is_over());
  w.tell(crash{});
  EXPECT_TRUE(kept.is_over());
  EXPECT_TRUE(is(kept.why(), errc::data_loss)) << kept.why();
}

TEST(OwnContext, AContextBelowItThatWasKeptIsOverWhenTheActorHasEnded) {
  alone w;
  context kept;
  w.take(act{[&] { kept = cancel_source(this_task::context()).context(); }});
  ASSERT_FALSE(kept.is_over());
  w.tell(crash{});
  EXPECT_TRUE(kept.is_over());
}

// The tests above would pass if it never gave one up. Whoever takes all memory that was freed learns whether it did: an
// address does not come again.
struct occupied {
  std::vector<cancel_source> all;
  void take() {
    for (int i = 0; i < 200; ++i) all.emplace_back(context());
  }
};

TEST(OwnContext, OfAnActorThatWaitedOnceGoesWhenItSleepsAndTheNextStays) {
  alone w;
  occupied memory;
  for (int i = 0; i < 3; ++i) {
    w.take(nap{1ms});
    memory.take();
  }
  ASSERT_EQ(w.l.under.size(), 3U);
  EXPECT_NE(w.l.under[0], w.l.under[1]);
  EXPECT_EQ(w.l.under[1], w.l.under[2]);
}

TEST(OwnContext, OfANewLifeGoesWhenItSleepsToo) {
  supervised w;
  occupied memory;
  w.take(nap{1ms});
  w.take(nap{1ms});
  w.take(crash{});
  for (int i = 0; i < 3; ++i) {
    w.take(nap{1ms});
    memory.take();
  }
  ASSERT_EQ(w.l.under.size(), 5U);
  EXPECT_NE(w.l.under[2], w.l.under[3]);
  EXPECT_EQ(w.l.under[3], w.l.under[4]);
}

TEST(OwnContext, OfANewLifeInterruptsAWaitAfterTheActorSlept) {
  supervised w;
  w.take(nap{1ms});
  w.take(crash{});
  w.take(nap{1ms});
  w.tell(nap{1h});
  w.interrupt();
  ASSERT_EQ(w.l.naps.size(), 3U);
  EXPECT_EQ(w.l.naps[2].code(), errc::cancelled);
}

}  // namespace
}  // namespace tandem::actors
