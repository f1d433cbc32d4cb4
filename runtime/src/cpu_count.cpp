#include "cpu_count.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sched.h>
#include <sstream>
#include <string>
#include <thread>

namespace tandem::detail {
namespace {

// CPUs allowed by a "quota period" pair in microseconds; infinity if there is no quota.
double ratio(const std::string& quota, double period) {
  if (quota.empty() || quota == "max" || quota.front() == '-' || period <= 0) return std::numeric_limits<double>::infinity();
  return std::strtod(quota.c_str(), nullptr) / period;
}

// The quota of the cgroup `path` and of all its ancestors: the tightest counts.
double quota_v2(const std::string& mount, std::string path) {
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    std::ifstream file(mount + path + "/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period) least = std::min(least, ratio(quota, period));
    if (path.empty() || path == "/") return least;
    path.erase(path.rfind('/'));
  }
}

double quota_v1(const std::string& mount, std::string path) {
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    std::ifstream quota_file(mount + path + "/cpu.cfs_quota_us");
    std::ifstream period_file(mount + path + "/cpu.cfs_period_us");
    std::string quota;
    double period = 0;
    if (quota_file >> quota && period_file >> period) least = std::min(least, ratio(quota, period));
    if (path.empty() || path == "/") return least;
    path.erase(path.rfind('/'));
  }
}

}  // namespace

unsigned usable_cpus(const std::string& root) {
  double allowed = std::max(1U, std::thread::hardware_concurrency());
  cpu_set_t set;
  CPU_ZERO(&set);
  if (root.empty() && sched_getaffinity(0, sizeof set, &set) == 0) allowed = CPU_COUNT(&set);

  std::ifstream cgroups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(cgroups, line);) {  // "hierarchy-id:controllers:path"
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      allowed = std::min(allowed, quota_v2(root + "/sys/fs/cgroup", path));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      // In a container the group's own path is often the mount itself.
      allowed = std::min({allowed, quota_v1(root + "/sys/fs/cgroup/cpu", path), quota_v1(root + "/sys/fs/cgroup/cpu", "")});
    }
  }
  return std::max(1U, static_cast<unsigned>(std::ceil(allowed)));
}

}  // namespace tandem::detail
