// The end of a context ends the operation that a task waits for, and nothing else.
#include <tandem/runtime/asio.hpp>

#include <csignal>
#include <string>
#include <vector>

#include <asio/connect.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "io_sockets.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using namespace test;

using outcome = task<result<void>>;

template <class T>
result<void> without_value(const result<T>& r) {
  if (!r) return fail(r.error());
  return {};
}

task<> join_quietly(join_handle<void> handle) { (void)co_await handle.join(); }

// One object of each kind, each with an operation that waits for ever.
struct objects {
  asio::io_context& io;
  std::pair<unix_socket, unix_socket> idle = socket_pair(io);  // nothing comes
  std::pair<unix_socket, unix_socket> full = socket_pair(io);  // nothing fits
  tcp::acceptor acceptor = listen_on_loopback(io);
  tcp::acceptor deaf = listen_on_loopback(io);  // accepts nobody, and has no room for another one
  std::vector<tcp::socket> in_front;
  asio::steady_timer timer{io, std::chrono::hours(1)};
  asio::signal_set signals{io, SIGUSR1};
  std::array<char, 16> data{};
  tcp::socket client{io};

  explicit objects(asio::io_context& of) : io(of) {
    fill(full.first);
    deaf.listen(0);
    const tcp::endpoint to = deaf.local_endpoint();
    for (int i = 0; i < 2; ++i) {  // with a backlog of 0 there is room for one; who comes later is not answered
      in_front.emplace_back(io).open(tcp::v4());
      in_front.back().native_non_blocking(true);
      (void)::connect(in_front.back().native_handle(), to.data(), static_cast<socklen_t>(to.size()));
    }
  }
};

struct waiting_operation {
  const char* name;
  outcome (*start)(objects& on);
};

const waiting_operation operations[] = {
    {"read_some",
     [](objects& o) -> outcome {
       co_return without_value(co_await o.idle.first.async_read_some(asio::buffer(o.data), use_task));
     }},
    {"read", [](objects& o) -> outcome {
       co_return without_value(co_await asio::async_read(o.idle.first, asio::buffer(o.data), use_task));
     }},
    {"write_some",
     [](objects& o) -> outcome {
       co_return without_value(co_await o.full.first.async_write_some(asio::buffer(o.data), use_task));
     }},
    {"write", [](objects& o) -> outcome {
       co_return without_value(co_await asio::async_write(o.full.first, asio::buffer(o.data), use_task));
     }},
    {"wait", [](objects& o) -> outcome { co_return co_await o.idle.first.async_wait(unix_socket::wait_read, use_task); }},
    {"accept", [](objects& o) -> outcome { co_return without_value(co_await o.acceptor.async_accept(use_task)); }},
    {"connect",
     [](objects& o) -> outcome {
       o.client.close();  // the kernel goes on with a connect that was cancelled
       co_return co_await o.client.async_connect(o.deaf.local_endpoint(), use_task);
     }},
    {"timer", [](objects& o) -> outcome { co_return co_await o.timer.async_wait(use_task); }},
    {"signal", [](objects& o) -> outcome { co_return without_value(co_await o.signals.async_wait(use_task)); }},
};

class IoCancel : public ::testing::TestWithParam<waiting_operation> {
 protected:
  testing::sim_runtime sim;
  objects all{sim.io()};

  outcome start() { return GetParam().start(all); }
};

TEST_P(IoCancel, EndsTheOperationWithTheCause) {
  const cancel_source source(sim.root_context());
  auto waiter = sim.spawn(start(), {"waiter", source.context()});
  sim.run_until_idle();
  ASSERT_FALSE(waiter.done());
  source.cancel(make_error(errc::aborted, "enough"));
  sim.run_until_idle();
  ASSERT_TRUE(waiter.done());
  const error ended = sim.get(waiter).error();
  EXPECT_EQ(ended.code(), errc::cancelled) << ended;
  EXPECT_NE(ended.message().find("enough"), std::string::npos) << ended;
  EXPECT_EQ(sim.live_tasks(), 0u);
}

TEST_P(IoCancel, EndsTheOperationAtTheDeadline) {
  auto waiter = sim.spawn(with_timeout(5s, start()));
  sim.advance(5s - 1ns);
  EXPECT_FALSE(waiter.done());
  sim.advance(1ns);
  ASSERT_TRUE(waiter.done());
  EXPECT_EQ(sim.get(waiter).error().code(), errc::deadline_exceeded);
}

TEST_P(IoCancel, OfAContextThatIsOverStartsNothing) {
  const cancel_source source(sim.root_context());
  source.cancel();
  auto waiter = sim.spawn(start(), source.context());
  sim.run_until_idle();
  ASSERT_TRUE(waiter.done());
  EXPECT_EQ(sim.get(waiter).error().code(), errc::cancelled);
}

TEST_P(IoCancel, LeavesTheObjectAsItWas) {
  for (int i = 0; i < 3; ++i) {
    auto waiter = sim.spawn(with_timeout(1s, start()));
    sim.advance(1s);
    ASSERT_TRUE(waiter.done());
    EXPECT_EQ(sim.get(waiter).error().code(), errc::deadline_exceeded);
  }
}

TEST_P(IoCancel, AtTheEndOfTheSimulationEndsTheOperation) {
  auto waiter = sim.spawn(start());
  sim.run_until_idle();
  EXPECT_FALSE(waiter.done());
  waiter.detach();
}

INSTANTIATE_TEST_SUITE_P(Operations, IoCancel, ::testing::ValuesIn(operations),
                         [](const auto& operation) { return std::string(operation.param.name); });

