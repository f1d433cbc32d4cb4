// Each kind of actor CAF has, and each way to spawn one.
#include "stock_caf.hpp"

#include <atomic>
#include <vector>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using calculator = caf::typed_actor<caf::replies_to<int, int>::with<int>, caf::replies_to<int>::with<int, int>>;

template <class Place>
class StockCafKinds : public caf_test<Place> {};
TYPED_TEST_SUITE(StockCafKinds, both_places, place_names);

calculator::behavior_type typed_calculator(calculator::pointer) {
  return {[](int a, int b) { return a + b; }, [](int n) { return caf::result<int, int>(n / 10, n % 10); }};
}

class counting_class final : public caf::event_based_actor {
 public:
  counting_class(caf::actor_config& config, int start) : caf::event_based_actor(config), count_(start) {}
  const char* name() const override { return "counting"; }

 protected:
  caf::behavior make_behavior() override {
    return {[this](int n) { return count_ += n; }};
  }

 private:
  int count_;
};

class typed_class final : public calculator::base {
 public:
  explicit typed_class(caf::actor_config& config) : calculator::base(config) {}

 protected:
  behavior_type make_behavior() override {
    return {[](int a, int b) { return a - b; }, [](int n) { return caf::result<int, int>(n, n); }};
  }
};

struct named_state {
  static inline const char* name = "stateful";
  int sum = 0;
};

caf::behavior stateful(caf::stateful_actor<named_state>* self) {
  return {[self](int n) { return self->state.sum += n; },
          [self](const std::string&) { return std::string(self->name()); }};
}

caf::behavior doubler(caf::event_based_actor*) {
  return {[](int n) { return 2 * n; }};
}
caf::behavior incrementer(caf::event_based_actor*) {
  return {[](int n) { return n + 1; }};
}

// Requests `args` of `to` and puts the answer into `box`.
template <class To, class... Ts>
void ask_for_int(caf::actor_system& system, const To& to, std::promise<int>& box, Ts... args) {
  system.spawn([=, &box](caf::event_based_actor* self) {
    self->request(to, 10s, args...)
        .then([&box](int n) { box.set_value(n); }, [&box](const caf::error&) { box.set_value(-1); });
  });
}

TYPED_TEST(StockCafKinds, AFunctionIsAnActor) {
  std::promise<int> box;
  ask_for_int(this->caf(), this->caf().spawn(adder), box, 1, 2);
  EXPECT_EQ(this->get(box), 3);
}

TYPED_TEST(StockCafKinds, AFunctionWithArgumentsKeepsThem) {
  std::promise<int> box;
  const auto offset = this->caf().spawn(
      [](caf::event_based_actor*, int by) -> caf::behavior { return {[by](int n) { return n + by; }}; }, 40);
  ask_for_int(this->caf(), offset, box, 2);
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafKinds, AClassIsAnActor) {
  std::promise<int> box;
  ask_for_int(this->caf(), this->caf().template spawn<counting_class>(40), box, 2);
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafKinds, AStatefulActorHasStateAndName) {
  std::promise<int> sum;
  std::promise<std::string> name;
  const auto a = this->caf().spawn(stateful);
  caf::anon_send(a, 1);
  ask_for_int(this->caf(), a, sum, 2);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(a, 10s, std::string("name?")).then([&](const std::string& n) { name.set_value(n); });
  });
  EXPECT_EQ(this->get(sum), 3);
  EXPECT_EQ(this->get(name), "stateful");
}

TYPED_TEST(StockCafKinds, ATypedFunctionAnswersByItsInterface) {
  std::promise<int> box;
  ask_for_int(this->caf(), this->caf().spawn(typed_calculator), box, 40, 2);
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafKinds, ATypedClassAnswersByItsInterface) {
  std::promise<int> box;
  ask_for_int(this->caf(), this->caf().template spawn<typed_class>(), box, 44, 2);
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafKinds, ATypedAnswerMayHaveSeveralValues) {
  std::promise<int> box;
  const auto a = this->caf().spawn(typed_calculator);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(a, 10s, 42).then([&](int tens, int ones) { box.set_value(10 * ones + tens); });
  });
  EXPECT_EQ(this->get(box), 24);
}

