// N jobs: sockets.
#include <array>
#include <cstdint>

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/runtime.hpp>

#include "job.hpp"

namespace bench {
namespace {

using namespace tandem;
using asio::ip::tcp;

using message = std::array<char, 64>;

task<> answer(tcp::socket peer, std::int64_t rounds) {
  message data;
  for (std::int64_t i = 0; i < rounds; ++i) {
    const auto read = co_await asio::async_read(peer, asio::buffer(data), use_task);
    const auto written = co_await asio::async_write(peer, asio::buffer(data), use_task);
    check(read && written, "N1: the answer");
  }
}

task<std::int64_t> ask(tcp::socket peer, std::int64_t rounds) {
  std::int64_t answered = 0;
  message sent{}, received{};
  for (std::int64_t i = 0; i < rounds; ++i) {
    sent[0] = static_cast<char>(i);
    const auto written = co_await asio::async_write(peer, asio::buffer(sent), use_task);
    const auto read = co_await asio::async_read(peer, asio::buffer(received), use_task);
    check(written && read && received == sent, "N1: the question");
    ++answered;
  }
  co_return answered;
}

// 64 bytes to and fro over loopback TCP.
void echo(unsigned threads) {
  const std::int64_t n = count(100'000);
  runtime rt({.workers = threads});
  tcp::acceptor acceptor(rt.io(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket near(rt.io());
  near.connect(acceptor.local_endpoint());
  tcp::socket far = acceptor.accept();
  near.set_option(tcp::no_delay(true));
  far.set_option(tcp::no_delay(true));
  double elapsed = 0;
  auto both = [&]() -> task<> {
    const auto start = clock::now();
    auto answering = spawn(answer(std::move(far), n));
    auto asking = spawn(ask(std::move(near), n));
    check(*co_await asking.join() == n, "N1");
    (void)co_await answering.join();
    elapsed = nanoseconds_since(start);
  };
  rt.block_on(both());
  report("N1-echo", threads, elapsed / 1e3 / static_cast<double>(n), "us/roundtrip");
}

}  // namespace

void add_io_jobs(std::vector<job>& jobs) { jobs.push_back({"N1-echo", echo}); }

}  // namespace bench
