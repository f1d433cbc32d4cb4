#include "grpc_args.hpp"

#include <algorithm>

#include "record.hpp"

namespace tandem::cluster::internal {
namespace {

// The largest message a peer may send: one record or a full frame, and the other fields of a Frame.
int max_message_bytes(const node_options& options) {
  constexpr std::uint64_t other_fields = 4096;
  return static_cast<int>(std::max<std::uint64_t>(options.limits.max_record_bytes, frame_records_bytes) + other_fields);
}

}  // namespace

grpc::ChannelArguments channel_arguments(const member& to, const node_options& options) {
  const int interval = static_cast<int>(options.timing.keepalive_interval.count());
  const int backoff = static_cast<int>(options.timing.connect_timeout.count());
  grpc::ChannelArguments args;
  // One connection per channel, and one attempt: retrying is the dialer's business.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, backoff);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, backoff);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, backoff);
  // A peer's address is meant literally.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, interval);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(options.timing.keepalive_timeout.count()));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetMaxReceiveMessageSize(max_message_bytes(options));
  args.SetMaxSendMessageSize(-1);
  // The certificate has to carry the node's name, whatever the address is.
  if (!options.insecure_plaintext) args.SetSslTargetNameOverride(to.name);
  return args;
}

void set_server_arguments(grpc::ServerBuilder& builder, const node_options& options) {
  // Without it, a second process could listen on the same port and get half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4);
  // Connections that never get as far as a stream are dropped, too.
  const int patience = static_cast<int>(options.timing.connect_timeout.count());
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, patience);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, patience);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.timing.keepalive_interval.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(options.timing.keepalive_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Peers may ping as often as they are told to; otherwise the server hangs up with "too many pings".
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.SetMaxReceiveMessageSize(max_message_bytes(options));
  builder.SetMaxSendMessageSize(-1);
}

}  // namespace tandem::cluster::internal
