// Real sockets below a virtual clock.
#include <string>
#include <thread>

#include <asio/post.hpp>
#include <gtest/gtest.h>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "io_sockets.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(IoSimulation, EchoesWhileTheVirtualClockStands) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  auto server = sim.spawn(echo(std::move(far)));
  const time_point start = sim.now();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sim.run(with_timeout(1s, exchange(near, "hello"))).value(), "hello");
  EXPECT_EQ(sim.now(), start);
  near.close();
  EXPECT_TRUE(sim.wait(server));
}

TEST(IoSimulation, MovesTheVirtualClockWhenNothingComes) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  const time_point start = sim.now();
  // The answer comes after 3 virtual seconds.
  auto slow = sim.spawn([](unix_socket& to) -> task<result<void>> {
    co_await or_return(sleep_for(3s));
    co_await or_return(asio::async_write(to, asio::buffer("late", 4), use_task));
    co_return {};
  }(far));
  const auto read = [](unix_socket& from) -> task<result<std::string>> {
    std::string data(4, '\0');
    co_await or_return(asio::async_read(from, asio::buffer(data), use_task));
    co_return data;
  };
  EXPECT_EQ(sim.run(with_timeout(2s, read(near))).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(sim.now() - start, 2s);
  EXPECT_EQ(sim.run(with_timeout(2s, read(near))).value(), "late");
  EXPECT_EQ(sim.now() - start, 3s);
  EXPECT_TRUE(sim.wait(slow));
}

TEST(IoSimulation, WaitsForPeersInOtherThreads) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  std::thread peer([&to = far] {
    std::this_thread::sleep_for(20ms);  // it is slower than the simulation, whose clock has nowhere to go
    to.write_some(asio::buffer("x", 1));
  });
  const auto read = sim.run([](unix_socket& from) -> task<result<std::size_t>> {
    char byte = 0;
    co_return co_await from.async_read_some(asio::buffer(&byte, 1), use_task);
  }(near));
  peer.join();
  EXPECT_EQ(read.value(), 1u);
}

TEST(IoSimulation, RunsHandlersOfOtherTokensWhenTasksRun) {
  testing::sim_runtime sim;
  bool ran = false;
  asio::post(sim.io(), [&] { ran = true; });
  EXPECT_FALSE(ran);
  sim.run_until_idle();
  EXPECT_TRUE(ran);
}

TEST(IoSimulation, EchoesInEveryOrder) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    testing::sim_runtime sim({.seed = seed, .order = testing::task_order::shuffled});
    auto [near, far] = socket_pair(sim.io());
    auto [near2, far2] = socket_pair(sim.io());
    auto first = sim.spawn(echo(std::move(far))), second = sim.spawn(echo(std::move(far2)));
    auto one = sim.spawn(exchange(near, "one")), two = sim.spawn(exchange(near2, "two"));
    EXPECT_EQ(sim.wait(one).value(), "one");
    EXPECT_EQ(sim.wait(two).value(), "two");
    near.close();
    near2.close();
    EXPECT_TRUE(sim.wait(first));
    EXPECT_TRUE(sim.wait(second));
  }
}

}  // namespace
}  // namespace tandem
