// Tasks: spawn and join, sleeps that are cancelled, storms of cancellation.
#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;

// A tree of tasks: each joins its children and yields in between; the sum counts every task once.
task<std::uint64_t> tree(unsigned depth) {
  if (depth == 0) co_return 1;
  std::vector<join_handle<std::uint64_t>> children;
  for (int i = 0; i < 3; ++i) children.push_back(spawn(tree(depth - 1)));
  co_await yield();
  std::uint64_t sum = 1;
  for (auto& child : children) {
    auto joined = co_await child.join();
    check(joined.has_value(), "a join failed");
    sum += *joined;
  }
  co_return sum;
}

std::uint64_t spawn_round(const settings& how, std::uint32_t) {
  runtime rt({.workers = how.workers});
  std::uint64_t all = 0;
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t sum = rt.block_on(tree(7));
    check(sum == 3'280, "a task was lost or ran twice");
    all += sum;
  }
  check(rt.live_tasks() == 0, "tasks are left");
  return all;
}

task<> sleep_and_count(std::atomic<std::uint64_t>& slept, std::atomic<std::uint64_t>& cancelled, duration how_long) {
  auto woke = co_await sleep_for(how_long);
  (woke ? slept : cancelled).fetch_add(1);
}

// Half of the sleeps end by themselves, about when the others are cancelled.
task<> sleepers(std::uint32_t seed, std::uint64_t n, std::atomic<std::uint64_t>& slept,
                std::atomic<std::uint64_t>& cancelled) {
  std::mt19937 random(seed);
  cancel_source source;
  std::vector<join_handle<void>> handles;
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto how_long = std::chrono::microseconds(random() % 2'000);
    const spawn_options options(source.context());
    handles.push_back(spawn(sleep_and_count(slept, cancelled, how_long), options));
  }
  (void)co_await sleep_for(std::chrono::milliseconds(1));
  source.cancel();
  for (auto& handle : handles) (void)co_await handle.join();
}

std::uint64_t sleep_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  constexpr std::uint64_t n = 2'000;
  std::atomic<std::uint64_t> slept{0}, cancelled{0};
  rt.block_on(sleepers(seed, n, slept, cancelled));
  check(slept + cancelled == n, "a sleep ended twice or never");
  check(rt.live_tasks() == 0, "tasks are left");
  return n;
}

// A tree of contexts, cancelled from two threads at once while its tasks sleep, wake, and make more contexts.
task<> below(unsigned depth, std::atomic<std::uint64_t>& ended) {
  cancel_source source;
  const spawn_options options(source.context());
  std::vector<join_handle<void>> children;
  if (depth > 0)
    for (int i = 0; i < 3; ++i) children.push_back(spawn(below(depth - 1, ended), options));
  (void)co_await sleep_for(std::chrono::hours(1));
  check(this_task::context().is_over(), "a sleep of an hour ended without a cancellation");
  for (auto& child : children)
    while (!child.done()) co_await yield();  // a join would end at once: this context is over
  ended.fetch_add(1);
}

std::uint64_t cancel_round(const settings& how, std::uint32_t) {
  runtime rt({.workers = how.workers});
  constexpr std::uint64_t tasks = 1 + 3 + 9 + 27 + 81;
  std::uint64_t all = 0;
  for (int i = 0; i < 10; ++i) {
    std::atomic<std::uint64_t> ended{0};
    auto body = [](std::atomic<std::uint64_t>& count) -> task<> {
      cancel_source source;
      const spawn_options options(source.context());
      auto top = spawn(below(4, count), options);
      for (int turns = 0; turns < 20; ++turns) co_await yield();
      std::thread other([&source] { source.cancel(); });
      source.cancel();
      other.join();
      auto joined = co_await top.join();
      check(joined.has_value(), "the join was cancelled, too");
    };
    rt.block_on(body(ended));
    check(ended == tasks, "a task did not end, or twice");
    all += tasks;
  }
  check(rt.live_tasks() == 0, "tasks are left");
  return all;
}

}  // namespace

std::vector<primitive> task_primitives() {
  return {{"spawn", "trees of tasks: every task is run and joined once", spawn_round},
          {"sleep", "sleeps race with a cancel: each ends once, by one of the two", sleep_round},
          {"cancel", "trees of contexts cancelled by two threads: every task below ends", cancel_round}};
}

}  // namespace stress
