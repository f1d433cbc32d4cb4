// What becomes of messages for which there is no room: each row of the table in spawn_options.hpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // NOLINT: of its runtime; GCC has no header for it
#endif

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct question {
  int n;
};

// Busy with a hold until the gate opens.
class clerk {
 public:
  using protocol = actors::protocol<void(hold), void(note), int(question)>;
  struct state {
    bool open = false;
    std::vector<int> seen;
  };
  explicit clerk(state& s) : state_(s) {}
  task<> on(hold) {
    while (!state_.open)
      if (auto slept = co_await sleep_for(1ms); !slept) co_return;
  }
  void on(note m) { state_.seen.push_back(m.n); }
  int on(question q) {
    state_.seen.push_back(q.n);
    return q.n;
  }

 private:
  state& state_;
};

// A clerk with room for two, which are notes 1 and 2.
struct full {
  testing::sim_runtime sim;
  clerk::state state;
  std::vector<dead_letter> dead;
  system sys;
  clerk::protocol::ref ref;

  explicit full(overflow policy)
      : sys(sim, options()), ref(sys.spawn<clerk>(spawn_actor_options("clerk", 2, policy), state)) {
    EXPECT_TRUE(ref.try_tell(hold{}).has_value());
    sim.run_until_idle();
    EXPECT_TRUE(ref.try_tell(note{1}).has_value());
    EXPECT_TRUE(ref.try_tell(note{2}).has_value());
  }
  system_options options() {
    system_options o;
    o.on_dead_letter = [this](const dead_letter& d) { dead.push_back(d); };
    return o;
  }
  auto tell(int n) {
    return sim.spawn([this, n]() -> task<result<void>> { co_return co_await ref.tell(note{n}); });
  }
  auto ask(int n) {
    return sim.spawn([this, n]() -> task<result<int>> { co_return co_await ref.ask(question{n}, 1h); });
  }
  std::uint64_t overflows() { return sys.list_actors().front().overflows; }
  void let_go() {
    state.open = true;
    sim.run_to_end();
  }
};

TEST(Overflow, WaitLetsTellsAndAsksWaitAndTriesFail) {
  full f(overflow::wait);
  auto told = f.tell(3);
  auto asked = f.ask(4);
  f.sim.run_until_idle();
  EXPECT_FALSE(told.done() || asked.done());
  EXPECT_EQ(f.ref.try_tell(note{5}).error().code(), errc::would_block);
  f.let_go();
  EXPECT_TRUE(f.sim.get(told).has_value());
  EXPECT_EQ(f.sim.get(asked).value(), 4);
  EXPECT_EQ(f.state.seen, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(f.overflows(), 0u);
  EXPECT_TRUE(f.dead.empty());
}

TEST(Overflow, FailRefusesTellsTriesAndAsks) {
  full f(overflow::fail);
  auto told = f.tell(3);
  auto asked = f.ask(4);
  f.sim.run_until_idle();
  ASSERT_TRUE(told.done() && asked.done());
  EXPECT_EQ(f.sim.get(told).error().code(), errc::overloaded);
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::overloaded);
  EXPECT_EQ(f.ref.try_tell(note{5}).error().code(), errc::overloaded);
  EXPECT_EQ(f.overflows(), 3u);
  f.let_go();
  EXPECT_EQ(f.state.seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(f.dead.empty());  // their senders know
}

TEST(Overflow, DropNewestReportsWhatItRefuses) {
  full f(overflow::drop_newest);
  auto told = f.tell(3);
  auto asked = f.ask(4);
  f.sim.run_until_idle();
  ASSERT_TRUE(told.done() && asked.done());
  EXPECT_TRUE(f.sim.get(told).has_value());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::overloaded);
  EXPECT_TRUE(f.ref.try_tell(note{5}).has_value());
  EXPECT_EQ(f.overflows(), 3u);
  ASSERT_EQ(f.dead.size(), 2u);
  EXPECT_EQ(f.dead[0].reason.code(), errc::overloaded);
  EXPECT_EQ(f.dead[0].target_name, "clerk");
  f.let_go();
  EXPECT_EQ(f.state.seen, (std::vector<int>{1, 2}));
}

