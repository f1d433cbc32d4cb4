// How CAF's own actors end, and who is told.
#include "stock_caf.hpp"

#include <atomic>
#include <stdexcept>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

template <class Place>
class StockCafLifetime : public caf_test<Place> {};
TYPED_TEST_SUITE(StockCafLifetime, both_places, place_names);

// Puts the reason with which `whom` ends into `box`.
void note_end(const caf::actor& whom, std::promise<caf::error>& box) {
  whom->attach_functor([&box](const caf::error& reason) { box.set_value(reason); });
}

TYPED_TEST(StockCafLifetime, QuitEndsWithItsReason) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { self->quit(caf::sec::runtime_error); }};
  });
  note_end(a, box);
  caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), caf::sec::runtime_error);
}

TYPED_TEST(StockCafLifetime, AnActorWithoutHandlesIsUnreachable) {
  std::promise<caf::error> box;
  caf::actor a = this->caf().spawn(adder);
  note_end(a, box);
  a = nullptr;
  EXPECT_EQ(this->get(box), caf::exit_reason::unreachable);
}

TYPED_TEST(StockCafLifetime, AnActorWithoutBehaviorEnds) {
  std::promise<caf::error> box;
  const auto a = this->caf().template spawn<caf::lazy_init>([](caf::event_based_actor*) {});
  note_end(a, box);
  caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), caf::error());
}

TYPED_TEST(StockCafLifetime, AMonitorIsToldOnce) {
  std::promise<int> box;
  const auto a = this->caf().spawn(adder);
  const auto observer = this->caf().spawn([&, a](caf::event_based_actor* self) -> caf::behavior {
    auto downs = std::make_shared<int>(0);
    self->monitor(a);
    self->set_down_handler([=](const caf::down_msg&) {
      ++*downs;
      self->delayed_send(self, 10ms, 1);  // time for a second one to come
    });
    self->send_exit(a, caf::exit_reason::user_shutdown);
    return {[&, self, downs](int) {
      box.set_value(*downs);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), 1);
}

TYPED_TEST(StockCafLifetime, AMonitorOfTheDeadIsToldAtOnce) {
  std::promise<caf::error> ended;
  std::promise<caf::error> box;
  const auto a = this->caf().spawn(adder);
  note_end(a, ended);
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  (void)this->get(ended);
  const auto observer = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->set_down_handler([&, self](const caf::down_msg& m) {
      box.set_value(m.reason);
      self->quit();
    });
    self->monitor(a);
    return {[](int) {}};
  });
  EXPECT_EQ(this->get(box), caf::exit_reason::user_shutdown);
}

TYPED_TEST(StockCafLifetime, ADemonitoredEndIsNotReported) {
  std::promise<bool> box;
  const auto a = this->caf().spawn(adder);
  const auto observer = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    auto told = std::make_shared<bool>(false);
    self->set_down_handler([told](const caf::down_msg&) { *told = true; });
    self->monitor(a);
    self->demonitor(a);
    self->send_exit(a, caf::exit_reason::user_shutdown);
    self->delayed_send(self, 10ms, 1);
    return {[&, self, told](int) {
      box.set_value(*told);
      self->quit();
    }};
  });
  EXPECT_FALSE(this->get(box));
}

TYPED_TEST(StockCafLifetime, ALinkPassesAFailureOn) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn(adder);
  const auto b = this->caf().spawn([a](caf::event_based_actor* self) -> caf::behavior {
    self->link_to(a);
    return {[](int) {}};
  });
  note_end(b, box);
  this->caf().spawn([a, b](caf::event_based_actor* self) {
    // Behind b's linking, which happens in b's first turn.
    self->request(b, 10s, 1).then([=] { self->send_exit(a, caf::exit_reason::user_shutdown); });
  });
  EXPECT_EQ(this->get(box), caf::exit_reason::user_shutdown);
}

TYPED_TEST(StockCafLifetime, AnUnlinkedActorLivesOn) {
  std::promise<int> box;
  const auto a = this->caf().spawn(adder);
  const auto b = this->caf().spawn([a](caf::event_based_actor* self) -> caf::behavior {
    self->link_to(a);
    self->unlink_from(a);
    self->send_exit(a, caf::exit_reason::user_shutdown);
    return {[](int n) { return n; }};
  });
  std::promise<caf::error> ended;
  note_end(a, ended);
  (void)this->get(ended);
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->request(b, 10s, 7).then([&](int n) { box.set_value(n); }, [&](const caf::error&) { box.set_value(-1); });
  });
  EXPECT_EQ(this->get(box), 7);
}

TYPED_TEST(StockCafLifetime, AnExitHandlerTrapsExits) {
  std::promise<int> box;
  const auto a = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto trapped = std::make_shared<int>(0);
    self->set_exit_handler([trapped](const caf::exit_msg&) { ++*trapped; });
    return {[self, trapped](int) {
      self->quit();
      return *trapped;
    }};
  });
  caf::anon_send(a, caf::message());  // initialises it: the handler is there before the exit comes
  this->caf().spawn([&](caf::event_based_actor* self) {
    self->send_exit(a, caf::exit_reason::user_shutdown);
    self->request(a, 10s, 1).then([&](int n) { box.set_value(n); }, [&](const caf::error&) { box.set_value(-1); });
  });
  EXPECT_EQ(this->get(box), 1);
}

