// Workers that go to sleep while others bring work: whatever is brought is run, and once.
#include "crew.hpp"

#include <deque>
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
  queue_item first = 0;  // the one that holds its worker; written before it is injected
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

// One worker is held by a task until what is injected has run; the other one naps, and only the injector can end that.
void inject_for_napper(world& w) {
  auto s = std::make_shared<state>(2, 1);
  w.thread("held", [=] {
    while (s->ran.load(std::memory_order_relaxed) == 0) detail::sync::spin_pause();
  });
  w.thread("naps", [=] { s->work(1); });
  w.thread("injector", [=] {
    const queue_item item = s->all.make(0);
    s->hands.inject(&item, 1);
  });
  w.finally([=] { s->all.check_all(); });
}

// A worker's task puts an item into the ring, and holds the worker until the item has run elsewhere.
void held_with_ring(world& w, std::size_t workers) {
  auto s = std::make_shared<state>(workers, 1);
  w.thread("holds", [=] {
    s->seats[0].ring.push(s->all.make(0));
    s->hands.added_work(s->seats[0]);
    while (s->ran.load(std::memory_order_relaxed) == 0) detail::sync::spin_pause();
    s->work(0);
  });
  for (std::size_t i = 1; i < workers; ++i) w.thread("idles", [=] { s->work(i); });
  w.finally([=] { s->all.check_all(); });
}

// Workers fall asleep, all of them or not; then one gets a task that puts an item into the slot, and holds the worker
// until the item has run elsewhere.
void held_with_slot(world& w) {
  auto s = std::make_shared<state>(2, 2);
  auto later = std::make_shared<detail::parker>();
  for (std::size_t i = 0; i < 2; ++i)
    w.thread("worker", [=] {
      s->work(i, [=](queue_item item) {
        if (!s->first || item != s->first) {
          s->run(item);
          return;
        }
        s->seats[i].next.put(s->all.make(1));
        s->hands.ensure_watch(s->seats[i]);
        while (s->ran.load(std::memory_order_relaxed) == 0) detail::sync::spin_pause();
        s->run(item);
      });
    });
  w.thread("injector", [=] {
    later->park(detail::sync::clock_now() + naps_end);
    s->first = s->all.make(0);
    s->hands.inject(&s->first, 1);
  });
  w.finally([=] { s->all.check_all(); });
}

// Two workers of which one sleeps where events come, as in the reactor; an event makes an item and another one.
struct polling_state {
  struct place final : detail::sleeping_place {
    void sleep(time_point deadline) noexcept override {
      while (woken.load(std::memory_order_acquire) == 0) detail::sync::futex_wait(woken, 0, deadline);
    }
    void wake() noexcept override {
      woken.store(1, std::memory_order_relaxed);
      detail::sync::futex_wake(woken);
    }
    detail::sync::atomic<std::uint32_t> woken{0};
    detail::sync::atomic<bool> taken{false}, event{false};
  };
  struct polling_seat final : detail::seat {
    explicit polling_seat(polling_state& s) : seat(s.elsewhere), all(s) {}
    [[nodiscard]] time_point next_due() const noexcept override { return no_deadline; }
    bool sleep(time_point deadline) noexcept override {
      place& p = all.elsewhere;
      if (all.hands.any_runs() || p.taken.exchange(true, std::memory_order_acquire)) return sleeper.park(deadline);
      p.woken.store(0, std::memory_order_relaxed);
      if (p.event.load(std::memory_order_relaxed)) p.wake();  // the kernel shows an event to who comes later, too
      const bool was_woken = sleeper.park_elsewhere(deadline);
      if (p.event.exchange(false, std::memory_order_acquire)) {
        all.in_handler(*this);
        polled = true;
      }
      p.taken.store(false, std::memory_order_release);
      return was_woken;
    }
    polling_state& all;
  };

  // As worker::push_next() twice: the second item displaces the first one.
  void in_handler(polling_seat& self) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (const queue_item displaced = self.next.take()) {
        self.ring.push(displaced);
        hands.added_work(self);
      }
      self.next.put(made.make(i));
      hands.ensure_watch(self);
    }
  }

  // The item that is run first holds its worker until the other one has run.
  void work(std::size_t who) {
    polling_seat& self = seats[who];
    while (!hands.stopped()) {
      queue_item item = self.next.take();
      if (!item) item = self.ring.pop();
      if (!item) item = hands.search(self, 1);
      if (!item) {
        hands.park(self);
        continue;
      }
      made.take(item);
      if (ran.fetch_add(1, std::memory_order_relaxed) == 1) hands.stop();
      while (ran.load(std::memory_order_relaxed) < 2) detail::sync::spin_pause();
    }
  }

  place elsewhere;
  std::deque<polling_seat> seats{};
  crew hands{pointers()};
  items made{2};
  detail::sync::atomic<std::size_t> ran{0};

 private:
  std::vector<detail::seat*> pointers() {
    std::vector<detail::seat*> all;
    for (int i = 0; i < 2; ++i) all.push_back(&seats.emplace_back(*this));
    return all;
  }
};

