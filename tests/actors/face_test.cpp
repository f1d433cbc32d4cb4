// The CAF side of an actor, which comes when somebody asks for it, and may outlive the other.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <tandem/actors/caf.hpp>
#include <tandem/testing/actors.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

class sink {
 public:
  using protocol = actors::protocol<void(int), void(std::string), void(hold), std::int64_t(std::int64_t)>;
  struct state {
    std::atomic<long> seen = 0;
    std::atomic<int> destroyed = 0;
    std::vector<int> order;
  };
  sink(actor_context& c, state& s) : context_(c), state_(s) {}
  ~sink() { ++state_.destroyed; }
  sink(const sink&) = delete;
  sink& operator=(const sink&) = delete;
  void on(int n) {
    ++state_.seen;
    if (n >= 0) state_.order.push_back(n);
  }
  void on(std::string) { context_.quit(); }
  task<> on(hold) { (void)co_await sleep_for(10ms); }
  std::int64_t on(std::int64_t n) { return n; }

 private:
  actor_context& context_;
  state& state_;
};

struct faces : ::testing::Test {
  testing::sim_runtime sim;
  sink::state state;
  system sys{sim, quiet()};
  sink::protocol::ref ref = sys.spawn<sink>(spawn_actor_options("sink", 3), state);

  static system_options quiet() {
    system_options o;
    o.log_dead_letters = false;
    return o;
  }
  void end() {
    EXPECT_TRUE(ref.try_tell(std::string()).has_value());
    sim.run_until_idle();
  }
};

TEST_F(faces, AHandleThatOutlivesTheRefsKeepsTheActor) {
  caf::actor handle = caf_handle(ref);
  ref = {};
  sim.run_until_idle();
  EXPECT_EQ(state.destroyed, 0);
  caf::anon_send(handle, 1);
  sim.run_until_idle();
  EXPECT_EQ(state.seen, 1);
  handle = nullptr;
  sim.run_until_idle();
  EXPECT_EQ(state.destroyed, 1);
}

TEST_F(faces, ARefThatOutlivesTheHandlesKeepsTheActor) {
  for (int i = 0; i < 3; ++i) {
    const caf::actor handle = caf_handle(ref);
    caf::anon_send(handle, 1);
  }
  sim.run_until_idle();
  EXPECT_EQ(state.seen, 3);
  EXPECT_EQ(state.destroyed, 0);
  ref = {};
  sim.run_until_idle();
  EXPECT_EQ(state.destroyed, 1);
}

TEST_F(faces, AnActorHasOne) {
  const caf::actor a = caf_handle(ref);
  const caf::actor b = caf_handle(ref);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.id(), b.id());
}

TEST_F(faces, AskedForAfterTheEndIsThatOfADeadActor) {
  end();
  ASSERT_EQ(state.destroyed, 1);
  const caf::actor handle = caf_handle(ref);
  ASSERT_TRUE(handle);
  bool told = false;
  const auto monitor = caf_system(sys).spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->monitor(handle);
    self->set_down_handler([&](const caf::down_msg&) { told = true; });
    return {[](int) {}};
  });
  sim.run_until_idle();
  EXPECT_TRUE(told);
  EXPECT_EQ(sim.run(request<std::int64_t>(sys, handle, 1s, std::int64_t{1})).error().code(), errc::unavailable);
  caf::anon_send_exit(monitor, caf::exit_reason::kill);
}

TEST_F(faces, AHandleMayOutliveTheActorsEnd) {
  caf::actor handle = caf_handle(ref);
  end();
  ref = {};
  sim.run_until_idle();
  EXPECT_EQ(state.destroyed, 1);
  caf::anon_send(handle, 1);
  EXPECT_EQ(sim.run(request<std::int64_t>(sys, handle, 1s, std::int64_t{1})).error().code(), errc::unavailable);
  handle = nullptr;
  sim.run_until_idle();
  EXPECT_EQ(state.seen, 0);
}

TEST_F(faces, AreEmptyForNobody) { EXPECT_FALSE(caf_handle(sink::protocol::ref())); }

TEST_F(faces, AHighPriorityMessageIsUrgent) {
  const caf::actor handle = caf_handle(ref);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  caf::anon_send(handle, 1);
  caf::anon_send<caf::message_priority::high>(handle, 2);
  sim.run_to_end();
  EXPECT_EQ(state.order, (std::vector<int>{2, 1}));
}

