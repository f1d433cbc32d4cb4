// A mutex of tasks: one holds it at a time, and none that waits is forgotten, whoever is called, overtaken, handed the
// lock or cancelled meanwhile. The code is the mutex' own with its operation.
#include <tandem/sync/mutex.hpp>

#include <array>
#include <memory>

#include "fake_task.hpp"
#include "world.hpp"

namespace tandem::model {
namespace {

struct scene {
  sync::mutex lock;
  plain inside;
  std::array<fake_task, 3> tasks;
  int entries = 0;

  scene() { prepare_fake_tasks(); }

  void enter() {
    const auto before = inside.get();
    inside.set(before + 1);
    ++entries;
  }

  void use(fake_task& me, int times) {
    for (int i = 0; i < times; ++i) {
      auto held = me.await(lock.lock());
      if (held)
        enter();
      else
        check(me.over.load(std::memory_order_relaxed), "a lock failed for no reason");
    }
  }

  void check_all() {
    check(static_cast<int>(inside.get()) == entries, "two were inside at once");
    check(!lock.is_locked(), "it stays locked");
  }
};

void take_turns(world& w, std::size_t tasks, int times, bool passes_quickly) {
  auto s = std::make_shared<scene>();
  clock_step = passes_quickly ? duration(std::chrono::milliseconds(1)) : duration{};
  for (std::size_t i = 0; i < tasks; ++i) w.thread("task", [=] { s->use(s->tasks[i], times); });
  w.finally([=] { s->check_all(); });
}

void try_beside(world& w) {
  auto s = std::make_shared<scene>();
  for (std::size_t i = 0; i < 2; ++i) w.thread("task", [=] { s->use(s->tasks[i], 1); });
  w.thread("outsider", [=] {
    if (const auto held = s->lock.try_lock()) s->enter();
  });
  w.finally([=] { s->check_all(); });
}

void cancel_one(world& w, std::size_t tasks) {
  auto s = std::make_shared<scene>();
  for (std::size_t i = 0; i < tasks; ++i) w.thread("task", [=] { s->use(s->tasks[i], 1); });
  w.thread("canceller", [=] { s->tasks[0].cancel(); });
  w.finally([=] { s->check_all(); });
}

// Nothing but the cancel ends the wait.
void cancel_what_nothing_else_ends(world& w) {
  auto s = std::make_shared<scene>();
  auto ended = std::make_shared<detail::parker>();
  w.thread("task", [=] {
    s->use(s->tasks[0], 1);
    ended->unpark();
  });
  w.thread("holder", [=] {
    const auto held = s->lock.try_lock();
    s->tasks[0].cancel();
    ended->park(no_deadline);
  });
  w.finally([=] { s->check_all(); });
}

const std::vector<model> models{
    {{.preemptions = 3, .old_values = 0}, [](world& w) { take_turns(w, 2, 2, false); }},
    {{.preemptions = 2, .old_values = 0}, [](world& w) { take_turns(w, 3, 1, false); }},
    {{.preemptions = 2, .old_values = 0}, [](world& w) { take_turns(w, 3, 1, true); }},
    {{.preemptions = 2, .old_values = 0}, [](world& w) { try_beside(w); }},
    {{.preemptions = 3, .old_values = 0}, [](world& w) { cancel_one(w, 2); }},
    {{.preemptions = 1, .old_values = 0}, [](world& w) { cancel_one(w, 3); }},
    {{.preemptions = 2, .old_values = 1}, [](world& w) { take_turns(w, 2, 1, false); }},
    {{.preemptions = 3, .old_values = 0}, cancel_what_nothing_else_ends},
};

TEST(MutexModel, TwoTasksTakeTurns) { expect_holds(models[0].how, models[0].what); }
TEST(MutexModel, OfThreeTasksNoneIsForgotten) { expect_holds(models[1].how, models[1].what); }
TEST(MutexModel, OfThreeTasksNoneIsForgottenWhenItIsHandedOver) { expect_holds(models[2].how, models[2].what); }
TEST(MutexModel, AnOutsiderMayOvertake) { expect_holds(models[3].how, models[3].what); }
TEST(MutexModel, OneOfTwoIsCancelledAtAnyMoment) { expect_holds(models[4].how, models[4].what); }
TEST(MutexModel, OneOfThreeIsCancelledAtAnyMoment) { expect_holds(models[5].how, models[5].what); }
TEST(MutexModel, WhatOneDidInsideTheNextSees) { expect_holds(models[6].how, models[6].what); }
TEST(MutexModel, ACancelThatMeetsATaskAboutToWaitIsNotLost) { expect_holds(models[7].how, models[7].what); }

TEST(MutexMutants, ALockUnderItThatLetsTwoInOrPublishesNothingIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, "spin_lock.hpp", models), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "spin_lock.hpp", models), std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
