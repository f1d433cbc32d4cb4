#include "cpu_count.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sched.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace tandem::detail {
namespace {

constexpr double no_quota = std::numeric_limits<double>::infinity();

// CPUs allowed by a "quota period" pair in microseconds. "max" and a negative quota mean none, and so does nonsense.
double ratio(const std::string& quota, double period) {
  if (quota.empty() || quota.find_first_not_of("0123456789") != std::string::npos || period <= 0) return no_quota;
  return std::strtod(quota.c_str(), nullptr) / period;
}

// Where a hierarchy of cgroups can be seen, and which of them is shown there.
struct mount {
  std::string root;
  std::string point;
};

// Spaces and the like come as \040.
std::string unescape(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// "id parent device root point options [tags…] - type source options". Without them, where nearly everybody has them.
std::vector<mount> mounts_of(const std::string& file_root, bool v2) {
  std::vector<mount> found;
  std::ifstream all(file_root + "/proc/self/mountinfo");
  for (std::string line; std::getline(all, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), after(line.substr(dash + 3));
    std::string skipped, root, point, type, options;
    before >> skipped >> skipped >> skipped >> root >> point;
    after >> type >> skipped >> options;
    const bool wanted = v2 ? type == "cgroup2" : type == "cgroup" && ("," + options + ",").find(",cpu,") != std::string::npos;
    if (wanted) found.push_back({unescape(root), unescape(point)});
  }
  if (found.empty()) found.push_back({"/", v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu"});
  return found;
}

// `path` as seen from the mount. A container may be shown only its own group, or not even that; the top counts then.
std::string below(const mount& m, const std::string& path) {
  if (m.root == "/") return path;
  const bool inside = path.starts_with(m.root) && (path.size() == m.root.size() || path[m.root.size()] == '/');
  return inside ? path.substr(m.root.size()) : "";
}

double quota_v2(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  std::string quota;
  double period = 0;
  return file >> quota >> period ? ratio(quota, period) : no_quota;
}

double quota_v1(const std::string& group) {
  std::ifstream quota_file(group + "/cpu.cfs_quota_us");
  std::ifstream period_file(group + "/cpu.cfs_period_us");
  std::string quota;
  double period = 0;
  return quota_file >> quota && period_file >> period ? ratio(quota, period) : no_quota;
}

// The quota of the cgroup `path` and of all its ancestors: the tightest counts.
double tightest_quota(const std::string& file_root, bool v2, const std::string& path) {
  double least = no_quota;
  for (const mount& m : mounts_of(file_root, v2)) {
    std::string group = below(m, path);
    for (;;) {
      const std::string at = file_root + m.point + group;
      least = std::min(least, v2 ? quota_v2(at) : quota_v1(at));
      const auto slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.erase(slash);
    }
  }
  return least;
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
      allowed = std::min(allowed, tightest_quota(root, true, path));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      allowed = std::min(allowed, tightest_quota(root, false, path));
    }
  }
  return std::max(1U, static_cast<unsigned>(std::ceil(allowed)));
}

}  // namespace tandem::detail