// Those who cannot wait get some room more, and then their messages are refused.
TEST_F(faces, StrangersMayGoBeyondTheCapacityButNotWithoutEnd) {
  const caf::actor handle = caf_handle(ref);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  constexpr int many = 30'000;
  for (int i = 0; i < many; ++i) caf::anon_send(handle, -1);
  const auto info = sys.list_actors().front();
  EXPECT_GT(info.depth, 3u);
  EXPECT_LT(info.depth, 20'000u);
  EXPECT_EQ(info.depth + info.overflows, static_cast<std::size_t>(many));
  EXPECT_EQ(sys.dead_letters(), info.overflows);
  EXPECT_EQ(sim.run(request<std::int64_t>(sys, handle, 1s, std::int64_t{1})).error().code(), errc::overloaded);
  EXPECT_EQ(ref.try_tell(1).error().code(), errc::would_block);
  sim.run_to_end();
  EXPECT_EQ(static_cast<std::size_t>(state.seen), info.depth);
}

TEST_F(faces, StrangersMeetThePolicyOfTheMailbox) {
  for (const overflow policy : {overflow::fail, overflow::drop_newest, overflow::drop_oldest}) {
    sink::state own;
    const std::size_t dead = sys.dead_letters();
    auto bounded = sys.spawn<sink>(spawn_actor_options("bounded", 3, policy), own);
    caf::actor handle = caf_handle(bounded);
    ASSERT_TRUE(bounded.try_tell(hold{}).has_value());
    sim.run_until_idle();
    for (int i = 0; i < 10; ++i) caf::anon_send(handle, i);
    sim.run_to_end();
    EXPECT_EQ(own.order, policy == overflow::drop_oldest ? (std::vector<int>{7, 8, 9})
                                                         : (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(sys.dead_letters() - dead, 7u);
    bounded = {};
    handle = {};
    sim.run_until_idle();
    EXPECT_EQ(own.destroyed, 1);  // before `own` goes
  }
}

// An ask of CAF's actor, put aside by the one it asked.
TEST_F(faces, ACafRequestMayBeAnsweredLater) {
  class late {
   public:
    using protocol = actors::protocol<std::int64_t(int)>;
    explicit late(std::vector<reply_to<std::int64_t>>& kept) : kept_(kept) {}
    void on(int, reply_to<std::int64_t> to) { kept_.push_back(std::move(to)); }

   private:
    std::vector<reply_to<std::int64_t>>& kept_;
  };
  std::vector<reply_to<std::int64_t>> kept;
  const auto target = sys.spawn<late>(kept);
  const auto ask = [&] { return sim.spawn(request<std::int64_t>(sys, caf_handle(target), 1h, 1)); };
  auto answered = ask();
  auto failed = ask();
  auto dropped = ask();
  sim.run_until_idle();
  ASSERT_EQ(kept.size(), 3u);
  kept[0].answer(7);
  kept[1].answer(fail(errc::invalid_argument, "no"));
  kept.pop_back();
  sim.run_until_idle();
  EXPECT_EQ(sim.get(answered).value(), 7);
  EXPECT_EQ(sim.get(failed).error().code(), errc::invalid_argument);
  EXPECT_EQ(sim.get(dropped).error().code(), errc::unavailable);
  kept.clear();
}

TEST_F(faces, AStageHoldsWhatCafsActorsSend) {
  sink::state own;
  testing::actor_stage stage(sim);
  const auto held = stage.spawn<sink>(spawn_actor_options("held"), own);
  caf::anon_send(caf_handle(held), 7);
  sim.run_until_idle();
  EXPECT_EQ(own.seen, 0);
  ASSERT_EQ(stage.pending().size(), 1u);
  EXPECT_NE(stage.pending()[0].type.find("CAF message"), std::string::npos);
  EXPECT_FALSE(stage.allow<int>(held, [](int n) { return n == 8; }));
  EXPECT_TRUE(stage.expect<int>(held, [](int n) { return n == 7; }));
  EXPECT_EQ(own.order, std::vector<int>{7});
}

// On many workers: handles and refs come and go on both sides of an actor's end.
TEST(Faces, OnManyWorkersComeAndGo) {
  runtime rt({.workers = 4});
  sink::state state;
  std::atomic<int> spawned = 0;
  {
    system sys(rt, faces::quiet());
    auto churn = [](system& home, sink::state& s, std::atomic<int>& n) -> task<> {
      for (int i = 0; i < 1000; ++i) {
        auto ref = home.spawn<sink>(s);
        n.fetch_add(1);
        auto ask = [](sink::protocol::ref r) -> task<> {
          const caf::actor mine = caf_handle(r);
          caf::anon_send(mine, -1);
          r = {};
          co_await yield();
          caf::anon_send(mine, -1);
        };
        // Two ask for the first handle at once, while the actor may end.
        auto a = spawn(ask(ref));
        auto b = spawn(ask(ref));
        if (i % 3 == 0) (void)ref.try_tell(std::string());
        if (i % 3 == 1) caf::anon_send_exit(caf_handle(ref), caf::exit_reason::kill);
        ref = {};
        (void)co_await a.join();
        (void)co_await b.join();
      }
    };
    std::vector<join_handle<void>> running;
    for (int i = 0; i < 3; ++i) running.push_back(rt.spawn(churn(sys, state, spawned)));
    auto join = [](join_handle<void> h) -> task<> { (void)co_await h.join(); };
    for (auto& r : running) rt.block_on(join(std::move(r)));
    ASSERT_TRUE(sys.shutdown(30s).has_value());
  }
  EXPECT_EQ(spawned, 3000);
  EXPECT_EQ(state.destroyed, 3000);
}

TEST(Faces, OnManyWorkersMonitorsAreToldOnce) {
  runtime rt({.workers = 4});
  sink::state state;
  system sys(rt, faces::quiet());
  std::atomic<long> told = 0;
  constexpr long rounds = 500;
  std::vector<caf::actor> monitors;  // CAF destroys an actor that nobody refers to, and its monitors with it
  for (long i = 0; i < rounds; ++i) {
    const auto ref = sys.spawn<sink>(state);
    const caf::actor handle = caf_handle(ref);
    if (i % 2) (void)ref.try_tell(std::string());
    monitors.push_back(caf_system(sys).spawn([handle, &told](caf::event_based_actor* self) -> caf::behavior {
      self->monitor(handle);
      self->set_down_handler([self, &told](const caf::down_msg&) {
        told.fetch_add(1);
        self->quit();
      });
      return {[](int) {}};
    }));
    if (i % 2 == 0) (void)ref.try_tell(std::string());
  }
  while (caf_system(sys).registry().running() > 0) std::this_thread::yield();
  monitors.clear();
  const auto ended = sys.shutdown(30s);
  ASSERT_TRUE(ended.has_value()) << ended.error();
  EXPECT_EQ(told, rounds);
}

}  // namespace
}  // namespace tandem::actors
