// Messages that an actor sends to itself later, and being idle.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

class clockwork;
struct act {  // does something as the actor
  std::function<void(actor_context&)> what;
};
struct busy {  // waits
  duration how_long;
};

struct log {
  std::vector<int> seen;
  int idles = 0;
  std::vector<duration> idle_for;
  bool destroyed = false;
  self_timer timer;
};

class clockwork {
 public:
  using protocol = actors::protocol<void(act), void(note), void(busy), void(std::unique_ptr<int>)>;
  clockwork(actor_context& c, log& l, std::function<void(actor_context&)> first = {}) : context_(c), log_(l) {
    if (first) first(c);
  }
  ~clockwork() { log_.destroyed = true; }
  clockwork(const clockwork&) = delete;
  clockwork& operator=(const clockwork&) = delete;

  void on(const act& a) { a.what(context_); }
  void on(note n) { log_.seen.push_back(n.n); }
  void on(const std::unique_ptr<int>& n) { log_.seen.push_back(*n); }
  task<> on(busy b) { (void)(co_await sleep_for(b.how_long)); }
  void on(idle i) {
    ++log_.idles;
    log_.idle_for.push_back(i.since_last);
  }

 private:
  actor_context& context_;
  log& log_;
};

struct fixture {
  testing::sim_runtime sim;
  log seen;
  system sys{sim};
  clockwork::protocol::ref ref = sys.spawn<clockwork>(seen);
  void run(std::function<void(actor_context&)> what) {
    ASSERT_TRUE(ref.try_tell(act{std::move(what)}).has_value());
    sim.run_until_idle();
  }
  std::size_t armed() { return tandem::detail::armed_timers(sim.core()); }
};

TEST(SelfTimer, ComesAfterItsDelay) {
  fixture f;
  f.run([](actor_context& c) { c.after<clockwork>(10ms, note{1}); });
  f.sim.advance(10ms - 1ns);
  EXPECT_TRUE(f.seen.seen.empty());
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.seen, (std::vector<int>{1}));
  f.sim.advance(1h);
  EXPECT_EQ(f.seen.seen.size(), 1U);
}

TEST(SelfTimer, CarriesAMessageThatCannotBeCopied) {
  fixture f;
  f.run([](actor_context& c) { c.after<clockwork>(10ms, std::make_unique<int>(7)); });
  f.sim.advance(10ms);
  EXPECT_EQ(f.seen.seen, (std::vector<int>{7}));
}

TEST(SelfTimer, ADelayOfLessThanZeroComesAtOnce) {
  fixture f;
  f.run([](actor_context& c) { c.after<clockwork>(-1s, note{1}); });
  EXPECT_EQ(f.seen.seen, (std::vector<int>{1}));
}

TEST(SelfTimer, ADelayTooLongForTheClockNeverComes) {
  fixture f;
  f.run([](actor_context& c) { c.after<clockwork>(duration::max(), note{1}); });
  f.sim.advance(std::chrono::hours(24 * 300));
  EXPECT_TRUE(f.seen.seen.empty());
}

TEST(SelfTimer, CanBeSetByTheConstructor) {
  log other;  // until the actor's end
  fixture f;
  const auto ref = f.sys.spawn<clockwork>(other, [](actor_context& c) {
    c.after<clockwork>(10ms, note{1});
    c.after<clockwork>(0ms, note{0});
  });
  f.sim.advance(10ms);
  EXPECT_EQ(other.seen, (std::vector<int>{0, 1}));
}

