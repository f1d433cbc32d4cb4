// C6 jobs: what a task costs to start, to join, and to leave parked.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::task;
using tandem::csp::make_channel;
using tandem::csp::receiver;

constexpr std::int64_t all_tasks = 1'000'000;
constexpr std::int64_t tasks_per_batch = 1'000;

task<std::int64_t> trivial(std::int64_t i) { co_return i; }

// Spawns `n` tasks, then joins each of them. Gives the sum of their results.
task<std::int64_t> spawn_and_join(std::vector<tandem::join_handle<std::int64_t>>& handles, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) handles.push_back(tandem::spawn(trivial(i)));
  std::int64_t sum = 0;
  for (auto& handle : handles) {
    const auto outcome = co_await handle.join();
    check(outcome.has_value(), "join");
    sum += *outcome;
  }
  handles.clear();
  co_return sum;
}

void spawn_in_batches(const char* name, unsigned threads, std::int64_t batches, std::int64_t batch) {
  tandem::runtime runtime({.workers = threads, .held_limit = {}});  // the job holds its worker on purpose
  double elapsed = 0;
  auto timed = [](std::int64_t rounds, std::int64_t size, double& took) -> task<> {
    std::vector<tandem::join_handle<std::int64_t>> handles;
    handles.reserve(static_cast<std::size_t>(size));
    const auto start = clock::now();
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < rounds; ++i) sum += co_await spawn_and_join(handles, size);
    took = nanoseconds_since(start);
    check(sum == rounds * (size * (size - 1) / 2), "sum");
  };
  runtime.block_on(timed(batches, batch, elapsed));
  report(name, threads, elapsed / static_cast<double>(batches * batch), "ns/task");
}

void spawn_all(unsigned threads) { spawn_in_batches("C6-spawn", threads, 1, count(all_tasks)); }

void spawn_batches(unsigned threads) {
  spawn_in_batches("C6-batch", threads, count(all_tasks) / tasks_per_batch, tasks_per_batch);
}

double resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  check(file != nullptr, "/proc/self/statm");
  long total = 0;
  long resident = 0;
  check(std::fscanf(file, "%ld %ld", &total, &resident) == 2, "/proc/self/statm");
  (void)std::fclose(file);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// By reference: the handles outlive the tasks, as in the peers' programs.
task<> wait_for_close(const receiver<std::int64_t>& in) {
  const auto value = co_await in.recv();
  check(!value.has_value(), "closed");
}

// Parks `n` tasks on as many channels as asked for, and gives the growth of resident memory per task.
task<> park(std::int64_t n, std::int64_t channels, double& bytes_per_task) {
  using ends = decltype(make_channel<std::int64_t>(0));
  std::vector<tandem::join_handle<void>> handles;
  handles.resize(static_cast<std::size_t>(n));  // touched, so that it is not counted
  std::vector<ends> all;
  all.reserve(static_cast<std::size_t>(channels));
  const double before = resident_bytes();
  for (std::int64_t i = 0; i < channels; ++i) all.push_back(make_channel<std::int64_t>(0));
  for (std::int64_t i = 0; i < n; ++i) {
    auto& place = handles[static_cast<std::size_t>(i)];
    place = tandem::spawn(wait_for_close(all[static_cast<std::size_t>(i % channels)].second));
    if (i % tasks_per_batch == 0) co_await tandem::yield();
  }
  (void)co_await tandem::sleep_for(std::chrono::milliseconds(200));  // now they all wait
  bytes_per_task = (resident_bytes() - before) / static_cast<double>(n);
  for (auto& [out, in] : all) out.close();
  for (auto& handle : handles) check((co_await handle.join()).has_value(), "join");
}

void parked(const char* name, unsigned threads, bool own_channels) {
  const std::int64_t n = count(all_tasks);
  tandem::runtime runtime({.workers = threads, .held_limit = {}});  // the job holds its worker on purpose
  double bytes = 0;
  runtime.block_on(park(n, own_channels ? n : 1, bytes));
  report(name, threads, bytes, "B/task");
}

void parked_on_one(unsigned threads) { parked("C6-mem", threads, false); }
void parked_on_own(unsigned threads) { parked("C6-memown", threads, true); }

}  // namespace

void add_task_jobs(std::vector<job>& jobs) {
  jobs.push_back({"C6-spawn", spawn_all});
  jobs.push_back({"C6-batch", spawn_batches});
  jobs.push_back({"C6-mem", parked_on_one});
  jobs.push_back({"C6-memown", parked_on_own});
}

}  // namespace bench
