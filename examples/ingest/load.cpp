#include "load.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include <tandem/csp/group.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/runtime/with_context.hpp>

namespace ingest {

using namespace tandem;
using namespace std::chrono_literals;
using asio::ip::tcp;
namespace http = boost::beast::http;

namespace {

constexpr std::chrono::seconds patience = 10s;  // with the server

/// What one connection has seen.
struct tally {
  std::map<unsigned, std::uint64_t> replies;  // by status
  std::vector<float> microseconds;            // to each reply
};

std::string request_text(const load_options& o, std::size_t connection, std::uint64_t number) {
  std::string document = fmt::format(R"({{"connection":{},"number":{},"text":")", connection, number);
  const std::string_view end = R"("})";
  if (document.size() + end.size() < o.document_bytes)
    document.append(o.document_bytes - document.size() - end.size(), 'x');
  document += end;
  return fmt::format(
      "POST /documents HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      o.host, o.port, document.size(), document);
}

// What the server says: the status of the next reply on this connection.
task<result<unsigned>> read_reply(tcp::socket& peer) {
  http::response_parser<http::string_body> reply;
  reply.eager(true);
  std::array<char, 4096> buffer;
  std::size_t end = 0;
  while (!reply.is_done()) {
    if (end == buffer.size()) co_return fail(errc::out_of_range, "a reply with a header of that size");
    end += co_await or_return(
        peer.async_read_some(asio::buffer(buffer.data() + end, buffer.size() - end), use_task));
    boost::system::error_code failed;
    const std::size_t parsed = reply.put(boost::asio::buffer(buffer.data(), end), failed);
    if (failed && failed != http::error::need_more) co_return fail(errc::data_loss, "no HTTP: " + failed.message());
    std::copy(buffer.data() + parsed, buffer.data() + end, buffer.data());
    end -= parsed;
  }
  co_return reply.get().result_int();
}

task<result<unsigned>> exchange(tcp::socket& peer, const std::string& request) {
  co_await or_return(asio::async_write(peer, asio::buffer(request), use_task));
  co_return co_await read_reply(peer);
}

task<result<void>> converse(const load_options& o, const tcp::resolver::results_type& server, std::size_t connection,
                            time_point end, tally& count) {
  tcp::socket peer(this_task::io());
  if (auto connected = co_await asio::async_connect(peer, server, use_task); !connected)
    co_return fail(wrap(std::move(connected).error(), fmt::format("cannot connect to {}:{}", o.host, o.port)));
  peer.set_option(tcp::no_delay(true));
  peer.non_blocking(true);
  for (std::uint64_t number = 0; now() < end; ++number) {
    const std::string request = request_text(o, connection, number);
    const time_point sent = now();
    ++count.replies[co_await or_return(exchange(peer, request))];
    count.microseconds.push_back(std::chrono::duration<float, std::micro>(now() - sent).count());
  }
  co_return {};
}

float at_rank(std::vector<float>& values, double rank) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, place);
  return *place;
}

result<void> report(const std::vector<tally>& counts, duration took) {
  tally all;
  for (const tally& one : counts) {
    for (const auto& [status, n] : one.replies) all.replies[status] += n;
    all.microseconds.insert(all.microseconds.end(), one.microseconds.begin(), one.microseconds.end());
  }
  if (all.microseconds.empty()) return fail(errc::unavailable, "there was not one reply");
  const double seconds = std::chrono::duration<double>(took).count();
  fmt::print("{:.0f} requests per minute: {} in {:.1f} s; replies took {:.0f} us (median), 99 of 100 at most {:.0f} us"
             "\n",
             static_cast<double>(all.microseconds.size()) * 60 / seconds, all.microseconds.size(), seconds,
             at_rank(all.microseconds, 0.5), at_rank(all.microseconds, 0.99));
  result<void> good;
  for (const auto& [status, n] : all.replies) {
    fmt::print("status {}: {}\n", status, n);
    if (status != 200 && status != 202 && status != 429) good = fail(errc::unknown, fmt::format("status {}", status));
  }
  return good;
}

}  // namespace

task<result<void>> load(load_options o) {
  const auto server = co_await or_return(resolve(o.host, std::to_string(o.port)));
  std::vector<tally> counts(o.connections);
  const time_point begun = now();
  const time_point end = begun + o.length;
  csp::group connections;
  for (std::size_t i = 0; i < o.connections; ++i) connections.go(converse(o, server, i, end, counts[i]), "connection");
  co_await or_return(with_timeout(o.length + patience, connections.wait()));
  co_return report(counts, now() - begun);
}

}  // namespace ingest
