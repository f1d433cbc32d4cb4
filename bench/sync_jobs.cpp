// S2 jobs: what a mutex costs, alone and in demand.
#include <cstdint>
#include <string>
#include <vector>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/sync/mutex.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::task;

struct counter {
  tandem::sync::mutex lock;
  std::int64_t value = 0;
};

task<> increment(counter& c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto held = co_await c.lock.lock();
    check(held.has_value(), "lock");
    ++c.value;
  }
}

task<> increment_together(counter& c, std::int64_t tasks, std::int64_t each) {
  std::vector<tandem::join_handle<void>> handles;
  for (std::int64_t i = 0; i < tasks; ++i) handles.push_back(tandem::spawn(increment(c, each)));
  for (auto& handle : handles) check((co_await handle.join()).has_value(), "join");
}

void lock_and_increment(const char* name, unsigned threads, std::int64_t tasks, std::int64_t total) {
  tandem::runtime runtime({.workers = threads});
  const std::int64_t each = count(total) / tasks;
  counter c;
  const auto start = clock::now();
  runtime.block_on(increment_together(c, tasks, each));
  const double elapsed = nanoseconds_since(start);
  check(c.value == each * tasks, "count");
  report(name, threads, elapsed / static_cast<double>(each * tasks), "ns/op");
}

}  // namespace

void add_sync_jobs(std::vector<job>& jobs) {
  jobs.push_back({"S2-uncont", [](unsigned t) { lock_and_increment("S2-uncont", t, 1, 50'000'000); }});
  jobs.push_back({"S2-cont2", [](unsigned t) { lock_and_increment("S2-cont2", t, 2, 10'000'000); }});
  jobs.push_back({"S2-cont8", [](unsigned t) { lock_and_increment("S2-cont8", t, 8, 8'000'000); }});
}

}  // namespace bench
