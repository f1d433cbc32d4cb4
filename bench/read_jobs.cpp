// M jobs: what many read and few write, against the same behind locks.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <tandem/sync/sharded_map.hpp>
#include <tandem/sync/snapshot.hpp>

#include "job.hpp"

namespace bench {
namespace {

constexpr std::int64_t reads_for_each_write = 1'000;
constexpr std::uint64_t keys = 1'024;  // a power of two, small enough for the caches: this is about the locking

// Each of `threads` threads reads, and writes once for each thousand reads. Prints nanoseconds a read of one thread:
// those of a single thread if reads scale.
template <class Read, class Write>
void read_mostly(const char* name, unsigned threads, Read read, Write write) {
  const std::int64_t n = count(20'000'000) / reads_for_each_write;
  std::atomic<unsigned> ready{0};
  std::atomic<std::uint64_t> sums{0};
  std::vector<double> took(threads);
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      ready.fetch_add(1);
      while (ready.load() < threads) std::this_thread::yield();
      const auto start = clock::now();
      std::uint64_t sum = 0;
      std::uint64_t key = t;
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t r = 0; r < reads_for_each_write; ++r) sum += read(key++ % keys);
        write(key % keys);
      }
      took[t] = nanoseconds_since(start);
      sums.fetch_add(sum);
    });
  for (auto& t : all) t.join();
  check(sums.load() >= static_cast<std::uint64_t>(n * reads_for_each_write * threads), name);
  double sum = 0;
  for (const double t : took) sum += t;
  report(name, threads, sum / threads / static_cast<double>(n * reads_for_each_write), "ns/read");
}

using table = std::unordered_map<std::uint64_t, std::uint64_t>;

table filled() {
  table t;
  for (std::uint64_t k = 0; k < keys; ++k) t.emplace(k, 1);
  return t;
}

template <class ReadLock, class WriteLock, class Mutex>
void behind_a_lock(const char* name, unsigned threads) {
  Mutex mutex;
  table t = filled();
  read_mostly(
      name, threads,
      [&](std::uint64_t k) {
        const ReadLock hold(mutex);
        return t.find(k)->second;
      },
      [&](std::uint64_t k) {
        const WriteLock hold(mutex);
        ++t[k];
      });
}

void behind_locks(const std::string& job, unsigned threads) {
  using std::mutex;
  using std::shared_mutex;
  behind_a_lock<std::shared_lock<shared_mutex>, std::unique_lock<shared_mutex>, shared_mutex>(
      (job + "-shared_mutex").c_str(), threads);
  behind_a_lock<std::lock_guard<mutex>, std::lock_guard<mutex>, mutex>((job + "-mutex").c_str(), threads);
}

void map(unsigned threads) {
  tandem::sync::sharded_map<std::uint64_t, std::uint64_t> m;
  for (const auto& [k, v] : filled()) m.insert(k, v);
  read_mostly(
      "M1-map", threads, [&](std::uint64_t k) { return *m.find(k); },
      [&](std::uint64_t k) { m.update(k, [](std::uint64_t& v) { ++v; }); });
  behind_locks("M1-map", threads);
}

// The value is a small struct, as a configuration is; a copy of `table` for each write would be what is measured.
void snapshot(unsigned threads) {
  struct limits {
    std::uint64_t rate = 1, burst = 1;
  };
  tandem::sync::snapshot<limits> s;
  read_mostly(
      "M1-snapshot", threads, [&](std::uint64_t) { return s.read()->rate; },
      [&](std::uint64_t) { s.update([](limits& l) { ++l.rate; }); });
  behind_locks("M1-snapshot", threads);
}

}  // namespace

void add_read_jobs(std::vector<job>& jobs) {
  jobs.push_back({"M1-snapshot", snapshot});
  jobs.push_back({"M1-map", map});
}

}  // namespace bench
