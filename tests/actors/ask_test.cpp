#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct divide {
  int by;
};
struct slow_square {
  int n;
};

struct lookup {};

task<result<int>> missing() {
  co_await yield();
  co_return fail(errc::not_found, "nothing there");
}

class calculator {
 public:
  using protocol = actors::protocol<int(divide), int(slow_square), void(add), int(lookup)>;
  task<result<int>> on(lookup) {
    const int found = co_await or_return(missing());
    co_return found;
  }
  result<int> on(divide m) {
    if (m.by == 0) return fail(errc::invalid_argument, "division by zero");
    if (m.by < 0) throw std::runtime_error("negative");
    return 84 / m.by;
  }
  task<result<int>> on(slow_square m) {
    TANDEM_CO_TRY(co_await sleep_for(20ms));
    co_return m.n* m.n;
  }
  task<> on(add) { co_await sleep_for(1ms); }
};

struct fixture {
  testing::sim_runtime sim;
  system sys{sim};
  calculator::protocol::ref calc = sys.spawn<calculator>(spawn_actor_options("calc"));
  task<result<int>> div(int by, duration limit = 1s) { co_return co_await calc.ask(divide{by}, limit); }
  task<result<int>> square(int n, duration limit = 1s) { co_return co_await calc.ask(slow_square{n}, limit); }
};

TEST(ActorAsk, GivesTheHandlersValue) {
  fixture f;
  EXPECT_EQ(f.sim.run(f.div(2)).value(), 42);
}

TEST(ActorAsk, AnErrorOfAHandlerNamesTheCoroutinesOfTheHandler) {
  fixture f;
  auto ask = [](const calculator::protocol::ref& calc) -> task<result<int>> { co_return co_await calc.ask(lookup{}, 1s); };
  const auto failed = f.sim.run(ask(f.calc));
  ASSERT_FALSE(failed.has_value());
  const std::string all = to_long_string(failed.error());
  EXPECT_NE(all.find("::missing()"), std::string::npos) << all;
  EXPECT_NE(all.find("awaited by tandem::actors::(anonymous namespace)::calculator::on("), std::string::npos) << all;
  EXPECT_NE(all.find("task calc spawned by "), std::string::npos) << all;
}

TEST(ActorAsk, AnErrorKeepsTheNameOfAnActorThatIsGone) {
  error outcome;
  {
    testing::sim_runtime sim;
    system sys(sim);
    const auto ref = sys.spawn<calculator>(spawn_actor_options("a name that does not fit into a std::string itself"));
    auto ask = [](calculator::protocol::ref calc) -> task<result<int>> { co_return co_await calc.ask(lookup{}, 1s); };
    outcome = sim.run(ask(ref)).error();
  }
  EXPECT_NE(to_long_string(outcome).find("task a name that does not fit into a std::string itself spawned by "),
            std::string::npos);
}

TEST(ActorAsk, WaitsForAHandlerThatWaits) {
  fixture f;
  auto asked = f.sim.spawn(f.square(6));
  f.sim.advance(20ms - 1ns);
  EXPECT_FALSE(asked.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).value(), 36);
}

TEST(ActorAsk, HandlesOneMessageAtATime) {
  fixture f;
  auto slow = f.sim.spawn(f.square(6));
  auto quick = f.sim.spawn(f.div(2));
  f.sim.advance(20ms - 1ns);
  EXPECT_FALSE(slow.done() || quick.done());
  f.sim.advance(1ns);
  EXPECT_EQ(f.sim.get(slow).value(), 36);
  EXPECT_EQ(f.sim.get(quick).value(), 42);
}

TEST(ActorAsk, AReturnedErrorIsTheAnswerAndTheActorLives) {
  fixture f;
  const auto failed = f.sim.run(f.div(0));
  EXPECT_EQ(failed.error().code(), errc::invalid_argument);
  EXPECT_EQ(failed.error().message(), "division by zero");
  EXPECT_EQ(f.sim.run(f.div(2)).value(), 42);
}

TEST(ActorAsk, AnEscapedExceptionEndsTheActorAndTellsEveryAsker) {
  fixture f;
  auto bad = f.sim.spawn(f.div(-1));
  auto queued = f.sim.spawn(f.div(2));
  f.sim.run_until_idle();
  const auto failed = f.sim.get(bad);
  EXPECT_EQ(failed.error().code(), errc::unavailable);
  EXPECT_TRUE(is(failed.error(), errc::internal));
  EXPECT_NE(failed.error().message().find("negative"), std::string::npos);
  EXPECT_EQ(f.sim.get(queued).error().code(), errc::unavailable);
  EXPECT_EQ(f.sys.live_actors(), 0u);
}

