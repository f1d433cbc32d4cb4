// K1 job: a cache of ten million entries, filled, read, and overwritten.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <utility>
#include <vector>

#include <tandem/resilience/cache.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/spawn.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::result;
using tandem::task;
using numbers = tandem::resilience::cache<std::uint64_t, std::uint64_t>;

double resident_mebibytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return static_cast<double>(resident * sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

// Of the thread: what others do meanwhile is not this insert's fault.
double cpu_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Calls f(first), …: from each of `tasks` for its part of n.
template <class F>
task<> in_parts(F f, std::uint64_t n, std::uint64_t tasks) {
  std::vector<tandem::join_handle<void>> handles;
  for (std::uint64_t i = 0; i < tasks; ++i) handles.push_back(tandem::spawn(f(n * i / tasks, n * (i + 1) / tasks)));
  for (auto& handle : handles) {
    const result<void> joined = co_await handle.join();
    check(joined.has_value(), "join");
  }
}

template <class F>
double nanoseconds_each(tandem::runtime& on, F f, std::uint64_t n, unsigned tasks) {
  const auto start = clock::now();
  on.block_on(in_parts(f, n, tasks));
  return nanoseconds_since(start) / static_cast<double>(n);
}

numbers make_cache(std::uint64_t n) { return numbers({.max_entries = n, .ttl = std::chrono::hours(1)}); }

void fill_and_read(unsigned threads) {
  tandem::runtime runtime({.workers = threads, .held_limit = {}});
  const auto n = static_cast<std::uint64_t>(count(10'000'000));
  const double before = resident_mebibytes();
  const numbers c = make_cache(n);
  const auto put = [&c](std::uint64_t from, std::uint64_t to) -> task<> {
    for (std::uint64_t i = from; i < to; ++i) c.put(i, i);
    co_return;
  };
  report("K1-cache-insert", threads, nanoseconds_each(runtime, put, n, threads), "ns/insert");
  report("K1-cache-memory", threads, resident_mebibytes() - before, "MiB");

  const auto get = [&c](std::uint64_t from, std::uint64_t to, std::uint64_t keys) -> task<> {
    std::uint64_t hits = 0;
    for (std::uint64_t i = from; i < to; ++i) {
      const std::uint64_t key = i * 7919 % keys;
      auto load = [key] -> task<std::uint64_t> { co_return key; };
      const result<std::uint64_t> got = co_await c.get(key, load);
      if (*got == key) ++hits;
    }
    check(hits == to - from, "K1: values");
  };
  const auto get_any = [&get, n](std::uint64_t from, std::uint64_t to) { return get(from, to, n); };
  const auto get_hot = [&get](std::uint64_t from, std::uint64_t to) { return get(from, to, 1000); };
  report("K1-cache-hit", threads, nanoseconds_each(runtime, get_any, n, threads), "ns/hit");
  report("K1-cache-hot", threads, nanoseconds_each(runtime, get_hot, n, threads), "ns/hit");

  const auto overwrite = [&put, n](std::uint64_t from, std::uint64_t to) { return put(n + from, n + to); };
  report("K1-cache-evict", threads, nanoseconds_each(runtime, overwrite, n, threads), "ns/insert");
}

// The longest that one of ten million inserts into an empty cache took, and one of as many into the full one.
void find_longest_insert(unsigned threads) {
  tandem::runtime runtime({.workers = threads, .held_limit = {}});
  const auto n = static_cast<std::uint64_t>(count(10'000'000));
  const numbers c = make_cache(n);
  const auto longest_put = [&c](std::uint64_t from, std::uint64_t to) -> task<double> {
    double longest = 0, last = cpu_nanoseconds();
    for (std::uint64_t i = from; i < to; ++i) {
      c.put(i, i);
      const double now = cpu_nanoseconds();
      longest = std::max(longest, now - std::exchange(last, now));
    }
    co_return longest;
  };
  report("K1-cache-worst-insert", threads, runtime.block_on(longest_put(0, n)) / 1000, "us");
  report("K1-cache-worst-evict", threads, runtime.block_on(longest_put(n, 2 * n)) / 1000, "us");
}

}  // namespace

void add_cache_jobs(std::vector<job>& jobs) {
  jobs.push_back({"K1-cache", fill_and_read});
  jobs.push_back({"K1-cache-worst", find_longest_insert, {1}});
}

}  // namespace bench
