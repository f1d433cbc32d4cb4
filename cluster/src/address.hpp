// "host:port" addresses, and finding out why one cannot be listened on.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <tandem/errors/result.hpp>

namespace tandem::cluster::internal {

struct host_port {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};

/// Splits "host:port" or "[ipv6]:port".   Errors: errc::invalid_argument.
[[nodiscard]] result<host_port> parse_address(std::string_view text);

/// Binds and closes a socket, to learn before gRPC tries (which says only that it failed) whether it can succeed.
///
/// Errors: errc::already_exists if the port is in use, errc::permission_denied, errc::unavailable if the host is not
///         one of this machine's; each message names the address and says what to do.
[[nodiscard]] result<void> probe_listen(std::string_view text);

}  // namespace tandem::cluster::internal
