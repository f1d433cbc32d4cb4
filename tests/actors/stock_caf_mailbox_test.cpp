// What is handled when: behaviours, skipped and urgent messages, delays, receive time-outs.
#include "stock_caf.hpp"

#include <string>
#include <vector>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<int>;

template <class Place>
class StockCafMailbox : public caf_test<Place> {};
TYPED_TEST_SUITE(StockCafMailbox, both_places, place_names);

TYPED_TEST(StockCafMailbox, MessagesOfOneSenderComeInOrder) {
  std::promise<bool> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[&, next = 0, in_order = true](int n) mutable {
      in_order = in_order && n == next++;
      if (next == 2000) box.set_value(in_order);
    }};
  });
  for (int i = 0; i < 2000; ++i) caf::anon_send(a, i);
  EXPECT_TRUE(this->get(box));
}

TYPED_TEST(StockCafMailbox, BecomeReplacesTheBehavior) {
  std::promise<std::string> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](int) { self->become([&](int) { box.set_value("second"); }); }};
  });
  caf::anon_send(a, 1);
  caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), "second");
}

TYPED_TEST(StockCafMailbox, UnbecomeGoesBackToWhatWasKept) {
  std::promise<std::string> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto seen = std::make_shared<std::string>();
    return {[&, self, seen](int) {
      *seen += "first ";
      if (*seen == "first second first ") {
        box.set_value(*seen);
        return;
      }
      self->become(caf::keep_behavior, [self, seen](int) {
        *seen += "second ";
        self->unbecome();
      });
    }};
  });
  for (int i = 0; i < 3; ++i) caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), "first second first ");
}

TYPED_TEST(StockCafMailbox, SkippedMessagesWaitForABehaviorThatTakesThem) {
  std::promise<numbers> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto order = std::make_shared<numbers>();
    self->set_default_handler(caf::skip);
    return {[&, self, order](const std::string&) {
      self->become([&, order](int n) {
        order->push_back(n);
        if (order->size() == 3) box.set_value(*order);
      });
    }};
  });
  for (int i = 0; i < 3; ++i) caf::anon_send(a, i);
  caf::anon_send(a, std::string("now"));
  EXPECT_EQ(this->get(box), (numbers{0, 1, 2}));
}

TYPED_TEST(StockCafMailbox, AnUrgentMessageOvertakes) {
  std::promise<numbers> box;
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    // To itself, while it runs: all of them are there before the first is handled.
    for (int i = 0; i < 3; ++i) self->send(self, i);
    self->template send<caf::message_priority::high>(self, 9);
    return {[&, self, order = numbers()](int n) mutable {
      order.push_back(n);
      if (order.size() < 4) return;
      box.set_value(order);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), (numbers{9, 0, 1, 2}));
}

TYPED_TEST(StockCafMailbox, UrgentMessagesDoNotStarveTheOthers) {
  std::promise<bool> box;
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->template send<caf::message_priority::high>(self, std::string("again"));
    self->send(self, 1);
    return {[self](const std::string& s) { self->template send<caf::message_priority::high>(self, s); },
            [&, self](int) {
              box.set_value(true);
              self->quit();
            }};
  });
  EXPECT_TRUE(this->get(box));
}

TYPED_TEST(StockCafMailbox, TwoActorsThatKeepEachOtherBusyLetOthersRun) {
  std::promise<bool> box;
  const auto echo = [](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const caf::actor& other, int n) { self->send(other, caf::actor_cast<caf::actor>(self), n + 1); }};
  };
  std::vector<caf::actor> pairs;
  for (int i = 0; i < 4; ++i) {
    pairs.push_back(this->caf().spawn(echo));
    pairs.push_back(this->caf().spawn(echo));
    caf::anon_send(pairs[pairs.size() - 1], pairs[pairs.size() - 2], 0);
  }
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->send(self, 1000);
    return {[&, self](int left) {
      if (left > 0) {
        self->send(self, left - 1);
        return;
      }
      for (const auto& a : pairs) self->send_exit(a, caf::exit_reason::user_shutdown);
      self->quit();
      box.set_value(true);
    }};
  });
  EXPECT_TRUE(this->get(box));
}

