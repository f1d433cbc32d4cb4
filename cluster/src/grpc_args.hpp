// How gRPC is set up for links: keepalive, limits, and no help with what we do ourselves.
#pragma once
#include <grpcpp/grpcpp.h>

#include <tandem/cluster/options.hpp>

namespace tandem::cluster::internal {

[[nodiscard]] grpc::ChannelArguments channel_arguments(const member& to, const node_options& options);

void set_server_arguments(grpc::ServerBuilder& builder, const node_options& options);

}  // namespace tandem::cluster::internal
