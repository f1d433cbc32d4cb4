// Handlers that wait at the primitives of sync: an actor is one task, whose wait goes on when it is called in vain.
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/recursive_mutex.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct shared_with_actors {
  sync::mutex lock;
  sync::recursive_mutex recursive;
  sync::event go_on{true};
  std::vector<int> seen;
  std::vector<errc> failed;
};

/// Writes down what it is told, with the lock held.
class locker {
 public:
  using protocol = actors::protocol<void(note), void(add)>;
  explicit locker(shared_with_actors& s) : shared_(s) {}

  task<> on(note m) {
    const auto held = co_await shared_.lock.lock();
    if (!held) {
      shared_.failed.push_back(held.error().code());
      co_return;
    }
    (void)co_await shared_.go_on.wait();
    shared_.seen.push_back(m.n);
  }
  /// Locks again what its caller holds.
  task<> on(add m) {
    const auto held = co_await shared_.recursive.lock();
    if (m.n > 0) co_await on(add{m.n - 1});
    else shared_.seen.push_back(static_cast<int>(shared_.recursive.depth()));
  }

 private:
  shared_with_actors& shared_;
};

TEST(ActorSync, AHandlerWaitsForAMutexAndGoesOn) {
  shared_with_actors s;
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<locker>(s);
  auto held = std::move(s.lock.try_lock().value());
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(s.seen.empty());
  held.unlock();
  sim.run_until_idle();
  EXPECT_EQ(s.seen, (std::vector{1, 2}));
  EXPECT_FALSE(s.lock.is_locked());
}

TEST(ActorSync, AHandlerThatIsCalledInVainWaitsOnAndItsActorIsUnharmed) {
  shared_with_actors s;
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<locker>(s);
  auto held = std::move(s.lock.try_lock().value());
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  held.unlock();  // calls the handler
  held = std::move(s.lock.try_lock().value());
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());  // comes while the handler looks
  sim.run_until_idle();
  ASSERT_TRUE(s.seen.empty());
  held.unlock();  // hands it over
  EXPECT_TRUE(s.lock.is_locked());
  sim.run_until_idle();
  EXPECT_EQ(s.seen, (std::vector{1, 2}));
  EXPECT_FALSE(s.lock.is_locked());
}

TEST(ActorSync, HandlersOfManyActorsTakeTurns) {
  shared_with_actors s;
  s.go_on.reset();
  testing::sim_runtime sim({.seed = 7, .order = testing::task_order::shuffled});
  system sys(sim);
  std::vector<actor_ref<void(note), void(add)>> refs;
  for (int i = 0; i < 5; ++i) refs.push_back(sys.spawn<locker>(s));
  for (int n = 0; n < 20; ++n) ASSERT_TRUE(refs[static_cast<std::size_t>(n % 5)].try_tell(note{n}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(s.seen.empty());
  s.go_on.set();
  sim.run_until_idle();
  EXPECT_EQ(s.seen.size(), 20U);
  EXPECT_FALSE(s.lock.is_locked());
}

TEST(ActorSync, AHandlerLocksARecursiveMutexAgain) {
  shared_with_actors s;
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<locker>(s);
  ASSERT_TRUE(ref.try_tell(add{3}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(s.seen, (std::vector{4}));
}

TEST(ActorSync, AWaitEndsWhenTheSystemEnds) {
  shared_with_actors s;
  testing::sim_runtime sim;
  {
    system sys(sim);
    const auto ref = sys.spawn<locker>(s);
    (void)s.lock.try_lock().value().release();
    ASSERT_TRUE(ref.try_tell(note{1}).has_value());
    sim.run_until_idle();
  }
  sim.run_until_idle();
  EXPECT_EQ(s.failed, (std::vector{errc::cancelled}));
  EXPECT_TRUE(s.seen.empty());
}

}  // namespace
}  // namespace tandem::actors
