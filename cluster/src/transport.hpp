// Moves packed records between the named nodes of a cluster and reports which of them can be reached. Knows nothing of
// actors. What goes over the wire is told in proto/tandem/cluster/v1/link.proto.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tandem/cluster/options.hpp>
#include <tandem/errors/result.hpp>

#include "outbox.hpp"  // post_outcome, fill_ref, dropped_records
#include "record.hpp"

namespace tandem::cluster::internal {

class hub;
class transport;

/// A member other than this node: its place in the list of members sorted by name. Fixed while a transport lives.
enum class peer_id : std::uint32_t {};

/// What a transport reports.
///
///   on_peer_up (on_records | on_credit)* on_disconnected      once per connection, each with its own epoch
///   on_peer_up(incarnation i) … on_peer_down                  one life of a peer: may span several connections
///
/// Threads: gRPC's and the transport's own. Callbacks about one peer never overlap; callbacks about different peers do.
///          They must not block, run user code or call transport::stop(); post() and release() are welcome, and never
///          call back themselves.
/// Order:   as above. A peer that comes back with another incarnation is reported down before it is reported up.
class transport_listener {
 public:
  virtual ~transport_listener() = default;

  /// From within transport::start(), on its caller's thread, before anything else. Should start() fail after that, the
  /// transport is gone again when it returns.
  virtual void on_start(transport&) {}

  /// There is a connection to `peer`: post() works. Epochs grow and are never used twice by a transport.
  virtual void on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) = 0;

  /// Records have come, in the order of their posting. The views are valid in the call; the payloads are valid for as
  /// long as `bytes` (or a copy) is held. Each record with paid() is owed a release() of its wire_bytes() once it is
  /// consumed; until then it counts against the peer's window.
  /// Errors: a record that breaks the listener's own rules; it costs the peer the connection.
  [[nodiscard]] virtual result<void> on_records(peer_id peer, std::uint64_t epoch,
                                                const std::shared_ptr<const void>& bytes,
                                                std::span<const record_view> records) = 0;

  /// post() has answered no_credit, and credit has come since. There may still be too little for a given record:
  /// post() then says no_credit again, and this is called again.
  virtual void on_credit(peer_id peer) = 0;

  /// The connection of `epoch` has ended. Nothing more comes from it, credit owed to it is forgotten. `dropped` are the
  /// records posted but not sent; of those that were sent, the last ones may not have arrived either.
  virtual void on_disconnected(peer_id peer, std::uint64_t epoch, const error& why, dropped_records dropped) = 0;

  /// A peer that was up has left, was restarted, or could not be reached for link_timing::down_after. Not called for
  /// peers that never were up, nor because this transport stops.
  virtual void on_peer_down(peer_id peer, const error& why) = 0;

  /// Something keeps `node` and us apart: one line that says what, and what to do. Once per distinct problem, again
  /// only after a connection has succeeded meanwhile. `node` may be no member, if a stranger called itself that.
  virtual void on_problem(std::string_view node, const error& what) = 0;
};

/// One node's connections to all other members.
///
/// Owns:    a gRPC server, one channel per peer that we dial, one thread for timers.
/// Threads: every member may be called from any thread, from on_start() on.
class transport {
 public:
  /// Checks the options and the TLS files, listens, and starts dialing the members whose names sort after ours. The
  /// listener must live until stop() has returned.
  ///
  /// Errors: errc::invalid_argument (options; see validate()), errc::failed_precondition (a TLS file; the message names
  ///         it and says what to do), errc::already_exists (the port is in use), errc::permission_denied,
  ///         errc::unavailable (cannot listen there).
  [[nodiscard]] static result<std::unique_ptr<transport>> start(node_options options, transport_listener& listener);

  /// stop() without a Goodbye: peers see a lost connection.
  ~transport();
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;

  /// Queues a record for `peer`; starts writing at once if nothing is being written. `fill` gets `payload_bytes` bytes
  /// to write the payload into; it is called at most once, before post() returns, perhaps under a lock: it must not
  /// call the transport. If it throws, nothing is queued. Bit 0 of header.flags is set as `use_credit` says.
  ///
  /// Without `use_credit` a record is always queued: use it for what has a bound elsewhere, such as replies.
  ///
  /// Suspends: never; may spend the microseconds of a system call.
  /// Order:    records queued by one thread arrive in that order, on one connection.
  /// Errors:   errc::out_of_range: larger than what both nodes accept (link_limits::max_record_bytes).
  [[nodiscard]] result<post_outcome> post(peer_id peer, const record_header& header, std::size_t payload_bytes,
                                          fill_ref fill, bool use_credit);

  /// `bytes` of paid records that came on the connection of `epoch` were consumed. Of a connection that has ended:
  /// ignored.
  void release(peer_id peer, std::uint64_t epoch, std::uint64_t bytes);

  /// Says Goodbye to all peers, so that they report us down at once, sends what is queued, closes everything. What is
  /// not sent by `deadline` is dropped. Each open connection still gets its on_disconnected(); after return no callback
  /// runs. Later and simultaneous calls wait for the first.
  void stop(std::chrono::steady_clock::time_point deadline);

  [[nodiscard]] std::size_t peer_count() const noexcept;
  [[nodiscard]] std::optional<peer_id> find(std::string_view node) const noexcept;
  [[nodiscard]] const std::string& name_of(peer_id peer) const noexcept;
  [[nodiscard]] const std::string& own_name() const noexcept;
  /// This life of this node; random, not 0.
  [[nodiscard]] std::uint64_t incarnation() const noexcept;
  /// The port listened on: the one in listen_address, or the one that was free.
  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  explicit transport(std::unique_ptr<hub> shared);

  std::unique_ptr<hub> hub_;
};

}  // namespace tandem::cluster::internal
