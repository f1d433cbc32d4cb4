// Answers that come later than the handler's end.
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct fetch {
  int n;
};
struct finish {};

// Puts the asks aside.
class shelf {
 public:
  using protocol = actors::protocol<int(fetch), void(finish), std::string(get)>;
  struct state {
    std::vector<reply_to<int>> asks;
    std::vector<int> asked;
  };
  shelf(actor_context& c, state& s) : context_(c), state_(s) {}
  void on(fetch f, reply_to<int> to) {
    state_.asked.push_back(f.n);
    state_.asks.push_back(std::move(to));
  }
  void on(finish) { context_.quit(); }
  // A coroutine that answers before it ends.
  task<> on(get, reply_to<std::string> to) {
    (void)co_await sleep_for(5ms);
    to.answer(std::string("early"));
    (void)co_await sleep_for(5ms);
  }

 private:
  actor_context& context_;
  state& state_;
};

struct replying : ::testing::Test {
  testing::sim_runtime sim;
  shelf::state state;
  system sys{sim};
  shelf::protocol::ref ref = sys.spawn<shelf>(state);

  auto ask(int n, duration limit = 1h) {
    auto asking = sim.spawn([this, n, limit]() -> task<result<int>> { co_return co_await ref.ask(fetch{n}, limit); });
    sim.run_until_idle();
    return asking;
  }
};

TEST_F(replying, ComesAfterTheHandlersEndAndInAnyOrder) {
  auto a = ask(1);
  auto b = ask(2);
  ASSERT_FALSE(a.done() || b.done());
  ASSERT_EQ(state.asked, (std::vector<int>{1, 2}));  // the actor does not wait for the answer
  state.asks[1].answer(20);
  sim.run_until_idle();
  ASSERT_TRUE(b.done() && !a.done());
  state.asks[0].answer(fail(errc::not_found, "no page"));
  sim.run_until_idle();
  EXPECT_EQ(sim.get(b).value(), 20);
  EXPECT_EQ(sim.get(a).error().code(), errc::not_found);
  EXPECT_EQ(sys.live_actors(), 1u);  // an error is an answer
}

TEST_F(replying, ComesFromAnotherTask) {
  auto a = ask(1);
  auto answer = [](reply_to<int> to) -> task<> {
    (void)co_await sleep_for(5ms);
    to.answer(7);
  };
  sim.spawn(answer(std::move(state.asks[0]))).detach();
  EXPECT_EQ(sim.wait(a).value(), 7);
}

TEST_F(replying, ComesFromACoroutineBeforeItsEnd) {
  auto asking = sim.spawn([&]() -> task<result<std::string>> { co_return co_await ref.ask(get{}, 1h); });
  sim.run_until_idle();
  sim.advance(5ms);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(sim.get(asking).value(), "early");
}

TEST_F(replying, ComesAfterTheActorsDeath) {
  auto a = ask(1);
  ASSERT_TRUE(ref.try_tell(finish{}).has_value());
  sim.run_until_idle();
  ASSERT_EQ(sys.live_actors(), 0u);
  ASSERT_FALSE(a.done());
  state.asks[0].answer(7);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).value(), 7);
}

TEST_F(replying, TwiceIsAMistake) {
  auto a = ask(1);
  state.asks[0].answer(1);
  EXPECT_FALSE(state.asks[0]);
  EXPECT_THROW(state.asks[0].answer(2), std::logic_error);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).value(), 1);
}

TEST_F(replying, NeverTellsTheAskerThatNobodyWill) {
  auto a = ask(1);
  state.asks.clear();
  sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_EQ(sim.get(a).error().code(), errc::unavailable);
}

TEST_F(replying, OverwrittenTellsTheAskerThatNobodyWill) {
  auto a = ask(1);
  auto b = ask(2);
  state.asks[0] = std::move(state.asks[1]);
  sim.run_until_idle();
  ASSERT_TRUE(a.done() && !b.done());
  EXPECT_EQ(sim.get(a).error().code(), errc::unavailable);
  EXPECT_FALSE(state.asks[1]);
  EXPECT_THROW(state.asks[1].answer(2), std::logic_error);
  state.asks[0].answer(2);
  sim.run_until_idle();
  EXPECT_EQ(sim.get(b).value(), 2);
}

TEST_F(replying, WithNothingIsAMistake) {
  reply_to<int> nobody;
  EXPECT_FALSE(nobody);
  EXPECT_EQ(nobody.deadline(), no_deadline);
  EXPECT_THROW(nobody.answer(1), std::logic_error);
}

TEST_F(replying, KnowsWhenTheAskerStopsWaitingAndMayComeTooLate) {
  const time_point limit = sim.now() + 5ms;
  auto a = ask(1, 5ms);
  EXPECT_EQ(state.asks[0].deadline(), limit);
  sim.advance(5ms);
  ASSERT_TRUE(a.done());
  EXPECT_EQ(sim.get(a).error().code(), errc::timed_out);
  state.asks[0].answer(7);  // to nobody
  sim.run_until_idle();
  EXPECT_EQ(sys.dead_letters(), 0u);
}

TEST_F(replying, OfAMessageInTheMailboxOfAnActorThatEndsIsItsEnd) {
  ASSERT_TRUE(ref.try_tell(finish{}).has_value());
  auto a = sim.spawn([this]() -> task<result<int>> { co_return co_await ref.ask(fetch{1}, 1h); });
  sim.run_until_idle();
  EXPECT_EQ(sim.get(a).error().code(), errc::unavailable);
  EXPECT_TRUE(state.asked.empty());
}

TEST_F(replying, ByAHandlerThatThrowsIsWhatTheAskMayNotWaitFor) {
  class thrower {
   public:
    using protocol = actors::protocol<int(fetch)>;
    void on(fetch, reply_to<int>) { throw std::runtime_error("no"); }
  };
  const auto broken = sys.spawn<thrower>();
  auto a = sim.spawn([&]() -> task<result<int>> { co_return co_await broken.ask(fetch{1}, 1h); });
  sim.run_until_idle();
  ASSERT_TRUE(a.done());
  EXPECT_EQ(sim.get(a).error().code(), errc::unavailable);
  EXPECT_EQ(sys.live_actors(), 1u);
}

}  // namespace
}  // namespace tandem::actors
