// Tandem's actors and CAF's in one system.
#include <gtest/gtest.h>

#include <concepts>
#include <future>
#include <memory>
#include <stdexcept>
#include <type_traits>

#include <errors/every_errc.hpp>
#include <tandem/actors/caf.hpp>
#include <tandem/runtime/task_dump.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

// Its copies throw, as those of what owns much do when memory runs out.
struct uncopyable_today {
  uncopyable_today() = default;
  uncopyable_today(uncopyable_today&&) = default;
  uncopyable_today(const uncopyable_today&) { throw std::runtime_error("no copies today"); }
};

}  // namespace
}  // namespace tandem::actors
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tandem::actors::uncopyable_today)

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

class squarer {
 public:
  using protocol = actors::protocol<std::int64_t(std::int64_t), void(std::string)>;
  explicit squarer(std::vector<std::string>& heard) : heard_(heard) {}
  task<result<std::int64_t>> on(std::int64_t n) {
    TANDEM_CO_TRY(co_await sleep_for(1ms));
    if (n < 0) co_return fail(errc::invalid_argument, "negative");
    co_return n* n;
  }
  void on(std::string s) { heard_.push_back(std::move(s)); }

 private:
  std::vector<std::string>& heard_;
};

struct fixture {
  testing::sim_runtime sim;
  std::vector<std::string> heard;
  system sys{sim};
  squarer::protocol::ref ref = sys.spawn<squarer>(heard);
};

struct asked {
  std::int64_t value = 0;
  caf::error failure;
  bool done = false;
};

template <class... Ts>
void ask_from_caf(fixture& f, asked& to, Ts... xs) {
  const caf::actor target = caf_handle(f.ref);
  caf_system(f.sys).spawn([&to, target, xs...](caf::event_based_actor* self) {
    self->request(target, caf::infinite, xs...).then(
        [&to](std::int64_t n) {
          to.value = n;
          to.done = true;
        },
        [&to](const caf::error& e) {
          to.failure = e;
          to.done = true;
        });
  });
  f.sim.run_to_end();
}

TEST(CafInterop, AnEventBasedActorRequestsATandemActor) {
  fixture f;
  asked a;
  ask_from_caf(f, a, std::int64_t{7});
  EXPECT_TRUE(a.done);
  EXPECT_EQ(a.value, 49);
}

TEST(CafInterop, ATypedHandleKnowsTheProtocol) {
  fixture f;
  const auto target = typed_caf_handle(f.ref);
  using typed = std::remove_const_t<decltype(target)>;
  static_assert(std::same_as<typed, caf::typed_actor<caf::replies_to<std::int64_t>::with<std::int64_t>,
                                                     caf::reacts_to<std::string>>>);
  std::int64_t answer = 0;
  caf_system(f.sys).spawn([&answer, target](caf::event_based_actor* self) {
    self->send(target, std::string("hello"));
    // The answer's type comes from the handle: another one does not compile.
    self->request(target, caf::infinite, std::int64_t{7}).then([&answer](std::int64_t n) { answer = n; });
  });
  f.sim.run_to_end();
  EXPECT_EQ(answer, 49);
  EXPECT_EQ(f.heard, std::vector<std::string>{"hello"});
}

using doubling = caf::typed_actor<caf::replies_to<int>::with<int>>;

TEST(CafInterop, ATaskRequestsATypedCafActor) {
  fixture f;
  const auto doubler = caf_system(f.sys).spawn([]() -> doubling::behavior_type { return {[](int n) { return 2 * n; }}; });
  EXPECT_EQ(f.sim.run(request<int>(f.sys, doubler, 1s, 21)).value(), 42);
}

TEST(CafInterop, AnErrorOfTheHandlerReachesTheRequester) {
  fixture f;
  asked a;
  ask_from_caf(f, a, std::int64_t{-7});
  EXPECT_EQ(a.failure, caf::sec::unexpected_message);  // what stands for invalid_argument
}

TEST(CafInterop, AnErrorThatComesBackHasItsCodeAndMessage) {
  for (const errc code : tandem::testing::every_errc) {
    const error e = wrap(make_error(code, "root"), "outer");
    EXPECT_EQ(error_from_caf(error_to_caf(e)), e) << code;
  }
  EXPECT_FALSE(error_from_caf(error_to_caf(error())));
}

