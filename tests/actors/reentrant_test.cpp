// Actors that handle other messages while a handler waits.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct nap {
  int n;
  duration how_long;
};
struct slow_get {
  duration how_long;
};
struct leave {};
struct crash {};
struct spin {};

struct log {
  std::vector<int> begun;
  std::vector<int> ended;
  std::vector<errc> interrupted;
  std::optional<time_point> deadline;
  bool stop_spinning = false;
  int inside = 0;
  bool destroyed = false;
};

class sleeper {
 public:
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<void(nap), int(slow_get), void(note), void(leave), void(crash), void(spin)>;
  sleeper(actor_context& c, log& l) : context_(c), log_(l) {}
  ~sleeper() { log_.destroyed = true; }
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;

  task<> on(nap m) {
    log_.begun.push_back(m.n);
    auto slept = co_await sleep_for(m.how_long);
    EXPECT_FALSE(log_.destroyed);
    if (!slept) log_.interrupted.push_back(slept.error().code());
    log_.ended.push_back(m.n);
  }
  task<result<int>> on(slow_get m) {
    log_.deadline = this_task::context().deadline();
    auto slept = co_await sleep_for(m.how_long);
    if (!slept) {
      log_.interrupted.push_back(slept.error().code());
      co_return fail(slept.error());
    }
    co_return 7;
  }
  void on(note n) { log_.ended.push_back(n.n); }
  void on(leave) { context_.quit(); }
  task<result<void>> on(crash) {
    co_await yield();
    co_return fail(errc::data_loss, "lost");
  }
  task<> on(spin) {
    while (!log_.stop_spinning && !this_task::cancelled()) co_await yield();
  }

 private:
  actor_context& context_;
  log& log_;
};

struct fixture {
  testing::sim_runtime sim;
  log l;
  system sys{sim};
  sleeper::protocol::ref ref = sys.spawn<sleeper>(spawn_actor_options("sleeper"), l);
  template <class M>
  void tell(M m) {
    ASSERT_TRUE(ref.try_tell(std::move(m)).has_value());
    sim.run_until_idle();
  }
};

TEST(Reentrant, HandlersThatWaitAreInterleaved) {
  fixture f;
  f.tell(nap{1, 30ms});
  f.tell(nap{2, 10ms});
  f.tell(note{3});
  f.tell(nap{4, 20ms});
  EXPECT_EQ(f.l.begun, (std::vector<int>{1, 2, 4}));
  f.sim.advance(1h);
  EXPECT_EQ(f.l.ended, (std::vector<int>{3, 2, 4, 1}));
  EXPECT_EQ(f.sim.live_tasks(), 0U);
}

TEST(Reentrant, ByDefaultAnActorIsNot) {
  class one_by_one {
   public:
    using protocol = actors::protocol<void(nap), void(note)>;
    explicit one_by_one(log& l) : log_(l) {}
    task<> on(nap m) {
      (void)(co_await sleep_for(m.how_long));
      log_.ended.push_back(m.n);
    }
    void on(note n) { log_.ended.push_back(n.n); }

   private:
    log& log_;
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<one_by_one>(l);
  ASSERT_TRUE(ref.try_tell(nap{1, 10ms}).has_value());
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());
  sim.run_to_end();
  EXPECT_EQ(l.ended, (std::vector<int>{1, 2}));
}

TEST(Reentrant, EachHandlerHasTheContextOfItsMessage) {
  fixture f;
  auto longer = f.sim.spawn([&]() -> task<result<int>> { co_return co_await f.ref.ask(slow_get{50ms}, 1h); });
  f.sim.run_until_idle();
  auto shorter = f.sim.spawn([&]() -> task<result<int>> { co_return co_await f.ref.ask(slow_get{50ms}, 10ms); });
  f.sim.run_until_idle();
  EXPECT_EQ(f.l.deadline, f.sim.now() + 10ms);
  f.sim.advance(10ms);
  ASSERT_TRUE(shorter.done());
  EXPECT_EQ(f.sim.get(shorter).error().code(), errc::timed_out);
  EXPECT_EQ(f.l.interrupted, (std::vector<errc>{errc::deadline_exceeded}));
  EXPECT_FALSE(longer.done());
  f.sim.advance(40ms);
  EXPECT_EQ(f.sim.get(longer).value(), 7);
}

class self_asker {
 public:
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<int(slow_get), int(get)>;
  explicit self_asker(actor_context& c) : context_(c) {}
  task<result<int>> on(slow_get) {
    const auto self = context_.self<self_asker>();
    auto got = co_await self.ask(get{});
    co_return got;
  }
  int on(get) { return 3; }

 private:
  actor_context& context_;
};

TEST(Reentrant, AnActorCanAskItself) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<self_asker>();
  EXPECT_EQ(sim.run([&]() -> task<result<int>> { co_return co_await ref.ask(slow_get{0ms}); }).value(), 3);
}

