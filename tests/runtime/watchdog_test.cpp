#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <latch>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

class reports {
 public:
  void add(const std::string& text) {
    {
      const std::lock_guard hold(lock_);
      texts_.push_back(text);
    }
    ++count;
  }
  std::string all() {
    const std::lock_guard hold(lock_);
    std::string joined;
    for (const auto& text : texts_) joined += text;
    return joined;
  }
  std::atomic<int> count{0};

 private:
  std::mutex lock_;
  std::vector<std::string> texts_;
};

runtime_options watched(reports& seen, unsigned workers, duration limit = 10ms) {
  return {.workers = workers, .held_limit = limit, .report = [&seen](const std::string& text) { seen.add(text); }};
}

// The atomic is looked at in each turn of the loop, so that a thread sanitizer lets the signal through.
[[gnu::noinline]] void compute_until(const std::atomic<int>& value, int wanted) {
  while (value < wanted) detail::cpu_pause();
}

task<> hold(reports& seen, int wanted) {
  compute_until(seen.count, wanted);
  co_return;
}

TEST(Watchdog, NamesTheTaskThatHoldsItsWorkerAndWhereItIs) {
  reports seen;
  runtime rt(watched(seen, 2));
  auto outer = [](reports& r) -> task<> { co_await hold(r, 1); };
  rt.block_on(outer(seen), "number cruncher");
  const std::string text = seen.all();
  EXPECT_NE(text.find("task number cruncher ("), std::string::npos) << text;
  EXPECT_NE(text.find("has held worker "), std::string::npos) << text;
  EXPECT_NE(text.find(" ms, computing ("), std::string::npos) << text;
  EXPECT_NE(text.find("compute_until"), std::string::npos) << text;
  EXPECT_NE(text.find("awaited by"), std::string::npos) << text;
}

// A thread that waits for another one.
class doorbell {
 public:
  doorbell() { EXPECT_EQ(pipe(ends_.data()), 0); }
  ~doorbell() {
    for (const int end : ends_) close(end);
  }
  doorbell(const doorbell&) = delete;
  doorbell& operator=(const doorbell&) = delete;

  void ring() { EXPECT_EQ(write(ends_[1], "!", 1), 1); }
  // Blocks in poll(), because TSan keeps signals from a thread that blocks in read().
  [[gnu::noinline]] void wait() {
    pollfd rung{.fd = ends_[0], .events = POLLIN, .revents = 0};
    while (poll(&rung, 1, -1) < 0) EXPECT_EQ(errno, EINTR);
    char byte = 0;
    EXPECT_EQ(read(ends_[0], &byte, 1), 1);
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(Watchdog, NamesTheTaskThatBlocksItsWorkerAndWhereItIs) {
  reports seen;
  doorbell reported;
  runtime_options options = watched(seen, 2);
  options.report = [&](const std::string& text) {
    seen.add(text);
    reported.ring();
  };
  runtime rt(options);
  auto block = [](doorbell& bell) -> task<> {
    bell.wait();
    co_return;
  };
  rt.block_on(block(reported), "blocker");
  const std::string text = seen.all();
  EXPECT_NE(text.find("task blocker ("), std::string::npos) << text;
  EXPECT_NE(text.find(" ms, blocked in the kernel ("), std::string::npos) << text;
  EXPECT_NE(text.find("doorbell::wait"), std::string::npos) << text;
}

TEST(Watchdog, NoticesATaskThatBlocksManyTimesForShort) {
  reports seen;
  runtime rt(watched(seen, 1));
  auto nap = [](reports& r) -> task<> {
    while (r.count < 1) std::this_thread::sleep_for(1ms);
    co_return;
  };
  rt.block_on(nap(seen));
  EXPECT_NE(seen.all().find(" ms, blocked in the kernel ("), std::string::npos) << seen.all();
}

duration cpu_time_of_this_thread() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// Moves the calling thread to one CPU for as long as it lives.
class pinned_to_a_cpu {
 public:
  pinned_to_a_cpu() {
    EXPECT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
      if (CPU_ISSET(cpu, &before_)) CPU_SET(cpu, &one);
    EXPECT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  }
  ~pinned_to_a_cpu() { sched_setaffinity(0, sizeof(before_), &before_); }
  pinned_to_a_cpu(const pinned_to_a_cpu&) = delete;
  pinned_to_a_cpu& operator=(const pinned_to_a_cpu&) = delete;

 private:
  cpu_set_t before_{};
};

// However long it takes: the task uses its CPU for less than the limit, and never gives it up.
TEST(Watchdog, DoesNotBlameATaskForACpuThatOthersUse) {
  reports seen;
  runtime rt(watched(seen, 1, 40ms));
  std::atomic<bool> stop{false};
  std::latch all_there(7);
  std::vector<std::thread> rivals;
  for (int i = 0; i < 6; ++i) {
    rivals.emplace_back([&] {
      const pinned_to_a_cpu here;
      all_there.count_down();
      while (!stop) detail::cpu_pause();
    });
  }
  auto compute = [](std::latch& there) -> task<> {
    const pinned_to_a_cpu here;
    there.arrive_and_wait();
    const duration end = cpu_time_of_this_thread() + 20ms;
    while (cpu_time_of_this_thread() < end) detail::cpu_pause();
    co_return;
  };
  rt.block_on(compute(all_there));
  stop = true;
  for (auto& rival : rivals) rival.join();
  ASSERT_TRUE(rt.shutdown(30s));  // a report that is being written has come after it
  EXPECT_EQ(seen.count, 0) << seen.all();
}

TEST(Watchdog, ReportsATaskOnce) {
  reports seen;
  runtime rt(watched(seen, 1));
  auto twice = [](reports& r) -> task<> {
    compute_until(r.count, 1);
    co_await yield();
    // Five limits more, in another turn: whatever the watchdog wants to say, it has the time to.
    const auto end = std::chrono::steady_clock::now() + 50ms;
    while (std::chrono::steady_clock::now() < end) detail::cpu_pause();
  };
  rt.block_on(twice(seen), "first");
  EXPECT_EQ(seen.count, 1) << seen.all();
  rt.block_on(hold(seen, 2), "second");
  EXPECT_NE(seen.all().find("task second ("), std::string::npos) << seen.all();
}

TEST(Watchdog, SaysNothingOfTasksThatYield) {
  reports seen;
  runtime rt(watched(seen, 2, 250ms));  // more than a busy machine keeps a thread from running
  auto polite = []() -> task<> {
    const auto end = std::chrono::steady_clock::now() + 600ms;
    while (std::chrono::steady_clock::now() < end) co_await yield();
  };
  rt.block_on(polite());
  auto nap = []() -> task<> { (void)co_await sleep_for(600ms); };
  rt.block_on(nap());
  ASSERT_TRUE(rt.shutdown(30s));  // a report that is being written has come after it
  EXPECT_EQ(seen.count, 0) << seen.all();
}

TEST(Watchdog, WakesForTheFirstTaskAfterIdleness) {
  reports seen;
  runtime rt(watched(seen, 2));
  for (int i = 1; i <= 5; ++i) rt.block_on(hold(seen, i));
  EXPECT_EQ(seen.count, 5);
}

TEST(Watchdog, IsNotDisturbedBySignalsOfOthers) {
  reports seen;
  runtime rt(watched(seen, 1));
  ASSERT_EQ(raise(SIGURG), 0);  // this thread is no worker: the signal stays ignored
  rt.block_on(hold(seen, 1));
  EXPECT_EQ(seen.count, 1);
}

}  // namespace
}  // namespace tandem
