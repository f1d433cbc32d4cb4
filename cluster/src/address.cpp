#include "address.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace tandem::cluster::internal {
namespace {

error bind_error(std::string_view text, int reason) {
  switch (reason) {
    case EADDRINUSE:
      return make_error(errc::already_exists,
                        fmt::format("cannot listen on {}: the port is in use; stop the process that has it or choose "
                                    "another listen_address",
                                    text));
    case EACCES:
      return make_error(errc::permission_denied,
                        fmt::format("cannot listen on {}: no permission for this port; choose one above 1023", text));
    case EADDRNOTAVAIL:
      return make_error(errc::unavailable,
                        fmt::format("cannot listen on {}: this machine does not have that address; choose one it has, "
                                    "or 0.0.0.0 for all",
                                    text));
    default:
      return make_error(errc::unavailable, fmt::format("cannot listen on {}: {}", text, std::strerror(reason)));
  }
}

}  // namespace

result<host_port> parse_address(std::string_view text) {
  const auto wrong = [text] {
    return fail(errc::invalid_argument,
                fmt::format("'{}' is not an address: write host:port, e.g. 127.0.0.1:7000 or [::1]:7000", text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return wrong();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failure != std::errc() || end != digits.data() + digits.size()) return wrong();
  return host_port{std::string(host), port};
}

result<void> probe_listen(std::string_view text) {
  auto where = parse_address(text);
  if (!where) return fail(std::move(where).error());

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int failure = getaddrinfo(where->host.c_str(), std::to_string(where->port).c_str(), &hints, &found))
    return fail(errc::unavailable, fmt::format("cannot listen on {}: {}; choose an address of this machine", text,
                                               gai_strerror(failure)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);

  int reason = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      reason = errno;
      continue;
    }
    // As gRPC does: a port whose last connections linger in TIME_WAIT is free.
    const int on = 1;
    (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool bound = ::bind(fd, at->ai_addr, at->ai_addrlen) == 0;
    reason = bound ? 0 : errno;
    // With SO_REUSEADDR only listen() tells that somebody else listens already.
    if (bound && ::listen(fd, 1) != 0) reason = errno;
    ::close(fd);
    if (reason == 0) return {};
  }
  return fail(bind_error(text, reason));
}

}  // namespace tandem::cluster::internal