class stopper {
 public:
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<void(spin), void(leave)>;
  explicit stopper(log& l) : log_(l) {}
  task<> on(spin) {
    while (!log_.stop_spinning) co_await yield();
    log_.ended.push_back(1);
  }
  void on(leave) { log_.stop_spinning = true; }

 private:
  log& log_;
};

TEST(Reentrant, AHandlerThatYieldsDoesNotKeepMessagesOut) {
  fixture f;
  const auto ref = f.sys.spawn<stopper>(f.l);
  ASSERT_TRUE(ref.try_tell(spin{}).has_value());
  ASSERT_TRUE(ref.try_tell(leave{}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.l.ended, (std::vector<int>{1}));
}

class narrow {
 public:
  static constexpr std::size_t reentrant = 2;
  using protocol = actors::protocol<void(nap), void(note)>;
  explicit narrow(log& l) : log_(l) {}
  task<> on(nap m) {
    log_.begun.push_back(m.n);
    (void)(co_await sleep_for(m.how_long));
    log_.ended.push_back(m.n);
  }
  void on(note n) { log_.ended.push_back(n.n); }

 private:
  log& log_;
};

TEST(Reentrant, OnlySoManyHandlersWaitAtOnce) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<narrow>(l);
  for (int n = 1; n <= 4; ++n) ASSERT_TRUE(ref.try_tell(nap{n, n * 10ms}).has_value());
  ASSERT_TRUE(ref.try_tell(note{5}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(l.begun, (std::vector<int>{1, 2}));
  ASSERT_TRUE(ref.try_tell(note{6}).has_value());
  sim.advance(10ms);
  EXPECT_EQ(l.begun, (std::vector<int>{1, 2, 3}));
  sim.run_to_end();
  EXPECT_EQ(l.ended, (std::vector<int>{1, 2, 3, 5, 6, 4}));  // 3 and 4 keep the notes waiting, until 40 ms
}

TEST(Reentrant, QuittingInterruptsAllAndWaitsForThem) {
  fixture f;
  f.tell(nap{1, 1h});
  f.tell(nap{2, 1h});
  auto asked = f.sim.spawn([&]() -> task<result<int>> { co_return co_await f.ref.ask(slow_get{1h}, 1h); });
  f.sim.run_until_idle();
  f.tell(leave{});
  EXPECT_EQ(f.l.ended.size(), 2U);
  EXPECT_EQ(f.l.interrupted, (std::vector<errc>(3, errc::cancelled)));
  EXPECT_TRUE(f.l.destroyed);
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::cancelled);
  EXPECT_EQ(f.sys.live_actors(), 0U);
  EXPECT_EQ(f.sim.live_tasks(), 0U);
}

TEST(Reentrant, ShutdownInterruptsAll) {
  fixture f;
  f.tell(nap{1, 1h});
  f.tell(nap{2, 1h});
  ASSERT_TRUE(f.ref.try_tell(spin{}).has_value());
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  EXPECT_EQ(f.l.interrupted.size(), 2U);
  EXPECT_TRUE(f.l.destroyed);
}

TEST(Reentrant, AHandlerThatFailsInterruptsTheOthersAndEndsTheActor) {
  fixture f;
  f.tell(nap{1, 1h});
  f.tell(nap{2, 1h});
  f.tell(crash{});
  EXPECT_EQ(f.l.interrupted, (std::vector<errc>(2, errc::cancelled)));
  EXPECT_TRUE(f.l.destroyed);
  EXPECT_TRUE(is(f.ref.try_tell(note{1}).error(), errc::data_loss));
}

TEST(Reentrant, AHandlerThatWaitsKeepsItsActor) {
  fixture f;
  f.tell(nap{1, 10ms});
  f.ref = {};
  f.sim.advance(10ms - 1ns);
  EXPECT_FALSE(f.l.destroyed);
  f.sim.advance(1ns);
  EXPECT_TRUE(f.l.destroyed);
  EXPECT_EQ(f.l.ended, (std::vector<int>{1}));
}

TEST(Reentrant, ReportsShowTheOldestHandlerAndEachTask) {
  fixture f;
  f.tell(nap{1, 1h});
  f.sim.advance(50ms);
  f.tell(nap{2, 1h});
  const actor_info info = f.sys.list_actors().at(0);
  EXPECT_EQ(info.state, actor_state::waiting);
  EXPECT_NE(info.handling.find("nap"), std::string::npos);
  EXPECT_EQ(info.handling_for, 50ms);
  EXPECT_EQ(f.sim.live_tasks(), 2U);
  const auto census = tandem::detail::take_census(f.sim.core());
  EXPECT_EQ(census.tasks, 2U);
  ASSERT_EQ(census.groups.size(), 1U);
  EXPECT_EQ(census.groups[0].count, 2U);
  EXPECT_STREQ(census.groups[0].name.data(), "sleeper");
  f.sim.advance(1h);
  EXPECT_EQ(f.sys.list_actors().at(0).state, actor_state::idle);
}

struct after_life {
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<void(nap), std::string(get), void(leave)>;
  explicit after_life(log& l) : out(l) { EXPECT_TRUE(out.ended.empty()); }
  void on(nap) {}
  std::string on(get) { return "after " + std::to_string(out.ended.size()); }
  void on(leave) {}
  log& out;
};

struct before {
  static constexpr bool reentrant = true;
  using protocol = after_life::protocol;
  before(actor_context& c, log& l) : context(c), out(l) {}
  task<> on(nap m) {
    (void)(co_await sleep_for(m.how_long));
    out.ended.push_back(m.n);
  }
  std::string on(get) { return "before"; }
  void on(leave) { context.become<after_life>(out); }
  actor_context& context;
  log& out;
};

TEST(Reentrant, ASuccessorWaitsForTheHandlersThatAreOpen) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<before>(l);
  ASSERT_TRUE(ref.try_tell(nap{1, 10ms}).has_value());
  ASSERT_TRUE(ref.try_tell(leave{}).has_value());
  auto asked = sim.spawn([&]() -> task<result<std::string>> { co_return co_await ref.ask(get{}); });
  sim.run_until_idle();
  EXPECT_FALSE(asked.done());
  sim.advance(10ms);
  EXPECT_EQ(sim.get(asked).value(), "after 1");
}