TEST(IoCancelled, ReadHasTakenNothing) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  const auto read = [](unix_socket& from) -> task<result<std::string>> {
    std::string data(5, '\0');
    co_await or_return(from.async_read_some(asio::buffer(data), use_task));
    co_return data;
  };
  auto first = sim.spawn(with_timeout(1s, read(near)));
  sim.advance(1s);
  EXPECT_EQ(sim.get(first).error().code(), errc::deadline_exceeded);
  far.write_some(asio::buffer("hello", 5));
  const auto second = sim.run(read(near));
  EXPECT_EQ(second.value(), "hello");
}

TEST(IoCancelled, AcceptLeavesTheConnectionForTheNextOne) {
  testing::sim_runtime sim;
  tcp::acceptor acceptor = listen_on_loopback(sim.io());
  const auto accept = [](tcp::acceptor& from) -> task<result<tcp::socket>> {
    co_return co_await from.async_accept(use_task);
  };
  auto first = sim.spawn(with_timeout(1s, accept(acceptor)));
  sim.advance(1s);
  EXPECT_EQ(sim.get(first).error().code(), errc::deadline_exceeded);
  tcp::socket client(sim.io());
  client.connect(acceptor.local_endpoint());
  const auto second = sim.run(accept(acceptor));
  EXPECT_TRUE(second);
}

// Two wait for one socket, and one of them leaves.
TEST(IoCancelled, OperationIsTheOneThatIsCancelled) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  const auto read = [](unix_socket& from) -> task<result<std::size_t>> {
    char byte = 0;
    co_return co_await from.async_read_some(asio::buffer(&byte, 1), use_task);
  };
  auto leaves = sim.spawn(with_timeout(1s, read(near)));
  auto stays = sim.spawn(read(near));
  sim.advance(1s);
  ASSERT_FALSE(stays.done());
  EXPECT_EQ(sim.get(leaves).error().code(), errc::deadline_exceeded);
  far.write_some(asio::buffer("x", 1));
  sim.run_until_idle();
  EXPECT_EQ(sim.get(stays).value(), 1u);
}

// Its handler is ready when the context ends.
TEST(IoCancelled, OperationThatWasFasterGivesItsOutcome) {
  testing::sim_runtime sim;
  auto [near, far] = socket_pair(sim.io());
  const cancel_source source(sim.root_context());
  auto writer = sim.spawn(
      [](unix_socket& to, const cancel_source& cancels) -> task<result<std::size_t>> {
        auto canceller = spawn([](const cancel_source& c) -> task<> {
          c.cancel();
          co_return;
        }(cancels), without_cancel(this_task::context()));
        auto written = co_await to.async_write_some(asio::buffer("hello", 5), use_task);
        (void)co_await without_cancel(join_quietly(std::move(canceller)));
        co_return written;
      }(near, source),
      source.context());
  sim.run_until_idle();
  EXPECT_TRUE(source.context().is_over());
  EXPECT_EQ(sim.get(writer).value(), 5u);
}

// It cannot be cancelled: the task waits for its end.
TEST(IoCancelled, OperationThatIgnoresCancellationIsWaitedFor) {
  testing::sim_runtime sim(testing::sim_options{.io_patience = {}});
  asio::steady_timer timer(sim.io(), 50ms);
  auto waiter = sim.spawn(with_timeout(1ms, [](asio::steady_timer& t) -> outcome {
    const auto start = [](auto handler, asio::steady_timer* on) {
      on->async_wait([handler = std::move(handler)](std::error_code code) mutable { handler(code); });
    };
    co_return co_await asio::async_initiate<const use_task_t, void(std::error_code)>(start, use_task, &t);
  }(timer)));
  sim.advance(1ms);
  EXPECT_FALSE(waiter.done());  // or the machine stood still for 50 ms
  const auto waited = sim.wait(waiter);
  EXPECT_TRUE(waited);
}

// Each round ends at a moment of its own: before, while and after the operation starts, waits and completes.
TEST(IoCancelled, AtAnyMomentGivesOneOutcomeAndLosesNoByte) {
  for (const unsigned workers : {1u, 2u, 4u}) {
    runtime rt({.workers = workers});
    asio::io_context& io = rt.io();
    rt.block_on([](asio::io_context& on) -> task<> {
      auto [near, far] = socket_pair(on);
      std::size_t sent = 0, received = 0, cancelled = 0;
      for (int round = 0; round < 2000; ++round) {
        const cancel_source source(this_task::context());
        auto reader = spawn([](unix_socket& from) -> task<result<std::size_t>> {
          char byte = 0;
          co_return co_await from.async_read_some(asio::buffer(&byte, 1), use_task);
        }(near), source.context());
        auto canceller = spawn([](const cancel_source& c, int delay) -> task<> {
          for (int i = 0; i < delay; ++i) co_await yield();
          c.cancel();
        }(source, round % 7));
        if (round % 3 != 0) {
          for (int i = 0; i < round % 5; ++i) co_await yield();
          far.write_some(asio::buffer("x", 1));
          ++sent;
        }
        const auto read = co_await reader.join();
        (void)co_await canceller.join();
        if (read) {
          received += *read;
        } else {
          EXPECT_EQ(read.error().code(), errc::cancelled) << read.error();
          ++cancelled;
        }
      }
      std::vector<char> rest(sent);
      near.non_blocking(true);
      std::error_code none_left;
      received += near.read_some(asio::buffer(rest), none_left);
      EXPECT_EQ(received, sent);
      EXPECT_GT(cancelled, 0u);
    }(io));
  }
}

}  // namespace
}  // namespace tandem
