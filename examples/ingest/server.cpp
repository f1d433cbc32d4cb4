#include "server.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/signal_set.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <tandem/csp/group.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/semaphore.hpp>

#include "json.hpp"

namespace ingest {

using namespace tandem;
using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

constexpr std::size_t large = 64 * 1024;  // a body whose check would hold a worker for more than a millisecond
constexpr std::chrono::seconds lingering = 2s;  // for a client to read why its request was not read to its end
constexpr std::string_view retry_soon = "Retry-After: 1\r\n";

http_reply problem(unsigned status, const std::string& what, std::string_view fields = {}) {
  return {status, error_json(what), std::string(fields), true};
}

/// What the client is told of a document that was not stored, or not for certain. What failed inside stays inside.
http_reply reply_to_failure(const error& why) {
  if (why == errc::overloaded) return problem(429, "too many documents at once", retry_soon);
  if (why == errc::deadline_exceeded) return problem(503, "there was no time for it", retry_soon);
  if (why == errc::closed || why == errc::cancelled || why == errc::timed_out)
    return problem(503, "the server is shutting down", retry_soon);
  if (why == errc::resource_exhausted) return problem(507, "there is no room left to store it");
  return problem(500, "it could not be stored");
}

class server {
 public:
  explicit server(server_options o) : options_(std::move(o)), store_(options_.store), room_(options_.connections) {}

  task<result<void>> run();

 private:
  task<result<void>> drain(tcp::acceptor& acceptor);
  task<result<void>> accept_all(tcp::acceptor& acceptor);
  task<> obey(asio::signal_set& signals, const cancel_source& serving, const cancel_source& ending);
  task<> talk(http_connection peer, sync::semaphore::permits place);
  task<result<http_reply>> answer(http_request request);
  task<result<http_reply>> take(std::string body);
  std::string stats() const;
  void print_summary() const;

