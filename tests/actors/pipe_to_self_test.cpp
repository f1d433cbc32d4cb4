// Tasks that run for an actor, and what comes of them.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct act {
  std::function<void(actor_context&)> what;
};

struct log {
  std::vector<int> seen;
  std::vector<std::string> events;
  std::vector<dead_letter> dead;
  bool destroyed = false;
};

task<result<int>> later(duration after, int n) {
  auto slept = co_await sleep_for(after);
  if (!slept) co_return fail(slept.error());
  co_return n;
}
task<int> plain(int n) {
  co_await yield();
  co_return n;
}
task<> nothing() { co_await yield(); }
task<int> throwing() {
  co_await yield();
  throw std::runtime_error("broken");
}
// Ends only some time after it was interrupted, with an error of its own.
task<result<int>> stubborn(log& l, error with) {
  auto slept = co_await sleep_for(1h);
  EXPECT_FALSE(slept.has_value());
  co_await yield();
  co_await yield();
  l.events.emplace_back("task over");
  co_return fail(with ? with : slept.error());
}

class piper {
 public:
  using protocol = actors::protocol<void(act), void(note)>;
  piper(actor_context& c, log& l, std::function<void(actor_context&)> first = {}) : context_(c), log_(l) {
    if (first) first(c);
  }
  ~piper() {
    log_.destroyed = true;
    log_.events.emplace_back("actor over");
  }
  piper(const piper&) = delete;
  piper& operator=(const piper&) = delete;
  void on(const act& a) { a.what(context_); }
  void on(note n) { log_.seen.push_back(n.n); }

 private:
  actor_context& context_;
  log& log_;
};

note number_or_code(const result<int>& r) { return note{r ? *r : -static_cast<int>(r.error().code())}; }

struct fixture {
  testing::sim_runtime sim;
  log l;
  system sys;
  piper::protocol::ref ref;
  fixture() : sys(sim, options()), ref(sys.spawn<piper>(l)) {}
  system_options options() {
    system_options o;
    o.on_dead_letter = [this](const dead_letter& d) { l.dead.push_back(d); };
    return o;
  }
  void run(std::function<void(actor_context&)> what) {
    ASSERT_TRUE(ref.try_tell(act{std::move(what)}).has_value());
    sim.run_until_idle();
  }
};

