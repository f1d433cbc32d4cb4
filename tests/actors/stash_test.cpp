// Messages put away for later.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct query {
  int n;
};
struct ready {};
struct leave {};

struct log {
  std::vector<int> handled;
  std::vector<errc> refused;
  std::vector<dead_letter> dead;
};

// Puts everything away until it is ready.
class patient {
 public:
  using protocol = actors::protocol<void(note), int(query), void(ready), void(leave), void(hold)>;
  patient(actor_context& c, log& l) : context_(c), log_(l) {}
  void on(note n) {
    if (ready_) {
      log_.handled.push_back(n.n);
    } else if (auto put = context_.stash<patient>(n); !put) {
      log_.refused.push_back(put.error().code());
    }
  }
  void on(query q, reply_to<int> to) {
    if (ready_) {
      log_.handled.push_back(q.n);
      to.answer(q.n * 10);
    } else if (auto put = context_.stash<patient>(q, std::move(to)); !put) {
      log_.refused.push_back(put.error().code());
      to.answer(-1);  // it is ours still
    }
  }
  void on(ready) {
    ready_ = true;
    (void)context_.unstash_all();
  }
  void on(leave) { context_.quit(); }
  task<> on(hold) { (void)(co_await sleep_for(5ms)); }

 private:
  actor_context& context_;
  log& log_;
  bool ready_ = false;
};

struct fixture {
  testing::sim_runtime sim;
  log l;
  system sys;
  patient::protocol::ref ref;
  explicit fixture(std::size_t capacity = 16)
      : sys(sim, options()), ref(sys.spawn<patient>(spawn_actor_options("patient", capacity), l)) {}
  system_options options() {
    system_options o;
    o.on_dead_letter = [this](const dead_letter& d) { l.dead.push_back(d); };
    return o;
  }
  void tell(int n) {
    EXPECT_TRUE(ref.try_tell(note{n}).has_value());
    sim.run_until_idle();
  }
  task<result<int>> ask(int n, duration limit = 1h) { co_return co_await ref.ask(query{n}, limit); }
};

TEST(Stash, ComesBackInOrderBeforeWhatWaits) {
  fixture f;
  f.tell(1);
  auto asked = f.sim.spawn(f.ask(2));
  f.sim.run_until_idle();
  f.tell(3);
  EXPECT_FALSE(asked.done());
  ASSERT_TRUE(f.ref.try_tell(ready{}).has_value());
  ASSERT_TRUE(f.ref.try_tell(note{5}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.l.handled, (std::vector<int>{1, 2, 3, 5}));
  EXPECT_EQ(f.sim.get(asked).value(), 20);
}

TEST(Stash, UrgentMessagesAreStillFirst) {
  fixture f;
  f.tell(1);
  f.tell(2);
  ASSERT_TRUE(f.ref.try_tell(hold{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(note{4}).has_value());
  ASSERT_TRUE(f.ref.try_tell(ready{}, priority::urgent).has_value());
  ASSERT_TRUE(f.ref.try_tell(note{0}, priority::urgent).has_value());
  f.sim.run_to_end();
  EXPECT_EQ(f.l.handled, (std::vector<int>{0, 1, 2, 4}));
}

TEST(Stash, IsBoundedAndAFullOneLeavesTheMessageWithItsHandler) {
  fixture f(2);
  f.tell(1);
  f.tell(2);
  f.tell(3);
  EXPECT_EQ(f.l.refused, (std::vector<errc>{errc::resource_exhausted}));
  auto asked = f.sim.spawn(f.ask(4));
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked).value(), -1);
  ASSERT_TRUE(f.ref.try_tell(ready{}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.l.handled, (std::vector<int>{1, 2}));
}

TEST(Stash, CountsAsDepthButTakesNoRoomInTheMailbox) {
  fixture f(2);
  f.tell(1);
  f.tell(2);
  EXPECT_EQ(f.sys.list_actors().at(0).depth, 2U);
  ASSERT_TRUE(f.ref.try_tell(hold{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(ready{}).has_value());
  ASSERT_TRUE(f.ref.try_tell(note{3}).has_value());
  EXPECT_EQ(f.sys.list_actors().at(0).depth, 4U);
  EXPECT_EQ(f.ref.try_tell(note{9}).error().code(), errc::would_block);
  f.sim.run_to_end();
  EXPECT_EQ(f.l.handled, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(f.sys.list_actors().at(0).depth, 0U);
  EXPECT_TRUE(f.ref.try_tell(note{4}).has_value());
  EXPECT_TRUE(f.ref.try_tell(note{5}).has_value());
}

TEST(Stash, AnAskThatIsLateWhenItComesBackIsNotHandled) {
  fixture f;
  auto asked = f.sim.spawn(f.ask(1, 10ms));
  f.sim.run_until_idle();
  f.sim.advance(10ms);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::timed_out);
  ASSERT_TRUE(f.ref.try_tell(ready{}).has_value());
  f.sim.run_until_idle();
  EXPECT_TRUE(f.l.handled.empty());
}

TEST(Stash, IsTreatedAsTheMailboxWhenTheActorEnds) {
  fixture f;
  f.tell(1);
  auto asked = f.sim.spawn(f.ask(2));
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(leave{}).has_value());
  f.sim.run_until_idle();
  ASSERT_EQ(f.l.dead.size(), 1U);
  EXPECT_EQ(f.l.dead[0].message_type, "tandem::actors::note");
  EXPECT_EQ(f.l.dead[0].reason.code(), errc::unavailable);
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::unavailable);
}

TEST(Stash, WithoutRefsTheActorEndsWithWhatItStashed) {
  fixture f;
  f.tell(1);
  f.ref = {};
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 0U);
  EXPECT_EQ(f.l.dead.size(), 1U);
}

TEST(Stash, UnstashingNothingGivesZero) {
  class lazy {
   public:
    using protocol = actors::protocol<std::size_t(get)>;
    explicit lazy(actor_context& c) : context_(c) {}
    std::size_t on(get) { return context_.unstash_all(); }

   private:
    actor_context& context_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<lazy>();
  EXPECT_EQ(sim.run([&]() -> task<result<std::size_t>> { co_return co_await ref.ask(get{}); }).value(), 0U);
}

TEST(Stash, OfAnAskThatWasAnsweredIsAMistake) {
  class forgetful {
   public:
    using protocol = actors::protocol<int(query)>;
    explicit forgetful(actor_context& c) : context_(c) {}
    void on(query q, reply_to<int> to) {
      to.answer(1);
      (void)context_.stash<forgetful>(q, std::move(to));
    }

   private:
    actor_context& context_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<forgetful>();
  EXPECT_EQ(sim.run([&]() -> task<result<int>> { co_return co_await ref.ask(query{1}); }).value(), 1);
  EXPECT_EQ(sys.live_actors(), 0U);
}

}  // namespace
}  // namespace tandem::actors
