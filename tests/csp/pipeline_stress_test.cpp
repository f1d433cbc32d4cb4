// Ten million values through every kind of stage to a sink that is slower than the source: memory stays flat.
#include <tandem/csp/pipeline.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

std::int64_t resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  long total = 0, resident = 0;
  const int read = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return read == 2 ? std::int64_t{resident} * ::sysconf(_SC_PAGESIZE) : 0;
}

class PipelineMemory : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Workers, PipelineMemory, ::testing::Values(1u, 2u));

TEST_P(PipelineMemory, StaysFlatUnderASlowSink) {
  constexpr std::int64_t total = 10'000'000 / stress_divisor;
  runtime rt({.workers = GetParam()});
  auto half = [](std::int64_t first) {
    return generate([next = first]() mutable -> std::optional<std::int64_t> {
      if (next >= total) return std::nullopt;
      const std::int64_t made = next;
      next += 2;
      return made;
    });
  };
  std::int64_t beside = 0;
  std::int64_t sum = 0, seen = 0;
  std::int64_t before = 0, most = 0;
  auto [side, side_values] = make_channel<std::int64_t>(stage_buffer);
  auto main_line = merge(half(0), half(1))
                       .map(1, [](std::int64_t i) { return i + 1; })
                       .tee(std::move(side))
                       .map_ordered(2, [](std::int64_t i) { return i - 1; })
                       .batch(10)
                       .for_each([&](std::vector<std::int64_t> batch) -> task<> {
                         for (const std::int64_t i : batch) sum += i;
                         seen += static_cast<std::int64_t>(batch.size());
                         if (seen == 100'000) before = resident_bytes();  // all buffers are full by now
                         if (seen % 100'000 == 0) most = std::max(most, resident_bytes());
                         // Slow: everybody else gets a turn, and finds its buffers full.
                         for (int i = 0; i < 4; ++i) co_await yield();
                       });
  auto side_line = from(std::move(side_values)).for_each([&](std::int64_t) { ++beside; });
  auto body = [&]() -> task<result<void>> {
    group g;
    g.go(std::move(main_line).run());
    g.go(std::move(side_line).run());
    co_return co_await g.wait();
  };
  ASSERT_TRUE(rt.block_on(body()).has_value());
  EXPECT_EQ(seen, total);
  EXPECT_EQ(beside, total);
  EXPECT_EQ(sum, total * (total - 1) / 2);
  ASSERT_GT(before, 0);
  const std::int64_t grown = most - before;
  std::printf("%lld values, %lld KiB more resident than after the first hundred thousand\n",
              static_cast<long long>(total), static_cast<long long>(grown / 1024));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose own memory grows with what was freed
  EXPECT_LT(grown, 8 * 1024 * 1024);
#endif
}

}  // namespace
}  // namespace tandem::csp