struct odd {
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<std::int64_t(get), void(add)>;
  explicit odd(actor_context& c) : context(c) {}
  std::int64_t on(get) {
    EXPECT_THROW(context.become<counter>(), std::logic_error);
    return 1;
  }
  task<> on(add) { co_await yield(); }
  actor_context& context;
};

TEST(Reentrant, AnActorCannotBecomeOneThatIsNot) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<odd>();
  EXPECT_EQ(sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}); }).value(), 1);
}

class juggler {
 public:
  static constexpr bool reentrant = true;
  using protocol = actors::protocol<void(nap), void(note)>;
  juggler(actor_context& c, log& l) : context_(c), log_(l) {}
  task<> on(nap m) {
    (void)(co_await sleep_for(m.how_long));
    EXPECT_TRUE(context_.stash<juggler>(note{m.n}).has_value());
    context_.after<juggler>(10ms, note{0});
  }
  void on(note n) {
    log_.ended.push_back(n.n);
    if (n.n == 0) (void)context_.unstash_all();
  }

 private:
  actor_context& context_;
  log& log_;
};

TEST(Reentrant, TimersAndStashWorkFromHandlersThatWaited) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<juggler>(l);
  ASSERT_TRUE(ref.try_tell(nap{1, 5ms}).has_value());
  sim.run_to_end();
  EXPECT_EQ(l.ended, (std::vector<int>{0, 1}));
}

struct shared {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> over{0};
};

struct job {
  int n;
};

class worker {
 public:
  static constexpr std::size_t reentrant = 16;
  using protocol = actors::protocol<void(job)>;
  worker(shared& s, csp::sender<int> out) : shared_(s), out_(std::move(out)) {}
  task<> on(job j) {
    for (int i = 0; i < 5; ++i) {
      enter();
      plain_ += j.n;
      leave();
      if (i % 2 == 0) {
        co_await yield();
      } else {
        (void)(co_await out_.send(j.n));
      }
    }
    ++shared_.over;
  }

 private:
  void enter() {
    if (shared_.inside.fetch_add(1) != 0) shared_.most = 2;
  }
  void leave() { shared_.inside.fetch_sub(1); }

  shared& shared_;
  csp::sender<int> out_;
  int plain_ = 0;
};

// On threads: handlers become ready at once everywhere, and only one of an actor runs.
TEST(Reentrant, OnThreadsOneHandlerRunsAtATime) {
  runtime rt;
  shared s;
  constexpr int jobs = 3000;
  {
    system sys(rt);
    auto [tx, rx] = csp::make_channel<int>(1);
    auto drained = rt.spawn([](csp::receiver<int> in) -> task<> {
      for (;;) {
        auto got = co_await in.recv();
        if (!got) co_return;
      }
    }(std::move(rx)));
    auto ref = sys.spawn<worker>(s, std::move(tx));
    auto teller = [](worker::protocol::ref to) -> task<> {
      for (int i = 0; i < jobs / 3; ++i) {
        auto told = co_await to.tell(job{i});
        EXPECT_TRUE(told.has_value());
      }
    };
    for (int i = 0; i < 3; ++i) rt.spawn(teller(ref)).detach();
    ref = {};
    while (sys.live_actors() != 0) std::this_thread::yield();
    while (!drained.done()) std::this_thread::yield();
  }
  EXPECT_EQ(s.over, jobs);
  EXPECT_EQ(s.most, 0);
}

}  // namespace
}  // namespace tandem::actors