TYPED_TEST(StockCafMailbox, DelayedMessagesComeInTheOrderOfTheirTimes) {
  std::promise<numbers> box;
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    for (const int ms : {30, 10, 20}) self->delayed_send(self, std::chrono::milliseconds(ms), ms);
    return {[&, self, order = numbers()](int n) mutable {
      order.push_back(n);
      if (order.size() < 3) return;
      box.set_value(order);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), (numbers{10, 20, 30}));
}

TYPED_TEST(StockCafMailbox, MessagesDelayedToOneInstantComeInTheOrderSent) {
  std::promise<bool> box;
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    const auto when = self->system().clock().now() + 5ms;
    for (int i = 0; i < 500; ++i) self->scheduled_send(self, when, i);
    return {[&, self, next = 0, in_order = true](int n) mutable {
      in_order = in_order && n == next++;
      if (next < 500) return;
      box.set_value(in_order);
      self->quit();
    }};
  });
  EXPECT_TRUE(this->get(box));
}

TYPED_TEST(StockCafMailbox, AReceiveTimeoutComesWhenNothingElseDoes) {
  std::promise<int> box;
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto handled = std::make_shared<int>(0);
    for (int i = 0; i < 3; ++i) self->send(self, i);
    return {[handled](int) { ++*handled; }, caf::after(5ms) >>
                                                [&, self, handled] {
                                                  box.set_value(*handled);
                                                  self->quit();
                                                }};
  });
  EXPECT_EQ(this->get(box), 3);
}

TEST(StockCafMailboxInTime, AReceiveTimeoutRepeats) {
  in_simulation place;
  int times = 0;
  const auto a = place.caf().spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[](int) {}, caf::after(10ms) >> [&] { ++times; }};
  });
  place.sim().run_until_idle();
  place.sim().advance(35ms);
  EXPECT_EQ(times, 3);
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
}

TEST(StockCafMailboxInTime, EachMessageMovesTheReceiveTimeout) {
  in_simulation place;
  bool idle = false;
  const auto a = place.caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[](int) {}, caf::after(10ms) >>
                            [&, self] {
                              idle = true;
                              self->quit();
                            }};
  });
  place.sim().run_until_idle();
  for (int i = 0; i < 5; ++i) {
    place.sim().advance(9ms);
    caf::anon_send(a, i);
    place.sim().run_until_idle();
  }
  place.sim().advance(10ms - 1ns);
  EXPECT_FALSE(idle);
  place.sim().advance(1ns);
  EXPECT_TRUE(idle);
}

TEST(StockCafMailboxInTime, ABehaviorWithoutATimeoutEndsTheOldOne) {
  in_simulation place;
  bool idle = false;
  int got = 0;
  const auto a = place.caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](int) { self->become([&](int n) { got = n; }); }, caf::after(10ms) >> [&] { idle = true; }};
  });
  place.sim().run_until_idle();
  caf::anon_send(a, 1);
  place.sim().run_until_idle();
  place.sim().advance(1s);
  EXPECT_FALSE(idle);
  caf::anon_send(a, 2);
  place.sim().run_until_idle();
  EXPECT_EQ(got, 2);
}

TEST(StockCafMailboxInTime, DelaysToManyActorsAreExact) {
  in_simulation place;
  std::vector<caf::actor> all;
  int came = 0;
  for (int i = 0; i < 200; ++i) {
    all.push_back(place.caf().spawn([&](caf::event_based_actor*) -> caf::behavior { return {[&](int) { ++came; }}; }));
    caf::delayed_anon_send(all.back(), std::chrono::milliseconds(i + 1), i);
  }
  place.sim().run_until_idle();
  for (int i = 0; i < 200; ++i) {
    place.sim().advance(1ms - 1ns);
    ASSERT_EQ(came, i);
    place.sim().advance(1ns);
    ASSERT_EQ(came, i + 1);
  }
}

}  // namespace
}  // namespace tandem::actors
