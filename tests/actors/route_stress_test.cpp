// Routers, topics and pools between workers: what is sent is received, dropped and counted, or a dead letter, once.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/actors/actor_pool.hpp>
#include <tandem/actors/ask_all.hpp>
#include <tandem/actors/router.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/actors/topic.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int per_sender = 1'500;
#else
constexpr int per_sender = 15'000;
#endif
constexpr int senders = 4;

struct unit {
  int n = 0;
};
struct ask_unit {
  int n = 0;
};

struct totals {
  std::atomic<std::int64_t> accepted{0}, refused{0}, answered{0}, received{0}, asked{0};
};

// Every now and then one ends.
class mortal {
 public:
  using protocol = actors::protocol<void(unit), int(ask_unit)>;
  mortal(actor_context& self, totals& all, int lives) : self_(self), all_(all), lives_(lives) {}
  void on(unit) {
    ++all_.received;
    spend();
  }
  int on(ask_unit m) {
    ++all_.asked;
    spend();
    return m.n;
  }

 private:
  void spend() {
    if (lives_ > 0 && --lives_ == 0) self_.quit();
  }
  actor_context& self_;
  totals& all_;
  int lives_;
};
using mortal_ref = mortal::protocol::ref;

task<> send_to(mortal_ref to, totals& all) {
  for (int i = 0; i < per_sender; ++i) {
    const auto told = co_await to.tell(unit{i});
    ++(told ? all.accepted : all.refused);
  }
}

// Half of them give up at once or after some microseconds.
task<> ask_of(mortal_ref to, totals& all) {
  for (int i = 0; i < per_sender; ++i) {
    const duration limit = i % 2 == 0 ? duration(1s) : duration((i % 64) * 1us);
    const auto answer = co_await to.ask(ask_unit{i}, limit);
    if (answer && *answer == i) ++all.answered;
    if (!answer) ++all.refused;
  }
}

task<> tell_for_a_moment(mortal_ref to, totals& all) {
  for (int i = 0; i < per_sender; ++i) {
    const auto told = co_await with_timeout((i % 32) * 1us, [](mortal_ref r) -> task<result<void>> {
      co_return co_await r.tell(unit{1});
    }(to));
    ++(told ? all.accepted : all.refused);
  }
}

struct site {
  explicit site(unsigned workers) : rt({.workers = workers}), sys(rt) {}
  mortal_ref spawn(int lives, std::size_t capacity = 4) {
    return sys.spawn<mortal>(spawn_actor_options("mortal", capacity), all, lives);
  }
  // All have handled what they accepted.
  void settle() { sys.shutdown(10s).value(); }
  void expect_nothing_lost() {
    EXPECT_EQ(all.accepted.load(), all.received.load() + static_cast<std::int64_t>(sys.dead_letters()));
  }
  totals all;
  runtime rt;
  system sys;
};

template <class F>
void run_senders(site& s, const mortal_ref& to, F sender) {
  s.rt.block_on([](site& where, mortal_ref ref, F one) -> task<> {
    std::vector<join_handle<void>> running;
    for (int i = 0; i < senders; ++i) running.push_back(spawn(one(ref, where.all)));
    for (auto& r : running) co_await r.join();
  }(s, to, sender));
}

using mortals = router<void(unit), int(ask_unit)>;

class RouteStress : public ::testing::TestWithParam<int> {
 protected:
  static mortals make(int choice, const std::vector<mortal_ref>& refs) {
    switch (choice) {
      case 0: return mortals(round_robin(), refs);
      case 1: return mortals(random_choice(), refs);
      case 2: return mortals(least_loaded(), refs);
      case 3: return mortals(two_choices(), refs);
      default:
        return mortals(by_key([](const unit& u) { return u.n; }, [](const ask_unit& u) { return u.n; }), refs);
    }
  }
};