TEST(SelfTimer, ComesBeforeWhatOthersSentAndHoweverFullTheMailbox) {
  testing::sim_runtime sim;
  log seen;
  system sys(sim);
  const auto ref = sys.spawn<clockwork>(spawn_actor_options("full", 2), seen,
                                        [](actor_context& c) { c.after<clockwork>(10ms, note{3}); });
  ASSERT_TRUE(ref.try_tell(busy{20ms}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(ref.try_tell(note{2}, priority::urgent).has_value());
  ASSERT_EQ(ref.try_tell(note{9}).error().code(), errc::would_block);
  sim.advance(20ms);
  EXPECT_EQ(seen.seen, (std::vector<int>{3, 2, 1}));
}

TEST(SelfTimer, CancelTellsWhetherItWasStillToCome) {
  fixture f;
  f.run([&](actor_context& c) { f.seen.timer = c.after<clockwork>(10ms, note{1}); });
  EXPECT_EQ(f.armed(), 1U);
  f.run([&](actor_context&) { EXPECT_TRUE(f.seen.timer.cancel()); });
  EXPECT_EQ(f.armed(), 0U);
  EXPECT_FALSE(f.seen.timer.cancel());
  f.sim.advance(1h);
  EXPECT_TRUE(f.seen.seen.empty());
  f.run([&](actor_context& c) { f.seen.timer = c.after<clockwork>(10ms, note{2}); });
  f.sim.advance(10ms);
  EXPECT_FALSE(f.seen.timer.cancel());
  EXPECT_EQ(f.seen.seen, (std::vector<int>{2}));
  EXPECT_FALSE(self_timer().cancel());
}

TEST(SelfTimer, OnceCancelledItIsNotHandledThoughItWasInTheMailbox) {
  fixture f;
  f.run([&](actor_context& c) { f.seen.timer = c.after<clockwork>(10ms, note{1}); });
  ASSERT_TRUE(f.ref.try_tell(busy{20ms}).has_value());
  f.sim.advance(15ms);
  ASSERT_EQ(f.armed(), 1U);  // that of the handler: ours has fired
  EXPECT_TRUE(f.seen.timer.cancel());
  f.sim.advance(1h);
  EXPECT_TRUE(f.seen.seen.empty());
}

TEST(SelfTimer, ItIsNotToComeAnyMoreForItsOwnHandler) {
  testing::sim_runtime sim;
  struct state {
    self_timer timer;
    std::optional<bool> was_to_come;
  } s;
  class self_canceller {
   public:
    using protocol = actors::protocol<void(note)>;
    self_canceller(actor_context& c, state& s) : state_(s) { s.timer = c.after<self_canceller>(1ms, note{1}); }
    void on(note) { state_.was_to_come = state_.timer.cancel(); }

   private:
    state& state_;
  };
  system sys(sim);
  const auto ref = sys.spawn<self_canceller>(s);
  sim.advance(1ms);
  EXPECT_EQ(s.was_to_come, false);
}

TEST(SelfTimer, RepeatsOnAGridUntilItIsCancelled) {
  fixture f;
  f.run([&](actor_context& c) { f.seen.timer = c.every<clockwork>(10ms, note{1}); });
  f.sim.advance(10ms - 1ns);
  EXPECT_EQ(f.seen.seen.size(), 0U);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.seen.size(), 1U);
  f.sim.advance(30ms);
  EXPECT_EQ(f.seen.seen.size(), 4U);
  EXPECT_TRUE(f.seen.timer.cancel());
  EXPECT_FALSE(f.seen.timer.cancel());
  f.sim.advance(1h);
  EXPECT_EQ(f.seen.seen.size(), 4U);
  EXPECT_EQ(f.armed(), 0U);
}

TEST(SelfTimer, RepeatedOnesDoNotPileUpAndKeepToTheGrid) {
  fixture f;
  f.run([&](actor_context& c) { f.seen.timer = c.every<clockwork>(10ms, note{1}); });
  ASSERT_TRUE(f.ref.try_tell(busy{35ms}).has_value());
  f.sim.advance(35ms - 1ns);
  EXPECT_EQ(f.seen.seen.size(), 0U);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.seen.size(), 1U);  // for 10, 20 and 30 ms
  f.sim.advance(5ms - 1ns);
  EXPECT_EQ(f.seen.seen.size(), 1U);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.seen.size(), 2U);
  f.seen.timer.cancel();
}

TEST(SelfTimer, APeriodOfZeroIsRefused) {
  fixture f;
  f.run([](actor_context& c) { EXPECT_THROW(c.every<clockwork>(0ms, note{1}), std::invalid_argument); });
}

TEST(SelfTimer, KeepsAnActorThatNobodyCanReach) {
  fixture f;
  f.run([](actor_context& c) { c.after<clockwork>(10ms, note{1}); });
  f.ref = {};
  f.sim.advance(10ms - 1ns);
  EXPECT_FALSE(f.seen.destroyed);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.seen, (std::vector<int>{1}));
  EXPECT_TRUE(f.seen.destroyed);
  EXPECT_EQ(f.sys.live_actors(), 0U);
}