TEST(Overflow, DropOldestMakesRoom) {
  full f(overflow::drop_oldest);
  auto told = f.tell(3);
  auto asked = f.ask(4);
  f.sim.run_until_idle();
  EXPECT_TRUE(f.sim.get(told).has_value());
  EXPECT_FALSE(asked.done());
  EXPECT_EQ(f.dead.size(), 2u);  // 1 and 2
  EXPECT_TRUE(f.ref.try_tell(note{5}).has_value());
  EXPECT_EQ(f.dead.size(), 3u);  // 3
  EXPECT_TRUE(f.ref.try_tell(note{6}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(asked.done());  // it was the oldest
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::overloaded);
  EXPECT_EQ(f.dead.size(), 3u);
  EXPECT_EQ(f.overflows(), 4u);
  f.let_go();
  EXPECT_EQ(f.state.seen, (std::vector<int>{5, 6}));
}

TEST(Overflow, DropOldestPrefersToDropFromTheLaneOfTheNewOne) {
  full f(overflow::drop_oldest);
  const auto urgent = [&](int n) {
    detail::envelope_ptr made(new detail::told<note>(note{n}));
    made->set_lane(detail::lane::urgent);
    error why;
    EXPECT_EQ(f.ref.target()->try_deliver(made, why), detail::target::delivery::delivered);
  };
  urgent(11);  // instead of 1
  urgent(12);  // instead of 11
  f.let_go();
  EXPECT_EQ(f.state.seen, (std::vector<int>{12, 2}));
  EXPECT_EQ(f.dead.size(), 2u);
}

TEST(Overflow, ANormalMessageDropsNoUrgentOne) {
  full f(overflow::drop_oldest);
  for (int i = 0; i < 2; ++i) {
    detail::envelope_ptr made(new detail::told<note>(note{11 + i}));
    made->set_lane(detail::lane::urgent);
    error why;
    // The first takes the place of a normal message, the second that of the first urgent one.
    EXPECT_EQ(f.ref.target()->try_deliver(made, why), detail::target::delivery::delivered);
  }
  EXPECT_TRUE(f.ref.try_tell(note{3}).has_value());  // instead of 2
  EXPECT_TRUE(f.ref.try_tell(note{4}).has_value());  // instead of 3
  f.let_go();
  EXPECT_EQ(f.state.seen, (std::vector<int>{12, 4}));
}

TEST(Overflow, MessagesOfLinksAreTakenBeyondTheCapacityUnderAnyPolicy) {
  for (const overflow policy : {overflow::wait, overflow::fail, overflow::drop_newest, overflow::drop_oldest}) {
    full f(policy);
    for (int i = 0; i < 100; ++i)
      static_cast<detail::local_target&>(*f.ref.target())
          .post(detail::envelope_ptr(new detail::told<note>(note{100 + i})));
    EXPECT_EQ(f.ref.target()->depth(), 102u);
    if (policy == overflow::wait) {
      EXPECT_EQ(f.ref.try_tell(note{3}).error().code(), errc::would_block);
    }
    f.let_go();
    EXPECT_EQ(f.state.seen.size(), 102u);
    EXPECT_TRUE(f.dead.empty());
  }
}

TEST(Overflow, ACapacityOfOneWorksUnderAnyPolicy) {
  for (const overflow policy : {overflow::wait, overflow::fail, overflow::drop_newest, overflow::drop_oldest}) {
    testing::sim_runtime sim;
    clerk::state state;
    state.open = true;
    system sys(sim);
    const auto ref = sys.spawn<clerk>(spawn_actor_options("one", 1, policy), state);
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(ref.try_tell(note{i}).has_value());
      sim.run_until_idle();
    }
    EXPECT_EQ(state.seen.size(), 10u);
    EXPECT_EQ(ref.target()->depth(), 0u);
  }
}

