// Getting the totals out of the shards at the end of a job.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

#include "chunk_set.hpp"
#include "shard_keeper.hpp"

namespace wordcount {

/// The shards that miss a chunk, by the chunk's id.
using missing_chunks = std::map<std::uint64_t, std::vector<std::uint32_t>>;

/// What became of asking a shard for its totals: it is complete, or it misses chunks, or it cannot be asked now (why).
struct shard_totals {
  std::uint32_t shard = 0;
  bool complete = false;
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  std::vector<chunk_set::range> missing;
  tandem::error why;
};

/// Asks a shard that should have counted chunks 0 … chunk_count - 1, with some patience for counts that are still on
/// their way. A shard that is found to be gone is reported to `shards`.
/// Errors: errc::cancelled, errc::deadline_exceeded.
[[nodiscard]] tandem::task<tandem::result<shard_totals>> collect_shard(shard_keeper& shards, std::uint32_t shard,
                                                                       std::uint64_t chunk_count);

}  // namespace wordcount