TEST(PipeToSelf, GivesTheResultAsAMessageWhileTheActorGoesOn) {
  fixture f;
  f.run([](actor_context& c) { c.pipe_to_self<piper>(later(10ms, 1), number_or_code); });
  ASSERT_TRUE(f.ref.try_tell(note{0}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.l.seen, (std::vector<int>{0}));
  f.sim.advance(10ms);
  EXPECT_EQ(f.l.seen, (std::vector<int>{0, 1}));
  EXPECT_EQ(f.sim.live_tasks(), 0U);
}

TEST(PipeToSelf, TakesTasksOfValuesOfNothingAndFunctions) {
  fixture f;
  f.run([](actor_context& c) {
    c.pipe_to_self<piper>(plain(1), number_or_code);
    c.pipe_to_self<piper>(nothing(), [](result<void> r) { return note{r ? 2 : -2}; });
    const auto n = std::make_shared<int>(3);
    c.pipe_to_self<piper>([n]() -> task<int> {
      co_await yield();
      co_return *n;
    }, number_or_code);
  });
  EXPECT_EQ(f.l.seen.size(), 3U);
  EXPECT_EQ(f.l.seen[0] + f.l.seen[1] + f.l.seen[2], 6);
}

TEST(PipeToSelf, AnErrorAndAnExceptionComeAsResults) {
  fixture f;
  f.run([](actor_context& c) {
    c.pipe_to_self<piper>([]() -> task<result<int>> { co_return fail(errc::not_found, "no"); }, number_or_code);
  });
  f.run([](actor_context& c) {
    c.pipe_to_self<piper>(throwing(), [](const result<int>& r) {
      EXPECT_NE(r.error().message().find("broken"), std::string::npos);
      return note{7};
    });
  });
  EXPECT_EQ(f.l.seen, (std::vector<int>{-static_cast<int>(errc::not_found), 7}));
}

TEST(PipeToSelf, AnExceptionOfTheFunctionEndsTheActor) {
  fixture f;
  f.run([](actor_context& c) {
    c.pipe_to_self<piper>(plain(1), [](const result<int>&) -> note { throw std::runtime_error("cannot say"); });
  });
  EXPECT_TRUE(f.l.destroyed);
  EXPECT_NE(f.ref.try_tell(note{1}).error().message().find("cannot say"), std::string::npos);
}

TEST(PipeToSelf, KeepsAnActorThatNobodyCanReach) {
  fixture f;
  f.run([](actor_context& c) { c.pipe_to_self<piper>(later(10ms, 1), number_or_code); });
  f.ref = {};
  f.sim.advance(10ms - 1ns);
  EXPECT_FALSE(f.l.destroyed);
  f.sim.advance(1ns);
  EXPECT_EQ(f.l.seen, (std::vector<int>{1}));
  EXPECT_TRUE(f.l.destroyed);
}

TEST(PipeToSelf, AnActorThatQuitsInterruptsTheTaskAndWaitsForIt) {
  fixture f;
  f.run([&](actor_context& c) { c.pipe_to_self<piper>(stubborn(f.l, {}), number_or_code); });
  f.run([](actor_context& c) { c.quit(); });
  EXPECT_EQ(f.l.events, (std::vector<std::string>{"task over", "actor over"}));
  EXPECT_TRUE(f.l.seen.empty());
  EXPECT_TRUE(f.l.dead.empty());  // being interrupted is no news
  EXPECT_EQ(f.sys.live_actors(), 0U);
  EXPECT_EQ(f.sim.live_tasks(), 0U);
}

TEST(PipeToSelf, ShutdownInterruptsItToo) {
  fixture f;
  f.run([&](actor_context& c) { c.pipe_to_self<piper>(stubborn(f.l, {}), number_or_code); });
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  EXPECT_EQ(f.l.events, (std::vector<std::string>{"task over", "actor over"}));
}

TEST(PipeToSelf, AnErrorThatFindsTheActorEndedIsADeadLetter) {
  fixture f;
  f.run([&](actor_context& c) {
    c.pipe_to_self<piper>(stubborn(f.l, make_error(errc::data_loss, "half written")), number_or_code);
  });
  f.run([](actor_context& c) { c.quit(); });
  EXPECT_TRUE(f.l.seen.empty());
  ASSERT_EQ(f.l.dead.size(), 1U);
  EXPECT_EQ(f.l.dead[0].reason.code(), errc::data_loss);
  EXPECT_EQ(f.l.dead[0].target_id, f.ref.id());
}

TEST(PipeToSelf, CanBeginInTheConstructor) {
  log other;  // until the actor's end
  fixture f;
  const auto ref =
      f.sys.spawn<piper>(other, [](actor_context& c) { c.pipe_to_self<piper>(later(1ms, 4), number_or_code); });
  f.sim.advance(1ms);
  EXPECT_EQ(other.seen, (std::vector<int>{4}));
}

TEST(PipeToSelf, AConstructorThatThrowsInterruptsItsTasksAndHearsNothing) {
  fixture f;
  log other;
  std::optional<bool> asked;
  EXPECT_THROW((void)f.sys.spawn<piper>(other,
                                        [&](actor_context& c) {
                                          c.pipe_to_self<piper>(later(1h, 4), [&](const result<int>&) {
                                            asked = true;
                                            return note{1};
                                          });
                                          throw std::runtime_error("no");
                                        }),
               std::runtime_error);
  f.sim.run_until_idle();
  EXPECT_FALSE(asked.has_value());
  EXPECT_EQ(f.sim.live_tasks(), 0U);
  EXPECT_EQ(f.sys.live_actors(), 1U);
}

TEST(PipeToSelf, TheTaskIsNotBoundByTheLimitOfTheAskThatBeganIt) {
  class server {
   public:
    using protocol = actors::protocol<int(get), void(note)>;
    server(actor_context& c, log& l) : context_(c), log_(l) {}
    task<int> on(get) {
      context_.pipe_to_self<server>(later(50ms, 9), number_or_code);
      co_return 1;
    }
    void on(note n) { log_.seen.push_back(n.n); }

   private:
    actor_context& context_;
    log& log_;
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<server>(l);
  EXPECT_EQ(sim.run([&]() -> task<result<int>> { co_return co_await ref.ask(get{}, 10ms); }).value(), 1);
  sim.advance(50ms);
  EXPECT_EQ(l.seen, (std::vector<int>{9}));
}

// On threads: tasks end while their actors do.
TEST(PipeToSelf, TasksAndActorsMayEndAtTheSameTime) {
  class quick {
   public:
    using protocol = actors::protocol<void(note)>;
    quick(actor_context& c, std::atomic<int>& sum) : context_(c), sum_(sum) {
      for (int i = 0; i < 4; ++i) c.pipe_to_self<quick>(plain(1), number_or_code);
    }
    void on(note n) {
      sum_ += n.n;
      if (++seen_ == 3) context_.quit();
    }

   private:
    actor_context& context_;
    std::atomic<int>& sum_;
    int seen_ = 0;
  };
  runtime rt;
  std::atomic<int> sum = 0;
  {
    system sys(rt);
    for (int i = 0; i < 500; ++i) (void)sys.spawn<quick>(sum);
    while (sys.live_actors() != 0) std::this_thread::yield();
  }
  EXPECT_GE(sum, 1500);
  EXPECT_LE(sum, 2000);
}

}  // namespace
}  // namespace tandem::actors
