// Exactly one `down` for each watch.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct quit_with {
  error reason;
};

class mortal {
 public:
  using protocol = actors::protocol<void(quit_with), void(hold), void(note)>;
  explicit mortal(actor_context& c) : context_(c) {}
  void on(quit_with m) { context_.quit(std::move(m.reason)); }
  task<> on(hold) { (void)co_await sleep_for(1h); }
  result<void> on(note) { return fail(errc::data_loss, "disk gone"); }

 private:
  actor_context& context_;
};
using mortal_ref = mortal::protocol::ref;

struct watch_it {
  mortal_ref whom;
};
struct unwatch_it {
  mortal_ref whom;
};

class guard {
 public:
  using protocol = actors::protocol<void(watch_it), void(unwatch_it), void(hold), void(note)>;
  struct state {
    result<void> watched;
    bool unwatched = false;
    std::vector<down> told;
    std::vector<int> order;  // notes; 0 for a down
  };
  guard(actor_context& c, state& s) : context_(c), state_(s) {}
  void on(watch_it m) { state_.watched = context_.watch(m.whom); }
  void on(unwatch_it m) { state_.unwatched = context_.unwatch(m.whom); }
  task<> on(hold) { (void)co_await sleep_for(10ms); }
  void on(note m) { state_.order.push_back(m.n); }
  void on(down d) {
    state_.told.push_back(std::move(d));
    state_.order.push_back(0);
  }

 private:
  actor_context& context_;
  state& state_;
};

struct watching : ::testing::Test {
  testing::sim_runtime sim;
  guard::state state;
  system sys{sim};
  mortal_ref target = sys.spawn<mortal>(spawn_actor_options("target"));
  guard::protocol::ref watcher = sys.spawn<guard>(spawn_actor_options("watcher"), state);

  template <class Ref, class M>
  void tell(const Ref& to, M m) {
    EXPECT_TRUE(to.try_tell(std::move(m)).has_value());
    sim.run_until_idle();
  }
  result<void> watch(mortal_ref whom) {
    tell(watcher, watch_it{std::move(whom)});
    return state.watched;
  }
  bool unwatch(mortal_ref whom) {
    tell(watcher, unwatch_it{std::move(whom)});
    return state.unwatched;
  }
};

TEST_F(watching, TellsWhoEndedAndWhy) {
  ASSERT_TRUE(watch(target).has_value());
  EXPECT_TRUE(state.told.empty());
  tell(target, quit_with{make_error(errc::data_loss, "disk gone")});
  ASSERT_EQ(state.told.size(), 1u);
  EXPECT_EQ(state.told[0].id, target.id());
  EXPECT_EQ(state.told[0].name, "target");
  EXPECT_EQ(state.told[0].reason.code(), errc::data_loss);
}

TEST_F(watching, TellsOfAnEndByItselfWithoutAReason) {
  ASSERT_TRUE(watch(target).has_value());
  tell(target, quit_with{});
  ASSERT_EQ(state.told.size(), 1u);
  EXPECT_FALSE(state.told[0].reason);
}

TEST_F(watching, TellsOfAnErrorOfAHandler) {
  ASSERT_TRUE(watch(target).has_value());
  tell(target, note{1});
  ASSERT_EQ(state.told.size(), 1u);
  EXPECT_TRUE(is(state.told[0].reason, errc::data_loss));
}

TEST_F(watching, KeepsNobodyAliveAndTellsOfAnActorOutOfReach) {
  ASSERT_TRUE(watch(target).has_value());
  const std::uint64_t id = target.id();
  target = {};
  sim.run_until_idle();
  ASSERT_EQ(state.told.size(), 1u);
  EXPECT_EQ(state.told[0].id, id);
  EXPECT_FALSE(state.told[0].reason);
}

TEST_F(watching, TellsAtOnceIfItHadEndedBefore) {
  tell(target, quit_with{make_error(errc::data_loss, "disk gone")});
  ASSERT_TRUE(watch(target).has_value());
  ASSERT_EQ(state.told.size(), 1u);
  EXPECT_EQ(state.told[0].name, "target");
  EXPECT_EQ(state.told[0].reason.code(), errc::data_loss);
}

