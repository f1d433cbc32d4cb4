#include <tandem/actors/on_reply.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/channel.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using csp::any_arm;
using csp::make_channel;
using csp::on_recv;
using csp::on_timeout;
using csp::otherwise;
using csp::receiver;
using csp::select;

struct square {
  int n;
  duration takes;
};
struct stop {};
struct block {};

/// Counts what it handles; a stop ends it.
class worker {
 public:
  using protocol = actors::protocol<int(square), void(block), void(stop)>;
  explicit worker(int& handled) : handled_(handled) {}
  task<result<int>> on(square m) {
    ++handled_;
    TANDEM_CO_TRY(co_await sleep_for(m.takes));
    if (m.n < 0) co_return fail(errc::invalid_argument, "negative");
    co_return m.n* m.n;
  }
  task<> on(block) { (void)co_await sleep_for(1h); }
  void on(stop) { throw std::runtime_error("stopped"); }

 private:
  int& handled_;
};

struct fixture {
  testing::sim_runtime sim;
  system sys{sim};
  int handled = 0;
  worker::protocol::ref ref = sys.spawn<worker>(spawn_actor_options("worker", 1), handled);
};

TEST(OnReply, IsChosenWhenTheAnswerIsThere) {
  fixture f;
  auto [tx, rx] = make_channel<int>(0);
  auto body = [&f, &rx = rx]() -> task<int> {
    const square question{6, 20ms};
    auto chosen = co_await select(on_recv(rx), on_reply(f.ref.ask(question, 1s)));
    co_return std::get<1>(*chosen).value();
  };
  auto asking = f.sim.spawn(body);
  f.sim.advance(20ms - 1ns);
  ASSERT_FALSE(asking.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(f.sim.get(asking).value(), 36);
  EXPECT_EQ(tx.try_send(1).error(), errc::would_block);
}

TEST(OnReply, YieldsTheErrorOfTheHandler) {
  fixture f;
  auto body = [&f]() -> task<errc> {
    const square question{-1, 1ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 1s)), on_timeout(1h));
    co_return std::get<0>(*chosen).error().code();
  };
  EXPECT_EQ(f.sim.run(body).value(), errc::invalid_argument);
}

TEST(OnReply, IsNotAskedIfAnotherArmIsReady) {
  fixture f;
  auto [tx, rx] = make_channel<int>(1);
  ASSERT_TRUE(tx.try_send(1).has_value());
  auto body = [&f, &rx = rx]() -> task<> {
    const square question{6, 0ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 1s)), on_recv(rx));
    EXPECT_EQ(chosen->index(), 1U);
    auto none = co_await select(on_reply(f.ref.ask(question, 1s)), otherwise());
    EXPECT_EQ(none->index(), 1U);
  };
  EXPECT_TRUE(f.sim.run(body).has_value());
  f.sim.run_to_end();
  EXPECT_EQ(f.handled, 0);
}

TEST(OnReply, TimesOutAtItsLimitAndNotBefore) {
  fixture f;
  auto body = [&f]() -> task<error> {
    const square question{6, 1h};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 10ms)), on_timeout(2h));
    co_return std::get<0>(*chosen).error();
  };
  auto asking = f.sim.spawn(body);
  f.sim.advance(10ms - 1ns);
  ASSERT_FALSE(asking.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asking.done());
  const error late = f.sim.get(asking).value();
  EXPECT_EQ(late.code(), errc::timed_out);
  EXPECT_EQ(late.message(), "no answer in time from actor worker");
}

TEST(OnReply, ThatLosesIsGivenUp) {
  fixture f;
  auto body = [&f]() -> task<std::size_t> {
    const square question{6, 20ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 1s)), on_timeout(10ms));
    co_return chosen->index();
  };
  EXPECT_EQ(f.sim.run(body).value(), 1U);
  EXPECT_EQ(f.handled, 1);
  f.sim.run_to_end();  // the answer goes nowhere
  EXPECT_EQ(f.sim.run(body).value(), 1U);
}

TEST(OnReply, ThatLosesWhileItWaitsForRoomWasNotSent) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());  // and now the mailbox is full
  auto body = [&f]() -> task<std::size_t> {
    const square question{6, 0ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 5h)), on_timeout(10ms));
    co_return chosen->index();
  };
  EXPECT_EQ(f.sim.run(body).value(), 1U);
  f.sim.run_to_end();
  EXPECT_EQ(f.handled, 0);
}

TEST(OnReply, ThatWaitsForRoomIsAnsweredWhenThereIsSome) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  auto body = [&f]() -> task<int> {
    const square question{6, 0ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 5h)), on_timeout(6h));
    co_return std::get<0>(*chosen).value();
  };
  EXPECT_EQ(f.sim.run(body).value(), 36);
}

TEST(OnReply, FailsIfTheActorEndsOrHasEndedOrThereIsNone) {
  fixture f;
  auto body = [&f]() -> task<errc> {
    const square question{6, 1h};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 2h)), on_timeout(3h));
    co_return std::get<0>(*chosen).error().code();
  };
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(stop{}).has_value());
  auto waiting = f.sim.spawn(body);  // for room, behind the stop
  f.sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  f.sim.advance(1h);
  ASSERT_TRUE(waiting.done());
  EXPECT_EQ(f.sim.get(waiting).value(), errc::unavailable);
  EXPECT_EQ(f.sim.run(body).value(), errc::unavailable);
  f.ref = {};
  EXPECT_EQ(f.sim.run(body).value(), errc::failed_precondition);
}

