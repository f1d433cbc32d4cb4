// A client that measures the server: as many requests as it can, over connections that stay.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace ingest {

struct load_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::size_t connections = 64;
  std::size_t document_bytes = 200;
  std::chrono::seconds length{10};
};

/// Posts documents for that long, each connection one after the other; prints requests per minute, the time to a reply
/// (median and 99th percentile), and replies by status.
/// Errors: a connection failed, or the server replied with something else than 200, 202 or 429.
[[nodiscard]] tandem::task<tandem::result<void>> load(load_options options);

}  // namespace ingest