TEST_F(watching, AgainBeforeTheEndChangesNothing) {
  ASSERT_TRUE(watch(target).has_value());
  ASSERT_TRUE(watch(target).has_value());
  tell(target, quit_with{});
  EXPECT_EQ(state.told.size(), 1u);
}

TEST_F(watching, AgainAfterTheEndTellsAgain) {
  ASSERT_TRUE(watch(target).has_value());
  tell(target, quit_with{});
  ASSERT_TRUE(watch(target).has_value());
  EXPECT_EQ(state.told.size(), 2u);
  ASSERT_TRUE(watch(target).has_value());
  EXPECT_EQ(state.told.size(), 3u);
}

TEST_F(watching, IsOverAfterUnwatch) {
  ASSERT_TRUE(watch(target).has_value());
  EXPECT_TRUE(unwatch(target));
  EXPECT_FALSE(unwatch(target));
  tell(target, quit_with{});
  EXPECT_TRUE(state.told.empty());
}

TEST_F(watching, AfterUnwatchTellsAgain) {
  ASSERT_TRUE(watch(target).has_value());
  ASSERT_TRUE(unwatch(target));
  ASSERT_TRUE(watch(target).has_value());
  tell(target, quit_with{});
  EXPECT_EQ(state.told.size(), 1u);
}

// The `down` is in the mailbox when its watcher thinks better of it: too late, and unwatch() says so.
TEST_F(watching, UnwatchAfterTheDownCameSaysSoThoughItWasNotHandled) {
  ASSERT_TRUE(watch(target).has_value());
  ASSERT_TRUE(watcher.try_tell(hold{}).has_value());
  sim.run_until_idle();  // the watcher is busy
  detail::envelope_ptr first(new detail::told<unwatch_it>(unwatch_it{target}));
  first->set_lane(detail::lane::control);
  static_cast<detail::local_target&>(*watcher.target()).post(std::move(first));
  tell(target, quit_with{});
  ASSERT_EQ(sys.live_actors(), 1u);
  ASSERT_TRUE(state.told.empty());
  sim.run_to_end();
  EXPECT_FALSE(state.unwatched);
  EXPECT_EQ(state.told.size(), 1u);
}

TEST_F(watching, UnwatchAfterTheDownWasHandledSaysSo) {
  ASSERT_TRUE(watch(target).has_value());
  tell(target, quit_with{});
  EXPECT_FALSE(unwatch(target));
}

