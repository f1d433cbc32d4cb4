// Visitors and those who destroy what they look at: what a visitor finds marked stays until he has left.
#include "visit_gate.hpp"

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

struct state {
  detail::visit_gate gate;
  detail::sync::atomic<bool> marked{false};
  detail::sync::atomic<int> pace{0};
  plain object;  // written by its owner when it is made and destroyed, read by visitors in between
};

void owner_and_visitors(world& w, int lives, int visitors) {
  auto s = std::make_shared<state>();
  w.thread("owner", [=] {
    for (int i = 0; i < lives; ++i) {
      s->object.set(1);
      s->marked.store(true, std::memory_order_release);
      (void)s->pace.load(std::memory_order_relaxed);  // a step, so that a visitor's fence may come while it lives
      s->marked.store(false, std::memory_order_release);
      s->gate.leave();
      s->object.set(0);
    }
  });
  for (int i = 0; i < visitors; ++i)
    w.thread("visitor", [=] {
      s->gate.lock();
      if (s->marked.load(std::memory_order_acquire)) {
        check(s->object.get() == 1, "visited an object that is gone");
        check(s->object.get() == 1, "it went while it was visited");
      }
      s->gate.unlock();
    });
  w.finally([] {});
}

const std::vector<model> models{
    {{.preemptions = -1, .old_values = 2}, [](world& w) { owner_and_visitors(w, 1, 1); }},
    {{.preemptions = 3, .old_values = 1}, [](world& w) { owner_and_visitors(w, 2, 2); }},
};

TEST(VisitGateModel, WhatAVisitorSeesStaysUntilHeHasLeft) { expect_holds(models[0].how, models[0].what); }
TEST(VisitGateModel, TwoVisitorsAndTwoLivesKeepApart) { expect_holds(models[1].how, models[1].what); }

TEST(VisitGateMutants, WithoutTheHeavyFenceAVisitorIsSurprised) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::heavy_fence, "visit_gate.hpp", models), std::vector<std::string>());
}

TEST(VisitGateMutants, AnOwnerThatDoesNotLookForVisitorsIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "visit_gate.hpp", models), std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
