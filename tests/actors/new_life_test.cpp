// What an actor arranged with itself, when a supervisor restarts it.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct act {
  std::function<void(actor_context&)> what;
};
struct crash {};
struct nap {};

struct log {
  int made = 0;
  std::vector<std::pair<int, int>> seen;  // in which life, what
  std::function<void(actor_context&, int)> constructor;
  std::vector<dead_letter> dead;
  std::vector<result<void>> naps;
  std::vector<int> downs;  // in which life
};

class phoenix {
 public:
  using protocol = actors::protocol<void(act), void(note), void(crash), void(nap)>;
  phoenix(actor_context& c, log& l) : context_(c), log_(l), life_(++l.made) {
    if (l.constructor) l.constructor(c, life_);
  }
  void on(const act& a) { a.what(context_); }
  void on(note n) { log_.seen.emplace_back(life_, n.n); }
  result<void> on(crash) { return fail(errc::data_loss, "crashed"); }
  task<> on(nap) { log_.naps.push_back(co_await sleep_for(1s)); }
  void on(const down&) { log_.downs.push_back(life_); }

 private:
  actor_context& context_;
  log& log_;
  int life_;
};

class other_phoenix {
 public:
  using protocol = phoenix::protocol;
  explicit other_phoenix(log& l) : log_(l) {}
  void on(const act&) {}
  void on(note n) { log_.seen.emplace_back(-1, n.n); }
  result<void> on(crash) { return fail(errc::data_loss, "crashed"); }
  void on(nap) {}

 private:
  log& log_;
};

struct world {
  testing::sim_runtime sim;
  log l;
  system sys;
  phoenix::protocol::ref ref;
  supervisor tree;
  explicit world(waiting_mail mail = waiting_mail::keep, std::function<void(actor_context&, int)> constructor = {},
                 duration pause = {})
      : sys(sim, options()) {
    l.constructor = std::move(constructor);
    actor_child_options how("phoenix");
    how.on_restart = mail;
    auto child = actor_child<phoenix>(sys, how, std::ref(l));
    ref = child.ref();
    supervisor_options options_of_tree;
    options_of_tree.name = "tree";
    options_of_tree.intensity = 5;
    options_of_tree.backoff.initial = pause;
    options_of_tree.backoff.jitter = 0;
    tree = start_supervisor(sys, std::move(options_of_tree), std::move(child));
    sim.run_until_idle();
  }
  ~world() {
    (void)sys.shutdown(duration::max());
    sim.run_to_end();
  }
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  system_options options() {
    system_options o;
    o.on_dead_letter = [this](const dead_letter& d) { l.dead.push_back(d); };
    return o;
  }
  void run(std::function<void(actor_context&)> what) {
    ASSERT_TRUE(ref.try_tell(act{std::move(what)}).has_value());
    sim.run_until_idle();
  }
  void crash_it() {
    ASSERT_TRUE(ref.try_tell(crash{}).has_value());
    sim.run_until_idle();
  }
};

task<result<int>> later(duration after, int n) {
  auto slept = co_await sleep_for(after);
  if (!slept) co_return fail(slept.error());
  co_return n;
}
note number_of(const result<int>& r) { return note{r.value_or(-1)}; }

TEST(NewLife, TimersAndTasksOfTheOldOneAreGone) {
  world w;
  self_timer timer;
  w.run([&](actor_context& c) {
    timer = c.every<phoenix>(1s, note{1});
    c.after<phoenix>(1s, note{2});
    c.set_idle_timeout(1s);
    c.pipe_to_self<phoenix>(later(1s, 3), number_of);
  });
  w.crash_it();
  ASSERT_EQ(w.l.made, 2);
  EXPECT_FALSE(timer.cancel());
  w.sim.advance(10s);
  EXPECT_TRUE(w.l.seen.empty());
  EXPECT_EQ(w.l.made, 2);
}

TEST(NewLife, TheStashComesBackFirstIfMailIsKept) {
  world w;
  w.run([](actor_context& c) {
    EXPECT_TRUE(c.stash<phoenix>(note{1}).has_value());
    EXPECT_TRUE(c.stash<phoenix>(note{2}).has_value());
  });
  ASSERT_TRUE(w.ref.try_tell(crash{}).has_value());
  ASSERT_TRUE(w.ref.try_tell(note{3}).has_value());
  w.sim.run_until_idle();
  EXPECT_EQ(w.l.seen, (std::vector<std::pair<int, int>>{{2, 1}, {2, 2}, {2, 3}}));
  EXPECT_EQ(w.sys.list_actors().at(0).depth, 0U);
}

TEST(NewLife, TheStashIsDroppedWithTheMail) {
  world w(waiting_mail::drop);
  w.run([](actor_context& c) { EXPECT_TRUE(c.stash<phoenix>(note{1}).has_value()); });
  w.crash_it();
  EXPECT_EQ(w.l.made, 2);
  EXPECT_TRUE(w.l.seen.empty());
  EXPECT_EQ(w.l.dead.size(), 1U);
  EXPECT_EQ(w.sys.list_actors().at(0).depth, 0U);
}

TEST(NewLife, ItIsOfTheFirstClassAgain) {
  world w;
  w.run([&](actor_context& c) { c.become<other_phoenix>(w.l); });
  ASSERT_TRUE(w.ref.try_tell(note{1}).has_value());
  w.crash_it();
  ASSERT_TRUE(w.ref.try_tell(note{2}).has_value());
  w.sim.run_until_idle();
  EXPECT_EQ(w.l.seen, (std::vector<std::pair<int, int>>{{-1, 1}, {2, 2}}));
  EXPECT_NE(w.sys.list_actors().at(0).class_name.find("::phoenix"), std::string::npos);
}

