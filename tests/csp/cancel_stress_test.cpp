// A cancel from another thread at every moment of a wait that begins: it must end the wait, or have come too late.
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>

#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

/// Runs `wait(rx)` many times on a worker, each under a context that a thread cancels at about the time it begins.
template <class Wait>
void race_with_cancel(Wait wait) {
  constexpr int rounds = 20'000 / stress_divisor;
  runtime workers({.workers = 1});
  std::atomic<const cancel_source*> to_cancel = nullptr;
  std::thread canceller([&] {
    std::mt19937 random(1);
    for (int round = 0; round < rounds; ++round) {
      const cancel_source* source = nullptr;
      while (!(source = to_cancel.load())) tandem::detail::cpu_pause();
      for (auto spins = random() % 64; spins > 0; --spins) tandem::detail::cpu_pause();
      source->cancel();
      to_cancel = nullptr;
    }
  });
  int ended = 0;
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_channel<int>(0);
    for (int round = 0; round < rounds; ++round) {
      const cancel_source source;
      to_cancel = &source;
      const auto outcome = co_await with_context(source.context(), wait(rx));
      ended += !outcome && outcome.error() == errc::cancelled;
      while (to_cancel.load()) tandem::detail::cpu_pause();  // the thread still uses the source
    }
  };
  workers.block_on(body());
  canceller.join();
  EXPECT_EQ(ended, rounds);
}

TEST(CancelStress, MeetsAReceiveThatBegins) {
  race_with_cancel([](const receiver<int>& rx) { return recv_by(rx); });
}

TEST(CancelStress, MeetsASelectThatBegins) {
  race_with_cancel([](const receiver<int>& rx) -> task<result<int>> {
    auto chosen = co_await select(on_recv(rx), on_recv(rx));
    if (!chosen) co_return fail(chosen.error());
    co_return 0;
  });
}

}  // namespace
}  // namespace tandem::csp
