// The chained prime sieve: each prime is a task that lets pass what it does not divide.
#include <tandem/csp/channel.hpp>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

task<> count_from_two(sender<int> to) {
  for (int i = 2;; ++i)
    if (auto sent = co_await to.send(i); !sent) co_return;
}

task<> leave_out_multiples(int prime, receiver<int> from, sender<int> to) {
  while (auto n = co_await from.recv()) {
    if (*n % prime == 0) continue;
    if (auto sent = co_await to.send(*n); !sent) co_return;
  }
}

/// Nobody tells the chain to end: when the last receiver goes, so does one task after the other.
task<std::vector<int>> first_primes(std::size_t count, std::size_t capacity) {
  std::vector<int> primes;
  auto [first, numbers] = make_channel<int>(capacity);
  spawn(count_from_two(std::move(first)), "counter").detach();
  while (primes.size() < count) {
    const int prime = (co_await numbers.recv()).value();
    primes.push_back(prime);
    auto [next, rest] = make_channel<int>(capacity);
    spawn(leave_out_multiples(prime, std::move(numbers), std::move(next)), "filter").detach();
    numbers = std::move(rest);
  }
  co_return primes;
}

TEST(ClassicSieve, FindsThePrimesAndLeavesNoFilterBehind) {
  for (const std::size_t capacity : {0u, 1u, 16u}) {
    const testing::leak_check nothing_left;
    testing::sim_runtime sim;
    EXPECT_EQ(sim.run(first_primes(10, capacity)).value(), (std::vector<int>{2, 3, 5, 7, 11, 13, 17, 19, 23, 29}));
    sim.run_until_idle();
    EXPECT_EQ(sim.live_tasks(), 0u);
  }
}

TEST(ClassicSieve, FindsTheSameOnAnyNumberOfWorkers) {
  for (const unsigned count : {1u, 2u, 4u}) {
    const testing::leak_check nothing_left;
    runtime workers({.workers = count});
    for (const std::size_t capacity : {0u, 16u})
      EXPECT_EQ(workers.block_on(first_primes(100, capacity)).back(), 541) << count << " workers, " << capacity;
    EXPECT_TRUE(workers.shutdown(std::chrono::seconds(10)).has_value());
  }
}

}  // namespace
}  // namespace tandem::csp
