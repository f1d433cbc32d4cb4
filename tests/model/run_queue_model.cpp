// The ring between its owner and thieves: no item is lost, none is taken twice, each comes with its data.
#include "run_queue.hpp"

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

using detail::queue_item;
using detail::run_queue;

struct state {
  explicit state(std::size_t n) : all(n) {}
  run_queue ring;
  items all;
};

void thief(state& s, std::size_t most) {
  std::array<queue_item, 2> loot{};
  const std::uint32_t n = s.ring.steal({loot.data(), most});
  for (std::uint32_t i = 0; i < n; ++i) s.all.take(loot[i]);
}

void drain(state& s) {
  while (const queue_item item = s.ring.pop()) s.all.take(item);
}

// The owner pushes three, pops one in between, and takes what the thieves leave.
void owner_and_thieves(world& w, int thieves) {
  auto s = std::make_shared<state>(3);
  w.thread("owner", [=] {
    check(s->ring.push(s->all.make(0)), "the ring is full too early");
    check(s->ring.push(s->all.make(1)), "the ring is full too early");
    if (const queue_item item = s->ring.pop()) s->all.take(item);
    check(s->ring.push(s->all.make(2)), "the ring is full too early");
    drain(*s);
  });
  for (int i = 0; i < thieves; ++i) w.thread("thief", [=] { thief(*s, 2); });
  w.finally([=] {
    drain(*s);
    s->all.check_all();
  });
}

// A full ring: the owner makes room by stealing from itself, as a worker does, and the indices pass the ring's end.
void overflow(world& w) {
  auto s = std::make_shared<state>(6);
  for (std::size_t i = 0; i < run_queue::capacity; ++i) (void)s->ring.push(s->all.make(i));
  w.thread("owner", [=] {
    for (std::size_t i = run_queue::capacity; i < 6; ++i) {
      const queue_item item = s->all.make(i);
      if (s->ring.push(item)) continue;
      thief(*s, 2);
      s->all.take(item);
    }
    drain(*s);
  });
  w.thread("thief", [=] { thief(*s, 2); });
  w.finally([=] { s->all.check_all(); });
}

const std::vector<model> models{
    {{.preemptions = -1}, [](world& w) { owner_and_thieves(w, 1); }},
    {{.preemptions = 2}, [](world& w) { owner_and_thieves(w, 2); }},
    {{.preemptions = 3}, overflow},
};

TEST(RunQueueModel, OneThiefAndTheOwnerTakeEachItemOnce) { expect_holds(models[0].how, models[0].what); }
TEST(RunQueueModel, TwoThievesAndTheOwnerTakeEachItemOnce) { expect_holds(models[1].how, models[1].what); }
TEST(RunQueueModel, AnOverflowingRingKeepsItsItems) { expect_holds(models[2].how, models[2].what); }

TEST(RunQueueMutants, AStealOrPopInTwoStepsIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, "run_queue.hpp", models), std::vector<std::string>());
}

// Of the loads, the thief's of tail_ is what brings the items. The orders around head_ keep a slot's next item from
// being stored before its last was read: no step of the model happens before its turn, so it cannot show their need.
TEST(RunQueueMutants, ATailWithoutOrderIsNoticed) {
  const auto weaker = [](const site& s) { return s.with != std::memory_order_relaxed; };
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "run_queue.hpp", models, weaker), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::load, "run_queue.hpp", models, weaker).size(), 4U);
}

TEST(RunQueueMutants, AnItemStoredAfterTheTailIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::delay, step::store, "run_queue.hpp", models,
                      [](const site& s) { return s.with == std::memory_order_relaxed; }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
