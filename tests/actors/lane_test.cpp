// What an actor handles first.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;
using detail::lane;

// Puts a message into a lane by hand.
template <class M>
void post(const recorder::protocol::ref& to, M message, lane where) {
  detail::envelope_ptr made(new detail::told<M>(std::move(message)));
  made->set_lane(where);
  static_cast<detail::local_target&>(*to.target()).post(std::move(made));
}

struct lanes : ::testing::Test {
  testing::sim_runtime sim;
  recorder::state state;
  system sys{sim};
  recorder::protocol::ref ref = sys.spawn<recorder>(spawn_actor_options("r", 16), state);

  void keep_busy() {
    ASSERT_TRUE(ref.try_tell(hold{}).has_value());
    sim.run_until_idle();
    ASSERT_TRUE(state.holding);
  }
  void let_go() {
    state.open = true;
    sim.run_to_end();
  }
};

TEST_F(lanes, ControlComesBeforeUrgentBeforeNormal) {
  keep_busy();
  post(ref, note{31}, lane::normal);
  post(ref, note{21}, lane::urgent);
  post(ref, note{11}, lane::control);
  post(ref, note{32}, lane::normal);
  post(ref, note{12}, lane::control);
  post(ref, note{22}, lane::urgent);
  let_go();
  EXPECT_EQ(state.seen, (std::vector<int>{11, 12, 21, 22, 31, 32}));
}

TEST_F(lanes, KeepTheOrderOfArrivalEach) {
  keep_busy();
  std::vector<int> expected;
  for (const lane l : {lane::control, lane::urgent, lane::normal})
    for (int i = 0; i < 100; ++i) expected.push_back(100 * static_cast<int>(l) + i);
  for (int i = 0; i < 100; ++i)
    for (const lane l : {lane::normal, lane::control, lane::urgent}) post(ref, note{100 * static_cast<int>(l) + i}, l);
  let_go();
  EXPECT_EQ(state.seen, expected);
}

// The actor has taken what was in its mailbox, and is in the middle of that.
TEST_F(lanes, UrgentOvertakesWhatTheActorHasTakenAndNotHandled) {
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  for (int i = 0; i < 4; ++i) post(ref, note{i}, lane::normal);
  sim.run_until_idle();
  ASSERT_TRUE(state.holding);
  post(ref, note{9}, lane::urgent);
  post(ref, note{8}, lane::control);
  let_go();
  EXPECT_EQ(state.seen, (std::vector<int>{8, 9, 0, 1, 2, 3}));
}

TEST_F(lanes, ControlIsNeitherRefusedNorCounted) {
  const auto small = sys.spawn<recorder>(spawn_actor_options("small", 1, overflow::fail), state);
  ASSERT_TRUE(small.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(small.try_tell(note{1}).has_value());
  ASSERT_EQ(small.try_tell(note{2}).error().code(), errc::overloaded);
  for (int i = 0; i < 1000; ++i) post(small, note{100 + i}, lane::control);
  EXPECT_EQ(small.target()->depth(), 1u);
  let_go();
  ASSERT_EQ(state.seen.size(), 1001u);
  EXPECT_EQ(state.seen.back(), 1);
}

TEST_F(lanes, UrgentCountsAgainstTheCapacityAndDoesNotOvertakeThoseWhoWaitForRoom) {
  const auto small = sys.spawn<recorder>(spawn_actor_options("small", 1), state);
  ASSERT_TRUE(small.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(small.try_tell(note{1}).has_value());
  auto waiting = sim.spawn([&]() -> task<result<void>> { co_return co_await small.tell(note{2}); });
  sim.run_until_idle();
  ASSERT_FALSE(waiting.done());
  detail::envelope_ptr urgent(new detail::told<note>(note{3}));
  urgent->set_lane(lane::urgent);
  error why;
  EXPECT_EQ(small.target()->try_deliver(urgent, why), detail::target::delivery::full);
  let_go();
  EXPECT_EQ(state.seen, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace tandem::actors
