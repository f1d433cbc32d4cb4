// What use_task makes of Asio's operations: values, errors, and where they may be awaited.
#include <tandem/runtime/asio.hpp>

#include <csignal>
#include <memory>
#include <stdexcept>

#include <asio/experimental/as_tuple.hpp>
#include <asio/post.hpp>
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

TEST(UseTask, StartsNothingBeforeItIsAwaited) {
  in_a_task([]() -> task<> {
    auto [near, far] = socket_pair(this_task::io());
    std::array<char, 5> data{};
    auto read = far.async_read_some(asio::buffer(data), use_task);
    near.write_some(asio::buffer("hello", 5));
    near.close();
    co_await sleep_for(1ms);
    EXPECT_EQ(data[0], '\0');
    const auto n = co_await read;
    EXPECT_EQ(*n, 5u);
  });
}

TEST(UseTask, KeepsWhatAnOperationGaveBesidesAnErrorBehindAsTuple) {
  in_a_task([]() -> task<> {
    auto [near, far] = socket_pair(this_task::io());
    near.write_some(asio::buffer("abc", 3));
    near.close();
    std::string data(8, '\0');
    const result<std::tuple<std::error_code, std::size_t>> read =
        co_await asio::async_read(far, asio::buffer(data), asio::experimental::as_tuple(use_task));
    EXPECT_EQ(*read, std::tuple(std::error_code(asio::error::eof), std::size_t{3}));
  });
}

TEST(UseTask, WorksBehindAStrand) {
  in_a_task([]() -> task<> {
    auto strand = asio::make_strand(this_task::io());
    asio::steady_timer timer(strand, 1ms);
    const auto waited = co_await timer.async_wait(use_task);
    EXPECT_TRUE(waited);
  });
}

TEST(UseTask, WorksWithOrReturn) {
  in_a_task([]() -> task<> {
    const auto body = []() -> task<result<int>> {
      auto [near, far] = socket_pair(this_task::io());
      char byte = 'x';
      near.close();
      co_await or_return(far.async_read_some(asio::buffer(&byte, 1), use_task));
      co_return 1;
    };
    const auto ended = co_await body();
    EXPECT_EQ(ended.error().code(), errc::closed);
  });
}

TEST(UseTask, RefusesObjectsOfAnotherIoContext) {
  asio::io_context foreign;
  asio::thread_pool pool(1);
  runtime other({.workers = 1});
  (void)other.io();
  in_a_task([&]() -> task<> {
    asio::steady_timer timers[] = {asio::steady_timer(foreign), asio::steady_timer(other.io()),
                                   asio::steady_timer(pool.get_executor())};
    for (auto& timer : timers) {
      std::string advice;
      try {
        (void)co_await timer.async_wait(use_task);
      } catch (const std::logic_error& e) {
        advice = e.what();
      }
      EXPECT_NE(advice.find("this_task::io()"), std::string::npos) << advice;
    }
  });
  runtime without_io({.workers = 1});
  asio::steady_timer timer(foreign);
  EXPECT_THROW(without_io.block_on([](asio::steady_timer& t) -> task<> { (void)co_await t.async_wait(use_task); }(timer)),
               std::logic_error);
}

