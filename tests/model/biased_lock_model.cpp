// A lock that may be biased: one thread at a time is inside, and sees what those before it did.
#include <tandem/runtime/detail/biased_lock.hpp>

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

using detail::bias_seat;

struct room {
  detail::biased_lock lock;
  plain inside;
};

struct state {
  room a, b;
  detail::sync::atomic<int> pace{0};
  int entries = 0;

  void enter(room& r, bias_seat& who) {
    r.lock.lock(who);
    (void)pace.load(std::memory_order_relaxed);  // a step, so that a revoker's fence may come before what is done inside
    r.inside.set(r.inside.get() + 1);
    r.lock.unlock(who);
    ++entries;
  }
  void check_all() const { check(a.inside.get() + b.inside.get() == static_cast<unsigned>(entries), "an entry was lost"); }
};

// A worker enters, and is biased from the second entry on (bias_after is 1 here); others come at any moment.
void one_lock(world& w, const std::vector<int>& workers, bool stranger) {
  auto s = std::make_shared<state>();
  for (std::size_t i = 0; i < workers.size(); ++i)
    w.thread("worker", [=, entries = workers[i]] {
      bias_seat& me = detail::sit_down(static_cast<std::uint32_t>(i + 1));
      for (int n = 0; n < entries; ++n) s->enter(s->a, me);
      detail::get_up(me);
    });
  if (stranger) w.thread("stranger", [=] { s->enter(s->a, detail::nobodys_bias_seat()); });
  w.finally([=] { s->check_all(); });
}

// Taking one bias away takes all: who finds the token changed already must not go on while the worker is inside.
void two_locks(world& w) {
  auto s = std::make_shared<state>();
  w.thread("worker", [=] {
    bias_seat& me = detail::sit_down(1);
    for (int n = 0; n < 2; ++n) s->enter(s->a, me);
    for (int n = 0; n < 3; ++n) s->enter(s->b, me);
    s->enter(s->a, me);
  });
  w.thread("stranger at a", [=] { s->enter(s->a, detail::nobodys_bias_seat()); });
  w.thread("stranger at b", [=] { s->enter(s->b, detail::nobodys_bias_seat()); });
  w.finally([=] { s->check_all(); });
}

// Who revokes may find the worker, that was inside of one lock, inside of the next.
void next_lock(world& w) {
  auto s = std::make_shared<state>();
  w.thread("worker", [=] {
    bias_seat& me = detail::sit_down(1);
    for (int n = 0; n < 3; ++n) s->enter(s->a, me);
    for (int n = 0; n < 3; ++n) s->enter(s->b, me);
  });
  w.thread("stranger", [=] { s->enter(s->a, detail::nobodys_bias_seat()); });
  w.finally([=] { s->check_all(); });
}

const std::vector<model> models{
    {{.preemptions = 3, .old_values = 2}, [](world& w) { one_lock(w, {4}, true); }},
    {{.preemptions = 2, .old_values = 1}, [](world& w) { one_lock(w, {3, 3}, false); }},
    {{.preemptions = 2, .old_values = 1}, [](world& w) { next_lock(w); }},
    {{.preemptions = 2, .old_values = 1}, [](world& w) { two_locks(w); }},
};

TEST(BiasedLockModel, AWorkerAndAStrangerTakeTurns) { expect_holds(models[0].how, models[0].what); }
TEST(BiasedLockModel, TwoWorkersTakeTheBiasFromEachOther) { expect_holds(models[1].how, models[1].what); }
TEST(BiasedLockModel, ARevokerNeedNotSeeTheWorkerOutside) { expect_holds(models[2].how, models[2].what); }
TEST(BiasedLockModel, AllBiasesOfAWorkerAreTakenBackAtOnce) { expect_holds(models[3].how, models[3].what); }

TEST(BiasedLockMutants, WithoutTheHeavyFenceTwoAreInside) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::heavy_fence, "biased_lock.cpp", models), std::vector<std::string>());
}

TEST(BiasedLockMutants, RelaxedLeavingAndARevokerThatDoesNotAcquireAreNoticed) {
  const auto weaker = [](const site& s) { return s.with != std::memory_order_relaxed; };
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "biased_lock.hpp", models, weaker),
            std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::load, "biased_lock.cpp", models, weaker),
            std::vector<std::string>());
}

TEST(BiasedLockMutants, WhoDoesNotLookAtTheTokenOrAtTheHolderIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "biased_lock.cpp", models,
                      [](const site& s) { return s.with == std::memory_order_acquire; }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
