// The testing kit for actors.
#include <gtest/gtest.h>
#include <gtest/gtest-spi.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <tandem/actors/detail/delivery_gate.hpp>
#include <tandem/testing/actors.hpp>
#include <tandem/testing/gtest.hpp>
#include <tandem/testing/probe.hpp>

#include "actors.hpp"

namespace tandem::testing {
namespace {

using namespace std::chrono_literals;
using actors::actor_context;
using actors::actor_ref;
using actors::add;
using actors::counter;
using actors::get;
using actors::note;
using actors::overflow;
using actors::protocol;
using actors::recorder;
using actors::spawn_actor_options;

struct pass_on {
  int n;
};

// Tells its successor what it is told.
class relay {
 public:
  using protocol = actors::protocol<void(pass_on)>;
  explicit relay(actor_ref<void(note)> next) : next_(std::move(next)) {}
  void on(pass_on m) { (void)next_.try_tell(note{m.n}); }

 private:
  actor_ref<void(note)> next_;
};

struct stage_test : ::testing::Test {
  sim_runtime sim;
  recorder::state state;
  actor_stage stage{sim};
  recorder::protocol::ref tape = stage.spawn<recorder>(spawn_actor_options("tape"), state);

  std::vector<std::string> types() {
    std::vector<std::string> all;
    for (const auto& m : stage.pending()) all.push_back(m.type);
    return all;
  }
};

TEST_F(stage_test, HoldsMessagesUntilTheyAreDelivered) {
  for (int i = 1; i < 4; ++i) ASSERT_TRUE(tape.try_tell(note{i}).has_value());
  sim.run_to_end();
  EXPECT_TRUE(state.seen.empty());
  EXPECT_TRUE(stage.deliver_next());
  EXPECT_EQ(state.seen, std::vector<int>{1});
  EXPECT_TRUE(stage.deliver(tape));
  EXPECT_EQ(state.seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(stage.deliver_next());
  EXPECT_FALSE(stage.deliver_next());
  EXPECT_EQ(state.seen, (std::vector<int>{1, 2, 3}));
}

TEST_F(stage_test, ListsWhatIsPendingFromWhomToWhom) {
  const auto from = stage.spawn<relay>(spawn_actor_options("relay"), tape);
  ASSERT_TRUE(from.try_tell(pass_on{1}).has_value());
  ASSERT_TRUE(stage.deliver(from));
  auto told = sim.spawn([](recorder::protocol::ref to) -> task<> { (void)co_await to.tell(note{2}); }(tape), "teller");
  ASSERT_TRUE(tape.try_tell(note{3}).has_value());
  const auto all = stage.pending();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].from, "relay");
  EXPECT_EQ(all[1].from, "");
  EXPECT_EQ(all[2].from, "teller");
  for (const auto& m : all) {
    EXPECT_EQ(m.to, "tape");
    EXPECT_EQ(m.to_id, tape.id());
    EXPECT_EQ(m.type, "tandem::actors::note");
  }
  EXPECT_LT(all[0].number, all[1].number);
  EXPECT_LT(all[1].number, all[2].number);
  EXPECT_TRUE(told.done());
  told.detach();
}

TEST_F(stage_test, DeliversInAnyOrderItIsTold) {
  for (int i = 1; i < 4; ++i) ASSERT_TRUE(tape.try_tell(note{i}).has_value());
  const auto all = stage.pending();
  EXPECT_TRUE(stage.deliver(all[2]));
  EXPECT_FALSE(stage.deliver(all[2]));
  EXPECT_TRUE(stage.deliver(all[0]));
  EXPECT_TRUE(stage.deliver(all[1]));
  EXPECT_EQ(state.seen, (std::vector<int>{3, 1, 2}));
}

TEST_F(stage_test, DeliversAllAlsoWhatIsSentMeanwhile) {
  const auto from = stage.spawn<relay>(tape);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(from.try_tell(pass_on{i}).has_value());
  EXPECT_EQ(stage.deliver_all(), 20u);
  EXPECT_EQ(state.seen.size(), 10u);
  EXPECT_TRUE(stage.expect_none());
}

TEST(Stage, ShufflesAsTheSeedSaysAndKeepsTheOrderOfEachSender) {
  const auto run = [](std::uint32_t seed) {
    sim_runtime sim(seed);
    recorder::state state;
    actor_stage stage(sim);
    const auto tape = stage.spawn<recorder>(state);
    const auto a = stage.spawn<relay>(tape);
    const auto b = stage.spawn<relay>(tape);
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(a.try_tell(pass_on{i}).has_value());
      EXPECT_TRUE(b.try_tell(pass_on{100 + i}).has_value());
    }
    EXPECT_EQ(stage.deliver_all_shuffled(), 40u);
    std::vector<int> of_a;
    std::vector<int> of_b;
    for (const int n : state.seen) (n < 100 ? of_a : of_b).push_back(n);
    EXPECT_TRUE(std::ranges::is_sorted(of_a));
    EXPECT_TRUE(std::ranges::is_sorted(of_b));
    EXPECT_EQ(of_a.size() + of_b.size(), 20u);
    return state.seen;
  };
  std::set<std::vector<int>> different;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) different.insert(run(seed));
  EXPECT_GT(different.size(), 15u);
  EXPECT_EQ(run(7), run(7));
}

