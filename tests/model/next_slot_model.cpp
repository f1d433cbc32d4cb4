// The slot between its owner and thieves: what is put there is taken once, by the owner or by a thief.
#include "next_slot.hpp"

#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

struct state {
  explicit state(std::size_t n) : all(n) {}
  detail::next_slot slot;
  detail::sync::atomic<int> pace{0};
  items all;
};

void take(state& s) {
  if (const detail::queue_item item = s.slot.take()) s.all.take(item);
}

void owner_and_thieves(world& w, std::size_t put, int thieves) {
  auto s = std::make_shared<state>(put);
  w.thread("owner", [=] {
    for (std::size_t i = 0; i < put; ++i) {
      (void)s->pace.load(std::memory_order_relaxed);  // a step, so that a thief's fence may come before the item
      const detail::queue_item item = s->all.make(i);
      take(*s);
      s->slot.put(item);
    }
    take(*s);
  });
  for (int i = 0; i < thieves; ++i)
    w.thread("thief", [=] {
      if (const detail::queue_item item = s->slot.steal()) s->all.take(item);
    });
  w.finally([=] {
    take(*s);
    s->all.check_all();
  });
}

const std::vector<model> models{
    {{.preemptions = -1, .old_values = 2}, [](world& w) { owner_and_thieves(w, 2, 1); }},
    {{.preemptions = 3, .old_values = 1}, [](world& w) { owner_and_thieves(w, 3, 2); }},
};

TEST(NextSlotModel, OwnerAndThiefTakeEachItemOnce) { expect_holds(models[0].how, models[0].what); }
TEST(NextSlotModel, OwnerAndTwoThievesTakeEachItemOnce) { expect_holds(models[1].how, models[1].what); }

TEST(NextSlotMutants, WithoutTheHeavyFenceAnItemIsTakenTwice) {
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::heavy_fence, "next_slot.hpp", models), std::vector<std::string>());
}

TEST(NextSlotMutants, RelaxedPublishingAndReadingAreNoticed) {
  const auto weaker = [](const site& s) { return s.with != std::memory_order_relaxed; };
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "next_slot.hpp", models, weaker), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::load, "next_slot.hpp", models, weaker), std::vector<std::string>());
}

TEST(NextSlotMutants, AnOwnerThatEmptiesTheSlotTooLateOrDoesNotLookForThievesIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "next_slot.hpp", {models[0]},
                      [](const site& s) { return s.with == std::memory_order_relaxed; }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
