#include "thread_times.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

using namespace std::chrono_literals;

constexpr duration limit = 100ms;

TEST(HeldWorker, IsHeldByATaskThatUsedTheCpuForTheLimit) {
  EXPECT_EQ(judge(150ms, {100ms, 0ms}, false, limit), hold::computes);
  EXPECT_EQ(judge(150ms, {99ms, 0ms}, false, limit), hold::innocent);
  EXPECT_EQ(judge(10s, {100ms, 9s}, true, limit), hold::computes);
}

TEST(HeldWorker, IsHeldByATaskThatSleepsInTheKernelAndDidNotLackACpu) {
  EXPECT_EQ(judge(100ms, {0ms, 0ms}, true, limit), hold::blocks);
  EXPECT_EQ(judge(100ms, {60ms, 0ms}, true, limit), hold::blocks);
  EXPECT_EQ(judge(10s, {1ms, 9'901ms}, true, limit), hold::innocent);
  EXPECT_EQ(judge(10s, {1ms, 9'900ms}, true, limit), hold::blocks);
}

TEST(HeldWorker, IsNotHeldByATaskThatWaitsForACpu) {
  EXPECT_EQ(judge(10s, {1ms, 0ms}, false, limit), hold::innocent);
}

struct this_thread_times {
  this_thread_times() { EXPECT_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0); }
  [[nodiscard]] thread_times now() const { return times_of(gettid(), clock); }
  clockid_t clock{};
};

TEST(ThreadTimes, CountWhatAThreadComputes) {
  const this_thread_times mine;
  const thread_times before = mine.now();
  while ((mine.now() - before).on_cpu < 2ms) {
  }
  EXPECT_GE((mine.now() - before).on_cpu, 2ms);
  EXPECT_GE((mine.now() - before).in_queue, 0ms);
}

TEST(ThreadTimes, TellAThreadThatSleepsFromOneThatRuns) {
  std::atomic<pid_t> sleeper{0};
  std::atomic<bool> wake{false};
  std::thread other([&] {
    sleeper = gettid();
    wake.wait(false);
  });
  while (sleeper == 0 || !is_asleep(sleeper)) std::this_thread::yield();  // it comes to its wait, and stays there
  EXPECT_FALSE(is_asleep(gettid()));
  wake = true;
  wake.notify_one();
  other.join();
}

TEST(ThreadTimes, SayNothingOfAThreadThatIsNone) {
  EXPECT_FALSE(is_asleep(0));
  EXPECT_EQ(times_of(0, CLOCK_THREAD_CPUTIME_ID).in_queue, 0ms);
}

}  // namespace
}  // namespace tandem::detail