TEST(OnReply, IsNotSentInAContextThatIsOver) {
  fixture f;
  const cancel_source source(f.sim.root_context());
  source.cancel();
  auto body = [&f]() -> task<errc> {
    const square question{6, 0ms};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 1s)));
    co_return chosen ? errc::unknown : chosen.error().code();
  };
  auto asking = f.sim.spawn(body, source.context());
  f.sim.run_to_end();
  EXPECT_EQ(f.sim.get(asking).value(), errc::cancelled);
  EXPECT_EQ(f.handled, 0);
}

TEST(OnReply, EndsWhenTheAskerIsCancelled) {
  fixture f;
  const cancel_source source(f.sim.root_context());
  auto body = [&f]() -> task<errc> {
    const square question{6, 1h};
    auto chosen = co_await select(on_reply(f.ref.ask(question, 2h)));
    co_return chosen ? errc::unknown : chosen.error().code();
  };
  auto asking = f.sim.spawn(body, source.context());
  f.sim.run_until_idle();
  ASSERT_FALSE(asking.done());
  source.cancel();
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asking).value(), errc::cancelled);
}

TEST(OnReply, InAVectorStaysAskedFromOneSelectToTheNext) {
  fixture f;
  int second_handled = 0;
  const auto second = f.sys.spawn<worker>(second_handled);
  auto [tx, rx] = make_channel<int>(1);
  auto body = [&f, &second, &rx = rx, &tx = tx]() -> task<> {
    using outcome = result<int>;
    std::vector<any_arm<outcome>> arms;
    const square slow{6, 20ms};
    const square slower{7, 30ms};
    arms.emplace_back(on_reply(f.ref.ask(slow, 1s)));
    arms.emplace_back(on_reply(second.ask(slower, 1s)));
    arms.emplace_back(on_recv(rx));
    auto sending = spawn([](csp::sender<int> to) -> task<> {
      (void)co_await sleep_for(10ms);
      (void)co_await to.send(1);
    }(tx));
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 2U);
    chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 0U);
    EXPECT_EQ(chosen->outcome.value(), 36);
    EXPECT_FALSE(arms[0]);
    chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 1U);
    EXPECT_EQ(chosen->outcome.value(), 49);
    (void)co_await sending.join();
  };
  EXPECT_TRUE(f.sim.run(body).has_value());
  EXPECT_EQ(f.handled, 1);
  EXPECT_EQ(second_handled, 1);
}

TEST(OnReply, InAVectorIsGivenUpWithItsArm) {
  fixture f;
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  f.sim.run_until_idle();
  ASSERT_TRUE(f.ref.try_tell(block{}).has_value());
  auto body = [&f]() -> task<> {
    std::vector<any_arm<std::variant<result<int>, csp::timed_out>>> arms;
    const square question{6, 0ms};
    arms.emplace_back(on_reply(f.ref.ask(question, 5h)));
    arms.emplace_back(on_timeout(1ms));
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 1U);
  };
  EXPECT_TRUE(f.sim.run(body).has_value());
  f.sim.run_to_end();
  EXPECT_EQ(f.handled, 0);
}

// Its limit passes between two selects: the second finds it ready.
TEST(OnReply, InAVectorMayTimeOutBetweenTwoSelects) {
  fixture f;
  auto body = [&f]() -> task<errc> {
    std::vector<any_arm<std::variant<result<int>, csp::timed_out>>> arms;
    const square question{6, 1h};
    arms.emplace_back(on_reply(f.ref.ask(question, 10ms)));
    arms.emplace_back(on_timeout(1ms));
    auto chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 1U);
    (void)co_await sleep_for(1s);
    chosen = co_await select(arms);
    EXPECT_EQ(chosen->index, 0U);
    co_return std::get<0>(chosen->outcome).error().code();
  };
  EXPECT_EQ(f.sim.run(body).value(), errc::timed_out);
}

TEST(OnReplyStress, AnswersRaceWithValuesAndNothingIsLost) {
  runtime rt({.workers = 4});
  int handled = 0;
  {
    system sys(rt);
    const auto ref = sys.spawn<worker>(handled);
    auto body = [&ref]() -> task<int> {
      int answers = 0;
      int values = 0;
      for (int i = 0; i < 3'000; ++i) {
        auto [tx, rx] = make_channel<int>(1);
        auto sending = spawn([](csp::sender<int> to) -> task<> { (void)co_await to.send(1); }(tx));
        const square question{2, 0ms};
        auto chosen = co_await select(on_recv(rx), on_reply(ref.ask(question, 1h)));
        if (chosen->index() == 1) {
          answers += std::get<1>(*chosen).value() / 4;
          auto late = co_await rx.recv();
          values += late.value();
        } else {
          values += std::get<0>(*chosen).value();
        }
        (void)co_await sending.join();
      }
      EXPECT_LE(answers, 3'000);
      co_return values;
    };
    EXPECT_EQ(rt.block_on(body()), 3'000);
  }
}

}  // namespace
}  // namespace tandem::actors