TEST_F(watching, ItsDownComesBeforeOrdinaryMessages) {
  ASSERT_TRUE(watch(target).has_value());
  ASSERT_TRUE(watcher.try_tell(hold{}).has_value());
  sim.run_until_idle();
  for (int i = 1; i < 4; ++i) ASSERT_TRUE(watcher.try_tell(note{i}).has_value());
  tell(target, quit_with{});
  sim.run_to_end();
  EXPECT_EQ(state.order, (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(watching, IsRefusedForNobodyAndAcrossSystems) {
  EXPECT_EQ(watch({}).error().code(), errc::failed_precondition);
  EXPECT_FALSE(unwatch({}));
  system other(sim);
  const auto stranger = other.spawn<mortal>();
  EXPECT_EQ(watch(stranger).error().code(), errc::unimplemented);
  tell(stranger, quit_with{});
  EXPECT_TRUE(state.told.empty());
  EXPECT_EQ(sys.live_actors(), 2u);
}

TEST_F(watching, IsNotOverByUnwatchingAnActorElsewhereWithTheSameId) {
  system other(sim);
  const auto namesake = other.spawn<mortal>();
  ASSERT_EQ(namesake.id(), target.id());
  ASSERT_TRUE(watch(target).has_value());
  tell(watcher, unwatch_it{namesake});
  EXPECT_FALSE(state.unwatched);
  tell(target, quit_with{});
  EXPECT_EQ(state.told.size(), 1U);
}

TEST_F(watching, ItselfIsRefused) {
  class narcissus {
   public:
    using protocol = actors::protocol<void(hold)>;
    narcissus(actor_context& c, result<void>& out) : context_(c), out_(out) {}
    void on(hold) { out_ = context_.watch(context_.self<narcissus>()); }

   private:
    actor_context& context_;
    result<void>& out_;
  };
  result<void> out;
  const auto ref = sys.spawn<narcissus>(out);
  tell(ref, hold{});
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().code(), errc::invalid_argument);
  EXPECT_EQ(sys.live_actors(), 3u);
}

TEST_F(watching, EndsAnActorThatHasNoHandlerForIt) {
  class careless {
   public:
    using protocol = actors::protocol<void(watch_it)>;
    explicit careless(actor_context& c) : context_(c) {}
    void on(watch_it m) { (void)context_.watch(m.whom); }

   private:
    actor_context& context_;
  };
  const auto ref = sys.spawn<careless>();
  tell(ref, watch_it{target});
  tell(target, quit_with{make_error(errc::data_loss, "disk gone")});
  const auto late = ref.try_tell(watch_it{target});
  ASSERT_FALSE(late.has_value());
  EXPECT_TRUE(is(late.error(), errc::data_loss));
  EXPECT_NE(late.error().message().find("no handler on(down)"), std::string::npos) << late.error().message();
}

TEST_F(watching, ByManyTellsEachOnce) {
  std::vector<guard::state> states(200);
  std::vector<guard::protocol::ref> guards;
  for (auto& s : states) {
    guards.push_back(sys.spawn<guard>(s));
    tell(guards.back(), watch_it{target});
  }
  tell(target, quit_with{});
  for (const auto& s : states) EXPECT_EQ(s.told.size(), 1u);
}

TEST_F(watching, ManyIsToldOfEachOnce) {
  std::vector<mortal_ref> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(sys.spawn<mortal>());
    ASSERT_TRUE(watch(many.back()).has_value());
  }
  for (const auto& m : many) ASSERT_TRUE(m.try_tell(quit_with{}).has_value());
  sim.run_until_idle();
  ASSERT_EQ(state.told.size(), many.size());
  std::vector<std::uint64_t> ids;
  for (const auto& d : state.told) ids.push_back(d.id);
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

TEST_F(watching, TwoThatWatchEachOtherMayEndAtOnce) {
  class pair_member {
   public:
    using protocol = actors::protocol<void(actor_ref<void(hold)>), void(hold)>;
    pair_member(actor_context& c, int& told) : context_(c), told_(told) {}
    void on(actor_ref<void(hold)> whom) { EXPECT_TRUE(context_.watch(whom).has_value()); }
    void on(hold) { context_.quit(); }
    void on(const down&) { ++told_; }

   private:
    actor_context& context_;
    int& told_;
  };
  int told = 0;
  const auto a = sys.spawn<pair_member>(told);
  const auto b = sys.spawn<pair_member>(told);
  tell(a, actor_ref<void(hold)>(b));
  tell(b, actor_ref<void(hold)>(a));
  ASSERT_TRUE(a.try_tell(hold{}).has_value());
  ASSERT_TRUE(b.try_tell(hold{}).has_value());
  sim.run_until_idle();
  EXPECT_LE(told, 1);
  EXPECT_EQ(sys.live_actors(), 2u);
  EXPECT_EQ(sys.dead_letters(), 0u);
}

TEST_F(watching, AWatcherThatEndsLeavesNothingBehind) {
  ASSERT_TRUE(watch(target).has_value());
  watcher = {};
  sim.run_until_idle();
  ASSERT_EQ(sys.live_actors(), 1u);
  tell(target, quit_with{});
  EXPECT_EQ(sys.dead_letters(), 0u);
}

// On two workers: watches, unwatches and ends cross each other.
class counting_guard {
 public:
  using protocol = actors::protocol<void(watch_it), void(unwatch_it), int(get)>;
  counting_guard(actor_context& c, std::atomic<long>& told) : context_(c), told_(told) {}
  void on(watch_it m) { EXPECT_TRUE(context_.watch(m.whom).has_value()); }
  void on(unwatch_it m) { (void)context_.unwatch(m.whom); }
  int on(get) { return 0; }
  void on(const down&) { told_.fetch_add(1); }

 private:
  actor_context& context_;
  std::atomic<long>& told_;
};

// Watches from its constructor, which then does `before_the_end`.
class early_guard {
 public:
  using protocol = actors::protocol<void(note)>;
  struct state {
    std::vector<down> told;
    std::function<void()> before_the_end;
  };
  early_guard(actor_context& c, state& s, mortal_ref whom) : state_(s) {
    EXPECT_TRUE(c.watch(whom).has_value());
    if (s.before_the_end) s.before_the_end();
  }
  void on(note) {}
  void on(down d) { state_.told.push_back(std::move(d)); }

 private:
  state& state_;
};

TEST_F(watching, InAConstructorTellsOfAnActorThatHadEnded) {
  tell(target, quit_with{make_error(errc::data_loss, "disk gone")});
  early_guard::state early;
  const auto guard = sys.spawn<early_guard>(early, target);
  sim.run_until_idle();
  ASSERT_EQ(early.told.size(), 1U);
  EXPECT_EQ(early.told[0].reason.code(), errc::data_loss);
}

TEST_F(watching, InAConstructorTellsOfAnActorThatEndsMeanwhile) {
  early_guard::state early;
  early.before_the_end = [this] { tell(target, quit_with{}); };
  const auto guard = sys.spawn<early_guard>(early, target);
  sim.run_until_idle();
  EXPECT_EQ(early.told.size(), 1U);
}

TEST_F(watching, InAConstructorThatThrowsLeavesNothingBehind) {
  early_guard::state early;
  early.before_the_end = [] { throw std::runtime_error("no"); };
  EXPECT_THROW((void)sys.spawn<early_guard>(early, target), std::runtime_error);
  tell(target, quit_with{});
  EXPECT_TRUE(early.told.empty());
}

TEST(Watching, OnManyWorkersTellsOnceWhateverRaces) {
  runtime rt({.workers = 4});
  system_options quiet;
  quiet.log_dead_letters = false;
  system sys(rt, std::move(quiet));
  std::atomic<long> told = 0;
  constexpr long rounds = 2000;
  const auto watcher = sys.spawn<counting_guard>(told);
  auto play = [](system& home, counting_guard::protocol::ref to) -> task<> {
    for (long i = 0; i < rounds; ++i) {
      auto target = home.spawn<mortal>();
      const bool early = i % 3 == 0;
      if (early) (void)target.try_tell(quit_with{});
      watch_it watch{target};
      (void)co_await to.tell(std::move(watch));
      if (!early) (void)target.try_tell(quit_with{});
    }
    // Each of these may be told once, or not at all.
    for (long i = 0; i < rounds; ++i) {
      auto target = home.spawn<mortal>();
      watch_it watch{target};
      unwatch_it unwatch{target};
      (void)co_await to.tell(std::move(watch));
      (void)target.try_tell(quit_with{});
      (void)co_await to.tell(std::move(unwatch));
    }
    // What follows is behind all of them.
    while (home.live_actors() != 1) (void)co_await sleep_for(1ms);
    (void)co_await to.ask(get{}, 30s);
  };
  rt.block_on(play(sys, watcher));
  EXPECT_GE(told, rounds);
  EXPECT_LE(told, 2 * rounds);
  ASSERT_TRUE(sys.shutdown(10s).has_value());
}

TEST(Watching, OnManyWorkersPairsThatEndAtOnceEnd) {
  runtime rt({.workers = 4});
  system_options quiet;
  quiet.log_dead_letters = false;
  system sys(rt, std::move(quiet));
  std::atomic<long> told = 0;
  struct partner {
    actor_ref<void(quit_with)> whom;
  };
  class member {
   public:
    using protocol = actors::protocol<void(partner), void(quit_with)>;
    member(actor_context& c, std::atomic<long>& t) : context_(c), told_(t) {}
    void on(partner p) { EXPECT_TRUE(context_.watch(p.whom).has_value()); }
    void on(quit_with) { context_.quit(); }
    void on(const down&) { told_.fetch_add(1); }

   private:
    actor_context& context_;
    std::atomic<long>& told_;
  };
  for (int i = 0; i < 1000; ++i) {
    const auto a = sys.spawn<member>(told);
    const auto b = sys.spawn<member>(told);
    (void)a.try_tell(partner{b});
    (void)b.try_tell(partner{a});
    (void)a.try_tell(quit_with{});
    (void)b.try_tell(quit_with{});
  }
  ASSERT_TRUE(sys.shutdown(30s).has_value());
  EXPECT_LE(told, 2000);
}

}  // namespace
}  // namespace tandem::actors
