#include "credentials.hpp"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "certificates.hpp"

namespace tandem::cluster::internal {

result<credentials> make_credentials(const node_options& options) {
  if (options.insecure_plaintext)
    return credentials{grpc::InsecureServerCredentials(), grpc::InsecureChannelCredentials()};
  TANDEM_TRY(check_tls_files(options.tls, options.name));

  namespace tls = grpc::experimental;
  const auto files = std::make_shared<tls::FileWatcherCertificateProvider>(
      options.tls.private_key.string(), options.tls.certificate.string(), options.tls.ca.string(),
      static_cast<unsigned>(options.tls.reload_interval.count()));

  tls::TlsServerCredentialsOptions accept(files);
  accept.watch_root_certs();
  accept.watch_identity_key_cert_pairs();
  accept.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);

  tls::TlsChannelCredentialsOptions dial;  // checks the server's name by default
  dial.set_certificate_provider(files);
  dial.watch_root_certs();
  dial.watch_identity_key_cert_pairs();
  dial.set_verify_server_certs(true);
  return credentials{tls::TlsServerCredentials(accept), tls::TlsCredentials(dial)};
}

}  // namespace tandem::cluster::internal