TEST(SelfTimer, CancellingTheLastThingThatKeepsItEndsTheActor) {
  fixture f;
  f.run([&](actor_context& c) { f.seen.timer = c.every<clockwork>(1s, note{1}); });
  f.ref = {};
  f.sim.run_until_idle();
  EXPECT_FALSE(f.seen.destroyed);
  EXPECT_TRUE(f.seen.timer.cancel());  // by somebody else
  EXPECT_FALSE(f.seen.destroyed);      // on a worker, not here
  f.sim.run_until_idle();
  EXPECT_TRUE(f.seen.destroyed);
}

TEST(SelfTimer, DiesWithItsActor) {
  fixture f;
  self_timer once, often;
  f.run([&](actor_context& c) {
    once = c.after<clockwork>(10ms, note{1});
    often = c.every<clockwork>(10ms, note{2});
    c.quit();
  });
  EXPECT_TRUE(f.seen.destroyed);
  EXPECT_EQ(f.armed(), 0U);
  EXPECT_FALSE(once.cancel());
  EXPECT_FALSE(often.cancel());
  EXPECT_EQ(f.sys.live_actors(), 0U);
}

TEST(SelfTimer, OneThatIsInTheMailboxDiesWithItsActorToo) {
  fixture f;
  self_timer often;
  f.run([&](actor_context& c) { often = c.every<clockwork>(10ms, note{2}); });
  ASSERT_TRUE(f.ref.try_tell(busy{1h}).has_value());
  f.sim.advance(10ms);
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  EXPECT_TRUE(f.seen.seen.empty());
  EXPECT_FALSE(often.cancel());
  EXPECT_EQ(f.sys.dead_letters(), 0U);  // it was nobody's message
}

TEST(SelfTimer, AHandleOutlivesTheSystem) {
  self_timer timer;
  {
    testing::sim_runtime sim;
    log seen;
    system sys(sim);
    const auto ref = sys.spawn<clockwork>(seen, [&](actor_context& c) { timer = c.every<clockwork>(10ms, note{2}); });
    sim.advance(10ms);
    EXPECT_EQ(seen.seen.size(), 1U);
  }
  EXPECT_FALSE(timer.cancel());
}

TEST(SelfTimer, AConstructorThatThrowsLeavesNoTimerBehind) {
  fixture f;
  log other;
  self_timer timer;
  EXPECT_THROW((void)f.sys.spawn<clockwork>(other,
                                            [&](actor_context& c) {
                                              timer = c.every<clockwork>(10ms, note{1});
                                              c.set_idle_timeout(1ms);
                                              throw std::runtime_error("no");
                                            }),
               std::runtime_error);
  EXPECT_EQ(f.armed(), 0U);
  EXPECT_FALSE(timer.cancel());
  EXPECT_EQ(f.sys.live_actors(), 1U);
}

TEST(SelfTimer, AnExceptionOfCopyingTheMessageEndsTheActor) {
  struct brittle {
    brittle() = default;
    brittle(brittle&&) noexcept = default;
    brittle(const brittle&) { throw std::runtime_error("cannot be copied today"); }
  };
  class potter {
   public:
    using protocol = actors::protocol<void(brittle)>;
    explicit potter(actor_context& c) { c.every<potter>(1ms, brittle()); }
    void on(const brittle&) {}
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<potter>();
  sim.advance(1ms);
  EXPECT_EQ(sys.live_actors(), 0U);
  EXPECT_NE(ref.try_tell(brittle()).error().message().find("cannot be copied today"), std::string::npos);
}

TEST(SelfTimer, OthersThanTheActorMayNotSetOne) {
  fixture f;
  actor_context* context = nullptr;
  f.run([&](actor_context& c) { context = &c; });
  EXPECT_THROW(context->after<clockwork>(1ms, note{1}), std::logic_error);
  EXPECT_THROW(context->set_idle_timeout(1ms), std::logic_error);
  EXPECT_THROW((void)context->unstash_all(), std::logic_error);
  EXPECT_EQ(f.armed(), 0U);
  f.sim.run_to_end();
  EXPECT_TRUE(f.seen.seen.empty());
}

TEST(IdleTimeout, ComesWhenNoMessageWasHandledForThatLongAndAgain) {
  fixture f;
  f.run([](actor_context& c) { c.set_idle_timeout(10ms); });
  f.sim.advance(10ms - 1ns);
  EXPECT_EQ(f.seen.idles, 0);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.idles, 1);
  EXPECT_EQ(f.seen.idle_for[0], 10ms);
  f.sim.advance(10ms);
  EXPECT_EQ(f.seen.idles, 2);
  EXPECT_EQ(f.seen.idle_for[1], 10ms);
}