TEST(ActorAsk, TimesOutAtItsLimit) {
  fixture f;
  auto asked = f.sim.spawn(f.square(6, 10ms));
  f.sim.advance(10ms - 1ns);
  EXPECT_FALSE(asked.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asked.done());
  const auto late = f.sim.get(asked);
  EXPECT_EQ(late.error().code(), errc::timed_out);
  EXPECT_EQ(late.error().message(), "no answer in time from actor calc");
}

TEST(ActorAsk, ThatTimesOutTellsTheIdOfAnActorWithoutAName) {
  fixture f;
  f.calc = f.sys.spawn<calculator>();
  EXPECT_EQ(f.sim.run(f.square(6, 10ms)).error().message(),
            "no answer in time from the actor of id " + std::to_string(f.calc.id()));
}

TEST(ActorAsk, EndsWithTheContextsDeadlineIfThatIsEarlier) {
  fixture f;
  auto asked = f.sim.spawn(with_timeout(10ms, f.square(6, 1s)));
  f.sim.advance(10ms);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::deadline_exceeded);
}

TEST(ActorAsk, EndsWhenTheAskerIsCancelled) {
  fixture f;
  const cancel_source source(f.sim.root_context());
  auto asked = f.sim.spawn(f.square(6), source.context());
  f.sim.run_until_idle();
  ASSERT_FALSE(asked.done());
  source.cancel();
  f.sim.run_until_idle();
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::cancelled);
}

TEST(ActorAsk, LetsTheHandlerSeeTheAskersLimit) {
  fixture f;
  auto asked = f.sim.spawn(f.square(6, 10ms));  // the handler's sleep of 20 ms ends at 10 ms
  f.sim.advance(10ms);
  (void)f.sim.get(asked);
  auto next = f.sim.spawn(f.div(2));
  f.sim.run_until_idle();
  ASSERT_TRUE(next.done());  // the actor is free again, and alive: the error was only an answer
  EXPECT_EQ(f.sim.get(next).value(), 42);
}

TEST(ActorAsk, IsNotHandledOnceItIsLate) {
  testing::sim_runtime sim;
  struct log {
    int handled = 0;
  } seen;
  class busy {
   public:
    using protocol = actors::protocol<void(hold), int(get)>;
    explicit busy(log& l) : log_(l) {}
    task<> on(hold) { (void)(co_await sleep_for(50ms)); }
    int on(get) { return ++log_.handled; }

   private:
    log& log_;
  };
  system sys(sim);
  const auto ref = sys.spawn<busy>(seen);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  auto late = sim.spawn([&]() -> task<result<int>> { co_return co_await ref.ask(get{}, 10ms); });
  sim.run_to_end();
  EXPECT_EQ(sim.get(late).error().code(), errc::timed_out);
  EXPECT_EQ(seen.handled, 0);
}

TEST(ActorAsk, OfAnEmptyRefFails) {
  testing::sim_runtime sim;
  const calculator::protocol::ref nobody;
  const auto asked = sim.run([&]() -> task<result<int>> { co_return co_await nobody.ask(divide{1}, 1s); });
  EXPECT_EQ(asked.error().code(), errc::failed_precondition);
}

TEST(ActorAsk, FromOneActorToAnother) {
  class front {
   public:
    using protocol = actors::protocol<int(divide)>;
    explicit front(calculator::protocol::ref back) : back_(std::move(back)) {}
    task<result<int>> on(divide m) { co_return co_await back_.ask(m, 1s); }

   private:
    calculator::protocol::ref back_;
  };
  fixture f;
  const auto front_ref = f.sys.spawn<front>(f.calc);
  const auto ask = [&](int by) -> task<result<int>> { co_return co_await front_ref.ask(divide{by}, 1s); };
  EXPECT_EQ(f.sim.run(ask(4)).value(), 21);
  EXPECT_EQ(f.sim.run(ask(0)).error().code(), errc::invalid_argument);
}

TEST(ActorAsk, WhoseMessageCannotBeCopiedThrowsAndLeavesNothingBehind) {  // which a leak checker sees
  struct heavy {
    heavy() = default;
    heavy(heavy&&) = default;
    heavy(const heavy&) { throw std::runtime_error("no copies today"); }
  };
  class weigher {
   public:
    using protocol = actors::protocol<int(heavy)>;
    int on(heavy) { return 1; }
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<weigher>();
  const auto thrown = sim.run([&]() -> task<bool> {
    const heavy message;
    try {
      (void)co_await ref.ask(message, 1s);
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  });
  EXPECT_TRUE(thrown.value_or(false));
}

}  // namespace
}  // namespace tandem::actors
