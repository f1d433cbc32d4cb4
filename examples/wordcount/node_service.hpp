// What runs on every node, the coordinator's too: a runtime, an actor system, the cluster node, and the actors that
// serve jobs.
#pragma once
#include <chrono>
#include <memory>

#include <tandem/actors/system.hpp>
#include <tandem/cluster/node.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/runtime.hpp>

#include "host.hpp"
#include "node_stats.hpp"

namespace wordcount {

class node_service {
 public:
  /// Starts everything; other nodes can use this one when it returns.
  /// Errors: those of tandem::cluster::node::start().
  [[nodiscard]] static tandem::result<std::unique_ptr<node_service>> start(tandem::cluster::node_options options);

  ~node_service() { stop(); }

  /// Leaves the cluster and ends the actors, within 1 s. Called on a thread that is no worker; once is enough.
  void stop();

  [[nodiscard]] tandem::runtime& runtime() noexcept { return runtime_; }
  [[nodiscard]] tandem::cluster::node& node() noexcept { return *node_; }
  [[nodiscard]] const node_stats& stats() const noexcept { return stats_; }
  /// What happens to the other nodes. To be received by one task, for as long as the node runs.
  [[nodiscard]] const tandem::csp::receiver<tandem::cluster::node_event>& events() const noexcept { return events_; }
  /// The node's own host.
  [[nodiscard]] const host::protocol::ref& own_host() const noexcept { return host_; }

 private:
  node_service() = default;
  tandem::result<void> start_actors();

  // Ended in reverse order, each within its limit; stop() has ended the actors before.
  tandem::runtime runtime_{tandem::runtime_options{.shutdown_limit = std::chrono::milliseconds(500)}};
  tandem::actors::system system_{runtime_};
  node_stats stats_;
  tandem::csp::receiver<tandem::cluster::node_event> events_;
  std::unique_ptr<tandem::cluster::node> node_;
  host::protocol::ref host_;
};

}  // namespace wordcount
