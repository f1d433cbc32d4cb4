#include "cpu_count.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

namespace fs = std::filesystem;

class CpuCount : public ::testing::Test {
 protected:
  CpuCount() : root_(fs::temp_directory_path() / ("tandem-cpu-count-" + std::to_string(getpid()))) {}
  ~CpuCount() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  unsigned count() { return usable_cpus(root_.string()); }
  const unsigned machine_ = std::max(1U, std::thread::hardware_concurrency());
  fs::path root_;
};

TEST_F(CpuCount, IsTheMachinesWithoutACgroup) { EXPECT_EQ(count(), machine_); }

// The smaller of `n` and what the machine has: a quota above that changes nothing.
unsigned up_to_machine(unsigned n) { return std::min(n, std::max(1U, std::thread::hardware_concurrency())); }

TEST_F(CpuCount, RoundsAVersion2QuotaUp) {
  write("proc/self/cgroup", "0::/pod/container\n");
  write("sys/fs/cgroup/pod/container/cpu.max", "110000 100000\n");
  EXPECT_EQ(count(), up_to_machine(2));
  write("sys/fs/cgroup/pod/container/cpu.max", "1000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, FindsTheTightestQuotaAmongTheAncestors) {
  write("proc/self/cgroup", "0::/pod/container\n");
  write("sys/fs/cgroup/pod/container/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/pod/cpu.max", "100000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, SeesItsOwnGroupAtTheTopOfAContainer) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, FindsVersion2WhereItIsMounted) {
  write("proc/self/cgroup", "0::/pod\n");
  write("proc/self/mountinfo",
        "22 1 0:21 / /proc rw shared:5 - proc proc rw\n"
        "30 1 0:26 / /groups\\040here rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("groups here/pod/cpu.max", "100000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, ReadsAVersion1Quota) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/pod\n0::/pod\n");
  write("sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/pod/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1U);
  write("sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(count(), machine_);
}

// Docker mounts the container's own group, under the name it has for the host.
TEST_F(CpuCount, FindsAVersion1GroupBelowTheOneThatIsMounted) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc/part\n");
  write("proc/self/mountinfo",
        "40 30 0:35 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct\n");
  write("sys/fs/cgroup/cpu,cpuacct/part/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu,cpuacct/part/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, TakesTheTopOfAVersion1MountThatDoesNotShowTheGroup) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST(CpuCountOfThisProcess, HonoursTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cpus(), 1U);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_F(CpuCount, IgnoresFilesItCannotRead) {
  write("proc/self/cgroup", "garbage\n0::/x\n3:cpu:no slash\n:::::\n");
  write("proc/self/mountinfo", "garbage\n - \n1 2 3 / /no/such/place rw - cgroup2\n");
  write("no/such/place/x/cpu.max", "not a number\n");
  EXPECT_EQ(count(), machine_);
  write("no/such/place/x/cpu.max", "1e9x 100000\n");
  EXPECT_EQ(count(), machine_);
  write("no/such/place/x/cpu.max", "100000 0\n");
  EXPECT_EQ(count(), machine_);
}

}  // namespace
}  // namespace tandem::detail
