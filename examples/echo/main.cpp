// An echo server, and a client for it: TCP on the runtime, a task per connection, and an end by Ctrl-C that lets
// connections finish.
// Run: build/release/examples/echo/echo serve --port 7007      Prints: listening on 127.0.0.1:7007
//      build/release/examples/echo/echo ask --port 7007 hello  Prints: hello
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/signal_set.hpp>
#include <asio/write.hpp>
#include <fmt/format.h>

#include <tandem/csp/group.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

namespace {

using namespace tandem;
using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr duration grace = 5s;  // for connections, when the server is to end

// A connection that fails is no reason to end the others.
task<> echo(tcp::socket peer) {
  std::array<char, 4096> data;
  for (;;) {
    const auto n = co_await peer.async_read_some(asio::buffer(data), use_task);
    if (!n) co_return;  // the peer has closed its side, or is gone, or we are to end
    const auto sent = co_await asio::async_write(peer, asio::buffer(data, *n), use_task);
    if (!sent) co_return;
  }
}

task<result<void>> accept_all(tcp::acceptor& acceptor, csp::group& connections, std::size_t& served) {
  for (;;) {
    auto peer = co_await acceptor.async_accept(use_task);
    if (peer) {
      ++served;
      connections.go(echo(std::move(*peer)), "connection");
    } else if (peer.error().code() == errc::resource_exhausted) {
      co_await or_return(sleep_for(100ms));  // no descriptor now; connections end, and the peer waits
    } else if (peer.error().code() != errc::unavailable) {  // that would be a peer that left before it was accepted
      co_return fail(peer.error());
    }
  }
}

task<result<void>> serve(std::uint16_t port) {
  asio::io_context& io = this_task::io();
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  asio::signal_set stop(io, SIGINT, SIGTERM);
  fmt::print("listening on 127.0.0.1:{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);

  csp::group connections;
  std::size_t served = 0;
  auto accepting = spawn(accept_all(acceptor, connections, served), spawn_options::cancellable("accept"));
  co_await or_return(stop.async_wait(use_task));
  accepting.cancel();
  const auto accepted = co_await accepting.join();
  acceptor.close();
  const auto ended = co_await with_timeout(grace, connections.wait());
  fmt::print("served {} connections\n", served);
  if (!ended) fmt::print("some had to be cut off\n");
  if (!accepted && accepted.error().code() != errc::cancelled) co_return fail(accepted.error());
  co_return {};
}

task<result<void>> ask(std::string host, std::uint16_t port, std::string text) {
  const auto found = co_await or_return(resolve(host, std::to_string(port)));
  tcp::socket peer(this_task::io());
  co_await or_return(asio::async_connect(peer, found, use_task));
  co_await or_return(asio::async_write(peer, asio::buffer(text), use_task));
  std::string answer(text.size(), '\0');
  co_await or_return(asio::async_read(peer, asio::buffer(answer), use_task));
  fmt::print("{}\n", answer);
  co_return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  std::string host = "127.0.0.1", text;
  CLI::App app("An echo server over TCP, and a client for it.");
  app.require_subcommand(1);
  CLI::App* const server = app.add_subcommand("serve", "Answers on loopback until Ctrl-C; then lets connections finish");
  server->add_option("--port", port, "Where to listen; 0 is any that is free")->capture_default_str();
  CLI::App* const client = app.add_subcommand("ask", "Sends TEXT, and prints what comes back within 5 s");
  client->add_option("--host", host, "The server's name or address")->capture_default_str();
  client->add_option("--port", port, "The server's port")->required();
  client->add_option("TEXT", text, "What to send")->required();
  CLI11_PARSE(app, argc, argv);

  result<void> done;
  try {
    runtime rt;
    done = rt.block_on(*server ? serve(port) : with_timeout(5s, ask(host, port, text)));
  } catch (const std::exception&) {  // such as a port that is taken
    done = fail(from_exception(std::current_exception()));
  }
  if (!done) fmt::print(stderr, "echo: {}\n", done.error());
  return done ? 0 : 1;
}