  const server_options options_;
  document_store store_;
  sync::semaphore room_;
  std::atomic<bool> stopping_{false};
  std::array<std::atomic<std::uint64_t>, 600> replies_{};  // by status
  std::atomic<std::uint64_t> accepted_{0};
  csp::group connections_;
  const cancel_source idle_{connections_.context()};  // what connections that have no request wait under
};

// Ends with the error that leaves no hope for another connection, or when its context is over.
task<result<void>> server::accept_all(tcp::acceptor& acceptor) {
  for (;;) {
    auto place = co_await or_return(room_.acquire());
    auto peer = co_await acceptor.async_accept(use_task);
    if (peer) {
      ++accepted_;
      connections_.go(talk(http_connection(std::move(*peer), options_.limits), std::move(place)), "connection");
    } else if (peer.error() == errc::resource_exhausted) {  // mostly no descriptor: the peer waits for one
      co_await or_return(sleep_for(100ms));
    } else if (peer.error() != errc::unavailable) {  // that would be a peer that left before it was accepted
      co_return fail(wrap(peer.error(), "cannot accept connections"));
    }
  }
}

// A connection that fails is no reason to end the others.
task<> server::talk(http_connection peer, sync::semaphore::permits) {
  for (bool keep_alive = true; keep_alive;) {
    const time_point limit = deadline_in(options_.patience);
    const auto woken = co_await with_context(idle_.context(), with_deadline(limit, peer.wait_for_request()));
    if (!woken) co_return;  // the client has left, has nothing to say, or we are to end
    auto incoming = co_await with_deadline(limit, peer.read());
    http_reply reply;
    bool with_body = true;
    const bool refused = !incoming || !incoming->request;
    if (!incoming) {
      if (incoming.error() != errc::deadline_exceeded) co_return;
      reply = problem(408, "the request took too long");
      reply.keep_alive = false;
    } else if (!incoming->request) {
      reply = std::move(incoming->refusal);
    } else {
      keep_alive = incoming->request->keep_alive;
      with_body = incoming->request->method != http_method::head;
      auto answered = co_await answer(std::move(*incoming->request));
      if (!answered) co_return;
      reply = std::move(*answered);
    }
    keep_alive = keep_alive && reply.keep_alive && !stopping_;
    reply.keep_alive = keep_alive;
    ++replies_[reply.status];
    const auto written = co_await with_timeout(options_.patience, peer.write(reply, with_body));
    if (!written) co_return;
    if (refused) co_await with_timeout(lingering, peer.finish());
  }
}

task<result<http_reply>> server::answer(http_request request) {
  const bool reads = request.method == http_method::get || request.method == http_method::head;
  if (request.path == "/documents") {
    if (request.method != http_method::post) co_return problem(405, "POST documents here", "Allow: POST\r\n");
    co_return co_await take(std::move(request.body));
  }
  const bool stats_asked = request.path == "/stats";
  if (!stats_asked && request.path != "/healthz") co_return problem(404, "there are /documents, /stats and /healthz");
  if (!reads) co_return problem(405, "only to be read", "Allow: GET, HEAD\r\n");
  if (!stats_asked && stopping_) co_return problem(503, "the server is shutting down");
  http_reply reply;
  if (stats_asked) {
    reply.body = stats();
  } else {
    reply.body = R"({"status":"ok"})";
  }
  co_return reply;
}

task<result<http_reply>> server::take(std::string body) {
  if (stopping_) co_return problem(503, "the server is shutting down", retry_soon);
  result<std::string> line;
  if (body.size() > large) {
    auto check = run_blocking([text = std::move(body)]() mutable { return one_line_of_json(std::move(text)); });
    line = co_await check.join();
  } else {
    line = one_line_of_json(std::move(body));
  }
  if (!line) co_return problem(400, line.error().message());
  const auto d = std::make_shared<document>(std::move(*line));
  if (auto taken = co_await store_.submit(d); !taken) co_return reply_to_failure(taken.error());
  if (auto stored = co_await d->settled(); !stored) co_return reply_to_failure(stored.error());
  http_reply reply;
  reply.status = options_.store.journal.sync == sync_policy::never ? 202 : 200;
  co_return reply;
}

std::string server::stats() const {
  const csp::worker_pool_stats pool = store_.pool_stats();
  const journal_counts& stored = store_.stored();
  nlohmann::json replies = nlohmann::json::object();
  for (std::size_t status = 0; status < replies_.size(); ++status)
    if (const std::uint64_t n = replies_[status]) replies[std::to_string(status)] = n;
  const auto ms = [](duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  return nlohmann::json{
      {"connections", {{"accepted", accepted_.load()}}},
      {"replies", std::move(replies)},
      {"pool",
       {{"submitted", pool.submitted}, {"done", pool.done}, {"failed", pool.failed}, {"expired", pool.expired},
        {"lost", pool.lost}, {"rejected", pool.rejected}, {"queued", pool.queued}, {"running", pool.running},
        {"workers", pool.workers}, {"idle_workers", pool.idle}, {"peak_workers", pool.peak_workers},
        {"queue_ms", ms(pool.queue_time)}, {"longest_queue_ms", ms(pool.longest_queue_time)},
        {"run_ms", ms(pool.run_time)}, {"longest_run_ms", ms(pool.longest_run_time)}}},
      {"stored",
       {{"documents", stored.documents.load()}, {"bytes", stored.bytes.load()}, {"batches", stored.batches.load()},
        {"files", stored.files.load()}}}}
      .dump();
}

void server::print_summary() const {
  const csp::worker_pool_stats pool = store_.pool_stats();
  const journal_counts& stored = store_.stored();
  fmt::print("stored {} documents with {} writes in {} files; rejected {}, failed {}, too late {}, lost {}\n",
             stored.documents.load(), stored.batches.load(), stored.files.load(), pool.rejected, pool.failed,
             pool.expired, pool.lost);
  std::fflush(stdout);
}

// The first signal ends the serving, another one the rest.
task<> server::obey(asio::signal_set& signals, const cancel_source& serving, const cancel_source& ending) {
  const auto first = co_await signals.async_wait(use_task);
  if (!first) co_return;
  stopping_ = true;
  serving.cancel();
  const auto second = co_await signals.async_wait(use_task);
  if (!second) co_return;
  ending.cancel();
  connections_.cancel();
}

result<tcp::acceptor> listen(asio::io_context& io, const server_options& o) {
  asio::error_code no_address;
  const auto address = asio::ip::make_address(o.address, no_address);
  if (no_address) return fail(errc::invalid_argument, fmt::format("cannot listen on {}: no IP address", o.address));
  try {
    return tcp::acceptor(io, tcp::endpoint(address, o.port));
  } catch (const std::exception&) {  // such as a port that is taken
    const std::string where = fmt::format("cannot listen on {}:{}", o.address, o.port);
    return fail(wrap(from_exception(std::current_exception()), where));
  }
}

// Who comes while what was taken is stored is told that this is the end, rather than nothing.
task<result<void>> server::drain(tcp::acceptor& acceptor) {
  stopping_ = true;
  result<void> drained;
  (void)co_await csp::with_group([&](csp::group& late) -> task<> {
    late.go(accept_all(acceptor), "late connections");
    drained = co_await store_.close(options_.grace);
    late.cancel();
  });
  co_return drained;
}

task<result<void>> server::run() {
  tcp::acceptor acceptor = co_await or_return(listen(this_task::io(), options_));
  asio::signal_set signals(this_task::io(), SIGINT, SIGTERM);
  co_await or_return(store_.open());
  fmt::print("listening on {}:{}\n", options_.address, acceptor.local_endpoint().port());
  std::fflush(stdout);

  const cancel_source serving(this_task::context());
  const cancel_source ending(this_task::context());
  result<void> accepted, drained;
  const auto ended = co_await csp::with_group([&](csp::group& background) -> task<> {
    background.go(obey(signals, serving, ending), "signals");
    accepted = co_await with_context(serving.context(), accept_all(acceptor));
    drained = co_await with_context(ending.context(), drain(acceptor));
    acceptor.close();
    idle_.cancel();
    (void)co_await with_context(ending.context(), with_timeout(options_.grace, connections_.wait()));
    background.cancel();
  });
  // Nothing is left of them unless something was thrown.
  connections_.cancel();
  (void)co_await without_cancel(connections_.wait());
  (void)co_await store_.close(0s);
  print_summary();
  if (!drained) co_return fail(wrap(drained.error(), "not all documents could be stored"));
  if (!accepted && accepted.error() != errc::cancelled) co_return accepted;
  if (!ended && ended.error() != errc::cancelled) co_return ended;
  co_return {};
}

}  // namespace

task<result<void>> serve(server_options options) {
  server s(std::move(options));
  co_return co_await s.run();
}

}  // namespace ingest
