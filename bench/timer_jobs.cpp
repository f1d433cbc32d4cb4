// S jobs: timers.
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/timer.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::duration;
using tandem::task;
using tandem::time_point;

// A timer is put into the heap when a task begins to wait for it; the wait is then given up, as a select does whose
// other arm was faster, and the timer is stopped.
void cancel(unsigned threads) {
  const std::int64_t n = count(5'000'000);
  tandem::runtime runtime({.workers = threads, .held_limit = {}});  // the job holds its worker on purpose
  double elapsed = 0;
  runtime.block_on([](std::int64_t timers, double& took) -> task<> {
    tandem::detail::task_record& self = tandem::detail::current_task();
    const auto start = clock::now();
    for (std::int64_t i = 0; i < timers; ++i) {
      tandem::timer t(std::chrono::seconds(10));
      tandem::detail::selection wait;
      wait.bind(self);
      check(!t.source().try_take() && t.source().enlist(wait, 0, self), "S3-cancel");
      check(!t.source().leave() && t.stop(), "S3-cancel");
    }
    took = nanoseconds_since(start);
    co_return;
  }(n, elapsed));
  report("S3-cancel", threads, elapsed / static_cast<double>(n), "ns/timer");
}

void fire(unsigned threads) {
  const auto n = static_cast<std::size_t>(count(1'000'000));
  std::mt19937_64 random(1);
  std::vector<std::int64_t> due(n), late(n, -1);
  for (auto& d : due) d = 6'000'000'000 + static_cast<std::int64_t>(random() % 4'000'000'000U);
  tandem::runtime runtime({.workers = threads, .held_limit = {}});  // the job holds its worker on purpose
  double created = 0;
  runtime.block_on([](const std::vector<std::int64_t>& at, std::vector<std::int64_t>& by, double& took) -> task<> {
    auto sleeper = [](time_point base, std::int64_t when, std::int64_t& lateness) -> task<> {
      (void)co_await tandem::sleep_until(base + duration(when));
      lateness = (clock::now() - base).count() - when;
    };
    std::vector<tandem::join_handle<void>> sleepers;
    sleepers.reserve(at.size());
    const time_point base = tandem::now();
    for (std::size_t i = 0; i < at.size(); ++i) sleepers.push_back(tandem::spawn(sleeper(base, at[i], by[i])));
    co_await tandem::yield();  // behind them: each has armed its timer
    took = nanoseconds_since(base);
    check(took < 6e9, "S3-fire: creation slower than the 6 s lead");
    for (auto& s : sleepers) (void)co_await s.join();
  }(due, late, created));
  std::sort(late.begin(), late.end());
  check(late.front() >= 0, "S3-fire: early");
  report("S3-fire-create", threads, created / static_cast<double>(n), "ns/timer");
  report("S3-fire-p50", threads, static_cast<double>(late[n / 2]) / 1e3, "us");
  report("S3-fire-p99", threads, static_cast<double>(late[n * 99 / 100]) / 1e3, "us");
}

}  // namespace

void add_timer_jobs(std::vector<job>& jobs) {
  jobs.push_back({"S3-cancel", cancel});
  jobs.push_back({"S3-fire", fire});
}

}  // namespace bench