TEST(CafInterop, AMessageOutsideOfTheProtocolIsAnsweredWithAnError) {
  fixture f;
  asked a;
  ask_from_caf(f, a, 1.5);
  EXPECT_EQ(a.failure, caf::sec::unexpected_message);
  EXPECT_EQ(f.sys.live_actors(), 1u);
}

TEST(CafInterop, ACafSendIsATell) {
  fixture f;
  caf::anon_send(caf_handle(f.ref), std::string("hello"));
  const auto shared = caf::make_message(std::string("shared"));
  caf::anon_send(caf_handle(f.ref), shared);
  f.sim.run_until_idle();
  EXPECT_EQ(f.heard, (std::vector<std::string>{"hello", "shared"}));
  EXPECT_EQ(shared.get_as<std::string>(0), "shared");  // somebody else's share is not moved from
}

TEST(CafInterop, AMessageWhoseCopyThrowsIsADeadLetterAndNoMore) {
  class taker {
   public:
    using protocol = actors::protocol<void(uncopyable_today), std::int64_t(get)>;
    void on(uncopyable_today) { ++taken_; }
    std::int64_t on(get) const { return taken_; }

   private:
    std::int64_t taken_ = 0;
  };
  testing::sim_runtime sim;
  std::vector<dead_letter> dead;
  system_options options;
  options.on_dead_letter = [&dead](const dead_letter& d) { dead.push_back(d); };
  system sys(sim, options);
  const auto ref = sys.spawn<taker>();
  const auto shared = caf::make_message(uncopyable_today());
  caf::anon_send(caf_handle(ref), shared);           // has to be copied: others see it too
  caf::anon_send(caf_handle(ref), uncopyable_today());  // is moved
  sim.run_until_idle();
  ASSERT_EQ(dead.size(), 1U);
  EXPECT_EQ(dead[0].reason.code(), errc::invalid_argument);
  const auto taken = sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}, 1s); });
  EXPECT_EQ(taken.value_or(-1), 1);
}

TEST(CafInterop, ADeadLetterNamesTheTypesOfAMessageNotItsContent) {
  testing::sim_runtime sim;
  std::vector<dead_letter> dead;
  system_options options;
  options.on_dead_letter = [&dead](const dead_letter& d) { dead.push_back(d); };
  system sys(sim, options);
  std::vector<std::string> heard;
  const auto ref = sys.spawn<squarer>(heard);
  caf::anon_send(caf_handle(ref), caf::atom("put"), std::string(1'000'000, 'x'), std::int64_t{1});
  sim.run_until_idle();
  ASSERT_EQ(dead.size(), 1U);
  EXPECT_NE(dead[0].message_type.find("CAF message (put, "), std::string::npos) << dead[0].message_type.substr(0, 200);
  EXPECT_LT(to_string(dead[0]).size(), 1000U);
}

TEST(CafInterop, ARequestToAnEndedActorFails) {
  fixture f;
  caf::anon_send_exit(caf_handle(f.ref), caf::exit_reason::user_shutdown);
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 0u);
  asked a;
  ask_from_caf(f, a, std::int64_t{7});
  EXPECT_EQ(a.failure, caf::sec::request_receiver_down);
}

TEST(CafInterop, AMonitorLearnsWhyATandemActorEnded) {
  class failing {
   public:
    using protocol = actors::protocol<void(int)>;
    result<void> on(int) { return fail(errc::data_loss, "disk gone"); }
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<failing>();
  caf::error reason;
  const caf::actor target = caf_handle(ref);
  const auto monitor = caf_system(sys).spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->monitor(target);
    self->set_down_handler([&, self](const caf::down_msg& down) {
      reason = down.reason;
      self->quit();
    });
    return {[](int) {}};
  });
  sim.run_until_idle();
  ASSERT_TRUE(ref.try_tell(1).has_value());
  sim.run_until_idle();
  EXPECT_EQ(reason, caf::sec::runtime_error);
  EXPECT_NE(caf::to_string(reason).find("disk gone"), std::string::npos);
}

