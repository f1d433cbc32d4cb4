#include "certificates.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>

#include <fmt/format.h>

namespace tandem::cluster::internal {
namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* what) const noexcept {
    Free(what);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using cert_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using store_ptr = std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>>;
using context_ptr = std::unique_ptr<X509_STORE_CTX, freed_by<X509_STORE_CTX_free>>;

std::unexpected<error> wrong(std::string message) { return fail(errc::failed_precondition, std::move(message)); }

result<std::string> read_file(std::string_view what, const std::filesystem::path& path) {
  std::error_code ignored;
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path, ignored))
    return wrong(fmt::format("cannot read the {} file {}: {}; correct the path or its permissions", what, path.string(),
                             errno != 0 ? std::strerror(errno) : "it is a directory"));
  return std::string(std::istreambuf_iterator(in), {});
}

bio_ptr reading(const std::string& text) { return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

result<std::vector<cert_ptr>> read_certificates(std::string_view what, const std::filesystem::path& path) {
  auto text = read_file(what, path);
  if (!text) return fail(std::move(text).error());
  const bio_ptr in = reading(*text);
  std::vector<cert_ptr> out;
  while (X509* const next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) out.emplace_back(next);
  ERR_clear_error();  // the end of the file is an error to OpenSSL
  if (out.empty())
    return wrong(fmt::format("the {} file {} holds no certificate in PEM form; is it another file's path?", what,
                             path.string()));
  return out;
}

result<key_ptr> read_key(const std::filesystem::path& path) {
  auto text = read_file("private key", path);
  if (!text) return fail(std::move(text).error());
  bool asked = false;
  // Without this, OpenSSL would ask for a password on the terminal.
  const auto no_password = [](char*, int, int, void* user) {
    *static_cast<bool*>(user) = true;
    return -1;
  };
  const bio_ptr in = reading(*text);
  key_ptr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, &asked));
  ERR_clear_error();
  if (key) return key;
  if (asked)
    return wrong(fmt::format("the private key file {} is encrypted; decrypt it with 'openssl pkey'", path.string()));
  return wrong(fmt::format("the private key file {} holds no private key in PEM form; is it another file's path?",
                           path.string()));
}

std::string time_text(const ASN1_TIME* time) {
  const bio_ptr out(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (ASN1_TIME_print(out.get(), time) != 1) return "an unreadable date";
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

result<void> check_dates(std::string_view what, const std::filesystem::path& path, const X509* cert) {
  if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
    return wrong(fmt::format("the {} in {} expired on {}; issue a new one", what, path.string(),
                             time_text(X509_get0_notAfter(cert))));
  if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
    return wrong(fmt::format("the {} in {} is not valid before {}; is this machine's clock right?", what, path.string(),
                             time_text(X509_get0_notBefore(cert))));
  return {};
}

result<void> check_chain(const tls_files& files, const std::vector<cert_ptr>& roots,
                         const std::vector<cert_ptr>& chain) {
  const store_ptr store(X509_STORE_new());
  for (const auto& root : roots) X509_STORE_add_cert(store.get(), root.get());
  const std::unique_ptr<STACK_OF(X509), freed_by<[](STACK_OF(X509) * s) { sk_X509_free(s); }>> others(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());

  const context_ptr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get());
  const bool good = X509_verify_cert(context.get()) == 1;
  const int reason = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (good) return {};
  return wrong(fmt::format("the certificate in {} is not signed by the CA in {} ({}); issue it with that CA, or give "
                           "the CA that signed it",
                           files.certificate.string(), files.ca.string(), X509_verify_cert_error_string(reason)));
}

}  // namespace

result<void> check_tls_files(const tls_files& files, std::string_view node) {
  const auto roots = read_certificates("CA", files.ca);
  if (!roots) return fail(roots.error());
  const auto chain = read_certificates("certificate", files.certificate);
  if (!chain) return fail(chain.error());
  const auto key = read_key(files.private_key);
  if (!key) return fail(key.error());

  X509* const own = chain->front().get();
  const bool pair = X509_check_private_key(own, key->get()) == 1;
  ERR_clear_error();
  if (!pair)
    return wrong(fmt::format("the private key in {} is not the one of the certificate in {}; give a pair that was issued "
                             "together",
                             files.private_key.string(), files.certificate.string()));
  for (const auto& root : *roots) TANDEM_TRY(check_dates("CA certificate", files.ca, root.get()));
  TANDEM_TRY(check_dates("certificate", files.certificate, own));
  TANDEM_TRY(check_chain(files, *roots, *chain));
  if (X509_check_host(own, node.data(), node.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) != 1)
    return wrong(fmt::format("the certificate in {} is not valid for this node's name; issue one whose subject "
                             "alternative name has DNS:{}, or correct the name",
                             files.certificate.string(), node));
  return {};
}

}  // namespace tandem::cluster::internal
