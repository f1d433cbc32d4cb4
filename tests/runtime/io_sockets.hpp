// Sockets for tests: pairs, peers on loopback with a port of the system's choice, and an echo.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/or_return.hpp>

namespace tandem::test {

using asio::ip::tcp;
using unix_socket = asio::local::stream_protocol::socket;

[[nodiscard]] inline std::pair<unix_socket, unix_socket> socket_pair(asio::io_context& io) {
  std::pair<unix_socket, unix_socket> both{unix_socket(io), unix_socket(io)};
  asio::local::connect_pair(both.first, both.second);
  return both;
}

[[nodiscard]] inline tcp::acceptor listen_on_loopback(asio::io_context& io) {
  return tcp::acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
}

/// Fills what the kernel keeps for the other side, so that the next write waits.
template <class Socket>
void fill(Socket& socket) {
  socket.non_blocking(true);
  const std::string much(65536, 'x');
  std::error_code full;
  while (!full) socket.write_some(asio::buffer(much), full);
}

/// Sends everything back, until the peer has closed its side.
template <class Socket>
task<result<void>> echo(Socket socket) {
  std::array<char, 1024> data;
  for (;;) {
    const auto n = co_await socket.async_read_some(asio::buffer(data), use_task);
    if (!n && n.error().code() == errc::closed) co_return {};
    if (!n) co_return fail(n.error());
    co_await or_return(asio::async_write(socket, asio::buffer(data, *n), use_task));
  }
}

/// Writes `text`, and gives as many bytes as come back.
template <class Socket>
task<result<std::string>> exchange(Socket& socket, std::string_view text) {
  co_await or_return(asio::async_write(socket, asio::buffer(text), use_task));
  std::string back(text.size(), '\0');
  co_await or_return(asio::async_read(socket, asio::buffer(back), use_task));
  co_return back;
}

}  // namespace tandem::test
