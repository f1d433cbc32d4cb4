// What a benchmark job is, and what its code may use: counts, checks, output.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct job {
  std::string name;
  /// Runs once and prints its figures. The argument is the number of workers.
  std::function<void(unsigned)> run;
  std::vector<unsigned> threads{1, 2};  // what `list` shows
};

using clock = std::chrono::steady_clock;

[[nodiscard]] inline double nanoseconds_since(clock::time_point start) {
  return std::chrono::duration<double, std::nano>(clock::now() - start).count();
}

/// `full`, divided by PEERS_DIV if that is set: for trying a job out, not for figures.
[[nodiscard]] inline std::int64_t count(std::int64_t full) {
  static const std::int64_t divisor = [] {
    const char* const text = std::getenv("PEERS_DIV");
    const long long n = text ? std::atoll(text) : 1;
    return n > 1 ? n : 1;
  }();
  return full / divisor;
}

/// Ends the program unless the work was really done.
inline void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "tandem_bench: check failed: %s\n", what);
  std::_Exit(3);
}

/// One result line: `JOB THREADS VALUE UNIT`.
inline void report(std::string_view name, unsigned threads, double value, const char* unit) {
  std::printf("%.*s %u %.2f %s\n", static_cast<int>(name.size()), name.data(), threads, value, unit);
  std::fflush(stdout);
}

void add_cache_jobs(std::vector<job>& jobs);
void add_csp_jobs(std::vector<job>& jobs);
void add_file_jobs(std::vector<job>& jobs);
void add_hedge_jobs(std::vector<job>& jobs);
void add_idle_jobs(std::vector<job>& jobs);
void add_io_jobs(std::vector<job>& jobs);
void add_limit_jobs(std::vector<job>& jobs);
void add_policy_jobs(std::vector<job>& jobs);
void add_read_jobs(std::vector<job>& jobs);
void add_singleflight_jobs(std::vector<job>& jobs);
void add_sync_jobs(std::vector<job>& jobs);
void add_task_jobs(std::vector<job>& jobs);
void add_timer_jobs(std::vector<job>& jobs);
void add_error_jobs(std::vector<job>& jobs);    // with TANDEM_BENCH_ERRORS
void add_actor_jobs(std::vector<job>& jobs);    // with TANDEM_BENCH_ACTORS
void add_caf_jobs(std::vector<job>& jobs);      // with TANDEM_BENCH_ACTORS
void add_cluster_jobs(std::vector<job>& jobs);  // with TANDEM_BENCH_CLUSTER

/// The second process of a job that needs one, `tandem_bench --serve …`: runs until it is killed. With
/// TANDEM_BENCH_CLUSTER.
int serve(int argc, char** argv);

}  // namespace bench
