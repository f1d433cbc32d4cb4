// How many CPUs this process may use: affinity mask, and the CPU quota of its cgroup (v1 or v2).
#pragma once
#include <string>

namespace tandem::detail {

/// At least 1. A quota of 1.5 CPUs counts as 2. `root` is where the file system is looked at, for tests.
[[nodiscard]] unsigned usable_cpus(const std::string& root = "");

}  // namespace tandem::detail