TEST_F(stage_test, ExpectDeliversWhatWasExpected) {
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  EXPECT_TRUE(stage.expect<note>(tape, [](const note& n) { return n.n == 1; }));
  EXPECT_EQ(state.seen, std::vector<int>{1});
}

TEST_F(stage_test, ExpectFailsTheTestOtherwiseAndDeliversNothing) {
  static actor_stage* at = nullptr;
  static recorder::protocol::ref* to = nullptr;
  at = &stage;
  to = &tape;
  EXPECT_NONFATAL_FAILURE((void)at->expect<note>(*to), "note was expected for tape, which would get nothing");
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  EXPECT_NONFATAL_FAILURE((void)at->expect<actors::hold>(*to), "hold was expected for tape, which would get");
  EXPECT_NONFATAL_FAILURE((void)at->expect<note>(*to, [](const note& n) { return n.n == 2; }), "note was expected");
  EXPECT_NONFATAL_FAILURE((void)at->expect_none(), "nothing was expected to be pending: tandem::actors::note from");
  EXPECT_NONFATAL_FAILURE((void)at->expect_none(*to), "to tape");
  EXPECT_TRUE(state.seen.empty());
}

TEST_F(stage_test, AllowDeliversIfItIsThere) {
  EXPECT_FALSE(stage.allow<note>(tape));
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  EXPECT_FALSE(stage.allow<note>(tape, [](const note& n) { return n.n == 2; }));
  EXPECT_TRUE(stage.allow<note>(tape));
  EXPECT_EQ(state.seen, std::vector<int>{1});
}

TEST_F(stage_test, DropLosesATellAsADeadLetterAndTellsAnAsker) {
  const auto sum = stage.spawn<counter>();
  ASSERT_TRUE(sum.try_tell(add{1}).has_value());
  auto asking = sim.spawn([](counter::protocol::ref to) -> task<result<std::int64_t>> {
    co_return co_await to.ask(get{}, 1h);
  }(sum));
  const auto all = stage.pending();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(stage.drop(all[0]));
  EXPECT_FALSE(stage.drop(all[0]));
  EXPECT_EQ(stage.system().dead_letters(), 1u);
  EXPECT_TRUE(stage.drop(all[1]));
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(sim.get(asking).error().code(), errc::unavailable);
}

TEST_F(stage_test, AnAskIsAnsweredWhenItIsDelivered) {
  const auto sum = stage.spawn<counter>();
  auto asking = sim.spawn([](counter::protocol::ref to) -> task<result<std::int64_t>> {
    co_return co_await to.ask(get{}, 1h);
  }(sum));
  sim.run_until_idle();
  ASSERT_FALSE(asking.done());
  EXPECT_TRUE(stage.expect<get>(sum));
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(sim.get(asking).value(), 0);
}

TEST_F(stage_test, AHeldAskTimesOutAndIsNotHandled) {
  const auto sum = stage.spawn<counter>();
  auto asking = sim.spawn([](counter::protocol::ref to) -> task<result<std::int64_t>> {
    co_return co_await to.ask(get{}, 5ms);
  }(sum));
  sim.run_until_idle();
  stage.advance(5ms);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(sim.get(asking).error().code(), errc::timed_out);
  EXPECT_EQ(stage.deliver_all(), 1u);
}

