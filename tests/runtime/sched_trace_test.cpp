#include "sched_trace.hpp"

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

struct parsed {
  duration period;
  std::vector<std::string> complaints;
};

parsed parse(const char* settings) {
  parsed out;
  out.period = detail::trace_period(settings, [&out](const std::string& text) { out.complaints.push_back(text); });
  return out;
}

TEST(TraceSetting, GivesThePeriodInMilliseconds) {
  for (const char* const good : {"sched=1000", ",sched=1000,", "sched=5,sched=1000"}) {
    const parsed p = parse(good);
    EXPECT_EQ(p.period, 1s) << good;
    EXPECT_TRUE(p.complaints.empty()) << good;
  }
  EXPECT_EQ(parse("sched=1").period, 1ms);
  EXPECT_EQ(parse("sched=86400000").period, 24h);
}

TEST(TraceSetting, IsOffUnlessAskedFor) {
  for (const char* const none : {static_cast<const char*>(nullptr), "", ","}) {
    EXPECT_EQ(parse(none).period, 0s);
    EXPECT_TRUE(parse(none).complaints.empty());
  }
}

TEST(TraceSetting, IsIgnoredWithAComplaintIfItMakesNoSense) {
  for (const char* const bad : {"sched", "sched=", "sched=0", "sched=-5", "sched=1s", "sched=1e3", "sched= 1",
                                "sched=86400001", "sched=99999999999999999999", "gc=1", "1000", "SCHED=1"}) {
    const parsed p = parse(bad);
    EXPECT_EQ(p.period, 0s) << bad;
    ASSERT_EQ(p.complaints.size(), 1u) << bad;
    EXPECT_EQ(p.complaints[0], fmt::format("tandem: \"{}\" in TANDEM_TRACE is ignored: it takes sched=MILLISECONDS, "
                                           "from 1 to 86400000\n",
                                           bad));
  }
  const parsed mixed = parse("gc=1,sched=20,sched=x");
  EXPECT_EQ(mixed.period, 20ms);
  EXPECT_EQ(mixed.complaints.size(), 2u);
}

// Takes the lines, and waits for one that has a word.
class lines_seen {
 public:
  void add(const std::string& line) {
    const std::lock_guard hold(lock_);
    lines_.push_back(line);
    changed_.notify_all();
  }
  std::string wait_for(const std::string& word) {
    std::unique_lock hold(lock_);
    std::size_t from = 0;
    for (;;) {
      for (; from < lines_.size(); ++from)
        if ((lines_[from] + " ").find(" " + word) != std::string::npos) return lines_[from];
      changed_.wait(hold);
    }
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;  // guarded by lock_
};

runtime_options traced(lines_seen& lines) {
  return {.workers = 2, .held_limit = 0s, .trace_every = 1ms, .report = [&lines](const std::string& line) {
            lines.add(line);
          }};
}

TEST(SchedTrace, TellsWhatTheWorkersDo) {
  lines_seen lines;
  runtime rt(traced(lines));
  auto nap = []() -> task<> { (void)co_await sleep_for(1h); };
  for (int i = 0; i < 10; ++i) rt.spawn(nap()).detach();
  const std::string line = lines.wait_for("timers=10 ");
  EXPECT_TRUE(line.starts_with("tandem: sched ")) << line;
  for (const char* const part : {"ms: workers=2 idle=", " searching=", " injected=", " queues=[", " tasks=10 ",
                                 " blocking=0 blocking_queued=0 ", " steals=", " parks="})
    EXPECT_NE(line.find(part), std::string::npos) << part << " is not in " << line;
  (void)lines.wait_for("idle=2 ");
}

TEST(SchedTrace, ShowsWhatWaitsBehindATaskThatHoldsItsWorker) {
  lines_seen lines;
  runtime_options options = traced(lines);
  options.workers = 1;
  runtime rt(options);
  auto hold = [](lines_seen& seen) -> task<> {
    for (int i = 0; i < 3; ++i) spawn([]() -> task<> { co_return; }).detach();
    (void)seen.wait_for("queues=[3] tasks=4 ");
    co_return;
  };
  rt.block_on(hold(lines));
}

TEST(SchedTrace, ShowsTheCallsOfTheBlockingPool) {
  lines_seen lines;
  runtime_options options = traced(lines);
  options.blocking_threads = 1;
  runtime rt(options);
  auto body = [](lines_seen& seen) -> task<> {
    auto first = run_blocking([&seen] { (void)seen.wait_for("blocking=1 blocking_queued=1 "); });
    auto second = run_blocking([] {});
    (void)co_await first.join();
    (void)co_await second.join();
  };
  rt.block_on(body(lines));
}

TEST(SchedTrace, EndsWithTheRuntime) {
  lines_seen lines;
  for (int i = 0; i < 20; ++i) {
    runtime rt(traced(lines));
    EXPECT_TRUE(rt.shutdown(10s));
  }
}

TEST(SchedTrace, IsAskedForByTheEnvironment) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  setenv("TANDEM_TRACE", "sched=1", 1);
  std::string text;
  {
    const runtime rt({.workers = 1});
    char byte = 0;
    while (text.find(" parks=") == std::string::npos && ::read(ends[0], &byte, 1) == 1) text += byte;
  }
  unsetenv("TANDEM_TRACE");
  dup2(saved, STDERR_FILENO);
  for (const int open : {saved, ends[0], ends[1]}) close(open);
  EXPECT_NE(text.find("tandem: sched "), std::string::npos) << text;
}

}  // namespace
}  // namespace tandem
