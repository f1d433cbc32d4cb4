#include <tandem/cluster/grpc_status.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include <grpcpp/support/status.h>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/public_message.hpp>

namespace tandem::cluster {
namespace {

constexpr std::size_t most_message_bytes = 512;

// gRPC percent-encodes what is not ASCII, so that any bytes pass; only between characters may they be cut.
std::string clipped(std::string text) {
  if (text.size() <= most_message_bytes) return text;
  std::size_t cut = most_message_bytes - std::string_view("…").size();
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  text.resize(cut);
  return text += "…";
}

}  // namespace

grpc::Status to_grpc_status(const error& e, const wire_options& options) {
  if (!e) return grpc::Status::OK;
  wire_options fitting = options;
  fitting.max_bytes = std::min(options.max_bytes, max_status_details_bytes);
  error told = e;
  if (options.audience == wire_audience::stranger) {
    // Only once, as the journal counts how often a code was given out.
    layer_data layer;
    layer.message = public_message(e);
    layer.code = e.code();
    told = add_layer(error(), std::move(layer));
    fitting.node = {};
    fitting.audience = wire_audience::node;
  }
  const auto code = static_cast<grpc::StatusCode>(grpc_status_of(e.code()));
  return {code, clipped(told.message()), encode_error(told, fitting)};
}

error from_grpc_status(const grpc::Status& status, std::source_location where) {
  if (status.ok()) return {};
  const std::string details = status.error_details();
  result<error> sent = decode_error(std::as_bytes(std::span(details)));
  // Other services have details of their own, which may happen to look like ours.
  if (sent && *sent && grpc_status_of(sent->code()) == static_cast<int>(status.error_code())) return *std::move(sent);
  return make_error(errc_from_number(static_cast<int>(status.error_code())), status.error_message(), where);
}

}  // namespace tandem::cluster
