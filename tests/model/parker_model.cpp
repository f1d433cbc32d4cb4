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

// As the reactor: a wake stays until the place is entered anew, and may come late.
struct place final : detail::sleeping_place {
  void enter() {
    entered.set(1);
    woken.store(0, std::memory_order_relaxed);
  }
  void sleep(time_point deadline) noexcept override {
    while (woken.load(std::memory_order_relaxed) == 0) detail::sync::futex_wait(woken, 0, deadline);
  }
  void wake() noexcept override {
    check(entered.get() == 1, "woke somebody in a place that he had not entered");
    woken.store(1, std::memory_order_relaxed);
    detail::sync::futex_wake(woken);
  }
  detail::sync::atomic<std::uint32_t> woken{0};
  plain entered;
};

struct state_with_place {
  place elsewhere;
  detail::parker sleeper{&elsewhere};
  plain data;

  void sleep_elsewhere() {
    do elsewhere.enter();
    while (!sleeper.park_elsewhere(no_deadline));
  }
};

void one_wake_elsewhere(world& w) {
  auto s = std::make_shared<state_with_place>();
  w.thread("sleeps", [=] {
    s->sleep_elsewhere();
    check(s->data.get() == 1, "woke without seeing why");
  });
  w.thread("wakes", [=] {
    s->data.set(1);
    s->sleeper.unpark();
  });
}

// The wake of a sleep in the other place may come when its sleeper sleeps in his own.
void here_and_elsewhere(world& w) {
  auto s = std::make_shared<std::pair<state_with_place, state>>();
  w.thread("sleeps in two places", [=] {
    s->second.sleeper.unpark();
    s->first.sleep_elsewhere();
    s->second.sleeper.unpark();
    while (!s->first.sleeper.park(no_deadline)) {
    }
  });
  w.thread("answers", [=] {
    for (int i = 0; i < 2; ++i) {
      s->second.sleeper.park(no_deadline);
      s->first.sleeper.unpark();
    }
  });
}

const std::vector<model> models{{{.preemptions = -1}, one_wake},
                                {{.preemptions = 3}, wake_and_answer},
                                {{.preemptions = 3}, one_wake_elsewhere},
                                {{.preemptions = 2}, here_and_elsewhere}};

TEST(ParkerModel, AWakeIsNotLostAndBringsWhatCameBeforeIt) { expect_holds(models[0].how, models[0].what); }
TEST(ParkerModel, TwoThreadsThatWakeEachOtherBothEnd) { expect_holds(models[1].how, models[1].what); }
TEST(ParkerModel, AWakeReachesWhoSleepsElsewhere) { expect_holds(models[2].how, models[2].what); }
TEST(ParkerModel, AWakeReachesWhoSleepsHereAndElsewhereInTurns) { expect_holds(models[3].how, models[3].what); }

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
