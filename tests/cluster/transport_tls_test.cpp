// Mutual TLS, with certificates made by tools/dev-certs.sh.
#include "transport.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "recorder.hpp"
#include "rogue.hpp"

namespace tandem::cluster::internal {
namespace {

namespace fs = std::filesystem;

struct TransportTls : testing::Test {
  fs::path dir = fs::temp_directory_path() / ("tandem_tls_" + std::to_string(::getpid()));

  void SetUp() override { make("ours", "a b"); }
  void TearDown() override { fs::remove_all(dir); }

  void make(const std::string& folder, const std::string& names) {
    const std::string command = "'" TANDEM_DEV_CERTS "' '" + (dir / folder).string() + "' " + names;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  [[nodiscard]] std::string read(const fs::path& file) const {
    std::ifstream in(dir / file);
    return std::string(std::istreambuf_iterator(in), {});
  }
  [[nodiscard]] tls_files files(const std::string& folder, const std::string& name) const {
    const fs::path in = dir / folder;
    return tls_files(in / "ca.crt", in / (name + ".crt"), in / (name + ".key"));
  }
  [[nodiscard]] static node_options secured(node_options options, tls_files with) {
    options.insecure_plaintext = false;
    options.tls = std::move(with);
    return options;
  }

  /// Changes a certificate's end to one minute ago and has the CA sign it again.
  void expire(const std::string& folder, const std::string& name) const {
    const auto open = [](const fs::path& path, const char* mode) {
      return std::unique_ptr<FILE, int (*)(FILE*)>(std::fopen(path.c_str(), mode), &std::fclose);
    };
    const fs::path path = dir / folder / (name + ".crt");
    X509* const cert = PEM_read_X509(open(path, "r").get(), nullptr, nullptr, nullptr);
    EVP_PKEY* const key = PEM_read_PrivateKey(open(dir / folder / "ca.key", "r").get(), nullptr, nullptr, nullptr);
    ASSERT_TRUE(cert != nullptr && key != nullptr);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), -60);
    X509_sign(cert, key, EVP_sha256());
    PEM_write_X509(open(path, "w").get(), cert);
    EVP_PKEY_free(key);
    X509_free(cert);
  }

  void expect_start_fails(const tls_files& with, std::string_view text) {
    recorder seen;
    const auto started = transport::start(secured(options_for("a", {}), with), seen);
    ASSERT_FALSE(started.has_value()) << text;
    EXPECT_EQ(started.error().code(), errc::failed_precondition);
    const std::string message = started.error().message();
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
};

TEST_F(TransportTls, NodesWithCertificatesOfOneCaTalk) {
  test_node b(secured(options_for("b", {dialer("a")}), files("ours", "b")));
  test_node a(secured(options_for("a", {at("b", *b)}), files("ours", "a")));
  ASSERT_TRUE(a.seen->wait_connected("b"));
  EXPECT_EQ(post_text(*a, *a->find("b"), 0, "secret"), post_outcome::queued);
  EXPECT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records == 1; }));
  a.stop();
  EXPECT_TRUE(b.seen->wait_down("a"));
}

TEST_F(TransportTls, AServerWithAnotherNodesCertificateIsNotBelieved) {
  make("ours", "c");
  // It listens where b should, but is c.
  test_node c(secured(options_for("c", {dialer("a")}), files("ours", "c")));
  test_node a(secured(options_for("a", {at("b", *c)}), files("ours", "a")));
  const auto problem = a.seen->wait_problem("b", "presented a certificate that is not valid for that name");
  ASSERT_TRUE(problem);
  EXPECT_NE(problem->find("DNS:b"), std::string::npos);
}

