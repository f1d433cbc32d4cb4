// Requests and their answers among CAF's own actors.
#include "stock_caf.hpp"

#include <string>
#include <vector>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

template <class Place>
class StockCafRequests : public caf_test<Place> {};
TYPED_TEST_SUITE(StockCafRequests, both_places, place_names);

TYPED_TEST(StockCafRequests, ThenLetsOtherMessagesIn) {
  std::promise<std::vector<int>> box;
  const auto partner = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const caf::actor& asker) {
      self->send(asker, 1);  // sent first, handled first
      return 2;
    }};
  });
  const auto client = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto order = std::make_shared<std::vector<int>>();
    self->request(partner, 10s, caf::actor_cast<caf::actor>(self)).then([&, self, order](int n) {
      order->push_back(n);
      box.set_value(*order);
      self->quit();
    });
    return {[order](int n) { order->push_back(n); }};
  });
  EXPECT_EQ(this->get(box), (std::vector<int>{1, 2}));
}

TYPED_TEST(StockCafRequests, AwaitKeepsOtherMessagesOut) {
  std::promise<std::vector<int>> box;
  const auto partner = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const caf::actor& asker) {
      self->send(asker, 1);
      return 2;
    }};
  });
  const auto client = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto order = std::make_shared<std::vector<int>>();
    self->request(partner, 10s, caf::actor_cast<caf::actor>(self)).await([order](int n) { order->push_back(n); });
    return {[&, self, order](int n) {
      order->push_back(n);
      box.set_value(*order);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), (std::vector<int>{2, 1}));
}

TYPED_TEST(StockCafRequests, AwaitedAnswersAreHandledLastAskedFirst) {
  std::promise<std::vector<int>> box;
  const auto same = this->caf().spawn(echo);
  this->caf().spawn([&](caf::event_based_actor* self) {
    auto order = std::make_shared<std::vector<int>>();
    for (int i = 0; i < 3; ++i)
      self->request(same, 10s, i).await([&, order](int n) {
        order->push_back(n);
        if (order->size() == 3) box.set_value(*order);
      });
  });
  EXPECT_EQ(this->get(box), (std::vector<int>{2, 1, 0}));
}

TYPED_TEST(StockCafRequests, AnUnansweredRequestTimesOut) {
  std::promise<caf::error> box;
  const auto nobody = this->caf().spawn(silent);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(nobody, 1ms, 1).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::request_timeout);
}

TYPED_TEST(StockCafRequests, AnAwaitedRequestTimesOut) {
  std::promise<caf::error> box;
  const auto nobody = this->caf().spawn(silent);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(nobody, 1ms, 1).await([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::request_timeout);
}

TYPED_TEST(StockCafRequests, ATimeoutWithoutAHandlerGoesToTheErrorHandler) {
  std::promise<caf::error> box;
  const auto nobody = this->caf().spawn(silent);
  const auto client = this->caf().spawn([&](caf::event_based_actor* self) {
    self->set_error_handler([&, self](const caf::error& e) {
      box.set_value(e);
      self->quit();
    });
    self->request(nobody, 1ms, 1).then([](int) {});
  });
  EXPECT_EQ(this->get(box), caf::sec::request_timeout);
}

TYPED_TEST(StockCafRequests, AnErrorIsAnAnswer) {
  std::promise<caf::error> box;
  const auto failing = this->caf().spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](int) -> caf::result<int> { return caf::sec::invalid_argument; }};
  });
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(failing, 10s, 1).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::invalid_argument);
}

TYPED_TEST(StockCafRequests, TheDeadDoNotAnswer) {
  std::promise<caf::error> box;
  const auto dead = this->caf().spawn([](caf::event_based_actor* self) { self->quit(); });
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(dead, caf::infinite, 1).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::request_receiver_down);
}

