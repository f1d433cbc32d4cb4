#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

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
  EXPECT_NE(text.find("compute_until"), std::string::npos) << text;
  EXPECT_NE(text.find("awaited by"), std::string::npos) << text;
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
