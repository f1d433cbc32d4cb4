// An echo server, and a client for it: TCP on the runtime, a task per connection, and an end by Ctrl-C that lets
// connections finish; a second Ctrl-C cuts them off.
// Run: build/release/examples/echo/echo serve --port 7007      Prints: listening on 127.0.0.1:7007
//      build/release/examples/echo/echo ask --port 7007 hello  Prints: hello
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

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
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

namespace {

using namespace tandem;
using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr std::chrono::seconds grace = 5s;     // for connections, when the server is to end
constexpr std::chrono::seconds patience = 5s;  // of a client
constexpr int wrong_usage = 2;                 // exit code

struct tally {
  std::atomic<std::size_t> open{0};
  std::size_t served = 0;  // by accept_all()
};

std::string connections_text(std::size_t n) { return fmt::format("{} connection{}", n, n == 1 ? "" : "s"); }

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

task<> echo_counted(tcp::socket peer, tally& count) {
  co_await echo(std::move(peer));
  --count.open;
}

// Ends with the error that leaves no hope for another connection, or when its context is over.
task<result<void>> accept_all(tcp::acceptor& acceptor, csp::group& connections, tally& count) {
  for (bool complained = false;;) {
    auto peer = co_await acceptor.async_accept(use_task);
    if (peer) {
      complained = false;
      ++count.served;
      ++count.open;
      connections.go(echo_counted(std::move(*peer), count), "connection");
    } else if (peer.error().code() == errc::resource_exhausted) {  // mostly no descriptor: the peer waits for one
      if (!complained) fmt::print(stderr, "echo: new connections have to wait until others end: {}\n", peer.error());
      complained = true;
      co_await or_return(sleep_for(100ms));
    } else if (peer.error().code() != errc::unavailable) {  // that would be a peer that left before it was accepted
      co_return fail(wrap(peer.error(), "cannot accept connections"));
    }
  }
}

// The first Ctrl-C ends what listens, another one what is connected.
task<> obey(asio::signal_set& signals, const cancel_source& listening, csp::group& connections) {
  const auto first = co_await signals.async_wait(use_task);
  if (!first) co_return;
  listening.cancel();
  const auto second = co_await signals.async_wait(use_task);
  if (second) connections.cancel();
}

result<tcp::acceptor> listen(asio::io_context& io, std::uint16_t port) {
  try {
    return tcp::acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  } catch (const std::exception&) {  // such as a port that is taken
    return fail(wrap(from_exception(std::current_exception()), fmt::format("cannot listen on port {}", port)));
  }
}

task<result<void>> serve(std::uint16_t port) {
  tcp::acceptor acceptor = co_await or_return(listen(this_task::io(), port));
  asio::signal_set stop(this_task::io(), SIGINT, SIGTERM);
  fmt::print("listening on 127.0.0.1:{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);

  tally count;
  csp::group connections;
  const cancel_source listening(this_task::context());
  auto obeying = spawn(obey(stop, listening, connections), spawn_options::cancellable("signals"));
  const auto accepted = co_await with_context(listening.context(), accept_all(acceptor, connections, count));
  acceptor.close();
  if (const std::size_t open = count.open; open > 0) {
    fmt::print("waiting up to {} s for {}; Ctrl-C{} cuts them off\n", grace.count(), connections_text(open),
               listening.context().is_over() ? " again" : "");
    std::fflush(stdout);
  }
  const auto ended = co_await with_timeout(grace, connections.wait());
  obeying.cancel();
  (void)co_await obeying.join();
  fmt::print("served {}\n", connections_text(count.served));
  if (!ended) fmt::print("some had to be cut off: {}\n", ended.error());
  if (!accepted && accepted.error().code() != errc::cancelled) co_return fail(accepted.error());
  co_return {};
}

task<result<tcp::socket>> reach(const std::string& host, std::uint16_t port) {
  const auto found = co_await or_return(resolve(host, std::to_string(port)));
  tcp::socket peer(this_task::io());
  co_await or_return(asio::async_connect(peer, found, use_task));
  co_return std::move(peer);
}

task<result<std::string>> converse(tcp::socket& peer, const std::string& text) {
  co_await or_return(asio::async_write(peer, asio::buffer(text), use_task));
  std::string answer(text.size(), '\0');
  co_await or_return(asio::async_read(peer, asio::buffer(answer), use_task));
  co_return answer;
}

// The failure of a step, with its `context`, unless that was out of time.
error explained(error what, std::string context, const std::string& server) {
  if (what.code() == errc::deadline_exceeded)
    context = fmt::format("no answer from {} within {} s", server, patience.count());
  return wrap(std::move(what), std::move(context));
}

task<result<void>> ask(std::string host, std::uint16_t port, std::string text) {
  const std::string server = fmt::format("{}:{}", host, port);
  auto peer = co_await reach(host, port);
  if (!peer) co_return fail(explained(peer.error(), fmt::format("cannot reach {}", server), server));
  const auto answer = co_await converse(*peer, text);
  if (!answer) co_return fail(explained(answer.error(), fmt::format("no answer from {}", server), server));
  fmt::print("{}\n", *answer);
  co_return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  std::string host = "127.0.0.1", text;
  CLI::App app("An echo server over TCP, and a client for it. Exits with 1 if that failed, 2 for wrong arguments.");
  app.require_subcommand(1);
  CLI::App* const server = app.add_subcommand(
      "serve", fmt::format("Answers on loopback until Ctrl-C; then gives connections {} s to end", grace.count()));
  server->add_option("--port", port, "Where to listen; 0 is any that is free")
      ->capture_default_str()->check(CLI::Range(0, 65535));
  CLI::App* const client = app.add_subcommand(
      "ask", fmt::format("Sends TEXT, and prints what comes back within {} s", patience.count()));
  client->add_option("--host", host, "The server's name or address")->capture_default_str();
  client->add_option("--port", port, "The server's port")->required()->check(CLI::Range(1, 65535));
  client->add_option("TEXT", text, "What to send")->required();
  // CLI11 would only say that there is none.
  const std::string typed = argc > 1 ? argv[1] : "-";
  if (!typed.starts_with('-') && typed != "serve" && typed != "ask") {
    fmt::print(stderr, "echo: there is no subcommand {:?}, only serve and ask\n", typed);
    return wrong_usage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : wrong_usage;  // 0: --help
  }

  result<void> done;
  try {
    runtime rt;
    done = rt.block_on(*server ? serve(port) : with_timeout(patience, ask(host, port, text)));
  } catch (const std::exception&) {
    done = fail(from_exception(std::current_exception()));
  }
  if (!done) fmt::print(stderr, "echo: {}\n", done.error());
  return done ? 0 : 1;
}
