// S1 jobs: what it costs that many may want the same, alone and at once.
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/singleflight.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::result;
using tandem::task;
using flights = tandem::resilience::singleflight<std::string, int>;

task<result<int>> seven() { co_return 7; }

task<> call(const flights& group, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const result<int> got = co_await group.run("hot", &seven);
    check(got == 7, "S1");
  }
}

task<> call_together(const flights& group, std::int64_t each, bool limited) {
  std::vector<tandem::join_handle<void>> handles;
  for (int i = 0; i < 8; ++i) {
    task<> calls = call(group, each);
    if (limited) calls = tandem::with_timeout(std::chrono::hours(1), std::move(calls));
    handles.push_back(tandem::spawn(std::move(calls)));
  }
  for (auto& handle : handles) check((co_await handle.join()).has_value(), "join");
}

void call_one_key(const char* name, unsigned threads, bool limited) {
  tandem::runtime runtime({.workers = threads});
  const std::int64_t each = count(8'000'000) / 8;
  const flights group;
  const auto start = clock::now();
  runtime.block_on(call_together(group, each, limited));
  const double elapsed = nanoseconds_since(start);
  report(name, threads, elapsed / static_cast<double>(8 * each), "ns/call");
}

}  // namespace

void add_singleflight_jobs(std::vector<job>& jobs) {
  jobs.push_back({"S1-singleflight", [](unsigned t) { call_one_key("S1-singleflight", t, false); }});
  // By callers that may be cancelled, so that the function has a task of its own.
  jobs.push_back({"S1-cancellable", [](unsigned t) { call_one_key("S1-cancellable", t, true); }});
}

}  // namespace bench
