#include "http.hpp"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <string_view>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/or_return.hpp>

#include "json.hpp"

namespace ingest {

using namespace tandem;
namespace http = boost::beast::http;

namespace {

using parser = http::request_parser<http::string_body>;

http_request request_of(http::request<http::string_body> from) {
  http_request made;
  switch (from.method()) {
    case http::verb::get: made.method = http_method::get; break;
    case http::verb::head: made.method = http_method::head; break;
    case http::verb::post: made.method = http_method::post; break;
    default: break;
  }
  const auto target = from.target();
  made.path.assign(target.data(), std::min(target.size(), target.find('?')));
  made.keep_alive = from.version() >= 11 && from.keep_alive();
  made.body = std::move(from.body());
  return made;
}

http_incoming refuse(unsigned status, const std::string& why) {
  http_incoming made;
  made.refusal = {status, error_json(why), {}, false};
  return made;
}

http_incoming refuse(const boost::system::error_code& why, const http_limits& limits) {
  if (why == http::error::body_limit) return refuse(413, fmt::format("more than {} bytes", limits.body_bytes));
  if (why == http::error::header_limit)
    return refuse(431, fmt::format("a header of more than {} bytes", limits.header_bytes));
  return refuse(400, why.message());
}

// The clock's text changes once a second.
const std::string& date() {
  thread_local std::time_t of = 0;
  thread_local std::string text;
  if (const std::time_t now = std::time(nullptr); now != of) {
    of = now;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  }
  return text;
}

}  // namespace

http_connection::http_connection(asio::ip::tcp::socket peer, const http_limits& limits)
    : peer_(std::move(peer)), limits_(limits), buffer_(std::max<std::size_t>(limits.header_bytes + 1, 16384)) {
  asio::error_code ignored;
  peer_.set_option(asio::ip::tcp::no_delay(true), ignored);
  peer_.non_blocking(true, ignored);
}

task<result<http_incoming>> http_connection::read() {
  parser incoming;
  incoming.header_limit(limits_.header_bytes);
  incoming.body_limit(limits_.body_bytes);
  incoming.eager(true);
  for (bool told_to_go_on = false;;) {
    if (begin_ != end_) {
      boost::system::error_code failed;
      begin_ += incoming.put(boost::asio::buffer(buffer_.data() + begin_, end_ - begin_), failed);
      if (failed && failed != http::error::need_more) co_return refuse(failed, limits_);
    }
    // Without "chunked" the parser sees no body, and would take what follows for the next request.
    const auto coding = incoming.get()[http::field::transfer_encoding];
    if (incoming.is_header_done() && !coding.empty() && !boost::beast::iequals(coding, "chunked"))
      co_return refuse(501, "a transfer coding other than chunked");
    if (incoming.is_done()) break;
    if (incoming.is_header_done() && !told_to_go_on) {
      told_to_go_on = true;
      const auto expected = incoming.get()[http::field::expect];
      if (boost::beast::iequals(expected, "100-continue")) co_await or_return(send("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (end_ - begin_ == buffer_.size()) co_return refuse(400, "a line that does not end");
    co_await or_return(fill());
  }
  http_incoming whole;
  whole.request = request_of(incoming.release());
  co_return whole;
}

task<result<void>> http_connection::wait_for_request() {
  if (begin_ != end_) co_return {};
  co_return co_await fill();
}

task<result<void>> http_connection::fill() {
  // The parser wants a header in one piece: what there is of it moves to the front.
  if (begin_ > 0) {
    std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
    end_ -= std::exchange(begin_, 0);
  }
  const auto room = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
  end_ += co_await or_return(peer_.async_read_some(room, use_task));
  co_return {};
}

task<result<void>> http_connection::write(const http_reply& reply, bool with_body) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(reply.status));
  out_.clear();
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Length: {}\r\n", reply.status,
                 std::string_view(reason.data(), reason.size()), date(), reply.body.size());
  if (!reply.body.empty()) out_ += "Content-Type: application/json\r\n";
  if (!reply.keep_alive) out_ += "Connection: close\r\n";
  out_ += reply.fields;
  out_ += "\r\n";
  if (with_body) out_ += reply.body;
  co_return co_await send(out_);
}

task<> http_connection::finish() {
  asio::error_code failed;
  peer_.shutdown(asio::ip::tcp::socket::shutdown_send, failed);
  for (bool more = !failed; more;) {
    begin_ = end_ = 0;
    more = (co_await fill()).has_value();
  }
}

// Mostly the socket takes a reply at once.
task<result<void>> http_connection::send(std::string_view text) {
  asio::error_code failed;
  const std::size_t sent = peer_.write_some(asio::buffer(text), failed);
  if (!failed && sent == text.size()) co_return {};
  text.remove_prefix(sent);
  co_await or_return(asio::async_write(peer_, asio::buffer(text), use_task));
  co_return {};
}

}  // namespace ingest