void event_in_sleep(world& w) {
  auto s = std::make_shared<polling_state>();
  for (std::size_t i = 0; i < 2; ++i) w.thread("worker", [=] { s->work(i); });
  w.thread("event", [=] {
    s->elsewhere.event.store(true, std::memory_order_release);
    s->elsewhere.wake();
  });
  w.finally([=] { s->made.check_all(); });
}

void stop_all(world& w) {
  auto s = std::make_shared<state>(2, 0);
  for (std::size_t i = 0; i < 2; ++i) w.thread("worker", [=] { s->work(i); });
  w.thread("stops", [=] { s->hands.stop(); });
}

const model one_worker{{.preemptions = 3, .old_values = 2}, [](world& w) { inject(w, 1, 1); }};
const model two_workers{{.preemptions = 1, .old_values = 1}, [](world& w) { inject(w, 2, 1); }};
const model two_injectors{{.preemptions = 2, .old_values = 1}, [](world& w) { inject(w, 1, 2); }};
const model three_workers{{.preemptions = 1, .old_values = 0}, [](world& w) { inject(w, 3, 1); }};
const model napper{{.preemptions = 1, .old_values = 1}, inject_for_napper};
const model ring{{.preemptions = 2, .old_values = 1, .longest_sleep = naps_end},
                 [](world& w) { held_with_ring(w, 2); }};
const model ring_of_three{{.preemptions = 1, .old_values = 1, .longest_sleep = naps_end},
                          [](world& w) { held_with_ring(w, 3); }};
const model slot{{.preemptions = 0, .old_values = 0, .longest_sleep = watches_end}, held_with_slot};
const model polling{{.preemptions = 1, .old_values = 0, .longest_sleep = watches_end}, event_in_sleep};
const model stopping{{.preemptions = 1, .old_values = 1}, stop_all};

TEST(CrewModel, WhatIsInjectedWakesTheOnlyWorker) { expect_holds(one_worker.how, one_worker.what); }
TEST(CrewModel, WhatIsInjectedWakesOneOfTwoWorkers) { expect_holds(two_workers.how, two_workers.what); }
TEST(CrewModel, WhatTwoThreadsInjectIsRun) { expect_holds(two_injectors.how, two_injectors.what); }
TEST(CrewModel, WhatIsInjectedWakesOneOfThreeWorkers) { expect_holds(three_workers.how, three_workers.what); }
TEST(CrewModel, WhatIsInjectedEndsANap) { expect_holds(napper.how, napper.what); }
TEST(CrewModel, AnItemBehindAHeldWorkerIsTakenByTheOther) { expect_holds(ring.how, ring.what); }
TEST(CrewModel, AnItemBehindAHeldWorkerIsTakenByOneOfTwoOthers) { expect_holds(ring_of_three.how, ring_of_three.what); }
TEST(CrewModel, AnItemInTheSlotOfAHeldWorkerIsTakenByWhoKeepsWatch) { expect_holds(slot.how, slot.what); }
TEST(CrewModel, WhatAWorkerPollsInItsSleepIsSharedWithTheOther) { expect_holds(polling.how, polling.what); }
TEST(CrewModel, StopReachesWorkersOnTheirWayToSleep) { expect_holds(stopping.how, stopping.what); }

TEST(CrewMutants, EveryFenceIsNeeded) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::fence, "crew.cpp", {napper, ring, ring_of_three}),
            std::vector<std::string>());
}

TEST(CrewMutants, AnnouncingTheSleepAfterTheLastLookIsNoticed) {
  // The others only make a hint staler: what is left to take, who naps no more, who left the idle, the watch.
  EXPECT_EQ(unnoticed(mutation::kind::delay, step::store, "crew.cpp", {ring, slot, napper}).size(), 5U);
}

TEST(CrewMutants, SearchersThatSeeNoTailsAreNoticed) {
  // The others are the loads of head_, at whose first value a ring looks longer than it is.
  const auto looks = [](const site& s) { return s.with == std::memory_order_acquire; };
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "run_queue.hpp", {ring}, looks).size(), 4U);
}

TEST(CrewMutants, AWatchThatIsNotCalledIsNoticed) {
  // Not noticed: calling a watch where there is one or a searcher, and a rest that nobody asks for here.
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "crew.hpp", {slot, stopping}).size(), 3U);
}

}  // namespace
}  // namespace tandem::model
