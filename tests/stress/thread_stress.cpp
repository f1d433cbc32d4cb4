// The edges to other threads: work from outside, blocking calls, tasks that hold their worker, shutdown at any moment.
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;

task<> count(std::atomic<std::uint64_t>& ran) {
  ran.fetch_add(1);
  co_return;
}

void spin(std::uint32_t turns) {
  for (std::atomic<std::uint32_t> i{0}; i < turns; ++i) {
  }
}

// Foreign threads spawn after pauses of any length, so that workers are met on every step of their way to sleep. Each
// waits for its task before the next: a lost wake-up stops it for good.
std::uint64_t inject_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  constexpr std::uint64_t threads = 3, n = 2'000;
  std::atomic<std::uint64_t> ran{0};
  std::vector<std::thread> injectors;
  for (std::uint64_t t = 0; t < threads; ++t)
    injectors.emplace_back([&, t] {
      std::mt19937 random(seed * 31 + static_cast<std::uint32_t>(t));
      for (std::uint64_t i = 0; i < n; ++i) {
        spin(random() % 8 == 0 ? random() % 20'000 : random() % 500);
        auto handle = rt.spawn(count(ran));
        if (random() % 2 == 0) {
          while (!handle.done()) std::this_thread::yield();
        } else {
          handle.detach();
        }
      }
    });
  for (auto& t : injectors) t.join();
  while (ran.load() != threads * n) std::this_thread::yield();
  check(rt.shutdown(std::chrono::seconds(60)).has_value(), "shutdown left something behind");
  check(ran == threads * n, "a task was lost or ran twice");
  return threads * n;
}

// A task makes others runnable, in the slot and behind it, and holds its worker until they have run elsewhere.
task<> hold(std::atomic<std::uint64_t>& ran, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::atomic<std::uint64_t> mine{0};
  auto waiter = [](std::atomic<std::uint64_t>& total) -> task<> {
    co_await yield();
    total.fetch_add(1);
  };
  std::vector<join_handle<void>> others;
  const unsigned n = 1 + random() % 3;
  for (unsigned i = 0; i < n; ++i) others.push_back(spawn(waiter(mine)));
  if (random() % 2 == 0) co_await yield();
  while (mine.load() != n) std::this_thread::yield();
  for (auto& other : others) (void)co_await other.join();
  ran.fetch_add(1);
}

std::uint64_t held_round(const settings& how, std::uint32_t seed) {
  if (how.workers == 1) return 0;  // nobody else could run them
  runtime rt({.workers = how.workers});
  std::atomic<std::uint64_t> ran{0};
  constexpr std::uint64_t n = 50;
  for (std::uint64_t i = 0; i < n; ++i) rt.block_on(hold(ran, seed * 53 + static_cast<std::uint32_t>(i)));
  check(ran == n, "a task was lost or ran twice");
  return n;
}

task<> call(std::atomic<std::uint64_t>& ran, std::uint32_t turns) {
  auto body = [&ran, turns] {
    spin(turns);
    ran.fetch_add(1);
    return 7;
  };
  auto running = run_blocking(body);
  auto done = co_await running.join();
  check(done.has_value() && *done == 7, "a blocking call lost its result");
}

std::uint64_t blocking_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers, .blocking_threads = 1 + seed % 7});
  std::mt19937 random(seed);
  constexpr std::uint64_t n = 1'000;
  std::atomic<std::uint64_t> ran{0};
  std::vector<join_handle<void>> calls;
  for (std::uint64_t i = 0; i < n; ++i) calls.push_back(rt.spawn(call(ran, random() % 200)));
  auto join_all = [](std::vector<join_handle<void>>& tasks) -> task<> {
    for (auto& t : tasks) (void)co_await t.join();
  };
  rt.block_on(join_all(calls));
  check(ran == n, "a call was lost or ran twice");
  return n;
}

task<> until_cancelled(std::atomic<std::uint64_t>& ended, std::uint32_t seed) {
  std::mt19937 random(seed);
  while (!this_task::context().is_over()) {
    if (random() % 2 == 0)
      (void)co_await sleep_for(std::chrono::microseconds(random() % 100));
    else
      co_await yield();
  }
  ended.fetch_add(1);
}

// Shutdown meets tasks that sleep, run, and were just spawned.
std::uint64_t shutdown_round(const settings& how, std::uint32_t seed) {
  std::mt19937 random(seed);
  runtime rt({.workers = how.workers});
  std::atomic<std::uint64_t> ended{0};
  const std::uint64_t n = random() % 64;
  for (std::uint64_t i = 0; i < n; ++i) rt.spawn(until_cancelled(ended, random())).detach();
  spin(random() % 50'000);
  check(rt.shutdown(std::chrono::seconds(60)).has_value(), "shutdown left something behind");
  check(ended == n, "a task was dropped");
  check(rt.live_tasks() == 0, "tasks are left");
  return n + 1;
}

using token = std::shared_ptr<int>;  // its use_count() tells whether all that held it is gone

task<> exchange_for_ever(csp::sender<token> into, csp::receiver<token> from, token held, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (;;) {
    token copy = held;
    switch (random() % 5) {
      case 0: (void)co_await into.send(std::move(copy)); break;
      case 1: (void)co_await from.recv(); break;
      case 2: (void)co_await csp::select(csp::on_recv(from), csp::on_send(into, std::move(copy))); break;
      case 3: (void)co_await sleep_for(std::chrono::microseconds(random() % 50)); break;
      default: co_await yield();
    }
  }
}

task<> spawn_and_join_for_ever(token held) {
  auto nothing = [](token) -> task<> { co_await yield(); };
  for (;;) {
    auto child = spawn(nothing(held));
    (void)co_await child.join();
  }
}

// Shutdown destroys tasks wherever they are, while a thread goes on to wake them.
std::uint64_t force_round(const settings& how, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto held = std::make_shared<int>(1);
  std::atomic<bool> stop{false};
  const std::uint64_t n = 1 + random() % 32;
  auto [tx, rx] = csp::make_channel<token>(random() % 3);
  {
    runtime rt({.workers = how.workers});
    for (std::uint64_t i = 0; i < n; ++i) {
      if (random() % 4 == 0) {
        rt.spawn(without_cancel(spawn_and_join_for_ever(held))).detach();
      } else {
        rt.spawn(without_cancel(exchange_for_ever(tx, rx, held, random()))).detach();
      }
    }
    std::thread user([&stop, &held, into = tx, from = rx] {
      while (!stop) {
        (void)into.try_send(token(held));
        (void)from.try_recv();
        std::this_thread::yield();  // the workers need the lock and the CPU as well
      }
    });
    spin(random() % 50'000);
    check(!rt.shutdown(std::chrono::microseconds(random() % 500)).has_value(), "tasks ended that never end");
    check(rt.live_tasks() == 0, "tasks are left");
    stop = true;
    user.join();
  }
  tx = {};
  rx = {};
  check(held.use_count() == 1, "something of a destroyed task is left");
  return n;
}

}  // namespace

std::vector<primitive> thread_primitives() {
  return {{"inject", "threads spawn at any moment of the workers' way to sleep: every task runs", inject_round},
          {"held", "a task holds its worker: what it made runnable runs on another", held_round},
          {"blocking", "blocking calls: each runs once and gives its result", blocking_round},
          {"shutdown", "shutdown at any moment: every task ends, nothing is left", shutdown_round},
          {"force", "shutdown over tasks that do not end: they are destroyed, nothing is left", force_round}};
}

}  // namespace stress