TYPED_TEST(StockCafRequests, WhoDiesWithRequestsQueuedHasThemFail) {
  std::promise<caf::error> box;
  const auto dying = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int n) -> caf::result<int> {
      if (n == 0) self->quit(caf::exit_reason::user_shutdown);
      return n;
    }};
  });
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->send(dying, 0);
    self->request(dying, caf::infinite, 1).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::request_receiver_down);
}

TYPED_TEST(StockCafRequests, NobodyIsAnInvalidReceiver) {
  std::promise<caf::error> box;
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(caf::actor(), caf::infinite, 1).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::invalid_argument);
}

TYPED_TEST(StockCafRequests, AnUnexpectedMessageIsAnsweredSo) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn(adder);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(a, 10s, std::string("three")).then([](int) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::unexpected_message);
}

TYPED_TEST(StockCafRequests, AnUnexpectedAnswerIsAnError) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn(adder);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(a, 10s, 1, 2).then([](const std::string&) {}, [&](const caf::error& e) { box.set_value(e); });
  });
  EXPECT_EQ(this->get(box), caf::sec::unexpected_response);
}

TYPED_TEST(StockCafRequests, APromiseIsKeptLater) {
  std::promise<int> box;
  const auto server = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto open = std::make_shared<caf::response_promise>();
    return {[self, open](int) {
              *open = self->make_response_promise();
              self->send(self, caf::ok_atom::value);
              return *open;
            },
            [open](caf::ok_atom) { open->deliver(42); }};
  });
  this->caf().spawn(
      [&](caf::event_based_actor* self) { self->request(server, 10s, 1).then([&](int n) { box.set_value(n); }); });
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafRequests, ADelegateAnswersTheAsker) {
  std::promise<int> box;
  const auto worker = this->caf().spawn(adder);
  const auto front = this->caf().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    return {[=](int a, int b) { return self->delegate(worker, a, b); }};
  });
  this->caf().spawn(
      [&](caf::event_based_actor* self) { self->request(front, 10s, 40, 2).then([&](int n) { box.set_value(n); }); });
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafRequests, APromiseDelegatedIsAnsweredByTheDelegate) {
  std::promise<int> box;
  const auto worker = this->caf().spawn(adder);
  const auto front = this->caf().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    return {[=](int n) {
      auto promise = self->make_response_promise();
      promise.template delegate<caf::message_priority::normal>(worker, n, n);
      return promise;
    }};
  });
  this->caf().spawn(
      [&](caf::event_based_actor* self) { self->request(front, 10s, 21).then([&](int n) { box.set_value(n); }); });
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafRequests, ARequestInAHandlerAnswersThroughItsPromise) {
  std::promise<int> box;
  const auto worker = this->caf().spawn(adder);
  const auto front = this->caf().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    return {[=](int n) {
      auto promise = self->template make_response_promise<caf::typed_response_promise<int>>();
      self->request(worker, 10s, n, n).then([promise](int sum) mutable { promise.deliver(sum + 2); });
      return promise;
    }};
  });
  this->caf().spawn(
      [&](caf::event_based_actor* self) { self->request(front, 10s, 20).then([&](int n) { box.set_value(n); }); });
  EXPECT_EQ(this->get(box), 42);
}

TYPED_TEST(StockCafRequests, ManyOutstandingRequestsAreAllAnswered) {
  std::promise<int> box;
  const auto a = this->caf().spawn(adder);
  this->caf().spawn([&](caf::event_based_actor* self) {
    auto sum = std::make_shared<int>(0);
    auto left = std::make_shared<int>(1000);
    for (int i = 0; i < 1000; ++i)
      self->request(a, 10s, i, 1).then([&, sum, left](int n) {
        *sum += n;
        if (--*left == 0) box.set_value(*sum);
      });
  });
  EXPECT_EQ(this->get(box), 1000 * 999 / 2 + 1000);
}