TYPED_TEST(StockCafKinds, ALazyActorInitialisesWithItsFirstMessage) {
  std::promise<int> box;
  std::atomic<int> initialised = 0;
  const auto lazy = this->caf().template spawn<caf::lazy_init>([&](caf::event_based_actor*) -> caf::behavior {
    ++initialised;
    return {[](int n) { return n; }};
  });
  std::promise<int> other;
  ask_for_int(this->caf(), this->caf().spawn(adder), other, 1, 1);
  EXPECT_EQ(this->get(other), 2);
  EXPECT_EQ(initialised, 0);
  ask_for_int(this->caf(), lazy, box, 7);
  EXPECT_EQ(this->get(box), 7);
  EXPECT_EQ(initialised, 1);
}

TYPED_TEST(StockCafKinds, AHiddenActorIsNotCounted) {
  const auto hidden = this->caf().template spawn<caf::hidden>(adder);
  std::promise<int> box;
  const std::size_t before = this->caf().registry().running();
  const auto seen = this->caf().spawn(adder);
  EXPECT_EQ(this->caf().registry().running(), before + 1);
  ask_for_int(this->caf(), hidden, box, 1, 2);
  EXPECT_EQ(this->get(box), 3);
}

TYPED_TEST(StockCafKinds, ALinkedChildTakesItsParentWithIt) {
  std::promise<caf::error> box;
  const auto parent = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    const auto child = self->template spawn<caf::linked>([](caf::event_based_actor* c) -> caf::behavior {
      return {[c](int) { c->quit(caf::exit_reason::user_shutdown); }};
    });
    return {[self, child](int n) { self->send(child, n); }};
  });
  parent->attach_functor([&](const caf::error& reason) { box.set_value(reason); });
  caf::anon_send(parent, 1);
  EXPECT_EQ(this->get(box), caf::exit_reason::user_shutdown);
}

TYPED_TEST(StockCafKinds, AMonitoredChildIsReportedToItsParent) {
  std::promise<caf::error> box;
  const auto parent = this->caf().spawn([&](caf::event_based_actor* self) {
    self->set_down_handler([&box, self](const caf::down_msg& m) {
      box.set_value(m.reason);
      self->quit();
    });
    self->template spawn<caf::monitored>(
        [](caf::event_based_actor* child) { child->quit(caf::sec::bad_function_call); });
    self->become([](int) {});
  });
  EXPECT_EQ(this->get(box), caf::sec::bad_function_call);
}

TYPED_TEST(StockCafKinds, GroupMembersAreSpawnedIntoTheirGroup) {
  std::promise<int> box;
  const auto group = this->caf().groups().get_local("spawned into");
  this->caf().spawn_in_group(group, [&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](int n) {
      box.set_value(n);
      self->quit();
    }};
  });
  caf::anon_send(group, 5);
  EXPECT_EQ(this->get(box), 5);
}

TYPED_TEST(StockCafKinds, ComposedActorsAnswerOneAfterTheOther) {
  std::promise<int> box;
  const auto twice = this->caf().spawn(doubler);
  const auto next = this->caf().spawn(incrementer);
  ask_for_int(this->caf(), twice * next, box, 20);  // twice(next(20))
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafKinds, SplicedActorsAreAskedAtOnce) {
  std::promise<int> box;
  const auto twice = this->caf().spawn(doubler);
  const auto next = this->caf().spawn(incrementer);
  const auto both = caf::splice(twice, next);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(both, 10s, 10).then([&](int doubled, int following) { box.set_value(100 * doubled + following); });
  });
  EXPECT_EQ(this->get(box), 2011);
}

TYPED_TEST(StockCafKinds, APoolSplitsAndJoins) {
  std::promise<int> box;
  caf::scoped_execution_unit context(&this->caf());
  const auto worker = [&] { return this->caf().spawn(echo); };
  const auto pool = caf::actor_pool::make(
      &context, 5, worker,
      caf::actor_pool::split_join<int>([](int& sum, caf::message& m) { sum += m.get_as<int>(0); }));
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(pool, 10s, 8).then([&, self](int sum) {
      self->send_exit(pool, caf::exit_reason::user_shutdown);
      box.set_value(sum);
    });
  });
  EXPECT_EQ(this->get(box), 40);
}