TEST_F(stage_test, ABusyActorHandlesWhatItWasLetHaveLater) {
  ASSERT_TRUE(tape.try_tell(actors::hold{}).has_value());
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  ASSERT_TRUE(tape.try_tell(note{2}).has_value());
  EXPECT_TRUE(stage.deliver_next());
  ASSERT_TRUE(state.holding);
  EXPECT_TRUE(stage.deliver_next());
  EXPECT_TRUE(state.seen.empty());
  state.open = true;
  stage.advance(1ms);
  EXPECT_EQ(state.seen, std::vector<int>{1});  // and no more than it was let have
  EXPECT_EQ(types(), std::vector<std::string>{"tandem::actors::note"});
}

TEST_F(stage_test, MailboxesAreAsBoundedAsEver) {
  const auto small = stage.spawn<recorder>(spawn_actor_options("small", 1), state);
  ASSERT_TRUE(small.try_tell(note{1}).has_value());
  EXPECT_EQ(small.try_tell(note{2}).error().code(), errc::would_block);
  auto waiting = sim.spawn([](recorder::protocol::ref to) -> task<> { (void)co_await to.tell(note{3}); }(small));
  sim.run_until_idle();
  EXPECT_FALSE(waiting.done());
  EXPECT_EQ(stage.pending().size(), 1u);
  EXPECT_TRUE(stage.deliver(small));
  EXPECT_TRUE(waiting.done());
  EXPECT_EQ(stage.pending().size(), 1u);
  EXPECT_TRUE(stage.deliver(small));
  EXPECT_EQ(state.seen, (std::vector<int>{1, 3}));
  waiting.detach();
  const auto dropping = stage.spawn<recorder>(spawn_actor_options("dropping", 1, overflow::drop_oldest), state);
  for (int i = 4; i < 7; ++i) ASSERT_TRUE(dropping.try_tell(note{i}).has_value());
  EXPECT_EQ(stage.deliver_all(), 1u);
  EXPECT_EQ(state.seen, (std::vector<int>{1, 3, 6}));
  EXPECT_EQ(stage.system().dead_letters(), 2u);
}

TEST_F(stage_test, AnActorOutOfReachWaitsForWhatIsHeld) {
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  tape = {};
  sim.run_until_idle();
  EXPECT_FALSE(state.destroyed);
  EXPECT_EQ(stage.deliver_all(), 1u);
  EXPECT_EQ(state.seen, std::vector<int>{1});
  EXPECT_TRUE(state.destroyed);
}

TEST_F(stage_test, WhatIsHeldAtTheEndAreDeadLetters) {
  ASSERT_TRUE(tape.try_tell(note{1}).has_value());
  ASSERT_TRUE(stage.system().shutdown(1s).has_value());
  EXPECT_EQ(stage.system().dead_letters(), 1u);
  EXPECT_TRUE(stage.pending().empty());
  EXPECT_FALSE(stage.deliver_next());
}

struct watch_it {
  recorder::protocol::ref whom;
};
class guard {
 public:
  using protocol = actors::protocol<void(watch_it)>;
  guard(actor_context& c, int& told) : context_(c), told_(told) {}
  void on(watch_it m) { EXPECT_TRUE(context_.watch(m.whom).has_value()); }
  void on(const actors::down&) { ++told_; }

 private:
  actor_context& context_;
  int& told_;
};

TEST_F(stage_test, ADownIsHeldToo) {
  int told = 0;
  const auto watcher = stage.spawn<guard>(told);
  ASSERT_TRUE(watcher.try_tell(watch_it{tape}).has_value());
  ASSERT_TRUE(stage.expect<watch_it>(watcher));
  EXPECT_FALSE(stage.ended(tape));
  static_cast<actors::detail::local_target&>(*tape.target()).request_exit(make_error(errc::data_loss, "disk"), true);
  const auto end = stage.ended(tape);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->name, "tape");
  EXPECT_EQ(end->reason.code(), errc::data_loss);
  EXPECT_EQ(told, 0);
  EXPECT_TRUE(
      stage.expect<actors::down>(watcher, [](const actors::down& d) { return d.reason.code() == errc::data_loss; }));
  EXPECT_EQ(told, 1);
}

