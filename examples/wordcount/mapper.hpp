// The actor that counts the words of chunks and tells the shards.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

#include "node_stats.hpp"
#include "text.hpp"
#include "wire.hpp"

namespace wordcount {

/// Finds a shard's actor, wherever it lives.
using shard_finder = std::function<tandem::task<tandem::result<shard_ref>>(v1::ShardPlace)>;

class mapper {
 public:
  using protocol = mapper_protocol;

  /// `stats` must outlive the actor.
  mapper(shard_finder find, node_stats& stats) : find_(std::move(find)), stats_(stats) {}

  /// Counts the chunk's words, tells the shards it names, and answers when they were told. Shards that cannot be
  /// reached are only counted in the answer.
  tandem::task<tandem::result<v1::ChunkMapped>> on(v1::Chunk chunk);

 private:
  // A shard by its name, which tells jobs and generations apart. Without a ref it could not be found, lately.
  struct known_shard {
    shard_ref ref;
    tandem::time_point look_again{};
  };

  tandem::task<bool> tell(v1::ShardPlace to, v1::PartialCounts part);

  const shard_finder find_;
  node_stats& stats_;
  std::string job_;  // of the shards known
  std::unordered_map<std::string, known_shard> known_;
};

/// Counts a folded text with a small pipeline of channels: its pieces are counted by several tasks and merged by one.
[[nodiscard]] tandem::task<tandem::result<word_counts>> count_in_pieces(std::string_view folded,
                                                                        std::size_t piece_bytes = 64 << 10);

/// Sorts counts by the shard that is responsible for each word.
[[nodiscard]] std::vector<v1::WordCounts> split_by_shard(const word_counts& counts, std::uint32_t shard_count);

}  // namespace wordcount
