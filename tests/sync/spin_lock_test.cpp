#include <tandem/sync/spin_lock.hpp>

#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::sync {
namespace {

static_assert(!std::is_copy_constructible_v<spin_lock> && !std::is_copy_assignable_v<spin_lock>);

TEST(SpinLock, IsHeldByOneThreadAtATime) {
  spin_lock lock;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) {
        const std::lock_guard hold(lock);
        ++count;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(count, 40'000);
}

TEST(SpinLock, UnlockingWhatIsNotLockedIsRefused) {
  spin_lock lock;
  EXPECT_THROW(lock.unlock(), std::logic_error);
  lock.lock();
  lock.unlock();
  EXPECT_THROW(lock.unlock(), std::logic_error);
}

TEST(SpinLock, TryLockFailsWhileItIsHeld) {
  spin_lock lock;
  ASSERT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

}  // namespace
}  // namespace tandem::sync
