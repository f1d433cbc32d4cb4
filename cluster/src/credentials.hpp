// gRPC credentials for both ends of a link.
#pragma once
#include <memory>

#include <grpcpp/grpcpp.h>

#include <tandem/cluster/options.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::cluster::internal {

struct credentials {
  std::shared_ptr<grpc::ServerCredentials> server;
  std::shared_ptr<grpc::ChannelCredentials> client;
};

/// Mutual TLS from the files of `options`, which are read again when they change; or none, if it asks for plaintext.
/// Errors: those of check_tls_files().
[[nodiscard]] result<credentials> make_credentials(const node_options& options);

}  // namespace tandem::cluster::internal
