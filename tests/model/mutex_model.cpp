// A mutex of tasks: one holds it at a time, and none that waits is forgotten, whoever is called, overtaken, handed the
// lock or cancelled meanwhile. The code is the mutex' own with its operation; a thread plays a task and the worker that
// resumes it, and a scope is played by a lock, as the runtime's is one.
#include <tandem/sync/mutex.hpp>

#include <array>
#include <memory>

#include "parker.hpp"
#include "world.hpp"

namespace tandem {

namespace model {
namespace {

// Time stands still, unless a scenario says that it passes quickly.
duration clock_step{};
time_point clock_now_is{};

}  // namespace
}  // namespace model

time_point now() noexcept { return model::clock_now_is; }

namespace detail {

constinit thread_local worker_base* tls_worker = nullptr;

task_record::task_record(scheduler& s, origin_id made_by) noexcept
    : wait_node(wait_node::owner::task), origin_(made_by), owner(&s), id(1) {}
void task_record::run() noexcept {}
void record_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }
const task_origin& origin_of(origin_id) noexcept {
  static const task_origin nowhere{"task", std::source_location::current()};
  return nowhere;
}

time_point clock_of(const scheduler&) noexcept { return model::clock_now_is += model::clock_step; }

}  // namespace detail

namespace model {
namespace {

using detail::task_record;

struct fake_task final : task_record {
  fake_task() : task_record(*reinterpret_cast<detail::scheduler*>(alignof(std::max_align_t)), 0) {}
  [[nodiscard]] void* place() noexcept override { return room(); }

  // Before anything that asks which task runs here; no other thread takes a step between that and the answer.
  void run_here() noexcept {
    as_worker.current = this;
    as_worker.slice = 1'000;
    detail::tls_worker = &as_worker;
  }
  void cancel() {
    {
      const std::lock_guard hold(scope);
      over.store(true, std::memory_order_release);
    }
    const std::lock_guard hold(scope);
    if (std::exchange(listed, false)) waits_for.load(std::memory_order_relaxed)->cancel(*this);
  }

  detail::worker_base as_worker;
  detail::promise_base coroutine;
  detail::parker sleeper;
  detail::sync::mutex scope;
  detail::sync::atomic<bool> over{false};
  bool listed = false;  // guarded by scope
};

}  // namespace
}  // namespace model

namespace detail {

bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept {
  auto& fake = static_cast<model::fake_task&>(task);
  task.waits_for.store(&kind, std::memory_order_relaxed);
  task.what = operation;
  const std::lock_guard hold(fake.scope);
  fake.listed = !fake.over.load(std::memory_order_acquire);
  return fake.listed;
}
void end_wait(task_record& task) noexcept {
  auto& fake = static_cast<model::fake_task&>(task);
  const std::lock_guard hold(fake.scope);
  fake.listed = false;
  task.waits_for.store(nullptr, std::memory_order_relaxed);
}
bool context_over(const task_record& task) noexcept {
  return static_cast<const model::fake_task&>(task).over.load(std::memory_order_acquire);
}
error context_error(const task_record&) { return error_of(errc::cancelled); }
void schedule_behind_others(task_record& task) noexcept { make_ready(task); }
void yield_to_others(task_record&) noexcept { model::fail("a slice was used up"); }

}  // namespace detail

namespace model {
namespace {

struct scene {
  sync::mutex lock;
  plain inside;
  std::array<fake_task, 3> tasks;
  int entries = 0;

  scene() {
    on_make_ready = [](task_record& task) { static_cast<fake_task&>(task).sleeper.unpark(); };
    clock_now_is = time_point{};
    clock_step = duration{};
  }

  void enter() {
    const auto before = inside.get();
    inside.set(before + 1);
    ++entries;
  }

  // What `co_await lock.lock()` does.
  result<sync::mutex::guard> take(fake_task& me) {
    auto operation = lock.lock();
    me.run_here();
    if (!operation.await_ready()) {
      me.run_here();
      me.coroutine.record = &me;
      if (operation.await_suspend(std::coroutine_handle<detail::promise_base>::from_promise(me.coroutine))) {
        do {
          me.sleeper.park(no_deadline);
        } while (!me.goes_on());
      }
    }
    me.run_here();
    return operation.await_resume();
  }

  void use(fake_task& me, int times) {
    for (int i = 0; i < times; ++i) {
      auto held = take(me);
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
}  // namespace model
}  // namespace tandem
