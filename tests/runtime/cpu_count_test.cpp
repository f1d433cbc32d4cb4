#include "cpu_count.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
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

TEST_F(CpuCount, RoundsAVersion2QuotaUp) {
  write("proc/self/cgroup", "0::/pod/container\n");
  write("sys/fs/cgroup/pod/container/cpu.max", "50000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, FindsTheTightestQuotaAmongTheAncestors) {
  write("proc/self/cgroup", "0::/pod/container\n");
  write("sys/fs/cgroup/pod/container/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/pod/cpu.max", "100000 100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, ReadsAVersion1Quota) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1U);
}

TEST_F(CpuCount, IgnoresFilesItCannotRead) {
  write("proc/self/cgroup", "garbage\n0::/x\n");
  write("sys/fs/cgroup/x/cpu.max", "not a number\n");
  EXPECT_EQ(count(), machine_);
}

}  // namespace
}  // namespace tandem::detail