TYPED_TEST(StockCafRequests, OfManyRequestsOnlyTheUnansweredTimeOut) {
  std::promise<std::vector<int>> box;
  const auto even = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int n) -> caf::result<int> {
      if (n % 2 == 0) return n;
      return self->make_response_promise();
    }};
  });
  this->caf().spawn([&](caf::event_based_actor* self) {
    auto counts = std::make_shared<std::vector<int>>(2);
    const auto count = [&, counts](int which) {
      ++(*counts)[which];
      if ((*counts)[0] + (*counts)[1] == 400) box.set_value(*counts);
    };
    for (int i = 0; i < 400; ++i)
      self->request(even, 100ms, i)
          .then([count](int) { count(0); },
                [count](const caf::error& e) {
                  if (e == caf::sec::request_timeout) count(1);
                });
  });
  EXPECT_EQ(this->get(box), (std::vector<int>{200, 200}));
}

TYPED_TEST(StockCafRequests, ALateAnswerIsDropped) {
  std::promise<std::string> box;
  const auto slow = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto open = std::make_shared<caf::response_promise>();
    return {[self, open](int) {
              *open = self->make_response_promise();
              self->delayed_send(self, 20ms, caf::ok_atom::value);
              return *open;
            },
            [open](caf::ok_atom) { open->deliver(1); }};
  });
  const auto client = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto seen = std::make_shared<std::string>();
    self->request(slow, 5ms, 1)
        .then([seen](int) { *seen += "answer "; }, [seen](const caf::error&) { *seen += "timeout "; });
    self->delayed_send(self, 60ms, 1);
    return {[&, self, seen](int) {
      box.set_value(*seen);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), "timeout ");
}

TEST(StockCafRequestsInTime, ALimitIsExact) {
  in_simulation place;
  caf::error failure;
  const auto nobody = place.caf().spawn(silent);
  place.caf().spawn([&](caf::event_based_actor* self) {
    self->request(nobody, 10ms, 1).then([](int) {}, [&](const caf::error& e) { failure = e; });
  });
  place.sim().run_until_idle();
  place.sim().advance(10ms - 1ns);
  EXPECT_FALSE(failure);
  place.sim().advance(1ns);
  EXPECT_EQ(failure, caf::sec::request_timeout);
}

TEST(StockCafRequestsInTime, LimitsEndInTheirOwnOrder) {
  in_simulation place;
  std::vector<int> order;
  const auto nobody = place.caf().spawn(silent);
  place.caf().spawn([&](caf::event_based_actor* self) {
    for (const int ms : {30, 10, 20, 40, 15})
      self->request(nobody, std::chrono::milliseconds(ms), ms)
          .then([](int) {}, [&order, ms](const caf::error&) { order.push_back(ms); });
  });
  place.sim().run_to_end();
  EXPECT_EQ(order, (std::vector<int>{10, 15, 20, 30, 40}));
}

TEST(StockCafRequestsInTime, AnAnswerThatAFewHundredOthersFollowDidNotLoseItsLimit) {
  in_simulation place;
  caf::error failure;
  int answered = 0;
  const auto nobody = place.caf().spawn(silent);
  const auto same = place.caf().spawn(echo);
  struct chain {
    static void next(caf::event_based_actor* self, caf::actor whom, int left, int* answered) {
      self->request(whom, 1s, left).then([=](int n) {
        ++*answered;
        if (n > 1) next(self, whom, n - 1, answered);
      });
    }
  };
  place.caf().spawn([&](caf::event_based_actor* self) {
    self->request(nobody, 5ms, 1).then([](int) {}, [&](const caf::error& e) { failure = e; });
    chain::next(self, same, 500, &answered);
  });
  place.sim().run_until_idle();
  EXPECT_EQ(answered, 500);
  place.sim().advance(5ms - 1ns);
  EXPECT_FALSE(failure);
  place.sim().advance(1ns);
  EXPECT_EQ(failure, caf::sec::request_timeout);
}

}  // namespace
}  // namespace tandem::actors