TEST_F(TransportTls, ACallerWhoseCertificateCarriesAnotherNameIsRefused) {
  make("ours", "z");
  test_node b(secured(options_for("b", {dialer("a")}), files("ours", "b")));
  grpc::SslCredentialsOptions identity;
  identity.pem_root_certs = read("ours/ca.crt");
  identity.pem_cert_chain = read("ours/z.crt");
  identity.pem_private_key = read("ours/z.key");
  rogue thief(*b, grpc::SslCredentials(identity));
  thief.say_hello("a");
  const auto status = thief.outcome();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(status.error_message().find("is not valid for the name a"), std::string::npos) << status.error_message();
  EXPECT_TRUE(b.seen->wait_problem("a", "refused a connection from 'a'"));
  EXPECT_TRUE(b.seen->of("a").epochs.empty());
}

TEST_F(TransportTls, ACallerWithoutCertificateDoesNotGetThrough) {
  test_node b(secured(options_for("b", {dialer("a")}), files("ours", "b")));
  grpc::SslCredentialsOptions identity;
  identity.pem_root_certs = read("ours/ca.crt");
  rogue stranger(*b, grpc::SslCredentials(identity));
  stranger.say_hello("a");
  EXPECT_EQ(stranger.outcome().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(b.seen->of("a").epochs.empty());
}

TEST_F(TransportTls, CertificatesOfAnotherCaAreRefusedByBothSides) {
  make("theirs", "a b");
  test_node b(secured(options_for("b", {dialer("a")}), files("theirs", "b")));
  test_node a(secured(options_for("a", {at("b", *b)}), files("ours", "a")));
  EXPECT_TRUE(a.seen->wait_problem("b", "node b at"));
  EXPECT_TRUE(a.seen->of("b").epochs.empty());
  EXPECT_TRUE(b.seen->of("a").epochs.empty());
}

TEST_F(TransportTls, PlaintextAndTlsDoNotMix) {
  test_node b(secured(options_for("b", {dialer("a")}), files("ours", "b")));
  test_node a(options_for("a", {at("b", *b)}));
  EXPECT_TRUE(a.seen->wait_problem("b", "use TLS on both nodes, or on neither"));
  EXPECT_TRUE(b.seen->of("a").epochs.empty());

  test_node d(options_for("d", {dialer("c")}));
  make("ours", "c");
  test_node c(secured(options_for("c", {at("d", *d)}), files("ours", "c")));
  EXPECT_TRUE(c.seen->wait_problem("d", "use TLS on both nodes, or on neither"));
}

TEST_F(TransportTls, UnusableFilesAreNamedAtStart) {
  tls_files good = files("ours", "a");
  auto spoiled = good;
  spoiled.certificate = dir / "missing.crt";
  expect_start_fails(spoiled, (dir / "missing.crt").string() + ": No such file or directory; correct the path");
  spoiled = good;
  spoiled.ca = dir;
  expect_start_fails(spoiled, "cannot read the CA file " + dir.string());
  spoiled = good;
  spoiled.private_key = good.certificate;
  expect_start_fails(spoiled, "a.crt holds no private key in PEM form");
  spoiled = good;
  spoiled.certificate = good.private_key;
  expect_start_fails(spoiled, "a.key holds no certificate in PEM form");
  spoiled = good;
  spoiled.private_key = files("ours", "b").private_key;
  expect_start_fails(spoiled, "is not the one of the certificate in " + good.certificate.string());
  expect_start_fails(files("ours", "b"), "is not valid for this node's name; issue one whose subject alternative name has DNS:a");
  make("theirs", "a");
  spoiled = good;
  spoiled.ca = files("theirs", "a").ca;
  expect_start_fails(spoiled, "is not signed by the CA in " + spoiled.ca.string());
  expire("ours", "a");
  expect_start_fails(good, "a.crt expired on");
}

TEST_F(TransportTls, RunningDevCertsAgainChangesNothing) {
  const auto all = [this] { return read("ours/a.crt") + read("ours/a.key") + read("ours/ca.crt"); };
  const std::string before = all();
  make("ours", "a b c");
  EXPECT_EQ(before, all());
  EXPECT_EQ(fs::status(dir / "ours" / "c.key").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace tandem::cluster::internal