TYPED_TEST(StockCafKinds, ARoundRobinPoolServesInTurn) {
  std::promise<std::vector<int>> box;
  caf::scoped_execution_unit context(&this->caf());
  int made = 0;
  const auto worker = [&] {
    return this->caf().spawn(
        [](caf::event_based_actor*, int id) -> caf::behavior { return {[id](int) { return id; }}; }, made++);
  };
  const auto pool = caf::actor_pool::make(&context, 3, worker, caf::actor_pool::round_robin());
  this->caf().spawn([&](caf::event_based_actor* self) {
    auto got = std::make_shared<std::vector<int>>();
    for (int i = 0; i < 6; ++i)
      self->request(pool, 10s, i).await([&, self, got](int id) {
        got->push_back(id);
        if (got->size() < 6) return;
        self->send_exit(pool, caf::exit_reason::user_shutdown);
        std::sort(got->begin(), got->end());
        box.set_value(*got);
      });
  });
  EXPECT_EQ(this->get(box), (std::vector<int>{0, 0, 1, 1, 2, 2}));
}

TYPED_TEST(StockCafKinds, AStreamGoesFromSourceToSink) {
  std::promise<int> box;
  const auto sink = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](caf::stream<int> in) {
      return caf::attach_stream_sink(
          self, in, [](int& sum) { sum = 0; }, [](int& sum, int n) { sum += n; },
          [&](int& sum, const caf::error& failure) { box.set_value(failure ? -1 : sum); });
    }};
  });
  const auto stage = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](caf::stream<int> in) {
      return caf::attach_stream_stage(
          self, in, [](caf::unit_t&) {}, [](caf::unit_t&, caf::downstream<int>& out, int n) { out.push(2 * n); },
          [](caf::unit_t&, const caf::error&) {});
    }};
  });
  this->caf().spawn([&](caf::event_based_actor* self) {
    caf::attach_stream_source(
        self, sink * stage, [](int& next) { next = 0; },
        [](int& next, caf::downstream<int>& out, std::size_t room) {
          while (room-- > 0 && next < 1000) out.push(next++);
        },
        [](const int& next) { return next == 1000; });
  });
  EXPECT_EQ(this->get(box), 2 * 999 * 1000 / 2);
}

// Kinds that have threads of their own, which simulated time does not wait for.

TEST(StockCafThreads, ADetachedActorRunsOnItsOwnThread) {
  on_workers place;
  std::promise<std::thread::id> inside;
  std::promise<std::thread::id> pooled;
  const auto tell = [](caf::event_based_actor*, std::promise<std::thread::id>* box) -> caf::behavior {
    return {[box](int) { box->set_value(std::this_thread::get_id()); }};
  };
  caf::anon_send(place.caf().spawn<caf::detached>(tell, &inside), 1);
  caf::anon_send(place.caf().spawn(tell, &pooled), 1);
  EXPECT_NE(place.get(inside), place.get(pooled));
}

TEST(StockCafThreads, DetachedActorsEndWithTheirLastHandle) {
  on_workers place;
  caf::actor detached = place.caf().spawn<caf::detached>(adder);
  std::promise<int> box;
  ask_for_int(place.caf(), detached, box, 1, 2);
  EXPECT_EQ(place.get(box), 3);
  EXPECT_EQ(place.caf().detached_actors(), 1u);
  detached = nullptr;
  while (place.caf().detached_actors() != 0) std::this_thread::yield();  // a hang would be the failure
}

TEST(StockCafThreads, ABlockingFunctionReceivesInOrder) {
  on_workers place;
  std::promise<std::vector<int>> box;
  const auto a = place.caf().spawn([&](caf::blocking_actor* self) {
    std::vector<int> got;
    int i = 0;
    self->receive_for(i, 3)([&](int n) { got.push_back(n); });
    box.set_value(got);
  });
  for (int i = 0; i < 3; ++i) caf::anon_send(a, i);
  EXPECT_EQ(place.get(box), (std::vector<int>{0, 1, 2}));
}

