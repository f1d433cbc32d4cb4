// What it costs to copy from one socket to another: by splice(), and through memory.
#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/splice.hpp>

#include "job.hpp"

namespace bench {
namespace {

using namespace tandem;
using asio::ip::tcp;

task<result<std::uint64_t>> copy_through_memory(tcp::socket& from, tcp::socket& to) {
  std::string buffer(64 << 10, ' ');
  std::uint64_t copied = 0;
  for (;;) {
    const auto n = co_await from.async_read_some(asio::buffer(buffer), use_task);
    if (!n) break;
    co_await or_return(asio::async_write(to, asio::buffer(buffer.data(), *n), use_task));
    copied += *n;
  }
  co_return copied;
}

task<result<std::uint64_t>> copy_by_splice(tcp::socket& from, tcp::socket& to) {
  co_return co_await copy(from, to);
}

// Connected: what the first of the pair writes, the second reads.
std::array<tcp::socket, 2> tcp_pair(asio::io_context& io) {
  tcp::acceptor door(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket first(io);
  first.connect(door.local_endpoint());
  return {std::move(first), door.accept()};
}

double seconds_of_process() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}
double seconds_of_thread() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// The CPU time of the workers alone: the two threads at the ends, which any copy needs, take theirs out.
double cpu_seconds_per_gb(unsigned threads, task<result<std::uint64_t>> (*copy_all)(tcp::socket&, tcp::socket&)) {
  runtime rt({.workers = threads});
  auto [source, from] = tcp_pair(rt.io());
  auto [to, sink] = tcp_pair(rt.io());
  const auto bytes = static_cast<std::uint64_t>(count(2'000'000'000));
  double of_writer = 0, of_reader = 0;
  std::uint64_t arrived = 0;
  const double before = seconds_of_process();
  std::thread writer([&, fd = source.native_handle()] {
    const std::string some(256 << 10, 'x');
    for (std::uint64_t left = bytes; left > 0;) {
      const ssize_t n = write(fd, some.data(), std::min<std::uint64_t>(left, some.size()));
      check(n > 0, "the source can write");
      left -= static_cast<std::uint64_t>(n);
    }
    shutdown(fd, SHUT_WR);
    of_writer = seconds_of_thread();
  });
  std::thread reader([&, fd = sink.native_handle()] {
    std::string some(256 << 10, ' ');
    for (ssize_t n; (n = read(fd, some.data(), some.size())) > 0;) arrived += static_cast<std::uint64_t>(n);
    of_reader = seconds_of_thread();
  });
  const auto copied = rt.block_on(copy_all(from, to));
  to.shutdown(tcp::socket::shutdown_send);
  writer.join();
  reader.join();
  const double all = seconds_of_process() - before;
  check(copied && *copied == bytes && arrived == bytes, "every byte arrives");
  return (all - of_writer - of_reader) / (static_cast<double>(bytes) / 1e9);
}

void splice_cost(unsigned threads) {
  report("F1-splice", threads, cpu_seconds_per_gb(threads, copy_by_splice), "s/GB");
  report("F1-read-write", threads, cpu_seconds_per_gb(threads, copy_through_memory), "s/GB");
}

}  // namespace

void add_file_jobs(std::vector<job>& jobs) { jobs.push_back({"F1-splice", splice_cost}); }

}  // namespace bench