TEST(UseTask, RefusesToStartAnOperationASecondTime) {
  in_a_task([]() -> task<> {
    asio::steady_timer timer(this_task::io(), 1ms);
    auto wait = timer.async_wait(use_task);
    const auto first = co_await wait;
    EXPECT_TRUE(first);
    bool refused = false;
    try {
      (void)co_await wait;
    } catch (const std::logic_error&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
}

TEST(UseTask, PassesOnWhatStartingAnOperationThrows) {
  in_a_task([]() -> task<> {
    const auto start = [](auto) { throw std::runtime_error("cannot start"); };
    bool thrown = false;
    try {
      (void)co_await asio::async_initiate<const use_task_t, void()>(start, use_task);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    (void)co_await sleep_for(1ms);  // it waits for nothing
  });
}

TEST(ThisTask, HasNoIoOutsideOfTasks) { EXPECT_THROW((void)this_task::io(), std::logic_error); }

TEST(UseTask, WaitsForAsiosTimers) {
  in_a_task([]() -> task<> {
    const time_point start = now();
    asio::steady_timer timer(this_task::io(), 3ms);
    const auto waited = co_await timer.async_wait(use_task);
    EXPECT_TRUE(waited);
    EXPECT_GE(now() - start, 3ms);
  });
}

TEST(UseTask, WaitsForSignals) {
  in_a_task([]() -> task<> {
    asio::signal_set signals(this_task::io(), SIGUSR1, SIGUSR2);
    auto raiser = spawn([]() -> task<> {
      co_await yield();
      std::raise(SIGUSR2);
    });
    const result<int> number = co_await signals.async_wait(use_task);
    EXPECT_EQ(*number, SIGUSR2);
    (void)co_await raiser.join();
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

task<result<void>> echo_to_one(tcp::acceptor& acceptor) {
  tcp::socket peer = co_await or_return(acceptor.async_accept(use_task));
  co_await or_return(echo(std::move(peer)));
  co_return {};
}

TEST(UseTask, EchoesOverTcp) {
  for (const unsigned workers : {1u, 2u}) {
    in_a_task(
        []() -> task<> {
          tcp::acceptor acceptor = listen_on_loopback(this_task::io());
          auto server = spawn(echo_to_one(acceptor));
          tcp::socket client(this_task::io());
          const auto connected = co_await client.async_connect(acceptor.local_endpoint(), use_task);
          EXPECT_TRUE(connected);
          for (int i = 0; i < 100; ++i) {
            const auto back = co_await exchange(client, "hello, tcp");
            EXPECT_EQ(back.value(), "hello, tcp");
          }
          client.close();
          const auto ended = co_await server.join();
          EXPECT_TRUE(ended);
        },
        workers);
  }
}

// A socket for two tasks at once, on two workers.
TEST(UseTask, LetsOneTaskReadWhileAnotherWritesANonBlockingSocket) {
  in_a_task([]() -> task<> {
    auto [near, far] = socket_pair(this_task::io());
    near.non_blocking(true);
    auto server = spawn(echo(std::move(far)));
    constexpr std::size_t total = 1 << 20;
    auto writer = spawn([](unix_socket& to) -> task<result<void>> {
      const std::string part(1024, 'w');
      for (std::size_t sent = 0; sent < total; sent += part.size())
        co_await or_return(asio::async_write(to, asio::buffer(part), use_task));
      co_return {};
    }(near));
    std::size_t received = 0;
    std::array<char, 4096> data;
    while (received < total) {
      const auto n = co_await near.async_read_some(asio::buffer(data), use_task);
      if (!n) break;
      received += *n;
    }
    EXPECT_EQ(received, total);
    const auto written = co_await writer.join();
    EXPECT_TRUE(written);
    near.close();
    (void)co_await server.join();
  });
}

TEST(Resolve, FindsLoopbackAndNamesWhatIsNotThere) {
  in_a_task([]() -> task<> {
    const auto found = co_await resolve("127.0.0.1", "80");
    EXPECT_EQ(found.value().begin()->endpoint(), tcp::endpoint(asio::ip::address_v4::loopback(), 80));
    const auto nobody = co_await resolve("127.0.0.1", "no-such-service");
    EXPECT_EQ(nobody.error().code(), errc::not_found);
    EXPECT_NE(nobody.error().message().find("127.0.0.1"), std::string::npos);
  });
}

// Asio's own resolver has a thread; its answer comes through the io_context as everything does.
TEST(UseTask, WorksWithAsiosResolver) {
  in_a_task([]() -> task<> {
    tcp::resolver resolver(this_task::io());
    const auto found = co_await resolver.async_resolve("127.0.0.1", "80", use_task);
    EXPECT_EQ(found.value().size(), 1u);
  });
}

TEST(IoErrors, AreClassifiedWhateverOfAsiosCategoriesTheyAreIn) {
  const std::pair<std::error_code, errc> table[] = {
      {asio::error::eof, errc::closed},
      {asio::error::already_open, errc::failed_precondition},
      {asio::error::not_found, errc::not_found},
      {asio::error::fd_set_failure, errc::resource_exhausted},
      {asio::error::host_not_found, errc::not_found},
      {asio::error::no_data, errc::not_found},
      {asio::error::host_not_found_try_again, errc::unavailable},
      {asio::error::no_recovery, errc::unavailable},
      {asio::error::service_not_found, errc::not_found},
      {asio::error::socket_type_not_supported, errc::unimplemented},
      {asio::error::connection_refused, errc::unavailable},
      {asio::error::timed_out, errc::timed_out},
      {asio::error::no_descriptors, errc::resource_exhausted},
      {asio::error::access_denied, errc::permission_denied},
      {asio::error::operation_aborted, errc::cancelled},
      {std::error_code(99, asio::error::get_misc_category()), errc::unknown},
  };
  for (const auto& [code, expected] : table) {
    EXPECT_EQ(errc_of(code), expected) << code;
    EXPECT_EQ(to_error_code(error_from(code)), code);
  }
  EXPECT_EQ(detail::io_error(asio::error::operation_aborted).code(), errc::aborted);
}

TEST(IoErrors, TellTheCallersNextMove) {
  in_a_task([]() -> task<> {
    asio::io_context& io = this_task::io();
    char byte = 'x';
    {
      tcp::endpoint nobody;
      {
        tcp::acceptor acceptor = listen_on_loopback(io);
        nobody = acceptor.local_endpoint();
      }
      tcp::socket client(io);
      const auto refused = co_await client.async_connect(nobody, use_task);
      EXPECT_EQ(refused.error().code(), errc::unavailable) << refused.error();
      EXPECT_EQ(*refused.error().as<std::error_code>(), asio::error::connection_refused);
    }
    {
      auto [near, far] = socket_pair(io);
      far.close();
      const auto read = co_await near.async_read_some(asio::buffer(&byte, 1), use_task);
      EXPECT_EQ(read.error().code(), errc::closed) << read.error();
      EXPECT_EQ(*read.error().as<std::error_code>(), asio::error::eof);
      const auto written = co_await near.async_write_some(asio::buffer(&byte, 1), use_task);
      EXPECT_EQ(written.error().code(), errc::unavailable) << written.error();
      near.close();
      const auto gone = co_await near.async_read_some(asio::buffer(&byte, 1), use_task);
      EXPECT_EQ(gone.error().code(), errc::failed_precondition) << gone.error();
    }
    {  // a peer that resets
      tcp::acceptor acceptor = listen_on_loopback(io);
      tcp::socket client(io);
      client.connect(acceptor.local_endpoint());
      auto peer = co_await acceptor.async_accept(use_task);
      peer->set_option(tcp::socket::linger(true, 0));
      peer->close();
      const auto reset = co_await client.async_read_some(asio::buffer(&byte, 1), use_task);
      EXPECT_EQ(reset.error().code(), errc::unavailable) << reset.error();
      EXPECT_EQ(*reset.error().as<std::error_code>(), asio::error::connection_reset);
    }
    {
      unix_socket client(io);
      const auto missing =
          co_await client.async_connect(asio::local::stream_protocol::endpoint("/nonexistent/socket"), use_task);
      EXPECT_EQ(missing.error().code(), errc::not_found) << missing.error();
    }
  });
}

// One worker: the other task runs while the first waits, so nobody else uses the socket meanwhile.
TEST(IoErrors, NameTheCloseAndTheCancelOfAnotherTask) {
  in_a_task(
      []() -> task<> {
        auto [near, far] = socket_pair(this_task::io());
        for (const bool close : {false, true}) {
          auto reader = spawn([](unix_socket& from) -> task<result<std::size_t>> {
            char byte = 'x';
            co_return co_await from.async_read_some(asio::buffer(&byte, 1), use_task);
          }(near));
          co_await yield();
          close ? near.close() : near.cancel();
          const auto read = co_await reader.join();
          EXPECT_EQ(read.error().code(), errc::aborted) << read.error();
          EXPECT_EQ(*read.error().as<std::error_code>(), asio::error::operation_aborted);
        }
      },
      1);
}

}  // namespace
}  // namespace tandem
