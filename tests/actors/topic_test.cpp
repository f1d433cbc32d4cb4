// Topics: who gets what is published, and what a slow subscriber does to the others.
#include <tandem/actors/topic.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include <tandem/testing/sim_runtime.hpp>

#include "routees.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct stage {
  explicit stage(std::size_t capacity = 1, std::size_t behind = 1)
      : s(sys, 2, capacity), prices(topic_options("prices", behind)) {}
  task<result<void>> publish(int n) { co_return co_await prices.publish(item{n}); }
  void open(std::size_t i) {
    s.states[i].open = true;
    sim.advance(1ms);
  }
  void expect(std::uint64_t published, std::uint64_t delivered, std::uint64_t dropped, std::size_t subscribers) {
    const topic_stats now = prices.stats();
    EXPECT_EQ(now.published, published);
    EXPECT_EQ(now.delivered, delivered);
    EXPECT_EQ(now.dropped, dropped);
    EXPECT_EQ(now.subscribers, subscribers);
  }
  testing::sim_runtime sim;
  system sys{sim};
  sinks s;
  topic<item> prices;
};

TEST(Topic, GivesEachSubscriberEachMessageInOrder) {
  stage t(100);
  const auto a = t.prices.subscribe(t.s.refs[0]).value(), b = t.prices.subscribe(t.s.refs[1]).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(t.sim.run(t.publish(i)).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.states[0].seen, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(t.s.states[1].seen, (std::vector<int>{0, 1, 2}));
  t.expect(3, 6, 0, 2);
}

TEST(Topic, PublishesToNobodyWithoutSubscribers) {
  stage t;
  EXPECT_TRUE(t.prices.try_publish(item{1}).has_value());
  t.expect(1, 0, 0, 0);
}

TEST(Topic, ASubscriptionEndsWithItsDestructor) {
  stage t(100);
  auto a = std::optional(t.prices.subscribe(t.s.refs[0]).value());
  ASSERT_TRUE(a->active());
  ASSERT_TRUE(t.prices.try_publish(item{1}).has_value());
  a.reset();
  ASSERT_TRUE(t.prices.try_publish(item{2}).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.states[0].seen, std::vector<int>{1});
  t.expect(2, 1, 0, 0);
}

TEST(Topic, ASubscriberThatHasEndedIsForgotten) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0]).value(), b = t.prices.subscribe(t.s.refs[1]).value();
  t.s.end(t.sim, 0);
  ASSERT_TRUE(t.prices.try_publish(item{1}).has_value());
  EXPECT_FALSE(a.active());
  EXPECT_TRUE(b.active());
  t.expect(1, 1, 0, 1);
}

TEST(Topic, RefusesWhoHasSubscribedAndWhoIsNobody) {
  stage t;
  auto a = t.prices.subscribe(t.s.refs[0]).value();
  EXPECT_EQ(t.prices.subscribe(t.s.refs[0]).error().code(), errc::already_exists);
  EXPECT_EQ(t.prices.subscribe({}).error().code(), errc::failed_precondition);
  EXPECT_THROW((void)t.prices.subscribe(t.prices.ref()), std::logic_error);
  a.end();
  EXPECT_FALSE(a.active());
  a = t.prices.subscribe(t.s.refs[0]).value();
  EXPECT_TRUE(a.active());
  subscription nothing;
  nothing.end();
  EXPECT_FALSE(nothing.active());
  EXPECT_EQ(nothing.missed(), 0u);
}

TEST(Topic, APublisherWaitsForASubscriberThatWantsItAll) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0]).value(), b = t.prices.subscribe(t.s.refs[1]).value();
  t.s.fill(t.sim, 0);
  ASSERT_TRUE(t.sim.run(t.publish(1)).has_value());
  auto second = t.sim.spawn(t.publish(2));
  t.sim.run_until_idle();
  ASSERT_FALSE(second.done());
  EXPECT_EQ(t.prices.try_publish(item{9}).error().code(), errc::would_block);
  EXPECT_EQ(t.s.states[1].seen, std::vector<int>{1});
  t.open(0);
  EXPECT_TRUE(t.sim.get(second).has_value());
  t.sim.run_to_end();
  EXPECT_EQ(t.s.states[0].seen, (std::vector<int>{-1, 1, 2}));
  EXPECT_EQ(t.s.states[1].seen, (std::vector<int>{1, 2}));
  t.expect(2, 4, 0, 2);
}

TEST(Topic, APublisherDoesNotWaitForOneWhoHasUnsubscribed) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0]).value();
  auto stuck = t.prices.subscribe(t.s.refs[1]).value();
  t.s.fill(t.sim, 1);
  ASSERT_TRUE(t.sim.run(t.publish(1)).has_value());
  auto waiting = t.sim.spawn(t.publish(2));
  t.sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  stuck.end();
  t.sim.run_until_idle();
  ASSERT_TRUE(waiting.done());
  EXPECT_TRUE(t.sim.get(waiting).has_value());
  t.open(1);
  EXPECT_EQ(t.s.states[0].seen, (std::vector<int>{1, 2}));
  EXPECT_EQ(t.s.states[1].seen, (std::vector<int>{-1, 1}));  // what was published before it left
}