class blocking_class final : public caf::blocking_actor {
 public:
  blocking_class(caf::actor_config& config, std::promise<int>& box) : caf::blocking_actor(config), box_(box) {}
  void act() override {
    bool running = true;
    int sum = 0;
    receive_while(running)([&](int n) { sum += n; }, [&](caf::ok_atom) { running = false; });
    box_.set_value(sum);
  }

 private:
  std::promise<int>& box_;
};

TEST(StockCafThreads, ABlockingClassReceivesWhileItWants) {
  on_workers place;
  std::promise<int> box;
  const auto a = place.caf().spawn<blocking_class>(box);
  caf::anon_send(a, 40);
  caf::anon_send(a, 2);
  caf::anon_send(a, caf::ok_atom::value);
  EXPECT_EQ(place.get(box), 42);
}

TEST(StockCafThreads, ABlockingActorAsksTypedAndPooledOnes) {
  on_workers place;
  std::promise<int> box;
  const auto a = place.caf().spawn(typed_calculator);
  place.caf().spawn([&, a](caf::blocking_actor* self) {
    self->request(a, 10s, 40, 2)
        .receive([&](int n) { box.set_value(n); }, [&](const caf::error&) { box.set_value(-1); });
  });
  EXPECT_EQ(place.get(box), 42);
}

TEST(StockCafThreads, ABlockingActorGivesUpReceivingInTime) {
  on_workers place;
  std::promise<bool> box;
  place.caf().spawn(
      [&](caf::blocking_actor* self) { self->receive([](int) {}, caf::after(1ms) >> [&] { box.set_value(true); }); });
  EXPECT_TRUE(place.get(box));
}

TEST(StockCafThreads, ABlockingActorGivesUpAskingInTime) {
  on_workers place;
  const auto nobody = place.caf().spawn(silent);
  caf::scoped_actor self{place.caf()};
  caf::error failure;
  self->request(nobody, 1ms, 1).receive([](int) {}, [&](const caf::error& e) { failure = e; });
  EXPECT_EQ(failure, caf::sec::request_timeout);
  caf::anon_send_exit(nobody, caf::exit_reason::user_shutdown);
}

TEST(StockCafThreads, ABlockingActorWaitsForOthersToEnd) {
  on_workers place;
  caf::scoped_actor self{place.caf()};
  const auto one = self->spawn(adder);
  const auto two = self->spawn<caf::detached>(adder);
  self->send_exit(one, caf::exit_reason::user_shutdown);
  self->send_exit(two, caf::exit_reason::user_shutdown);
  self->wait_for(one, two);
  for (const caf::actor& ended : {one, two}) {
    caf::error failure;
    self->request(ended, caf::infinite, 1, 2).receive([](int) {}, [&](const caf::error& e) { failure = e; });
    EXPECT_EQ(failure, caf::sec::request_receiver_down);
  }
}

TEST(StockCafThreads, AScopedActorCountsUntilItGoes) {
  on_workers place;
  const std::size_t before = place.caf().registry().running();
  {
    caf::scoped_actor self{place.caf()};
    EXPECT_EQ(place.caf().registry().running(), before + 1);
  }
  EXPECT_EQ(place.caf().registry().running(), before);
}

TEST(StockCafThreads, AFunctionViewCallsAnActor) {
  on_workers place;
  auto call = caf::make_function_view(place.caf().spawn(typed_calculator));
  EXPECT_EQ(*call(20, 22), 42);
  EXPECT_EQ(*call(42), std::make_tuple(4, 2));
}

TEST(StockCafThreads, AFunctionViewReportsADeadActor) {
  on_workers place;
  const auto a = place.caf().spawn(typed_calculator);
  auto call = caf::make_function_view(a);
  EXPECT_EQ(*call(1, 2), 3);
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  while (call(1, 2)) std::this_thread::yield();
  EXPECT_EQ(call(1, 2).error(), caf::sec::request_receiver_down);
}

}  // namespace
}  // namespace tandem::actors
