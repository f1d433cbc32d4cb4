// The published experiments on hedged and tied requests, repeated with the policies on simulated servers.
#include "leaf_servers.hpp"

#include <array>

#include <gtest/gtest.h>

namespace tandem::tail_at_scale {
namespace {

// "…reads the values for 1,000 keys stored in a BigTable table distributed across 100 different servers, sending a
// hedging request after a 10ms delay reduces the 99.9th-percentile latency for retrieving all 1,000 values from 1,800ms
// to 74ms while sending just 2% more requests."
TEST(TailAtScale, HedgingAfterTenMillisecondsRidsReadsOfTheirTailForTwoPercentMoreRequests) {
  constexpr int reads = 5'000;
  fan_out_figures unhedged = read_from_all(reads, false, 1);
  fan_out_figures hedged = read_from_all(reads, true, 1);
  ASSERT_NEAR(unhedged.took.quantile(.999), 1'800, 500) << "else it is another experiment";
  EXPECT_EQ(unhedged.extra, 0);
  EXPECT_LE(hedged.took.quantile(.999), 74);
  EXPECT_LE(hedged.extra, 0.02);
  EXPECT_GT(hedged.extra, 0.001) << "it did send some";
  EXPECT_NEAR(hedged.took.quantile(.5), unhedged.took.quantile(.5), 0.5) << "nor is it at the cost of the others";
}

// A column of table 2: at the median, p90, p99 and p99.9, milliseconds alone, and the change by tying in percent.
struct column {
  std::array<double, 4> alone;
  std::array<double, 4> change;
};
constexpr std::array quantiles{.5, .9, .99, .999};

void expect_like(const column& paper, const disk_load& load, double tolerance) {
  constexpr int reads = 30'000;
  disk_figures alone = read_from_disks(reads, load, false, 1);
  disk_figures tied = read_from_disks(reads, load, true, 1);
  EXPECT_EQ(alone.begun_per_read, 1);
  EXPECT_LE(tied.begun_per_read, 1.02) << "hardly a read is done twice";
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    const double was = alone.took.quantile(quantiles[i]);
    ASSERT_NEAR(was, paper.alone[i], paper.alone[i] * 0.1) << "else it is another experiment";
    const double change = (tied.took.quantile(quantiles[i]) / was - 1) * 100;
    EXPECT_NEAR(change, paper.change[i], tolerance) << "at " << quantiles[i];
  }
}

TEST(TailAtScale, TyingHelpsInAnIdleClusterAsPublished) {
  expect_like({{19, 38, 67, 98}, {-16, -24, -37, -38}}, idle_cluster, 9);
}

// Here it helps more than it did there. The model's queues know nothing of each other, while a terasort comes to all
// disks of a cluster in waves.
TEST(TailAtScale, TyingHelpsBesideATerasortAtLeastAboutAsPublished) {
  expect_like({{24, 56, 108, 159}, {-21, -32, -38, -32}}, with_terasort, 21);
}

}  // namespace
}  // namespace tandem::tail_at_scale
