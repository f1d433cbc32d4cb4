// Workers that go to sleep while others bring work: whatever is brought is run, and once.
#include "crew.hpp"

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

using detail::crew;
using detail::queue_item;

constexpr auto naps_end = std::chrono::milliseconds(1);      // the longest nap of a searcher; a watch is longer
constexpr auto watches_end = std::chrono::milliseconds(10);

struct test_seat final : detail::seat {
  [[nodiscard]] time_point next_due() const noexcept override { return no_deadline; }
};

struct state {
  state(std::size_t workers, std::size_t n) : seats(workers), hands(pointers(seats)), all(n), wanted(n) {}

  static std::vector<detail::seat*> pointers(std::vector<test_seat>& seats) {
    std::vector<detail::seat*> all;
    for (test_seat& s : seats) all.push_back(&s);
    return all;
  }

  void run(queue_item item) {
    all.take(item);
    if (ran.fetch_add(1, std::memory_order_relaxed) + 1 == wanted) hands.stop();
  }

  queue_item next(test_seat& self) {
    if (const queue_item item = self.next.take()) return item;
    if (const queue_item item = self.ring.pop()) return item;
    if (const queue_item item = hands.take_injected(self)) return item;
    return hands.search(self, 1);
  }

  // As worker::run(). `body` runs an item.
  template <class Body>
  void work(std::size_t who, Body body) {
    test_seat& self = seats[who];
    while (!hands.stopped()) {
      if (const queue_item item = next(self))
        body(item);
      else
        hands.park(self);
    }
  }
  void work(std::size_t who) {
    work(who, [this](queue_item item) { run(item); });
  }

  std::vector<test_seat> seats;
  crew hands;
  items all;
  const std::size_t wanted;
  detail::sync::atomic<std::size_t> ran{0};
};

// Nobody but the injector can end the workers' sleeps.
void inject(world& w, std::size_t workers, std::size_t injectors) {
  auto s = std::make_shared<state>(workers, injectors);
  for (std::size_t i = 0; i < workers; ++i) w.thread("worker", [=] { s->work(i); });
  for (std::size_t i = 0; i < injectors; ++i)
    w.thread("injector", [=] {
      const queue_item item = s->all.make(i);
      s->hands.inject(&item, 1);
    });
  w.finally([=] { s->all.check_all(); });
}

// A worker's task puts an item into the ring or into the slot, and holds the worker until the item has run elsewhere.
void held_worker(world& w, std::size_t workers, bool slot) {
  auto s = std::make_shared<state>(workers, 1);
  w.thread("holds", [=] {
    test_seat& self = s->seats[0];
    const queue_item item = s->all.make(0);
    if (slot) {
      self.next.put(item);
      s->hands.ensure_watch();
    } else {
      self.ring.push(item);
      s->hands.added_work();
    }
    while (s->ran.load(std::memory_order_relaxed) == 0) detail::sync::spin_pause();
    s->work(0);
  });
  for (std::size_t i = 1; i < workers; ++i) w.thread("idles", [=] { s->work(i); });
  w.finally([=] { s->all.check_all(); });
}

void stop_all(world& w) {
  auto s = std::make_shared<state>(2, 0);
  for (std::size_t i = 0; i < 2; ++i) w.thread("worker", [=] { s->work(i); });
  w.thread("stops", [=] { s->hands.stop(); });
}

const model one_worker{{.preemptions = 3, .old_values = 2}, [](world& w) { inject(w, 1, 1); }};
const model two_workers{{.preemptions = 2, .old_values = 1}, [](world& w) { inject(w, 2, 1); }};
const model two_injectors{{.preemptions = 2, .old_values = 1}, [](world& w) { inject(w, 1, 2); }};
const model three_workers{{.preemptions = 1, .old_values = 1}, [](world& w) { inject(w, 3, 1); }};
const model ring{{.preemptions = 2, .old_values = 1, .longest_sleep = naps_end},
                 [](world& w) { held_worker(w, 2, false); }};
const model ring_of_three{{.preemptions = 1, .old_values = 1, .longest_sleep = naps_end},
                          [](world& w) { held_worker(w, 3, false); }};
const model slot{{.preemptions = 1, .old_values = 1, .longest_sleep = watches_end},
                 [](world& w) { held_worker(w, 2, true); }};
const model stopping{{.preemptions = 2, .old_values = 1}, stop_all};

TEST(CrewModel, WhatIsInjectedWakesTheOnlyWorker) { expect_holds(one_worker.how, one_worker.what); }
TEST(CrewModel, WhatIsInjectedWakesOneOfTwoWorkers) { expect_holds(two_workers.how, two_workers.what); }
TEST(CrewModel, WhatTwoThreadsInjectIsRun) { expect_holds(two_injectors.how, two_injectors.what); }
TEST(CrewModel, WhatIsInjectedWakesOneOfThreeWorkers) { expect_holds(three_workers.how, three_workers.what); }
TEST(CrewModel, AnItemBehindAHeldWorkerIsTakenByTheOther) { expect_holds(ring.how, ring.what); }
TEST(CrewModel, AnItemBehindAHeldWorkerIsTakenByOneOfTwoOthers) { expect_holds(ring_of_three.how, ring_of_three.what); }
TEST(CrewModel, AnItemInTheSlotOfAHeldWorkerIsTakenByWhoKeepsWatch) { expect_holds(slot.how, slot.what); }
TEST(CrewModel, StopReachesWorkersOnTheirWayToSleep) { expect_holds(stopping.how, stopping.what); }

TEST(CrewMutants, EveryFenceIsNeeded) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::fence, "crew.cpp", {one_worker, two_workers, ring, ring_of_three}),
            std::vector<std::string>());
}

TEST(CrewMutants, GoingToSleepWithoutTheLastLookIsNoticed) {
  const auto last_look = [](const site& s) { return s.with == std::memory_order_acquire; };
  EXPECT_LT(unnoticed(mutation::kind::freeze, step::load, "run_queue.hpp", {ring}, last_look).size(), 4U);
}

}  // namespace
}  // namespace tandem::model
