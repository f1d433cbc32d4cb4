// node: this process as a member of a cluster. Make one on an actor system, then find other nodes' actors by name.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/cluster/options.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::cluster {

/// Something that happened to the cluster as this node sees it.
struct node_event {
  enum class kind : std::uint8_t {
    up,      ///< There is a connection to `node`, a new one or the first after it was down.
    down,    ///< `node` has left, was restarted, or could not be reached for link_timing::down_after.
    problem  ///< Something keeps `node` and us apart; `why` is one line that says what to do.
  };
  kind what;
  std::string node;
  error why;  ///< None for up.
};

/// How a node sees another member.
struct peer_status {
  std::string name;
  bool connected = false;
  std::uint64_t incarnation = 0;  ///< 0: it never was connected.
};

/// What crossed the wire, counted at this node since it started.
struct wire_counters {
  std::uint64_t messages_sent = 0;      ///< Tells, asks and replies.
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_sent = 0;         ///< Payloads and record headers, before TLS.
  std::uint64_t bytes_received = 0;
};

/// What wants to know of node_events. Called in a task of its own, one event at a time, in order per node.
using node_event_handler = std::function<void(const node_event&)>;

/// This process in the cluster.
///
/// Owns:    the connections to all other members. The actor system must outlive it.
/// Threads: every member may be called from any thread, except where said otherwise.
/// Order:   messages of one sender through refs of one remote actor arrive as sent, each at most once. What is lost
///          with a connection is told: asks fail with errc::unavailable, tells that were not written become dead
///          letters of this node. A tell that was being written when the connection broke is counted among the dead
///          letters too, although it may have arrived.
class node {
 public:
  /// Checks the options and the certificates, listens, and starts to connect to the other members, for ever. Returns
  /// without waiting for them.
  /// Errors: errc::invalid_argument (an option), errc::failed_precondition (a TLS file), errc::already_exists (the port
  ///         is in use), errc::permission_denied, errc::unavailable (cannot listen there); each names the option, file or
  ///         address and says what to do.
  [[nodiscard]] static result<std::unique_ptr<node>> start(actors::system& system, node_options options,
                                                           node_event_handler on_event = {});

  /// stop() with a limit of 5 s.
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Waits until `peer` is connected. True at once for this node itself.
  /// Errors: errc::not_found (no member of that name), errc::unavailable after `limit`, with the last problem as its
  ///         cause; errc::closed (this node has been stopped), errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] task<result<void>> wait_for(std::string peer, duration limit);

  /// A ref to the actor registered as `name` on node `peer`; for this node itself, a local one.
  /// The ref is valid for one life of the peer: after a restart its operations fail with errc::not_found.
  /// Errors: errc::not_found (no such member, no such name), errc::failed_precondition (the actor does not take all the
  ///         messages; both protocols are named), errc::unavailable (not connected), errc::timed_out,
  ///         errc::closed, errc::cancelled, errc::deadline_exceeded.
  template <class Ref>
  [[nodiscard]] task<result<Ref>> lookup(std::string peer, std::string name, duration limit) {
    static_assert(crosses_the_wire<Ref>::value,
                  "every message and reply of the protocol must be a wire message (Protobuf) to be used remotely");
    auto found = co_await lookup_target(std::move(peer), std::move(name), Ref::protocol::info(), limit);
    if (!found) co_return fail(std::move(found).error());
    co_return Ref(std::move(*found));
  }

  [[nodiscard]] const std::string& name() const noexcept;
  /// The port listened on; that of options.listen_address unless it was 0.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The other members, sorted by name.
  [[nodiscard]] std::vector<peer_status> peers() const;
  [[nodiscard]] wire_counters counters() const noexcept;

  /// Leaves the cluster: peers are told at once, what is queued is still sent within `limit`. Remote refs fail from
  /// then on. Blocks the calling thread, which must be no worker. Later calls wait for the first.
  void stop(duration limit);

 private:
  template <class T>
  struct part_crosses : std::bool_constant<std::is_void_v<T> || actors::wire_message<T>> {};
  template <class Ref>
  struct crosses_the_wire : std::false_type {};
  template <class... R, class... M>
  struct crosses_the_wire<actors::actor_ref<R(M)...>>
      : std::bool_constant<((part_crosses<R>::value && part_crosses<M>::value) && ...)> {};

  class impl;
  explicit node(std::shared_ptr<impl> made) noexcept;
  task<result<actors::detail::target_ptr>> lookup_target(std::string peer, std::string name,
                                                         const actors::protocol_info& wanted, duration limit);

  std::shared_ptr<impl> impl_;
};

}  // namespace tandem::cluster
