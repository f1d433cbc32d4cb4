#include <tandem/testing/explore.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::testing {
namespace {

using namespace std::chrono_literals;

// Reads, lets others run, writes: right only in an order where nobody else runs in between.
task<> add_one(int& balance) {
  const int before = balance;
  co_await yield();
  balance = before + 1;
}

task<result<void>> two_additions() {
  int balance = 0;
  auto other = spawn(add_one(balance));
  co_await yield();
  co_await yield();
  co_await add_one(balance);
  (void)co_await other.join();
  if (balance != 2) co_return fail(errc::data_loss, "an addition was lost");
  co_return result<void>();
}

TEST(Explore, FindsTheScheduleThatBreaksAProgramAndTellsItsSeed) {
  const auto explored = explore(1000, [](sim_runtime& sim) { return sim.run(two_additions()); });
  ASSERT_FALSE(explored);
  EXPECT_TRUE(explored.error().is(errc::data_loss));
  const std::string message = fmt::format("{}", explored.error());
  const auto at = message.find("seed ");
  ASSERT_NE(at, std::string::npos) << message;
  const auto seed = static_cast<std::uint32_t>(std::stoul(message.substr(at + 5)));
  sim_runtime again({.seed = seed, .order = task_order::shuffled});
  EXPECT_FALSE(again.run(two_additions())) << "the seed does not replay the failure";
}

TEST(Explore, AFairSimulationDoesNotSeeThatSchedule) {
  sim_runtime sim;
  EXPECT_TRUE(sim.run(two_additions()));
}

task<result<void>> leave_a_receiver() {
  auto [tx, rx] = csp::make_channel<int>(0);
  auto wait = []([[maybe_unused]] csp::sender<int> own, csp::receiver<int> from) -> task<> {
    (void)co_await from.recv();
  };
  spawn(wait(tx, rx), "forgotten").detach();
  co_return result<void>();
}

TEST(Explore, FailsARunThatLeavesTasksWaitingForEver) {
  const auto explored = explore(3, [](sim_runtime& sim) { return sim.run(leave_a_receiver()); });
  ASSERT_FALSE(explored);
  const std::string message = fmt::format("{}", explored.error());
  EXPECT_NE(message.find("forgotten"), std::string::npos) << message;
  EXPECT_NE(message.find("waiting for a value from a channel"), std::string::npos) << message;
}

TEST(Explore, FailsARunThatThrows) {
  const auto explored = explore(3, [](sim_runtime&) -> result<void> { throw std::runtime_error("oh dear"); });
  ASSERT_FALSE(explored);
  EXPECT_NE(fmt::format("{}", explored.error()).find("oh dear"), std::string::npos);
}

// Twenty tasks: four producers and four consumers on two channels, four that select over both, four that sleep and
// then send, and four whose wait is cancelled by a deadline. Every value sent is received once.
struct ledger {
  int sent = 0;
  int received = 0;
  int cancelled = 0;
};

task<> produce(csp::sender<int> into, ledger& book, duration pause) {
  for (int i = 0; i < 3; ++i) {
    if (pause > 0s) (void)co_await sleep_for(pause);
    if (auto sent = co_await into.send(i); sent) ++book.sent;
  }
}

task<> consume(csp::receiver<int> from, ledger& book) {
  while (auto value = co_await from.recv()) ++book.received;
}

task<> consume_either(csp::receiver<int> a, csp::receiver<int> b, ledger& book) {
  for (;;) {
    auto chosen = co_await csp::select(csp::on_recv(a), csp::on_recv(b), csp::on_timeout(20ms));
    if (!chosen || chosen->index() == 2) co_return;
    const bool got = chosen->index() == 0 ? std::get<0>(*chosen).has_value() : std::get<1>(*chosen).has_value();
    if (!got) co_return;
    ++book.received;
  }
}

task<> wait_in_vain(csp::receiver<int> from, ledger& book) {
  auto wait = [](csp::receiver<int> source) -> task<result<int>> { co_return co_await source.recv(); };
  const auto value = co_await with_timeout(1ms, wait(from));
  if (!value) ++book.cancelled;
}

task<result<void>> twenty_tasks() {
  ledger book;
  {
    std::array<join_handle<void>, 20> all;
    std::size_t n = 0;
    auto [never, silent] = csp::make_channel<int>(0);
    {
      auto [tx1, rx1] = csp::make_channel<int>(0);
      auto [tx2, rx2] = csp::make_channel<int>(2);
      for (int i = 0; i < 4; ++i) {
        auto tx = i % 2 == 0 ? tx1 : tx2;
        auto rx = i % 2 == 0 ? rx1 : rx2;
        all[n++] = spawn(produce(tx, book, 0s));
        all[n++] = spawn(consume(rx, book));
        all[n++] = spawn(consume_either(rx1, rx2, book));
        all[n++] = spawn(produce(tx, book, 1ms));
        all[n++] = spawn(wait_in_vain(silent, book));
      }
    }
    for (auto& one : all) (void)co_await one.join();
  }
  if (book.sent != 24 || book.received != 24 || book.cancelled != 4)
    co_return fail(errc::data_loss,
                   fmt::format("sent {}, received {}, cancelled {}", book.sent, book.received, book.cancelled));
  co_return result<void>();
}

TEST(Explore, RunsTenThousandSchedulesOfTwentyTasksWithinTenSeconds) {
  const auto start = std::chrono::steady_clock::now();
#if TANDEM_NESTED_RESUME
  const std::uint32_t seeds = 500;  // a sanitizer is watching
#else
  const std::uint32_t seeds = 10'000;
#endif
  const auto explored = explore(seeds, [](sim_runtime& sim) { return sim.run(twenty_tasks()); });
  EXPECT_TRUE(explored) << fmt::format("{}", explored.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print("{} seeds in {:.2f} s\n", seeds, took.count());
  EXPECT_LT(took.count(), 10.0);
}

}  // namespace
}  // namespace tandem::testing
