// P jobs: what policies cost that have nothing to do.
#include <cstdint>
#include <string>

#include <tandem/resilience/breaker.hpp>
#include <tandem/resilience/hedge.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>

#include "job.hpp"

namespace bench {
namespace {

using namespace std::chrono_literals;
using namespace tandem::resilience;
using tandem::result;
using tandem::task;

task<result<int>> answer(const call& c) { co_return static_cast<int>(c.attempt); }

// Calls one after the other, each of which succeeds at once.
template <class... Policies>
void measure(const std::string& name, unsigned threads, const composition<Policies...>& policies) {
  tandem::runtime_options options;
  options.workers = threads;
  tandem::runtime runtime(options);
  const std::int64_t n = count(2'000'000);
  const call idempotent{.method = "get", .target = "10.0.0.7:80", .idempotent = true};
  auto body = [&]() -> task<std::int64_t> {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const result<int> got = co_await policies.run(idempotent, answer);
      sum += got.value_or(0);
      if (i % 4096 == 0) co_await tandem::yield();  // the watchdog wants to see that others could run
    }
    co_return sum;
  };
  const auto begin = clock::now();
  const std::int64_t sum = runtime.block_on(body());
  const double elapsed = nanoseconds_since(begin);
  check(sum == n, name.c_str());
  report(name, threads, elapsed / static_cast<double>(n), "ns/call");
}

void policies(unsigned threads) {
  const retry_budget extra;
  const retry again({.budget = extra});
  const breaker circuit;
  const hedge twice({.delay = 10ms, .budget = extra});
  const timeout limit(1s);
  measure("P1-none", threads, with());
  measure("P1-breaker", threads, with(circuit));
  measure("P1-retry", threads, with(again));
  measure("P1-hedge", threads, with(twice));
  measure("P1-timeout", threads, with(limit));
  measure("P1-policies", threads, with(circuit, limit, again, twice));
}

}  // namespace

void add_policy_jobs(std::vector<job>& jobs) { jobs.push_back({"P1-policies", policies}); }

}  // namespace bench
