// The actor that speaks for its node: creates and stops shards when a coordinator asks for it.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <tandem/actors/actor_context.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

#include "node_stats.hpp"
#include "wire.hpp"

namespace wordcount {

class host {
 public:
  using protocol = tandem::actors::protocol<v1::ShardCreated(v1::CreateShard), v1::JobEnded(v1::EndJob),
                                            v1::NodeStatus(v1::GetNodeStatus), void(v1::NodeDown)>;

  /// `stats` must outlive the actor.
  host(tandem::actors::actor_context& context, std::function<v1::NodeStatus()> read_status, node_stats& stats)
      : context_(context), read_status_(std::move(read_status)), stats_(stats) {}

  tandem::result<v1::ShardCreated> on(v1::CreateShard request);
  tandem::task<tandem::result<v1::JobEnded>> on(v1::EndJob request);
  tandem::result<v1::NodeStatus> on(v1::GetNodeStatus) { return read_status_(); }
  /// Stops the shards of the jobs that the node coordinates.
  tandem::task<> on(v1::NodeDown down);

 private:
  struct job {
    std::string coordinator;
    std::map<std::string, shard_ref> shards;  // by name
  };

  tandem::task<> stop(job ended);

  tandem::actors::actor_context& context_;
  const std::function<v1::NodeStatus()> read_status_;
  node_stats& stats_;
  std::map<std::string, job> jobs_;
};

}  // namespace wordcount
