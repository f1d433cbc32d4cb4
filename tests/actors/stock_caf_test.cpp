// CAF's own kinds of actors on tandem's workers, as they are on CAF's.
#include <gtest/gtest.h>

#include <future>
#include <sstream>

#include <tandem/actors/caf.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using calculator = caf::typed_actor<caf::replies_to<int, int>::with<int>>;

caf::behavior adder(caf::event_based_actor*) {
  return {[](int a, int b) { return a + b; }};
}
calculator::behavior_type typed_adder(calculator::pointer) {
  return {[](int a, int b) { return a + b; }};
}

struct fixture {
  runtime rt{runtime_options{2, 4, 10s}};
  system sys{rt};
  caf::actor_system& caf_sys = caf_system(sys);
};

TEST(StockCaf, DynamicActorsAnswerAScopedActor) {
  fixture f;
  auto a = f.caf_sys.spawn(adder);
  caf::scoped_actor self{f.caf_sys};
  int got = 0;
  self->request(a, caf::infinite, 1, 2).receive([&](int n) { got = n; }, [](const caf::error&) {});
  EXPECT_EQ(got, 3);
}

TEST(StockCaf, TypedActorsAnswerTypedRequests) {
  fixture f;
  auto a = f.caf_sys.spawn(typed_adder);
  auto call = caf::make_function_view(a);
  EXPECT_EQ(*call(20, 22), 42);
}

TEST(StockCaf, EventBasedActorsRequestEachOther) {
  fixture f;
  std::promise<int> got;
  auto a = f.caf_sys.spawn(adder);
  f.caf_sys.spawn([&, a](caf::event_based_actor* self) {
    self->request(a, 10s, 1, 2).then([&](int n) { got.set_value(n); });
  });
  EXPECT_EQ(got.get_future().get(), 3);
}

TEST(StockCaf, DetachedAndBlockingActorsHaveTheirThreads) {
  fixture f;
  auto detached = f.caf_sys.spawn<caf::detached>(adder);
  std::promise<int> got;
  f.caf_sys.spawn([&, detached](caf::blocking_actor* self) {
    self->request(detached, caf::infinite, 4, 5).receive([&](int n) { got.set_value(n); }, [](const caf::error&) {});
  });
  EXPECT_EQ(got.get_future().get(), 9);
}

TEST(StockCaf, MonitorsAndLinksAreServed) {
  fixture f;
  std::promise<caf::error> down;
  auto a = f.caf_sys.spawn(adder);
  const auto monitor = f.caf_sys.spawn([&, a](caf::event_based_actor* self) -> caf::behavior {
    self->monitor(a);
    self->set_down_handler([&, self](const caf::down_msg& m) {
      down.set_value(m.reason);
      self->quit();
    });
    self->send_exit(a, caf::exit_reason::user_shutdown);
    return {[](int) {}};
  });
  EXPECT_EQ(down.get_future().get(), caf::exit_reason::user_shutdown);
}

TEST(StockCaf, DelayedMessagesComeWhenTheyAreDue) {
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<int> got;
  auto a = caf_system(sys).spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[&](int n) { got.push_back(n); }};
  });
  caf::delayed_anon_send(a, 20ms, 2);
  caf::delayed_anon_send(a, 10ms, 1);
  sim.run_until_idle();
  sim.advance(10ms - 1ns);
  EXPECT_TRUE(got.empty());
  sim.advance(1ns);
  EXPECT_EQ(got, std::vector<int>{1});
  sim.advance(10ms);
  EXPECT_EQ(got, (std::vector<int>{1, 2}));
}

TEST(StockCaf, RequestsAndReceivesTimeOut) {
  testing::sim_runtime sim;
  system sys(sim);
  caf::error failure;
  int idle = 0;
  auto silent = caf_system(sys).spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto kept = std::make_shared<caf::response_promise>();
    return {[self, kept](int) { *kept = self->make_response_promise(); }};
  });
  caf_system(sys).spawn([&](caf::event_based_actor* self) {
    self->request(silent, 10ms, 1).then([](int) {}, [&](const caf::error& e) { failure = e; });
  });
  caf_system(sys).spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {caf::after(std::chrono::milliseconds(5)) >> [&, self] {
      ++idle;
      self->quit();
    }};
  });
  sim.run_until_idle();
  sim.advance(5ms);
  EXPECT_EQ(idle, 1);
  EXPECT_FALSE(failure);
  sim.advance(5ms);
  EXPECT_EQ(failure, caf::sec::request_timeout);
  caf::anon_send_exit(silent, caf::exit_reason::user_shutdown);
}

TEST(StockCaf, AoutWritesWholeLines) {
  testing::sim_runtime sim;
  system sys(sim);
  ::testing::internal::CaptureStdout();
  caf_system(sys).spawn([](caf::event_based_actor* self) {
    caf::aout(self) << "one " << 2 << std::endl;
    caf::aout(self) << "rest";  // flushed when the actor ends
  });
  sim.run_until_idle();
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "one 2\nrest");
}

TEST(StockCaf, ChildrenOfChildrenRunAnywhere) {
  fixture f;
  struct tree {
    static caf::behavior node(caf::event_based_actor* self, caf::actor parent, int depth) {
      if (depth == 0) {
        self->send(parent, 1);
        return {};
      }
      for (int i = 0; i < 4; ++i) self->spawn(node, caf::actor_cast<caf::actor>(self), depth - 1);
      return {[self, parent, left = 4, sum = 0](int n) mutable {
        sum += n;
        if (--left > 0) return;
        self->send(parent, sum);
        self->quit();
      }};
    }
  };
  caf::scoped_actor self{f.caf_sys};
  f.caf_sys.spawn(tree::node, caf::actor_cast<caf::actor>(self), 5);
  int sum = 0;
  self->receive([&](int n) { sum = n; });
  EXPECT_EQ(sum, 1024);
}

}  // namespace
}  // namespace tandem::actors