TEST(IdleTimeout, AMessageStartsTheTimeAnew) {
  fixture f;
  f.run([](actor_context& c) { c.set_idle_timeout(10ms); });
  f.sim.advance(9ms);
  ASSERT_TRUE(f.ref.try_tell(note{1}).has_value());
  f.sim.run_until_idle();
  f.sim.advance(10ms - 1ns);
  EXPECT_EQ(f.seen.idles, 0);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.idles, 1);
}

TEST(IdleTimeout, TheTimeOfAHandlerIsNoIdleTime) {
  fixture f;
  f.run([](actor_context& c) { c.set_idle_timeout(10ms); });
  ASSERT_TRUE(f.ref.try_tell(busy{50ms}).has_value());
  f.sim.advance(50ms);
  EXPECT_EQ(f.seen.idles, 0);
  f.sim.advance(10ms - 1ns);
  EXPECT_EQ(f.seen.idles, 0);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.idles, 1);
}

TEST(IdleTimeout, CanBeChangedAndTurnedOff) {
  fixture f;
  f.run([](actor_context& c) { c.set_idle_timeout(10ms); });
  f.run([](actor_context& c) { c.set_idle_timeout(20ms); });
  f.sim.advance(20ms - 1ns);
  EXPECT_EQ(f.seen.idles, 0);
  f.sim.advance(1ns);
  EXPECT_EQ(f.seen.idles, 1);
  f.run([](actor_context& c) { c.set_idle_timeout(0ms); });
  EXPECT_EQ(f.armed(), 0U);
  f.sim.advance(1h);
  EXPECT_EQ(f.seen.idles, 1);
}

TEST(IdleTimeout, DoesNotKeepTheActor) {
  fixture f;
  f.run([](actor_context& c) { c.set_idle_timeout(10ms); });
  f.ref = {};
  f.sim.run_until_idle();
  EXPECT_TRUE(f.seen.destroyed);
  EXPECT_EQ(f.armed(), 0U);
  EXPECT_EQ(f.sys.live_actors(), 0U);
}

TEST(IdleTimeout, WithoutAHandlerForItTheActorFails) {
  class deaf {
   public:
    using protocol = actors::protocol<void(note)>;
    explicit deaf(actor_context& c) { c.set_idle_timeout(1ms); }
    void on(note) {}
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<deaf>();
  sim.advance(1ms);
  EXPECT_TRUE(is(ref.try_tell(note{1}).error(), errc::failed_precondition));
  EXPECT_EQ(sys.live_actors(), 0U);
}

// On threads: timers fire, are cancelled, and actors end, all at the same time.
TEST(SelfTimer, FiringCancellingAndEndingMayCoincide) {
  struct tick {};
  struct stop_now {};
  struct shared {
    std::mutex lock;
    std::vector<self_timer> handles;
    std::atomic<int> ticks{0};
  };
  class ticking {
   public:
    using protocol = actors::protocol<void(tick), void(stop_now)>;
    ticking(actor_context& c, shared& s) : context_(c), shared_(s) {
      const std::lock_guard hold(s.lock);
      s.handles.push_back(c.every<ticking>(10us, tick{}));
      s.handles.push_back(c.after<ticking>(50us, tick{}));
      c.set_idle_timeout(15us);
    }
    void on(tick) { ++shared_.ticks; }
    void on(idle) { ++shared_.ticks; }
    void on(stop_now) { context_.quit(); }

   private:
    actor_context& context_;
    shared& shared_;
  };
  runtime rt;
  shared s;
  system_options quiet;
  quiet.on_dead_letter = [](const dead_letter&) {};
  {
    system sys(rt, quiet);
    for (int round = 0; round < 300; ++round) {
      auto ref = sys.spawn<ticking>(s);
      if (round % 3 == 0) (void)ref.try_tell(stop_now{});
      if (round % 3 == 1) ref = {};
      std::vector<self_timer> some;
      {
        const std::lock_guard hold(s.lock);
        if (round % 2 == 0) some.swap(s.handles);
      }
      for (self_timer& t : some) (void)t.cancel();
    }
    for (const int before = s.ticks; s.ticks == before && sys.live_actors() != 0;) std::this_thread::yield();
    EXPECT_TRUE(sys.shutdown(10s).has_value());
  }
  for (self_timer& t : s.handles) EXPECT_FALSE(t.cancel());
}

}  // namespace
}  // namespace tandem::actors
