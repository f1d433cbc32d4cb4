// The nodes of a cluster as the coordinator sees them: who is up, and whose mappers have least to do.
#pragma once
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/cluster/node.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

#include "wire.hpp"

namespace wordcount {

/// Threads: every member may be called from any thread.
class members {
 public:
  /// Knows `here` and all its peers; peers are down until set_up() says otherwise. `here` must outlive this.
  explicit members(tandem::cluster::node& here);

  void set_up(std::string_view node, bool up);
  [[nodiscard]] bool is_up(std::string_view node) const;

  /// The nodes that are up, sorted by name; the own one always is.
  [[nodiscard]] std::vector<std::string> live() const;
  /// All of them, up or not.
  [[nodiscard]] std::vector<std::string> all() const;

  /// Has a chunk mapped, by a mapper with least to do among those that are up and did not fail just now.
  /// Errors: those of tandem::cluster::node::lookup() and of ask().
  tandem::task<tandem::result<v1::ChunkMapped>> map(v1::Chunk chunk);

  /// The host of a node.   Errors: those of tandem::cluster::node::lookup().
  tandem::task<tandem::result<host_ref>> host_of(std::string node);

  [[nodiscard]] tandem::cluster::node& here() const noexcept { return here_; }

 private:
  struct member {
    std::string name;
    bool up = false;
    tandem::time_point avoid_until{};  // a mapper of it failed
  };
  struct mapper_entry {
    std::size_t member = 0;
    std::string name;
    mapper_ref ref;  // empty: not looked up yet, or again after a failure
    unsigned outstanding = 0;
  };

  [[nodiscard]] std::size_t take_mapper();
  void give_back(std::size_t mapper, const mapper_ref& used, bool failed);

  tandem::cluster::node& here_;
  mutable std::mutex mutex_;  // guards what follows; names do not change
  std::vector<member> members_;
  std::vector<mapper_entry> mappers_;
  std::size_t last_taken_ = 0;
};

}  // namespace wordcount
