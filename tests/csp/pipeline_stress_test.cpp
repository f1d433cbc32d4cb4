// Pipelines on several workers: memory under a slow sink, and failures that race with each other.
#include <tandem/csp/pipeline.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/with_context.hpp>

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

/// Fails, by an error or an exception, at its `at`-th call.
class failing {
 public:
  failing(int at, bool throws) : at_(at), throws_(throws) {}
  result<int> operator()(int i) {
    if (calls_.fetch_add(1) + 1 < at_) return i;
    if (throws_) throw std::runtime_error("boom");
    return fail(make_error(errc::data_loss, "bad value"));
  }
  failing(failing&& other) noexcept : at_(other.at_), throws_(other.throws_) {}

 private:
  const int at_;
  const bool throws_;
  std::atomic<int> calls_{0};
};

class PipelineFailure : public ::testing::TestWithParam<on_error> {};
INSTANTIATE_TEST_SUITE_P(Modes, PipelineFailure, ::testing::Values(on_error::stop, on_error::drain),
                         [](const auto& mode) { return mode.param == on_error::stop ? "Stop" : "Drain"; });

TEST_P(PipelineFailure, EndsEveryRunWhereverAndHoweverOftenItHappens) {
  runtime rt({.workers = 4});
  constexpr int rounds = 2000 / stress_divisor;
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    auto next = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
    auto endless = [] { return generate([i = 0]() mutable -> std::optional<int> { return i++; }); };
    auto fails = [&] { return failing(1 + next(200), next(2) == 0); };
    auto stages = merge(endless().map(2, fails()), endless().map_ordered(3, fails()))
                      .throttle(rate(1'000'000'000), 1000)
                      .map(2, fails())
                      .broadcast([&](auto in) { return std::move(in).batch(3).for_each([](std::vector<int>) {}); },
                                 [&](auto in) {
                                   auto sink = [f = std::make_shared<failing>(fails())](int i) -> result<void> {
                                     if (auto ok = (*f)(i); !ok) return fail(std::move(ok).error());
                                     return {};
                                   };
                                   return std::move(in).for_each(std::move(sink));
                                 });
    // Sometimes the caller gives up at about the same time.
    const bool impatient = next(4) == 0;
    auto run = std::move(stages).run(GetParam());
    auto body = [&]() -> task<result<void>> {
      if (impatient) co_return co_await with_timeout(std::chrono::microseconds(next(300)), std::move(run));
      co_return co_await std::move(run);
    };
    const auto ended = rt.block_on(body());
    ASSERT_FALSE(ended.has_value());
    const error& e = ended.error();
    ASSERT_TRUE(e.is(errc::data_loss) || e.is(errc::internal) || (impatient && e == errc::deadline_exceeded))
        << e.message();
  }
  EXPECT_TRUE(rt.shutdown(std::chrono::seconds(10)).has_value());  // nothing left behind
}

}  // namespace
}  // namespace tandem::csp
