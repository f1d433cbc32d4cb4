// One thread's sleep: a wake is not lost, whether it comes before, during or after the way to sleep.
#include "parker.hpp"

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

struct state {
  detail::parker sleeper;
  plain data;
};

void one_wake(world& w) {
  auto s = std::make_shared<state>();
  w.thread("sleeps", [=] {
    s->sleeper.park(no_deadline);
    check(s->data.get() == 1, "woke without seeing why");
  });
  w.thread("wakes", [=] {
    s->data.set(1);
    s->sleeper.unpark();
  });
}

// Two sleeps for wakes that may fall together, of which the second may only come after the first sleep was over.
void wake_and_answer(world& w) {
  auto s = std::make_shared<std::pair<state, state>>();
  w.thread("asks", [=] {
    for (int i = 0; i < 2; ++i) {
      s->second.sleeper.unpark();
      s->first.sleeper.park(no_deadline);
    }
  });
  w.thread("answers", [=] {
    for (int i = 0; i < 2; ++i) {
      s->second.sleeper.park(no_deadline);
      s->first.sleeper.unpark();
    }
  });
}

const std::vector<model> models{{{.preemptions = -1}, one_wake}, {{.preemptions = 3}, wake_and_answer}};

TEST(ParkerModel, AWakeIsNotLostAndBringsWhatCameBeforeIt) { expect_holds(models[0].how, models[0].what); }
TEST(ParkerModel, TwoThreadsThatWakeEachOtherBothEnd) { expect_holds(models[1].how, models[1].what); }

TEST(ParkerMutants, ALostWakeIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::wake, "parker.cpp", models), std::vector<std::string>());
}
TEST(ParkerMutants, SleepingWithoutLookingAtTheWordIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::blind, step::wait, "parker.cpp", models), std::vector<std::string>());
}
TEST(ParkerMutants, AnnouncingTheSleepInTwoStepsIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, "parker.cpp", models,
                      [](const site& s) { return s.with == std::memory_order_relaxed; }),
            std::vector<std::string>());
}
TEST(ParkerMutants, RelaxedExchangesAreNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::exchange, "parker.cpp", models,
                      [](const site& s) { return s.with != std::memory_order_relaxed; }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
