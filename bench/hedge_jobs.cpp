// H jobs: the published experiments on hedged and tied requests, on simulated servers. The figures are those of the
// virtual clock: they repeat, and say nothing of this machine.
#include <array>
#include <string>
#include <utility>

#include "../tests/resilience/leaf_servers.hpp"
#include "job.hpp"

namespace bench {
namespace {

using namespace tandem::tail_at_scale;

void hedging(unsigned threads) {
  const int reads = static_cast<int>(count(50'000));
  constexpr std::array quantiles{std::pair{"p50", .5}, std::pair{"p95", .95}, std::pair{"p99", .99},
                                 std::pair{"p999", .999}};
  fan_out_figures unhedged = read_from_all(reads, false, 1);
  fan_out_figures hedged = read_from_all(reads, true, 1);
  check(unhedged.extra == 0 && hedged.extra > 0, "H1-hedge");
  for (auto& [kind, figures] : {std::pair{"H1-unhedged-", &unhedged}, std::pair{"H1-hedged-", &hedged}})
    for (const auto& [name, q] : quantiles) report(std::string(kind) + name, threads, figures->took.quantile(q), "ms");
  report("H1-extra", threads, hedged.extra * 100, "%");
}

void tying(unsigned threads) {
  const int reads = static_cast<int>(count(200'000));
  constexpr std::array quantiles{std::pair{"p50", .5}, std::pair{"p90", .9}, std::pair{"p99", .99},
                                 std::pair{"p999", .999}};
  for (const auto& [cluster, load] : {std::pair{"idle", idle_cluster}, std::pair{"terasort", with_terasort}}) {
    disk_figures alone = read_from_disks(reads, load, false, 1);
    disk_figures tied = read_from_disks(reads, load, true, 1);
    for (const auto& [name, q] : quantiles) {
      const std::string which = std::string(cluster) + "-" + name;
      report("H2-alone-" + which, threads, alone.took.quantile(q), "ms");
      report("H2-tied-" + which, threads, tied.took.quantile(q), "ms");
      report("H2-change-" + which, threads, (tied.took.quantile(q) / alone.took.quantile(q) - 1) * 100, "%");
    }
  }
}

}  // namespace

void add_hedge_jobs(std::vector<job>& jobs) {
  jobs.push_back({"H1-hedge", hedging, {1}});
  jobs.push_back({"H2-tied", tying, {1}});
}

}  // namespace bench
