#include "node_service.hpp"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

#include "mapper.hpp"

namespace wordcount {
namespace {

using namespace std::chrono_literals;

v1::NodeStatus read_status(const tandem::cluster::node& node) {
  v1::NodeStatus message;
  for (const tandem::cluster::peer_status& peer : node.peers())
    if (peer.connected) message.add_peers(peer.name);
  const tandem::cluster::wire_counters now = node.counters();
  message.set_messages_sent(now.messages_sent);
  message.set_bytes_sent(now.bytes_sent);
  return message;
}

tandem::task<tandem::result<shard_ref>> find_shard(tandem::cluster::node& node, v1::ShardPlace place) {
  co_return co_await node.lookup<shard_ref>(place.node(), place.name(), 2s);
}

}  // namespace

tandem::result<std::unique_ptr<node_service>> node_service::start(tandem::cluster::node_options options) {
  std::unique_ptr<node_service> made(new node_service);
  // Nobody waits for room here: a node has few peers, and events of one are seconds apart.
  constexpr std::size_t events_to_keep = 4096;
  auto [sender, receiver] = tandem::csp::make_channel<tandem::cluster::node_event>(events_to_keep);
  made->events_ = std::move(receiver);
  const auto on_event = [into = std::move(sender)](const tandem::cluster::node_event& event) {
    if (auto sent = into.try_send(event); !sent)
      fmt::print(stderr, "wordcount: an event of node {} was lost: {}\n", event.node, sent.error());
  };
  TANDEM_TRY_ASSIGN(made->node_, tandem::cluster::node::start(made->system_, std::move(options), on_event));
  TANDEM_TRY(made->start_actors());
  return made;
}

tandem::result<void> node_service::start_actors() {
  tandem::cluster::node& node = *node_;
  host_ = system_.spawn<host>(
      tandem::actors::spawn_actor_options(std::string(host_name)), [&node] { return read_status(node); }, stats_);
  TANDEM_TRY(system_.register_name(std::string(host_name), host_));
  const auto find = [&node](v1::ShardPlace place) { return find_shard(node, std::move(place)); };
  for (unsigned i = 0; i < mappers_per_node; ++i) {
    const auto made = system_.spawn<mapper>(tandem::actors::spawn_actor_options(mapper_name(i)), find, stats_);
    TANDEM_TRY(system_.register_name(mapper_name(i), made));
  }
  return {};
}

void node_service::stop() {
  if (node_) node_->stop(500ms);
  // Before the node goes: mappers and the host refer to it.
  if (const auto ended = system_.shutdown(500ms); !ended) fmt::print(stderr, "wordcount: {}\n", ended.error());
}

}  // namespace wordcount
