// HTTP/1.1 on one connection, as the server needs it: requests in, replies out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/ip/tcp.hpp>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace ingest {

struct http_limits {
  std::uint32_t header_bytes = 8192;
  std::uint64_t body_bytes = std::uint64_t{1} << 20;
};

enum class http_method : std::uint8_t { get, head, post, other };

struct http_request {
  http_method method = http_method::other;
  std::string path;  ///< Without the query.
  std::string body;
  bool keep_alive = false;
};

struct http_reply {
  unsigned status = 200;
  std::string body;    ///< JSON, or empty.
  std::string fields;  ///< Further ones, each with its line end.
  bool keep_alive = true;
};

/// A request, or what to say to one that was refused as it came in: the connection ends with that reply.
struct http_incoming {
  std::optional<http_request> request;
  http_reply refusal;
};

/// The bytes of a connection; requests that a client sends without waiting for replies are read one by one.
/// Threads: one task.
class http_connection {
 public:
  http_connection(asio::ip::tcp::socket peer, const http_limits& limits);

  /// Waits for the first bytes of a request, unless there are some.
  /// Errors: errc::closed if the client has left; those of the socket and of the caller's context.
  [[nodiscard]] tandem::task<tandem::result<void>> wait_for_request();
  /// Reads one request.   Errors: as wait_for_request().
  [[nodiscard]] tandem::task<tandem::result<http_incoming>> read();

  [[nodiscard]] tandem::task<tandem::result<void>> write(const http_reply& reply, bool with_body);

  /// Ends the own side, and reads on until the client ends his: what was written last could not reach a client that
  /// still sends if the connection was closed at once. To be given a time limit.
  [[nodiscard]] tandem::task<> finish();

 private:
  [[nodiscard]] tandem::task<tandem::result<void>> fill();
  [[nodiscard]] tandem::task<tandem::result<void>> send(std::string_view text);

  asio::ip::tcp::socket peer_;
  const http_limits limits_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what came and is not parsed yet
  std::string out_;
};

}  // namespace ingest
