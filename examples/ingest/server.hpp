// The HTTP side: takes connections, answers requests, and ends well.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

#include "http.hpp"
#include "store.hpp"

namespace ingest {

struct server_options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0: any that is free.
  std::size_t connections = 1024;
  http_limits limits;
  std::chrono::seconds patience{30};  ///< With a client: for a whole request, counted from the reply before it.
  std::chrono::seconds grace{10};     ///< For what was begun, at the end.
  store_options store;
};

/// Serves until SIGINT or SIGTERM, then stores what it has taken and prints what it did. A second signal cuts that
/// short.
/// Errors: it could not listen, or go on accepting; documents were lost at the end.
[[nodiscard]] tandem::task<tandem::result<void>> serve(server_options options);

}  // namespace ingest
