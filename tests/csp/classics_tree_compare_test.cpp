// Do two search trees of different shape hold the same values? Each is walked by a task; the walks are compared.
#include <tandem/csp/channel.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

struct node {
  explicit node(int v) : value(v) {}
  int value;
  std::unique_ptr<node> left, right;
};
using tree = std::unique_ptr<node>;

tree tree_of(const std::vector<int>& values) {
  tree root;
  for (const int v : values) {
    tree* at = &root;
    while (*at) at = v < (*at)->value ? &(*at)->left : &(*at)->right;
    *at = std::make_unique<node>(v);
  }
  return root;
}

/// The numbers below `count` in an order that makes a tree of another shape for each seed.
std::vector<int> shuffled(int count, std::uint32_t seed) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), 0);
  std::shuffle(values.begin(), values.end(), std::mt19937(seed));
  return values;
}

task<result<void>> walk(const node* at, const sender<int>& to) {
  if (!at) co_return result<void>();
  co_await or_return(walk(at->left.get(), to));
  co_await or_return(to.send(at->value));
  co_return co_await walk(at->right.get(), to);
}

/// A walk whose reader has gone has ended well.
task<result<void>> walk_all(const tree& root, sender<int> to, std::atomic<int>& walked) {
  auto ended = co_await walk(root.get(), to);
  ++walked;
  if (!ended && ended.error() == errc::closed) co_return result<void>();
  co_return ended;
}

struct comparison {
  bool same = true;
  int compared = 0;
};

task<result<comparison>> compare(const tree& a, const tree& b, std::size_t capacity, std::atomic<int>& walked) {
  comparison found;
  auto body = [&](group& g) -> task<> {
    auto [a_tx, a_values] = make_channel<int>(capacity);
    auto [b_tx, b_values] = make_channel<int>(capacity);
    g.go(walk_all(a, std::move(a_tx), walked), "walk of a");
    g.go(walk_all(b, std::move(b_tx), walked), "walk of b");
    for (;; ++found.compared) {
      auto x = co_await a_values.recv();
      auto y = co_await b_values.recv();
      if (!x && !y) co_return;
      found.same = x && y && *x == *y;
      if (!found.same) co_return;  // the receivers go, and the walks end
    }
  };
  auto ended = co_await with_group(body);
  if (!ended) co_return fail(ended.error());
  co_return found;
}

TEST(ClassicTreeCompare, TreesOfDifferentShapeHoldTheSame) {
  const testing::leak_check nothing_left;
  for (const std::size_t capacity : {0u, 1u, 10u}) {
    testing::sim_runtime sim;
    std::atomic<int> walked = 0;
    const tree a = tree_of(shuffled(200, 1));
    const tree b = tree_of(shuffled(200, 2));
    const auto found = sim.run(compare(a, b, capacity, walked));
    EXPECT_TRUE(found.value().same);
    EXPECT_EQ(found.value().compared, 200);
    EXPECT_EQ(walked, 2);
  }
}

TEST(ClassicTreeCompare, BothWalksEndAtTheFirstDifference) {
  const testing::leak_check nothing_left;
  testing::sim_runtime sim;
  std::vector<int> values = shuffled(1000, 2);
  *std::find(values.begin(), values.end(), 10) = 11;  // 0 … 9, 11, 11, 12 …
  const tree a = tree_of(shuffled(1000, 1));
  const tree b = tree_of(values);
  std::atomic<int> walked = 0;
  const auto found = sim.run(compare(a, b, 0, walked));
  EXPECT_FALSE(found.value().same);
  EXPECT_EQ(found.value().compared, 10);
  EXPECT_EQ(walked, 2);
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST(ClassicTreeCompare, ATreeThatEndsSoonerIsDifferent) {
  const testing::leak_check nothing_left;
  testing::sim_runtime sim;
  std::atomic<int> walked = 0;
  const tree none;
  const tree small = tree_of({1, 2, 3});
  const tree large = tree_of({2, 1, 3, 4, 5, 6, 7});
  EXPECT_FALSE(sim.run(compare(small, large, 0, walked)).value().same);
  EXPECT_FALSE(sim.run(compare(large, none, 0, walked)).value().same);
  EXPECT_TRUE(sim.run(compare(none, none, 0, walked)).value().same);
  EXPECT_EQ(walked, 6);
}

TEST(ClassicTreeCompare, ComparesOnWorkers) {
  constexpr int count = 20'000 / stress_divisor;
  const tree a = tree_of(shuffled(count, 1));
  const tree b = tree_of(shuffled(count, 2));
  std::vector<int> values = shuffled(count, 3);
  *std::find(values.begin(), values.end(), count / 2) = count;
  const tree c = tree_of(values);
  for (const unsigned number : {2u, 4u}) {
    const testing::leak_check nothing_left;
    runtime workers({.workers = number});
    std::atomic<int> walked = 0;
    EXPECT_TRUE(workers.block_on(compare(a, b, 4, walked)).value().same);
    EXPECT_EQ(workers.block_on(compare(a, c, 4, walked)).value().compared, count / 2);
    EXPECT_EQ(walked, 4);
  }
}

}  // namespace
}  // namespace tandem::csp