TEST(NewLife, ItsConstructorMayArrangeThingsToo) {
  world w(waiting_mail::keep, [](actor_context& c, int life) {
    c.after<phoenix>(1s, note{10 + life});
    c.pipe_to_self<phoenix>(later(2s, 20 + life), number_of);
  });
  w.crash_it();
  w.sim.advance(2s);
  EXPECT_EQ(w.l.seen, (std::vector<std::pair<int, int>>{{2, 12}, {2, 22}}));
}

TEST(NewLife, AConstructorThatThrowsTakesWhatItArrangedAlong) {
  self_timer timer;
  world w(waiting_mail::keep, [&](actor_context& c, int life) {
    if (life != 2) return;
    timer = c.every<phoenix>(1s, note{1});
    (void)c.stash<phoenix>(note{7});
    c.pipe_to_self<phoenix>(later(1s, 3), number_of);
    throw std::runtime_error("not yet");
  });
  w.crash_it();
  w.sim.advance(100ms);
  EXPECT_GE(w.l.made, 3);
  EXPECT_FALSE(timer.cancel());
  w.sim.advance(10s);
  EXPECT_EQ(w.l.seen, (std::vector<std::pair<int, int>>{{3, 7}}));  // what it stashed is mail
}

TEST(NewLife, ItsConstructorMayQuit) {
  world w(waiting_mail::keep, [](actor_context& c, int life) {
    if (life == 2) c.quit(make_error(errc::data_loss, "not now"));
  });
  w.crash_it();
  EXPECT_EQ(w.l.made, 3);
}

TEST(NewLife, TheQuitOfAConstructorThatThrewIsForgotten) {
  world w(waiting_mail::keep, [](actor_context& c, int life) {
    if (life != 2) return;
    c.quit();
    throw std::runtime_error("no");
  });
  w.crash_it();
  EXPECT_EQ(w.l.made, 3);
  w.run([](actor_context&) {});
  EXPECT_TRUE(w.l.dead.empty());
}

// What a supervisor does that drops the child while that begins on another worker.
TEST(NewLife, AnEndDuringItsConstructorEndsIt) {
  world w(waiting_mail::keep, [](actor_context& c, int life) {
    if (life == 2) c.target().request_exit(make_error(errc::cancelled, "dropped"), true, true);
  });
  w.crash_it();
  EXPECT_EQ(w.l.made, 3);  // the supervisor makes a new actor
}

TEST(NewLife, AnEndDuringAConstructorThatThrowsEndsIt) {
  world w(waiting_mail::keep, [](actor_context& c, int life) {
    if (life != 2) return;
    c.target().request_exit(make_error(errc::cancelled, "dropped"), true, true);
    throw std::runtime_error("no");
  });
  w.crash_it();
  EXPECT_EQ(w.l.made, 3);
  EXPECT_EQ(w.ref.try_tell(note{1}).error().code(), errc::unavailable);
}

TEST(NewLife, ARequestDuringThePauseDoesNotInterruptIt) {
  world w(waiting_mail::keep, {}, 1s);
  w.crash_it();
  ASSERT_EQ(w.l.made, 1);  // the pause
  // As an exit message of CAF's does.
  dynamic_cast<detail::local_target&>(*w.ref.target()).request_exit(make_error(errc::cancelled, "stop"), true);
  w.sim.advance(1s);
  ASSERT_EQ(w.l.made, 2);
  ASSERT_TRUE(w.ref.try_tell(nap{}).has_value());
  w.sim.advance(1s);
  ASSERT_EQ(w.l.naps.size(), 1U);
  EXPECT_TRUE(w.l.naps[0].has_value());
}

struct watched_by_it : world {
  counter::protocol::ref other = sys.spawn<counter>();
  using world::world;
  void end_the_other() {
    dynamic_cast<detail::local_target&>(*other.target()).request_exit({}, false);
    sim.run_until_idle();
  }
};

TEST(NewLife, IsNotToldOfTheEndOfWhatTheOldOneWatched) {
  watched_by_it w;
  w.run([&](actor_context& c) { EXPECT_TRUE(c.watch(w.other).has_value()); });
  w.crash_it();
  w.end_the_other();
  EXPECT_TRUE(w.l.downs.empty());
}

TEST(NewLife, IsNotToldOfAnEndThatTheOldOneHadNotHandled) {
  watched_by_it w;
  w.end_the_other();
  w.run([&](actor_context& c) {
    EXPECT_TRUE(c.watch(w.other).has_value());
    c.quit(make_error(errc::data_loss, "crashed"));
  });
  ASSERT_EQ(w.l.made, 2);
  EXPECT_TRUE(w.l.downs.empty());
}

TEST(NewLife, MayWatchTheSameAgain) {
  watched_by_it w;
  w.l.constructor = [&](actor_context& c, int) { EXPECT_TRUE(c.watch(w.other).has_value()); };
  w.crash_it();
  w.crash_it();
  w.end_the_other();
  EXPECT_EQ(w.l.downs, std::vector<int>{3});
}

TEST(NewLife, IsNotToldOfTheEndOfWhatAConstructorWatchedThatThrew) {
  watched_by_it w;
  w.l.constructor = [&](actor_context& c, int life) {
    if (life != 2) return;
    EXPECT_TRUE(c.watch(w.other).has_value());
    throw std::runtime_error("not yet");
  };
  w.crash_it();
  w.sim.advance(100ms);
  ASSERT_GE(w.l.made, 3);
  w.end_the_other();
  EXPECT_TRUE(w.l.downs.empty());
}

}  // namespace
}  // namespace tandem::actors