TEST(Topic, ACancelledWaitingPublishReachedNobody) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0]).value(), b = t.prices.subscribe(t.s.refs[1]).value();
  t.s.fill(t.sim, 0);
  ASSERT_TRUE(t.sim.run(t.publish(1)).has_value());
  const cancel_source source(t.sim.root_context());
  auto second = t.sim.spawn(t.publish(2), source.context());
  t.sim.run_until_idle();
  ASSERT_FALSE(second.done());
  source.cancel();
  t.sim.run_until_idle();
  EXPECT_EQ(t.sim.get(second).error().code(), errc::cancelled);
  t.open(0);
  t.expect(1, 2, 0, 2);
}

TEST(Topic, ASubscriberThatDropsMissesMessagesAndCountsThem) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0], subscriber_full::drop_newest).value();
  const auto b = t.prices.subscribe(t.s.refs[1]).value();
  t.s.fill(t.sim, 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(t.sim.run(t.publish(i)).has_value());
  EXPECT_EQ(a.missed(), 3u);
  EXPECT_EQ(b.missed(), 0u);
  t.open(0);
  ASSERT_TRUE(t.sim.run(t.publish(3)).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.states[0].seen, (std::vector<int>{-1, 3}));
  t.expect(4, 5, 3, 2);
}

TEST(Topic, ASlowSubscriberMayBeUnsubscribed) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0], subscriber_full::unsubscribe).value();
  t.s.fill(t.sim, 0);
  ASSERT_TRUE(t.prices.try_publish(item{1}).has_value());
  EXPECT_FALSE(a.active());
  EXPECT_EQ(a.missed(), 1u);
  t.expect(1, 0, 1, 0);
  t.open(0);
}

TEST(Topic, OneMayBeSubscribedToAnother) {
  stage t(100);
  const topic<item> all;
  const auto a = all.subscribe(t.s.refs[0]).value();
  const auto relay = t.prices.subscribe(all.ref()).value();
  EXPECT_THROW((void)all.subscribe(t.prices.ref()), std::logic_error);
  ASSERT_TRUE(t.prices.try_publish(item{1}).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.states[0].seen, std::vector<int>{1});
}

TEST(Topic, ANameStandsForOneTopicOfASystem) {
  stage t(100);
  const auto one = topic<item>::named(t.sys, "prices").value();
  const auto other = topic<item>::named(t.sys, "prices").value();
  EXPECT_EQ(one.ref(), other.ref());
  const auto a = one.subscribe(t.s.refs[0]).value();
  ASSERT_TRUE(other.try_publish(item{1}).has_value());
  t.sim.run_until_idle();
  EXPECT_EQ(t.s.states[0].seen, std::vector<int>{1});
  ASSERT_TRUE(t.sys.register_name("sink", t.s.refs[0]).has_value());
  EXPECT_EQ(topic<item>::named(t.sys, "sink").error().code(), errc::failed_precondition);
  EXPECT_EQ(topic<who>::named(t.sys, "prices").error().code(), errc::failed_precondition);
}

TEST(Topic, IsLeftToNobodyByShutdown) {
  stage t;
  const auto a = t.prices.subscribe(t.s.refs[0]).value(), b = t.prices.subscribe(t.s.refs[1]).value();
  t.s.fill(t.sim, 0);
  ASSERT_TRUE(t.sim.run(t.publish(1)).has_value());
  auto waiting = t.sim.spawn(t.publish(2));
  t.sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  EXPECT_TRUE(t.sys.shutdown(1s).has_value());
  EXPECT_TRUE(waiting.done());
  EXPECT_TRUE(t.prices.try_publish(item{3}).has_value());
  EXPECT_EQ(t.prices.stats().subscribers, 0u);
}

struct note {
  explicit note(int i) : n(i) {}
  note(const note& other) : n(other.n) {
    if (on_copy) on_copy(n);
  }
  note(note&&) noexcept = default;
  int n;
  static inline std::function<void(int)> on_copy;
};
class reader {
 public:
  using protocol = actors::protocol<void(note), void(plug)>;
  reader(std::vector<int>& seen, bool& open) : seen_(seen), open_(open) {}
  void on(note n) { seen_.push_back(n.n); }
  task<> on(plug) {
    while (!open_) (void)co_await sleep_for(1ms);
  }

 private:
  std::vector<int>& seen_;
  bool& open_;
};

// Between two threads the moment is short; a copy that publishes makes it last.
TEST(Topic, WhatWaitsForOneTopicAtAnotherIsNotOvertaken) {
  testing::sim_runtime sim;
  std::vector<int> slow_saw, other_saw;
  bool open = false;
  system sys(sim);
  const auto slow = sys.spawn<reader>(spawn_actor_options("slow", 1), slow_saw, open);
  const auto other = sys.spawn<reader>(other_saw, open);
  const topic<note> inner(topic_options("inner", 1)), outer(topic_options("outer", 9));
  const auto a = inner.subscribe(slow).value(), b = inner.subscribe(other).value();
  const auto relay = outer.subscribe(inner.ref()).value();
  ASSERT_TRUE(slow.try_tell(plug()).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(slow.try_tell(note(0)).has_value());
  ASSERT_TRUE(outer.try_publish(note(1)).has_value());  // waits at the slow one
  ASSERT_TRUE(outer.try_publish(note(2)).has_value());  // … and this at the inner topic
  note::on_copy = [&](int n) {
    if (n != 2) return;
    note::on_copy = nullptr;
    EXPECT_TRUE(outer.try_publish(note(3)).has_value());
  };
  open = true;
  sim.run_to_end();
  ASSERT_FALSE(note::on_copy);
  EXPECT_EQ(slow_saw, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(other_saw, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace tandem::actors
