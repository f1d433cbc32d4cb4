#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>

#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct stop {};
struct crash {};

class worker {
 public:
  using protocol = actors::protocol<void(note), void(stop), void(crash), int(get)>;
  worker(actor_context& c, std::vector<int>& seen) : context_(c), seen_(seen) {}
  result<void> on(note m) {
    if (m.n < 0) return fail(errc::out_of_range, "negative");
    seen_.push_back(m.n);
    return {};
  }
  void on(stop) { context_.quit(); }
  task<> on(crash) {
    co_await yield();
    throw std::logic_error("crashed");
  }
  int on(get) { return 1; }

 private:
  actor_context& context_;
  std::vector<int>& seen_;
};

struct fixture {
  testing::sim_runtime sim;
  std::vector<dead_letter> dead;
  std::vector<int> seen;
  system sys;
  worker::protocol::ref ref;
  fixture() : sys(sim, options()), ref(sys.spawn<worker>(spawn_actor_options("w"), seen)) {}
  system_options options() {
    system_options o;
    o.on_dead_letter = [this](const dead_letter& d) { dead.push_back(d); };
    return o;
  }
};

TEST(ActorLifetime, QuitLeavesQueuedTellsAsDeadLettersAndFailsAsks) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(f.ref.try_tell(stop{}).has_value());
  ASSERT_TRUE(f.ref.try_tell(note{2}).has_value());
  auto asked = f.sim.spawn([&]() -> task<result<int>> { co_return co_await f.ref.ask(get{}, 1s); });
  f.sim.run_until_idle();
  EXPECT_EQ(f.seen, std::vector<int>{1});
  ASSERT_EQ(f.dead.size(), 1u);
  EXPECT_EQ(f.dead[0].target_id, f.ref.id());
  EXPECT_EQ(f.dead[0].target_name, "w");
  EXPECT_EQ(f.dead[0].message_type, "tandem::actors::note");
  EXPECT_EQ(f.dead[0].reason.code(), errc::unavailable);
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::unavailable);
  EXPECT_EQ(f.sys.live_actors(), 0u);
  EXPECT_EQ(f.sys.dead_letters(), 1u);
}

TEST(ActorLifetime, AnErrorFromATellEndsTheActorWithThatError) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(note{-1}).has_value());
  f.sim.run_until_idle();
  const auto late = f.ref.try_tell(note{1});
  EXPECT_TRUE(is(late.error(), errc::out_of_range));
  EXPECT_EQ(f.sys.live_actors(), 0u);
}

TEST(ActorLifetime, AnExceptionInAHandlerThatWaitedEndsTheActor) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(crash{}).has_value());
  f.sim.run_until_idle();
  const auto late = f.ref.try_tell(note{1});
  EXPECT_NE(late.error().message().find("crashed"), std::string::npos);
  EXPECT_EQ(f.sys.live_actors(), 0u);
  EXPECT_EQ(f.sim.live_tasks(), 0u);
}

TEST(ActorLifetime, WithoutRefsItHandlesWhatItHasAndEnds) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(f.ref.try_tell(note{2}).has_value());
  f.ref = {};
  EXPECT_EQ(f.sys.live_actors(), 1u);
  f.sim.run_until_idle();
  EXPECT_EQ(f.seen, (std::vector<int>{1, 2}));
  EXPECT_EQ(f.sys.live_actors(), 0u);
  EXPECT_TRUE(f.dead.empty());
}

TEST(ActorLifetime, AnIdleActorEndsWithItsLastRef) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  auto ref = sys.spawn<recorder>(state);
  sim.run_until_idle();
  EXPECT_FALSE(state.destroyed);
  ref = {};
  EXPECT_FALSE(state.destroyed);  // on a worker, not here
  sim.run_until_idle();
  EXPECT_TRUE(state.destroyed);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(ActorLifetime, AHandlerThatWaitsKeepsItsActor) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  auto ref = sys.spawn<recorder>(state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ref = {};
  sim.run_until_idle();
  EXPECT_TRUE(state.holding);
  EXPECT_EQ(sys.live_actors(), 1u);
  state.open = true;
  sim.run_to_end();
  EXPECT_TRUE(state.destroyed);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(ActorLifetime, ShutdownCancelsARunningHandler) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(state.holding);
  EXPECT_TRUE(sys.shutdown(1s).has_value());
  EXPECT_EQ(state.hold_ended.code(), errc::cancelled);
  EXPECT_TRUE(state.destroyed);
  EXPECT_EQ(sys.live_actors(), 0u);
  EXPECT_FALSE(sys.spawn<recorder>(state));  // too late
}

TEST(ActorLifetime, AnObjectIsAlignedAsItsClassSays) {
  struct alignas(128) wide {
    using protocol = actors::protocol<bool(get)>;
    bool on(get) { return reinterpret_cast<std::uintptr_t>(this) % 128 == 0; }
  };
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<wide::protocol::ref> all;
  for (int i = 0; i < 8; ++i) all.push_back(sys.spawn<wide>());
  for (const auto& ref : all) {
    auto ask = [&]() -> task<result<bool>> { co_return co_await ref.ask(get{}, 1s); };
    EXPECT_TRUE(sim.run(ask()).value());
  }
}

TEST(ActorLifetime, APlainHandlerRunsUnderTheActorsContext) {
  struct keeper {
    using protocol = actors::protocol<void(note)>;
    context& kept;
    explicit keeper(context& keep) : kept(keep) {}
    void on(note) { kept = this_task::context(); }
  };
  testing::sim_runtime sim;
  context kept;
  system sys(sim);
  const auto ref = sys.spawn<keeper>(kept);
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  EXPECT_FALSE(kept.is_over());
  EXPECT_TRUE(sys.shutdown(1s).has_value());
  EXPECT_EQ(kept.why().code(), errc::cancelled);
}

