// What a node needs to be told: who it is, whom it talks to, and within what limits.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/result.hpp>

namespace tandem::cluster {

/// Another node, or this one (which is then ignored), as the list of members names it.
struct member {
  member() = default;
  member(std::string node_name, std::string node_address)
      : name(std::move(node_name)), address(std::move(node_address)) {}

  std::string name;     ///< Unique in the cluster; the DNS name that the node's certificate carries.
  std::string address;  ///< Where it listens: "host:port", "10.0.0.7:7000", "[::1]:7000".
};

/// PEM files for mutual TLS. They are read at start and again when they change on disk, so that certificates can be
/// renewed without a restart; connections that are open keep the certificate they were opened with.
struct tls_files {
  tls_files() = default;
  tls_files(std::filesystem::path ca_file, std::filesystem::path certificate_file, std::filesystem::path key_file)
      : ca(std::move(ca_file)), certificate(std::move(certificate_file)), private_key(std::move(key_file)) {}

  std::filesystem::path ca;           ///< Certificates that sign the certificates of members.
  std::filesystem::path certificate;  ///< This node's certificate, then intermediate ones. Its SAN has DNS:<node name>.
  std::filesystem::path private_key;  ///< The key of `certificate`, not encrypted.

  /// How often the files are looked at for changes. At least 1 s.
  std::chrono::seconds reload_interval{10};
};

/// Bounds on memory, per peer.
struct link_limits {
  /// Bytes of paid records (32 bytes of header each, and payload) that a peer may have sent us and we have not consumed.
  /// 64 KiB … 1 GiB.
  std::uint64_t receive_window_bytes = std::uint64_t{8} << 20;

  /// Largest record, header included, in either direction; the smaller of both nodes' values holds. 4 KiB … 1 GiB.
  std::uint64_t max_record_bytes = std::uint64_t{64} << 20;
};

/// Everything that waits, on the steady clock. Each is positive and at most a day.
struct link_timing {
  using milliseconds = std::chrono::milliseconds;

  /// Time for one attempt to connect, TLS and Hello included; an accepted stream has the same time to say Hello.
  milliseconds connect_timeout{5'000};
  /// Pause before dialing again: doubles from `initial` to `max`, and each is shortened by up to half at random.
  /// initial <= max.
  milliseconds backoff_initial{100};
  milliseconds backoff_max{5'000};
  /// A silent connection is asked for a sign of life this often, and given up when none comes for this long.
  milliseconds keepalive_interval{1'000};
  milliseconds keepalive_timeout{1'000};
  /// A peer is reported down when it has been unreachable for this long.
  milliseconds down_after{2'000};
};

/// A node of a cluster with a fixed list of members.
///
/// Either `tls` names its three files or `insecure_plaintext` is true; both or neither is an error.
struct node_options {
  // Declared, so that this is no aggregate: g++ 12 destroys aggregate temporaries of a co_await expression twice.
  node_options() = default;

  std::string name;            ///< This node; 1 to 63 characters from a-z 0-9 . - _ (a DNS name, or part of one).
  std::string cluster_name = "tandem";  ///< Nodes of different clusters refuse each other.
  std::string listen_address;  ///< "0.0.0.0:7000", "[::]:7000", "127.0.0.1:0" (0: any free port).
  std::vector<member> members; ///< Who may connect, and whom we connect to.

  tls_files tls;
  /// Talk to peers without encryption and without checking who they are: for tests and trusted machines.
  bool insecure_plaintext = false;

  link_limits limits;
  link_timing timing;
};

/// Checks what can be checked without touching files or network.
/// Errors: errc::invalid_argument, with a message that names the option and says what it may be.
[[nodiscard]] result<void> validate(const node_options& options);

}  // namespace tandem::cluster
