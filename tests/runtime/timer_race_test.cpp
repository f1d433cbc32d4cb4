// Stop and reset racing with the tick, on several workers: each tick is received once or reported as not received.
#include <cstdint>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

task<int> count_ticks(timer& t) {
  int ticks = 0;
  for (;;) {
    const result<void> ticked = co_await t.wait();
    if (!ticked) co_return ticks;
    ++ticks;
  }
}

// As count_ticks(), with waits that are cancelled all the time.
task<int> count_ticks_impatiently(timer& t) {
  int ticks = 0;
  const context outer = this_task::context();
  auto wait = [](timer& from) -> task<result<void>> { co_return co_await from.wait(); };
  while (!outer.is_over()) {
    const result<void> ticked = co_await with_timeout(5us, wait(t));
    if (ticked) ++ticks;
  }
  co_return ticks;
}

// Arms the timer `n` times and gives the number of times it turned out to have been received.
task<int> rearm(timer& t, int n) {
  int received = 0;
  bool armed = false;
  for (int i = 0; i < n; ++i) {
    const duration in = std::chrono::nanoseconds((i * 7919) % 20'000);
    if (i % 3 == 2) {
      received += armed && !t.stop();
      armed = false;
    } else {
      const bool was_active = t.reset(in);
      received += armed && !was_active;
      armed = true;
    }
    if (i % 4 == 0) (void)co_await sleep_for(std::chrono::nanoseconds((i * 104729) % 30'000));
  }
  received += armed && !t.stop();
  co_return received;
}

using reader = task<int> (*)(timer&);

void race(reader read) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int rounds = 4'000;
#else
  constexpr int rounds = 20'000;
#endif
  runtime rt({.workers = 3});
  rt.block_on([](reader r, int n) -> task<> {
    timer t;
    const cancel_source end;
    auto reading = spawn(r(t), end.context());
    auto arming = spawn(rearm(t, n));
    const auto received = co_await arming.join();
    end.cancel();
    const auto ticks = co_await reading.join();
    EXPECT_EQ(ticks.value(), received.value());
    EXPECT_GT(ticks.value(), 0);
  }(read, rounds));
}

TEST(TimerRace, ATickIsReceivedOrReportedAsNotReceived) { race(count_ticks); }

TEST(TimerRace, AlsoWhenWaitsAreCancelledAllTheTime) { race(count_ticks_impatiently); }

}  // namespace
}  // namespace tandem
