// What use_task makes of Asio's operations: values, errors, and where they may be awaited.
#include <tandem/runtime/asio.hpp>

#include <csignal>
#include <memory>
#include <stdexcept>

#include <asio/experimental/as_tuple.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <tandem/errors/error_code.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/this_task.hpp>

#include "io_sockets.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using namespace test;

// An operation of the signature void(Args...) that ends at once.
template <class... Args, class... Values>
auto operation_with(Values... values) {
  const auto start = [](auto handler, Values... v) {
    asio::io_context& io = this_task::io();
    asio::post(io, [handler = std::move(handler), ... v = std::move(v)]() mutable { handler(std::move(v)...); });
  };
  return asio::async_initiate<const use_task_t, void(Args...)>(start, use_task, std::move(values)...);
}

template <class F>
void in_a_task(F body, unsigned workers = 2) {
  runtime rt({.workers = workers});
  (void)rt.io();
  rt.block_on([](F& f) -> task<> { co_await f(); }(body));
}

TEST(UseTask, GivesWhatTheSignatureSays) {
  in_a_task([]() -> task<> {
    const std::error_code none, refused = asio::error::connection_refused;
    const result<void> nothing = co_await operation_with<>();
    EXPECT_TRUE(nothing);
    const result<void> success = co_await operation_with<std::error_code>(none);
    EXPECT_TRUE(success);
    const result<int> value = co_await operation_with<std::error_code, int>(none, 7);
    EXPECT_EQ(*value, 7);
    const result<int> bare = co_await operation_with<int>(8);
    EXPECT_EQ(*bare, 8);
    const result<std::tuple<int, std::string>> two =
        co_await operation_with<std::error_code, int, std::string>(none, 9, std::string("nine"));
    EXPECT_EQ(*two, std::tuple(9, std::string("nine")));
    auto owned = std::make_unique<int>(10);
    const result<std::unique_ptr<int>> moved =
        co_await operation_with<std::exception_ptr, std::unique_ptr<int>>(std::exception_ptr(), std::move(owned));
    EXPECT_EQ(**moved, 10);
    const result<int> failed = co_await operation_with<std::error_code, int>(refused, 11);
    EXPECT_EQ(failed.error().code(), errc::unavailable);
    EXPECT_EQ(*failed.error().as<std::error_code>(), refused);
    const auto thrown = std::make_exception_ptr(std::runtime_error("boom"));
    const result<void> threw = co_await operation_with<std::exception_ptr>(thrown);
    EXPECT_NE(threw.error().message().find("boom"), std::string::npos);
  });
}

TEST(UseTask, EchoesOverUnixSockets) {
  for (const unsigned workers : {1u, 2u}) {
    in_a_task(
        []() -> task<> {
          auto [near, far] = socket_pair(this_task::io());
          auto server = spawn(echo(std::move(far)));
          for (int i = 0; i < 100; ++i) {
            const auto back = co_await exchange(near, "hello");
            EXPECT_EQ(back.value(), "hello");
          }
          near.close();
          const auto ended = co_await server.join();
          EXPECT_TRUE(ended);
        },
        workers);
  }
}

}  // namespace
}  // namespace tandem