struct finish_in {
  duration time;
};
class timed {
 public:
  using protocol = actors::protocol<void(finish_in)>;
  explicit timed(actor_context& c) : context_(c) {}
  task<> on(finish_in m) {
    (void)co_await sleep_for(m.time);
    context_.quit();
  }

 private:
  actor_context& context_;
};

TEST_F(stage_test, AwaitsAnEndDeliveringAndMovingTheClock) {
  const auto who = stage.spawn<timed>();
  ASSERT_TRUE(who.try_tell(finish_in{1h}).has_value());
  const time_point before = sim.now();
  const auto end = stage.await_end(who);
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->reason);
  EXPECT_EQ(sim.now(), before + 1h);
}

TEST_F(stage_test, FailsTheTestForAnEndThatNeverComes) {
  static actor_stage* at = nullptr;
  static recorder::protocol::ref* to = nullptr;
  at = &stage;
  to = &tape;
  EXPECT_NONFATAL_FAILURE((void)at->await_end(*to), "tape does not end");
}

TEST_F(stage_test, FailsTheTestForMessagesWithoutEnd) {
  class echo {
   public:
    using protocol = actors::protocol<void(note)>;
    explicit echo(actor_context& c) : context_(c) {}
    void on(note n) { (void)context_.self<echo>().try_tell(n); }

   private:
    actor_context& context_;
  };
  static actor_stage* at = nullptr;
  at = &stage;
  const auto who = stage.spawn<echo>();
  ASSERT_TRUE(who.try_tell(note{1}).has_value());
  EXPECT_NONFATAL_FAILURE((void)at->deliver_all(100), "after 100 messages there are still some");
}

TEST_F(stage_test, IsForSimulationsOnly) {
  runtime rt({.workers = 1});
  struct no_gate final : actors::detail::delivery_gate {
    void queued(actors::detail::local_target&, actors::detail::envelope&) noexcept override {}
  } gate;
  actors::system_options options;
  options.gate = &gate;
  EXPECT_THROW(actors::system(rt, options), std::logic_error);
}

// Probes.

struct quote {
  std::string what;
};
struct order {
  std::string what;
  int price;
};

class shopper {
 public:
  using protocol = actors::protocol<void(quote)>;
  using shop = actor_ref<int(quote), void(order)>;
  explicit shopper(shop s) : shop_(std::move(s)) {}
  task<result<void>> on(quote q) {
    const std::string what = q.what;
    auto price = co_await shop_.ask(std::move(q), 1min);
    if (!price) co_return fail(std::move(price).error());
    order wanted{what, *price};
    co_return co_await shop_.tell(std::move(wanted));
  }

 private:
  shop shop_;
};

TEST_F(stage_test, AProbeTakesAndAnswersWhatItIsSent) {
  probe<int(quote), void(order)> shop(stage, "shop");
  const auto customer = stage.spawn<shopper>(shop.ref());
  ASSERT_TRUE(customer.try_tell(quote{"bread"}).has_value());
  ASSERT_TRUE(stage.deliver(customer));
  auto asked = shop.take<quote>();
  EXPECT_EQ(asked.message.what, "bread");
  EXPECT_FALSE(shop.has_next());
  asked.answer(3);
  EXPECT_EQ(shop.take<order>().message.price, 3);
}

TEST_F(stage_test, AProbeThatDoesNotAnswerFailsItsAsker) {
  probe<int(quote), void(order)> shop(stage);
  const auto customer = stage.spawn<shopper>(shop.ref());
  ASSERT_TRUE(customer.try_tell(quote{"bread"}).has_value());
  ASSERT_TRUE(stage.deliver(customer));
  (void)shop.take<quote>();
  const auto end = stage.ended(customer);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason.code(), errc::unavailable);
}

TEST_F(stage_test, AProbeSaysWhatItHasInstead) {
  probe<int(quote), void(order)> shop(stage, "shop");
  EXPECT_THROW((void)shop.take<quote>(), std::runtime_error);
  ASSERT_TRUE(shop.ref().try_tell(order{"bread", 3}).has_value());
  try {
    (void)shop.take<quote>();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("shop was to take"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("order"), std::string::npos) << e.what();
  }
  EXPECT_EQ(shop.take<order>().message.what, "bread");
}

}  // namespace
}  // namespace tandem::testing