TEST_P(RouteStress, LosesNothingWhileRouteesComeAndGo) {
  site s(4);
  std::vector<mortal_ref> refs;
  for (int i = 0; i < 4; ++i) refs.push_back(s.spawn(0));
  const mortals r = make(GetParam(), refs);
  std::atomic<bool> over{false};
  auto changing = s.rt.spawn([&]() -> task<> {
    for (std::size_t i = 0; !over; i = (i + 1) % refs.size()) {
      (void)r.remove(refs[i]);
      co_await this_task::yield();
      (void)r.add(refs[i]);
      co_await this_task::yield();
    }
  });
  run_senders(s, r.ref(), send_to);
  over = true;
  s.rt.block_on([](join_handle<void> h) -> task<> { co_await h.join(); }(std::move(changing)));
  EXPECT_EQ(s.all.accepted.load(), std::int64_t{senders} * per_sender);
  s.settle();
  s.expect_nothing_lost();
}

TEST_P(RouteStress, LosesNothingWhileRouteesEnd) {
  site s(4);
  const mortals r = make(GetParam(), {});
  std::atomic<bool> over{false};
  auto replacing = s.rt.spawn([&]() -> task<> {
    while (!over) {
      while (r.size() < 4) (void)r.add(s.spawn(50));
      co_await this_task::yield();
    }
  });
  run_senders(s, r.ref(), send_to);
  over = true;
  s.rt.block_on([](join_handle<void> h) -> task<> { co_await h.join(); }(std::move(replacing)));
  s.settle();
  s.expect_nothing_lost();
}

TEST_P(RouteStress, CancelsWhoWaitsWithoutLosingOrSendingTwice) {
  site s(4);
  std::vector<mortal_ref> refs;
  for (int i = 0; i < 2; ++i) refs.push_back(s.spawn(0, 1));
  const mortals r = make(GetParam(), refs);
  run_senders(s, r.ref(), tell_for_a_moment);
  run_senders(s, r.ref(), ask_of);
  s.settle();
  s.expect_nothing_lost();
  EXPECT_LE(s.all.answered.load(), s.all.asked.load());
}

INSTANTIATE_TEST_SUITE_P(Choices, RouteStress, ::testing::Range(0, 5));

class sum_up {
 public:
  using protocol = actors::protocol<void(unit)>;
  explicit sum_up(std::atomic<std::int64_t>& n) : n_(n) {}
  void on(unit) { ++n_; }

 private:
  std::atomic<std::int64_t>& n_;
};

TEST(TopicStress, WhatWasDeliveredWasReceivedAndTheRestIsCounted) {
  runtime rt({.workers = 4});
  std::atomic<std::int64_t> kept{0}, lossy{0}, other{0};
  system sys(rt);
  const topic<unit> t(topic_options("units", 4));
  const auto a = sys.spawn<sum_up>(spawn_actor_options("kept", 2), kept);
  const auto b = sys.spawn<sum_up>(spawn_actor_options("lossy", 2), lossy);
  const auto c = sys.spawn<sum_up>(spawn_actor_options("other", 2), other);
  const auto sa = t.subscribe(a).value(), sb = t.subscribe(b, subscriber_full::drop_newest).value();
  std::atomic<std::int64_t> published{0}, refused{0};
  std::atomic<bool> over{false};
  auto coming_and_going = rt.spawn([&]() -> task<> {
    while (!over) {
      const auto sc = t.subscribe(c).value();
      co_await this_task::yield();
    }
  });
  rt.block_on([](const topic<unit>& to, std::atomic<std::int64_t>& yes, std::atomic<std::int64_t>& no) -> task<> {
    const auto publish = [](const topic<unit>& on, std::atomic<std::int64_t>& y, std::atomic<std::int64_t>& n,
                            bool patient) -> task<> {
      for (int i = 0; i < per_sender; ++i) {
        const auto one = [](const topic<unit>& o) -> task<result<void>> { co_return co_await o.publish(unit{1}); };
        const duration limit = patient ? duration(1h) : duration((i % 32) * 1us);
        const auto done = co_await with_timeout(limit, one(on));
        ++(done ? y : n);
      }
    };
    std::vector<join_handle<void>> running;
    for (int i = 0; i < senders; ++i) running.push_back(spawn(publish(to, yes, no, i % 2 == 0)));
    for (auto& r : running) co_await r.join();
  }(t, published, refused));
  over = true;
  rt.block_on([](join_handle<void> h) -> task<> { co_await h.join(); }(std::move(coming_and_going)));
  sys.shutdown(10s).value();
  const topic_stats now = t.stats();
  EXPECT_EQ(static_cast<std::int64_t>(now.published), published.load());
  EXPECT_EQ(static_cast<std::int64_t>(now.delivered),
            kept + lossy + other + static_cast<std::int64_t>(sys.dead_letters()));
  EXPECT_EQ(now.dropped, sb.missed());
  EXPECT_EQ(sa.missed(), 0u);
  EXPECT_LE(kept.load(), published.load());
  EXPECT_EQ(published + refused, std::int64_t{senders} * per_sender);
}

