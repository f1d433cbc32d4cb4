// Keeps the shards of a job alive: creates them all over the cluster, and anew elsewhere when they are lost.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <tandem/cluster/node.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

#include "members.hpp"
#include "progress.hpp"
#include "wire.hpp"

namespace wordcount {

/// Threads: every member may be called from any thread, except where said otherwise.
class shard_keeper {
 public:
  /// A shard as it is now.
  struct view {
    v1::ShardPlace place;
    shard_ref ref;  ///< Empty while the shard is being created.
    unsigned generation = 0;
  };

  /// `events` tells of the nodes in `nodes`. Everything passed by reference must outlive this.
  shard_keeper(members& nodes, tandem::csp::receiver<tandem::cluster::node_event> events, std::string job,
               std::uint32_t shard_count, progress& out);

  /// Creates all shards. Called once, before the others but run().
  /// Errors: those of create_on_some_node(): not even the own node could.
  tandem::task<tandem::result<void>> create_all();

  /// Follows the events, tells `nodes` and the user, and replaces shards that are lost with their node or were
  /// reported. Runs until it is cancelled. Errors: a shard cannot be replaced; errc::cancelled,
  /// errc::deadline_exceeded.
  tandem::task<tandem::result<void>> run();

  /// Says that a shard of this generation was not found where it should be.
  void report_lost(std::uint32_t shard, unsigned generation);

  /// The totals of this shard are known: it may be lost from now on.
  void set_collected(std::uint32_t shard);

  /// Looks for a shard where it should be.   Errors: those of tandem::cluster::node::lookup(): errc::not_found if it is
  /// not there any more.
  tandem::task<tandem::result<shard_ref>> find_again(v1::ShardPlace place);

  [[nodiscard]] view look(std::uint32_t shard) const;
  /// Where the shards are; without those that are being created.
  [[nodiscard]] std::vector<v1::ShardPlace> places() const;
  [[nodiscard]] std::vector<std::uint32_t> not_collected() const;
  /// How many times shards were created.
  [[nodiscard]] std::uint64_t creations() const;

  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }

 private:
  struct entry {
    std::string node;  // empty: nowhere
    std::string name;
    shard_ref ref;
    unsigned generation = 0;
    bool collected = false;
  };
  struct loss {
    std::uint32_t shard = 0;
    unsigned generation = 0;
  };

  tandem::task<tandem::result<void>> on_event(tandem::cluster::node_event event);
  tandem::task<tandem::result<void>> replace(std::vector<std::uint32_t> lost);
  tandem::task<tandem::result<void>> create(std::uint32_t shard);
  tandem::task<tandem::result<shard_ref>> create_on(std::string node, std::string name);
  [[nodiscard]] std::vector<std::uint32_t> forget_shards_on(const std::string& node);
  [[nodiscard]] std::vector<std::string> least_loaded_first() const;

  members& nodes_;
  const tandem::csp::receiver<tandem::cluster::node_event> events_;
  const std::string job_;
  progress& out_;
  tandem::csp::sender<loss> report_;
  tandem::csp::receiver<loss> reports_;
  mutable std::mutex mutex_;  // guards what follows; the number of entries does not change
  std::vector<entry> entries_;
  std::uint64_t creations_ = 0;
};

}  // namespace wordcount