// On real workers, to a consumer that has stopped: nothing hangs, and every message is accounted for.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// What was freed stays resident for a while, to find uses of it. So what is in use is counted, and has to be less than
// so many messages need.
std::size_t bytes_taken() { return __sanitizer_get_current_allocated_bytes(); }
constexpr int flood_size = 100'000;
constexpr std::size_t flood_may_take = 1U << 20;
#else
std::size_t bytes_taken() {
  std::size_t pages = 0;
  std::size_t resident = 0;
  std::FILE* const f = std::fopen("/proc/self/statm", "r");
  if (!f) return 0;
  const int got = std::fscanf(f, "%zu %zu", &pages, &resident);
  std::fclose(f);
  return got == 2 ? resident * 4096 : 0;
}
constexpr int flood_size = 10'000'000;
constexpr std::size_t flood_may_take = 32U << 20;
#endif

class stopped_consumer {
 public:
  using protocol = actors::protocol<void(hold), void(note)>;
  struct state {
    std::atomic<bool> holding = false;
    std::atomic<bool> open = false;
    std::atomic<long> seen = 0;
  };
  explicit stopped_consumer(state& s) : state_(s) {}
  task<> on(hold) {
    state_.holding = true;
    while (!state_.open.load()) {
      auto slept = co_await sleep_for(1ms);
      if (!slept) co_return;
    }
  }
  void on(note) { state_.seen.fetch_add(1, std::memory_order_relaxed); }

 private:
  state& state_;
};

class flood : public ::testing::TestWithParam<overflow> {};

TEST_P(flood, OfAStoppedConsumerLosesNothingUncountedAndTakesBoundedMemory) {
  runtime rt({.workers = 2});
  std::atomic<long> dead = 0;
  system_options options;
  options.on_dead_letter = [&](const dead_letter&) { dead.fetch_add(1, std::memory_order_relaxed); };
  system sys(rt, std::move(options));
  stopped_consumer::state state;
  const auto ref = sys.spawn<stopped_consumer>(spawn_actor_options("stopped", 1024, GetParam()), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  while (!state.holding) std::this_thread::yield();
  const std::size_t before = bytes_taken();
  long refused = 0;
  for (int i = 0; i < flood_size; ++i) refused += !ref.try_tell(note{i});
  EXPECT_LT(bytes_taken(), before + flood_may_take);
  const auto info = sys.list_actors().front();
  EXPECT_LE(info.depth, 1024u);
  state.open = true;
  while (ref.target()->depth() != 0) std::this_thread::yield();
  ASSERT_TRUE(sys.shutdown(10s).has_value());
  EXPECT_EQ(refused + dead + state.seen, flood_size);
  if (GetParam() == overflow::wait) {
    EXPECT_EQ(info.overflows, 0u);  // a try that would wait is no overflow
  } else {
    EXPECT_EQ(info.overflows, static_cast<std::uint64_t>(refused + dead));
  }
  EXPECT_EQ(sys.dead_letters(), static_cast<std::size_t>(dead.load()));
}

std::string name_of(const ::testing::TestParamInfo<overflow>& policy) {
  switch (policy.param) {
    case overflow::wait: return "wait";
    case overflow::fail: return "fail";
    case overflow::drop_newest: return "drop_newest";
    case overflow::drop_oldest: return "drop_oldest";
  }
  return "unknown";
}
INSTANTIATE_TEST_SUITE_P(Policies, flood,
                         ::testing::Values(overflow::wait, overflow::fail, overflow::drop_newest,
                                           overflow::drop_oldest),
                         name_of);

TEST(Overflow, SendersThatWaitForAStoppedConsumerAreToldWhenItEnds) {
  runtime rt({.workers = 2});
  system sys(rt);
  stopped_consumer::state state;
  const auto ref = sys.spawn<stopped_consumer>(spawn_actor_options("stopped", 8), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  auto send = [](stopped_consumer::protocol::ref to) -> task<result<void>> {
    for (;;) TANDEM_CO_TRY(co_await to.tell(note{1}));
  };
  auto join = [](join_handle<result<void>> h) -> task<result<void>> { co_return co_await h.join(); };
  std::vector<join_handle<result<void>>> senders;
  for (int i = 0; i < 100; ++i) senders.push_back(rt.spawn(send(ref)));
  while (ref.try_tell(note{1}).has_value()) std::this_thread::yield();
  ASSERT_TRUE(sys.shutdown(10s).has_value());
  for (auto& s : senders) EXPECT_EQ(rt.block_on(join(std::move(s))).error().code(), errc::unavailable);
}

}  // namespace
}  // namespace tandem::actors
