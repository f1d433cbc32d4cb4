// tandem_bench: runs one benchmark job and prints `JOB THREADS VALUE UNIT` lines.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "job.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TANDEM_BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TANDEM_BENCH_SANITIZED 1
#endif
#endif

namespace {

constexpr int usage_error = 2;

const char* reason_to_refuse() {
#if !defined(__OPTIMIZE__)
  return "it was built without optimisation; build the release preset";
#elif defined(TANDEM_BENCH_SANITIZED)
  return "it was built with a sanitizer; build the release preset";
#else
  return nullptr;
#endif
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

void print_usage(std::FILE* to) {
  std::fputs(
      "usage: tandem_bench list             print the jobs, as JOB THREADS lines\n"
      "       tandem_bench JOB THREADS      run one on THREADS workers, print JOB THREADS VALUE UNIT\n"
      "       tandem_bench --help\n"
      "PEERS_DIV=n in the environment divides all counts by n, to try a job out.\n",
      to);
}

int unknown_job(const std::vector<bench::job>& jobs, std::string_view name) {
  std::fprintf(stderr, "tandem_bench: there is no job %.*s", static_cast<int>(name.size()), name.data());
  const char* separator = "; did you mean ";
  for (const auto& job : jobs) {
    const bool same_start = job.name.starts_with(name) || name.starts_with(job.name.substr(0, job.name.find('-')));
    if (!same_start && edit_distance(job.name, name) > 3) continue;
    std::fprintf(stderr, "%s%s", separator, job.name.c_str());
    separator = ", ";
  }
  std::fputs("\n", stderr);
  print_usage(stderr);
  return usage_error;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<bench::job> jobs;
#if defined(TANDEM_BENCH_ERRORS)
  bench::add_error_jobs(jobs);
#endif
  bench::add_cache_jobs(jobs);
  bench::add_csp_jobs(jobs);
  bench::add_file_jobs(jobs);
  bench::add_hedge_jobs(jobs);
  bench::add_idle_jobs(jobs);
  bench::add_io_jobs(jobs);
  bench::add_limit_jobs(jobs);
  bench::add_policy_jobs(jobs);
  bench::add_read_jobs(jobs);
  bench::add_singleflight_jobs(jobs);
  bench::add_sync_jobs(jobs);
  bench::add_task_jobs(jobs);
  bench::add_timer_jobs(jobs);
#if defined(TANDEM_BENCH_ACTORS)
  bench::add_actor_jobs(jobs);
  bench::add_caf_jobs(jobs);
#endif
#if defined(TANDEM_BENCH_CLUSTER)
  bench::add_cluster_jobs(jobs);
#endif

  const std::string_view command = argc > 1 ? argv[1] : "";
#if defined(TANDEM_BENCH_CLUSTER)
  if (command == "--serve") return bench::serve(argc, argv);
#endif
  if (command == "--help" || command == "-h") {
    print_usage(stdout);
    return 0;
  }
  if (command == "list" && argc == 2) {
    for (const auto& job : jobs)
      for (const unsigned threads : job.threads) std::printf("%s %u\n", job.name.c_str(), threads);
    return 0;
  }
  if (argc < 2) {
    print_usage(stderr);
    return usage_error;
  }
  const auto chosen = std::find_if(jobs.begin(), jobs.end(), [&](const bench::job& j) { return j.name == command; });
  if (chosen == jobs.end()) return unknown_job(jobs, command);

  const std::string_view threads_text = argc == 3 ? argv[2] : "";
  unsigned threads = 0;
  const char* const end = threads_text.data() + threads_text.size();
  const auto parsed = std::from_chars(threads_text.data(), end, threads);
  if (parsed.ec != std::errc() || parsed.ptr != end || threads == 0 || threads > 1024) {
    std::fputs("tandem_bench: THREADS must be a number from 1 to 1024\n", stderr);
    print_usage(stderr);
    return usage_error;
  }
  if (const char* const reason = reason_to_refuse()) {
    std::fprintf(stderr, "tandem_bench: figures of this build would mean nothing: %s\n", reason);
    return usage_error;
  }
  chosen->run(threads);
  return 0;
}