TEST(ActorLifetime, ShutdownNamesWhatWouldNotEnd) {
  class deaf {
   public:
    using protocol = actors::protocol<void(hold)>;
    deaf(std::atomic<bool>& in, join_handle<void>& until) : in_(in), until_(until) {}
    task<> on(hold) {
      in_ = true;
      in_.notify_all();
      co_await with_context(context(), wait());  // a context that nobody cancels
    }

   private:
    task<> wait() { (void)(co_await until_.join()); }
    std::atomic<bool>& in_;
    join_handle<void>& until_;
  };
  runtime rt;
  std::atomic<bool> in = false;
  auto* const opened = new tandem::detail::completion<void>;
  join_handle<void> until(opened);
  system sys(rt);
  const auto ref = sys.spawn<deaf>(spawn_actor_options("deaf one"), in, until);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  in.wait(false);
  const auto ended = sys.shutdown(1ms);
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
  EXPECT_NE(ended.error().message().find("deaf one"), std::string::npos);
  opened->complete({});
  opened->release();
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

TEST(ActorLifetime, TheLimitOfAShutdownIsOnTheRuntimesClock) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    testing::sim_options options;
    options.seed = seed;
    options.order = testing::task_order::shuffled;
    testing::sim_runtime sim(options);
    recorder::state state;
    system sys(sim);
    const auto ref = sys.spawn<recorder>(state);
    ASSERT_TRUE(ref.try_tell(hold{}).has_value());
    sim.run_until_idle();
    // Another task runs on, so that the end of the actor may be seen late.
    auto busy = sim.spawn([]() -> task<> {
      for (int i = 0; i < 50; ++i) co_await this_task::yield();
    });
    EXPECT_TRUE(sys.shutdown(std::chrono::seconds(1)).has_value()) << "seed " << seed;
    sim.run_to_end();
  }
}

TEST(ActorLifetime, AConstructorThatThrowsLeavesNothingBehind) {
  class thrower {
   public:
    using protocol = actors::protocol<void(note)>;
    explicit thrower(actor_context& c) {
      (void)c.self<thrower>().try_tell(note{1});
      throw std::runtime_error("no");
    }
    void on(note) {}
  };
  testing::sim_runtime sim;
  system sys(sim);
  EXPECT_THROW((void)sys.spawn<thrower>(), std::runtime_error);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(ActorLifetime, AConstructorThatThrowsTakesItsNameAndItsChildrenAlong) {
  class thrower {
   public:
    using protocol = actors::protocol<void(note)>;
    thrower(actor_context& c, counter::protocol::ref& child) {
      EXPECT_TRUE(c.system().register_name("it", c.self<thrower>()).has_value());
      child = c.spawn<counter>(spawn_actor_options());
      throw std::runtime_error("no");
    }
    void on(note) {}
  };
  testing::sim_runtime sim;
  system sys(sim);
  counter::protocol::ref child;
  EXPECT_THROW((void)sys.spawn<thrower>(child), std::runtime_error);
  sim.run_until_idle();
  EXPECT_EQ(sys.live_actors(), 0U);
  EXPECT_EQ(child.try_tell(add{1}).error().code(), errc::unavailable);
  EXPECT_EQ(sys.lookup<void(note)>("it").error().code(), errc::not_found);
}

TEST(ActorLifetime, ARefFromAConstructorThatThrewFailsAtOnce) {
  class thrower {
   public:
    using protocol = actors::protocol<void(note), int(get)>;
    thrower(actor_context& c, protocol::ref& out) {
      out = c.self<thrower>();
      (void)out.try_tell(note{1});
      throw std::runtime_error("no");
    }
    void on(note) {}
    int on(get) { return 1; }
  };
  fixture f;
  thrower::protocol::ref out;
  EXPECT_THROW((void)f.sys.spawn<thrower>(out), std::runtime_error);
  EXPECT_EQ(f.dead.size(), 1U);
  EXPECT_EQ(out.try_tell(note{2}).error().code(), errc::unavailable);
  EXPECT_EQ(f.sim.run([&]() -> task<result<int>> { co_return co_await out.ask(get{}, 1s); }).error().code(),
            errc::unavailable);
  out = {};
  EXPECT_EQ(f.sys.live_actors(), 1U);
}

TEST(ActorLifetime, AnActorKnowsItselfAndItsName) {
  class me {
   public:
    using protocol = actors::protocol<void(add), std::string(get)>;
    explicit me(actor_context& c) : context_(c) { (void)c.self<me>().try_tell(add{1}); }
    void on(add m) { sum_ += m.n; }
    std::string on(get) { return std::string(context_.name()) + std::to_string(sum_); }

   private:
    actor_context& context_;
    std::int64_t sum_ = 0;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<me>(spawn_actor_options("I"));
  EXPECT_EQ(sim.run([&]() -> task<result<std::string>> { co_return co_await ref.ask(get{}, 1s); }).value(), "I1");
}

TEST(ActorLifetime, ARefMayOutliveItsSystem) {
  testing::sim_runtime sim;
  counter::protocol::ref ref;
  {
    system sys(sim);
    ref = sys.spawn<counter>();
    sim.run_until_idle();
  }
  EXPECT_EQ(ref.try_tell(add{1}).error().code(), errc::unavailable);
  const auto asked = sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}, 1s); });
  EXPECT_EQ(asked.error().code(), errc::unavailable);
  EXPECT_TRUE(ref.name().empty());
}

}  // namespace
}  // namespace tandem::actors
