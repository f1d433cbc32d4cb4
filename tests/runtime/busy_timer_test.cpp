// Timers of a worker whose thread is held by a task. The tasks here block their threads on purpose; nothing sleeps in
// order to be in time, so a slow machine makes these tests slow, not red.
#include <atomic>
#include <semaphore>
#include <thread>

#include <gtest/gtest.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

// If the timers of a blocked worker were not fired, these would never end: the blocker waits for them.
struct held_worker : ::testing::TestWithParam<unsigned> {};

TEST_P(held_worker, SleepsArmedOnItEndOnAnother) {
  runtime rt({.workers = GetParam()});
  std::binary_semaphore slept{0};
  rt.block_on([](std::binary_semaphore& done) -> task<> {
    auto sleeper = spawn([](std::binary_semaphore& d) -> task<> {
      (void)co_await sleep_for(5ms);
      d.release();
    }(done));
    co_await yield();  // the sleeper has armed its timer here, or on another worker that took it
    done.acquire();    // holds this worker
    (void)co_await sleeper.join();
  }(slept));
}

TEST_P(held_worker, LaterAndEarlierTimersOfItAreFiredToo) {
  runtime rt({.workers = GetParam()});
  std::counting_semaphore<16> slept{0};
  rt.block_on([](std::counting_semaphore<16>& done) -> task<> {
    std::vector<join_handle<void>> sleepers;
    for (int i = 0; i < 16; ++i) {
      sleepers.push_back(spawn([](std::counting_semaphore<16>& d, duration in) -> task<> {
        (void)co_await sleep_for(in);
        d.release();
      }(done, std::chrono::milliseconds((i * 7) % 16))));
    }
    co_await yield();
    for (int i = 0; i < 16; ++i) done.acquire();
    for (auto& s : sleepers) (void)co_await s.join();
  }(slept));
}

TEST_P(held_worker, TimersArmedWhileAllOthersAlreadySleepWakeOne) {
  runtime rt({.workers = GetParam()});
  for (int round = 0; round < 20; ++round) {
    std::binary_semaphore ended{0};
    rt.block_on([](std::binary_semaphore& done) -> task<> {
      (void)co_await sleep_for(3ms);  // long enough for the others to go to sleep; not needed for the result
      const cancel_source limit(this_task::context(), deadline_in(2ms));
      auto waiting = spawn(
          [](std::binary_semaphore& d) -> task<> {
            (void)co_await sleep_until(no_deadline);
            d.release();
          }(done),
          limit.context());
      co_await yield();
      done.acquire();
      (void)co_await waiting.join();
    }(ended));
  }
}

TEST_P(held_worker, DeadlinesArmedOutsideOfTheWorkersComeToo) {
  runtime rt({.workers = GetParam()});
  const unsigned held = rt.worker_count() - 1;
  std::counting_semaphore<64> all_held{0}, let_go{0};
  std::vector<join_handle<void>> holders;
  for (unsigned i = 0; i < held; ++i) {
    holders.push_back(rt.spawn([](std::counting_semaphore<64>& in, std::counting_semaphore<64>& out) -> task<> {
      in.release();
      out.acquire();
      co_return;
    }(all_held, let_go)));
  }
  for (unsigned i = 0; i < held; ++i) all_held.acquire();
  for (int i = 0; i < 8; ++i) {  // enough to meet every worker's heap
    const cancel_source limit(rt.root_context(), std::chrono::steady_clock::now() + 2ms);
    while (!limit.context().is_over()) std::this_thread::yield();
  }
  let_go.release(held);
  for (auto& h : holders) rt.block_on([](join_handle<void>& handle) -> task<> { (void)co_await handle.join(); }(h));
}

INSTANTIATE_TEST_SUITE_P(Workers, held_worker, ::testing::Values(2U, 3U, 8U),
                         [](const auto& p) { return std::to_string(p.param); });

}  // namespace
}  // namespace tandem