TYPED_TEST(StockCafLifetime, AKillIsNotTrapped) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->set_exit_handler([](const caf::exit_msg&) {});
    return {[](int n) { return n; }};
  });
  note_end(a, box);
  this->caf().spawn([=](caf::event_based_actor* self) {
    self->request(a, 10s, 1).then([=](int) { self->send_exit(a, caf::exit_reason::kill); });
  });
  EXPECT_EQ(this->get(box), caf::exit_reason::kill);
}

TYPED_TEST(StockCafLifetime, AnExceptionEndsTheActor) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn(
      [](caf::event_based_actor*) -> caf::behavior { return {[](int) { throw std::runtime_error("on purpose"); }}; });
  note_end(a, box);
  caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), caf::sec::runtime_error);
}

TYPED_TEST(StockCafLifetime, AnExceptionHandlerChoosesTheReason) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->set_exception_handler([](std::exception_ptr&) -> caf::error { return caf::sec::bad_function_call; });
    return {[](int) { throw std::runtime_error("on purpose"); }};
  });
  note_end(a, box);
  caf::anon_send(a, 1);
  EXPECT_EQ(this->get(box), caf::sec::bad_function_call);
}

TYPED_TEST(StockCafLifetime, AnErrorMessageGoesToTheErrorHandler) {
  std::promise<caf::error> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->set_error_handler([&, self](const caf::error& e) {
      box.set_value(e);
      self->quit();
    });
    return {[](int) {}};
  });
  caf::anon_send(a, caf::make_error(caf::sec::bad_function_call));
  EXPECT_EQ(this->get(box), caf::sec::bad_function_call);
}

TYPED_TEST(StockCafLifetime, ADefaultHandlerTakesWhatNobodyElseDoes) {
  std::promise<std::string> box;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler([&](caf::scheduled_actor*, caf::message_view& m) -> caf::result<caf::message> {
      box.set_value(m.content().stringify());
      return caf::sec::unexpected_message;
    });
    return {[](int) {}};
  });
  caf::anon_send(a, std::string("lost"));
  EXPECT_EQ(this->get(box), "(\"lost\")");
}

TYPED_TEST(StockCafLifetime, APendingTimeoutKeepsAnActorAlive) {
  std::promise<caf::error> box;
  std::atomic<bool> woke = false;
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {caf::after(5ms) >> [&, self] {
      woke = true;
      self->quit();
    }};
  });
  note_end(a, box);
  EXPECT_EQ(this->get(box), caf::error());
  EXPECT_TRUE(woke);
}

TYPED_TEST(StockCafLifetime, AnActorThatIsSentToWhileItDiesLosesNoRequest) {
  constexpr int rounds = 200;
  std::promise<int> box;
  this->caf().spawn([&](caf::event_based_actor* self) {
    auto outcomes = std::make_shared<int>(0);
    const auto count = [&, outcomes] {
      if (++*outcomes == 2 * rounds) box.set_value(*outcomes);
    };
    for (int i = 0; i < rounds; ++i) {
      const auto brief = self->spawn([](caf::event_based_actor* child) -> caf::behavior {
        return {[child](int n) {
          child->quit();
          return n;
        }};
      });
      for (int n = 0; n < 2; ++n)
        self->request(brief, caf::infinite, n).then([=](int) { count(); }, [=](const caf::error&) { count(); });
    }
  });
  EXPECT_EQ(this->get(box), 2 * rounds);
}

TEST(StockCafLifetimeThreads, AllActorsDoneMeansThatNoneRuns) {
  on_workers place;
  for (int i = 0; i < 100; ++i) {
    const auto a = place.caf().spawn(
        [](caf::event_based_actor* self) -> caf::behavior { return {[self](int) { self->quit(); }}; });
    caf::anon_send(a, 1);
  }
  place.caf().await_all_actors_done();
  EXPECT_EQ(place.caf().registry().running(), 0u);
}

TEST(StockCafLifetimeThreads, ABlockingActorIsReportedWhenItsFunctionReturns) {
  on_workers place;
  caf::scoped_actor self{place.caf()};
  const auto a = self->spawn<caf::monitored>([](caf::blocking_actor* b) { b->receive([](int) {}); });
  self->send(a, 1);
  caf::error reason = caf::sec::runtime_error;
  self->receive([&](const caf::down_msg& m) { reason = m.reason; });
  EXPECT_FALSE(reason);
}

TEST(StockCafLifetimeThreads, ABlockingActorReceivesExitsAsMessages) {
  on_workers place;
  std::promise<caf::error> box;
  const auto a = place.caf().spawn(
      [&](caf::blocking_actor* b) { b->receive([&](const caf::exit_msg& m) { box.set_value(m.reason); }); });
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  EXPECT_EQ(place.get(box), caf::exit_reason::user_shutdown);
}

}  // namespace
}  // namespace tandem::actors
