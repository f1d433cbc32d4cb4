// Looks at TLS files before gRPC does, whose own word on them is "handshake failed", later and on another node.
#pragma once
#include <string_view>

#include <tandem/cluster/options.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::cluster::internal {

/// Checks that the files can be read, that the key is the certificate's, and that the certificate is valid today, is
/// signed by the CA and carries DNS:`node` in its subject alternative name.
///
/// Errors: errc::failed_precondition, with one line that names the file and says what to do.
[[nodiscard]] result<void> check_tls_files(const tls_files& files, std::string_view node);

}  // namespace tandem::cluster::internal