TEST(PoolStress, LosesNothingWhileWorkersQuit) {
  site s(4);
  actor_pool_options o;
  o.min_workers = 1;
  o.max_workers = 4;
  o.queue_capacity = 8;
  o.keep_alive = 20us;
  o.restarts = 1'000'000;
  const actor_pool<void(unit), int(ask_unit)> pool(s.sys, [&] { return s.spawn(50); }, o);
  run_senders(s, pool.ref(), send_to);
  EXPECT_EQ(s.all.accepted.load(), std::int64_t{senders} * per_sender);
  run_senders(s, pool.ref(), tell_for_a_moment);
  s.settle();
  s.expect_nothing_lost();
}

TEST(PoolStress, AnswersEachAskOnceWhileWorkersQuit) {
  site s(4);
  actor_pool_options o;
  o.max_workers = 4;
  o.queue_capacity = 8;
  o.restarts = 1'000'000;
  const actor_pool<void(unit), int(ask_unit)> pool(s.sys, [&] { return s.spawn(50); }, o);
  run_senders(s, pool.ref(), ask_of);
  s.settle();
  EXPECT_EQ(s.all.answered + s.all.refused, std::int64_t{senders} * per_sender);
  EXPECT_GE(s.all.answered.load(), std::int64_t{senders} * per_sender / 2);  // those that had time
}

TEST(PoolStress, IsMadeAndDroppedUnderLoadWithoutALeak) {
  site s(4);
  for (int round = 0; round < 50; ++round) {
    actor_pool_options o;
    o.max_workers = 3;
    o.keep_alive = duration(0);
    const actor_pool<void(unit), int(ask_unit)> pool(s.sys, [&] { return s.spawn(7); }, o);
    for (int i = 0; i < 40; ++i)
      if (pool.ref().try_tell(unit{i})) ++s.all.accepted;
  }
  s.settle();
  s.expect_nothing_lost();
}

TEST(AskStress, FirstAndAllGiveEachAskerItsAnswers) {
  site s(4);
  std::vector<mortal_ref> refs;
  for (int i = 0; i < 3; ++i) refs.push_back(s.spawn(0, 2));
  const router<int(ask_unit)> any(first_success(), {refs.begin(), refs.end()});
  s.rt.block_on([](std::vector<mortal_ref> to, actor_ref<int(ask_unit)> scatter) -> task<> {
    const auto ask = [](std::vector<mortal_ref> who, actor_ref<int(ask_unit)> one) -> task<> {
      for (int i = 0; i < per_sender / 4; ++i) {
        const auto first = co_await ask_first(who, ask_unit{i}, 10s);
        EXPECT_EQ(first.value(), i);
        const auto all = co_await ask_all(who, ask_unit{i}, 10s);
        for (const auto& answer : all) EXPECT_EQ(answer.value(), i);
        const auto scattered = co_await one.ask(ask_unit{i}, 10s);
        EXPECT_EQ(scattered.value(), i);
        (void)co_await ask_first(who, ask_unit{i}, (i % 16) * 1us);
      }
    };
    std::vector<join_handle<void>> running;
    for (int i = 0; i < senders; ++i) running.push_back(spawn(ask(to, scatter)));
    for (auto& r : running) co_await r.join();
  }(refs, any.ref()));
  s.settle();
}

}  // namespace
}  // namespace tandem::actors
