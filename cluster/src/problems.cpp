#include "problems.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include <fmt/format.h>

namespace tandem::cluster::internal {
namespace {

// gRPC gives no codes for these causes, only text; an unknown text still reaches the reader as it is.
bool mentions(std::string_view text, std::initializer_list<std::string_view> any) {
  return std::ranges::any_of(any, [text](std::string_view part) {
    return std::ranges::search(text, part, [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)); }).begin() !=
           text.end();
  });
}

dial_problem unreachable(const member& to, const node_options& own, std::string_view text) {
  const auto line = [&](errc code, std::string_view cause, std::string_view advice) {
    return make_error(code, fmt::format("cannot reach node {} at {}: {}; {}", to.name, to.address, cause, advice));
  };
  if (mentions(text, {"hostname verification"}))
    return {make_error(errc::unauthenticated,
                       fmt::format("node {} at {} presented a certificate that is not valid for that name; give it one "
                                   "whose subject alternative name has DNS:{}, or correct the list of members",
                                   to.name, to.address, to.name))};
  if (mentions(text, {"certificate verify failed", "certificate_verify_failed"}))
    return {make_error(errc::unauthenticated,
                       fmt::format("node {} at {} presented a certificate that {} does not vouch for, or that has "
                                   "expired; use certificates of one CA on all nodes",
                                   to.name, to.address, own.tls.ca.string()))};
  if (mentions(text, {"wrong version number", "wrong_version_number", "record layer failure"}))
    return {line(errc::failed_precondition, "it does not speak TLS", "use TLS on both nodes, or on neither")};
  if (mentions(text, {"connection refused"}))
    return {line(errc::unavailable, "connection refused", "is it running?"), true};
  if (mentions(text, {"dns resolution failed", "domain name not found", "could not contact dns", "dns server returned"}))
    return {line(errc::unavailable, "its host name does not resolve", "correct the list of members or DNS"), true};
  if (mentions(text, {"no route to host", "network is unreachable", "host is unreachable"}))
    return {line(errc::unavailable, "no route to it", "check address and network"), true};
  if (mentions(text, {"handshake", "ssl_error", "tls"}))
    return {line(errc::unauthenticated, "the TLS handshake failed",
                 fmt::format("check that its certificate and ours come from one CA ({})", printable(text)))};
  if (mentions(text, {"socket closed", "connection reset", "connection closed", "broken pipe", "goaway"}))
    return {line(errc::unavailable, "it closed the connection",
                 own.insecure_plaintext ? "use TLS on both nodes, or on neither"
                                        : "does it trust the CA of our certificate?"),
            true};
  return {line(errc::unavailable, printable(text), "check its log")};
}

}  // namespace

dial_problem explain_dial(const member& to, const node_options& own, error reason, const grpc::Status& status) {
  if (reason) return {wrap(std::move(reason), fmt::format("cannot connect to node {} at {}", to.name, to.address))};
  const std::string& text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:
      return {make_error(errc::unavailable,
                         fmt::format("node {} at {} closed the connection before saying Hello; is it stopping?", to.name,
                                     to.address)),
              true};
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
      return unreachable(to, own, text);
    case grpc::StatusCode::UNIMPLEMENTED:
      return {make_error(errc::unimplemented, fmt::format("{} is a gRPC server, but no node of a tandem cluster; "
                                                          "correct the address of member {}",
                                                          to.address, to.name))};
    default:
      return {make_error(errc_from_number(status.error_code()),
                         fmt::format("node {} at {} refused this node: {}", to.name, to.address, printable(text)))};
  }
}

error lost_connection(std::string_view peer, error reason, const grpc::Status& status) {
  std::string line = fmt::format("lost the connection to node {}", peer);
  if (reason) return wrap(std::move(reason), errc::unavailable, std::move(line));
  const std::string& text = status.error_message();
  if (!text.empty() && text != "the connection was lost") line += ": " + printable(text);
  return make_error(errc::unavailable, std::move(line));
}

std::string printable(std::string_view text) {
  constexpr std::size_t longest = 200;
  std::string out(text.substr(0, longest));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  if (text.size() > longest) out += "...";
  return out;
}

}  // namespace tandem::cluster::internal
