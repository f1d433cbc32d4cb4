// What idle workers cost, and how fast they are awake: wake-up from a foreign thread, CPU time of an idle runtime.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include <tandem/runtime/runtime.hpp>

#include "job.hpp"

namespace bench {
namespace {

using namespace tandem;

task<> note_time(std::atomic<std::int64_t>& when) {
  when.store(clock::now().time_since_epoch().count(), std::memory_order_release);
  co_return;
}

// Time from before spawn() on a thread that is no worker until the task runs, every worker asleep before.
void wake_up(unsigned threads) {
  runtime rt({.workers = threads});
  const auto n = static_cast<std::size_t>(count(4'000));
  std::vector<double> waits;
  for (std::size_t i = 0; i < n + 100; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than a worker looks for work
    std::atomic<std::int64_t> when{0};
    const std::int64_t start = clock::now().time_since_epoch().count();
    auto handle = rt.spawn(note_time(when));
    while (when.load(std::memory_order_acquire) == 0) std::this_thread::yield();
    while (!handle.done()) std::this_thread::yield();
    if (i >= 100) waits.push_back(static_cast<double>(when.load() - start) / 1e3);  // the first ones warm up
  }
  check(waits.size() == n && n > 0, "every wake-up is counted");
  std::ranges::sort(waits);
  report("W1-wake-p50", threads, waits[n / 2], "us");
  report("W1-wake-p99", threads, waits[n * 99 / 100], "us");
}

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void idle_cpu(const char* name, unsigned threads, bool with_io) {
  runtime rt({.workers = threads});
  if (with_io) (void)rt.io();
  std::atomic<std::int64_t> ran{0};
  for (int i = 0; i < 100; ++i) rt.spawn(note_time(ran)).detach();  // they have worked before they idle
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  check(ran.load() != 0 && rt.live_tasks() == 0, "the workers worked");
  const double before = cpu_seconds();
  const auto start = clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(count(5'000)));
  report(name, threads, 100.0 * (cpu_seconds() - before) / (nanoseconds_since(start) / 1e9), "%");
}

}  // namespace

void add_idle_jobs(std::vector<job>& jobs) {
  jobs.push_back({"W1-wake", wake_up});
  jobs.push_back({"W2-idle", [](unsigned threads) { idle_cpu("W2-idle", threads, false); }});
  jobs.push_back({"W2-idle-io", [](unsigned threads) { idle_cpu("W2-idle-io", threads, true); }});
}

}  // namespace bench