TEST(CafInterop, AnExitMessageInterruptsTheHandler) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(state.holding);
  caf::anon_send_exit(caf_handle(ref), caf::exit_reason::kill);
  sim.run_until_idle();
  EXPECT_TRUE(state.destroyed);
  EXPECT_EQ(state.hold_ended.code(), errc::cancelled);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(CafInterop, ALinkEndsTheTandemActorWithItsPeer) {
  fixture f;
  auto& caf_sys = caf_system(f.sys);
  auto peer = caf_sys.spawn([target = caf_handle(f.ref)](caf::event_based_actor* self) -> caf::behavior {
    self->link_to(target);
    return {[self](int) { self->quit(caf::make_error(caf::exit_reason::user_shutdown)); }};
  });
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 1u);
  caf::anon_send(peer, 1);
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 0u);
}

TEST(CafInterop, ATaskRequestsACafActor) {
  fixture f;
  auto doubler = caf_system(f.sys).spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](int n) { return 2 * n; }, [](caf::unit_t) -> caf::result<int> { return caf::sec::runtime_error; }};
  });
  EXPECT_EQ(f.sim.run(request<int>(f.sys, doubler, 1s, 21)).value(), 42);
  EXPECT_EQ(f.sim.run(request<std::string>(f.sys, doubler, 1s, 21)).error().code(), errc::invalid_argument);
  EXPECT_EQ(f.sim.run(request<int>(f.sys, doubler, 1s, caf::unit)).error().code(), errc::unknown);
  caf::anon_send_exit(doubler, caf::exit_reason::user_shutdown);
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.run(request<int>(f.sys, doubler, 1s, 21)).error().code(), errc::unavailable);
}

TEST(CafInterop, ARequestWhosePromiseIsDroppedIsUnavailable) {
  fixture f;
  auto dropper = caf_system(f.sys).spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { (void)self->make_response_promise<int>(); }};
  });
  EXPECT_EQ(f.sim.run(request<int>(f.sys, dropper, 1h, 1)).error().code(), errc::unavailable);
}

TEST(CafInterop, ARequestTimesOut) {
  fixture f;
  auto waiter = caf_system(f.sys).spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto kept = std::make_shared<caf::response_promise>();
    return {[self, kept](int) { *kept = self->make_response_promise(); }};
  });
  EXPECT_EQ(f.sim.run(request<int>(f.sys, waiter, 5ms, 1)).error().code(), errc::timed_out);
  caf::anon_send_exit(waiter, caf::exit_reason::user_shutdown);
}

TEST(CafInterop, AnActorWithOnlyACafHandleLives) {
  fixture f;
  caf::actor handle = caf_handle(f.ref);
  f.ref = {};
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 1u);
  handle = nullptr;
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.live_actors(), 0u);
}

TEST(Interop, ReportsNameTheWaitForACafActor) {
  fixture f;
  const caf::actor silent = caf_system(f.sys).spawn([](caf::event_based_actor* self) -> caf::behavior {
    const auto unanswered = std::make_shared<std::vector<caf::response_promise>>();
    return {[=](int) {
      unanswered->push_back(self->make_response_promise());
      return unanswered->back();
    }};
  });
  auto ask = [](system& s, caf::actor to) -> task<> { (void)co_await request<int>(s, to, 1h, 1); };
  f.sim.spawn(ask(f.sys, silent), "asker").detach();
  f.sim.run_until_idle();
  const std::string stuck = f.sim.stuck().message();
  EXPECT_NE(stuck.find("waiting for a CAF actor's answer"), std::string::npos) << stuck;
  caf::anon_send_exit(silent, caf::exit_reason::kill);
}

TEST(Interop, ReportsNameTheWaitForActorsToEnd) {
  testing::sim_runtime sim;
  struct slow_to_end {
    using protocol = actors::protocol<void(hold)>;
    explicit slow_to_end(std::string& d) : dump(d) {}
    task<> on(hold) {
      (void)co_await sleep_for(1h);  // until the system ends
      for (int i = 0; i < 10; ++i) co_await yield();
      dump = dump_tasks();
    }
    std::string& dump;
  };
  std::string dump;
  system sys(sim);
  const auto ref = sys.spawn<slow_to_end>(dump);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(sys.shutdown(1h).has_value());
  EXPECT_NE(dump.find("waiting for the actors of a system to end"), std::string::npos) << dump;
}

}  // namespace
}  // namespace tandem::actors
