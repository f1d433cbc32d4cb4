// The messages of wordcount.proto as this program uses them: protocols, names, and counts in packed form.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/protocol.hpp>

#include "wordcount.pb.h"

namespace wordcount {

namespace v1 = tandem::examples::wordcount::v1;

using mapper_protocol = tandem::actors::protocol<v1::ChunkMapped(v1::Chunk)>;
using shard_protocol = tandem::actors::protocol<void(v1::PartialCounts), v1::Totals(v1::GetTotals), void(v1::StopShard)>;
/// What other nodes may ask of a host; its own node may also tell it v1::NodeDown.
using host_protocol =
    tandem::actors::protocol<v1::ShardCreated(v1::CreateShard), v1::JobEnded(v1::EndJob), v1::NodeStatus(v1::GetNodeStatus)>;

using mapper_ref = mapper_protocol::ref;
using shard_ref = shard_protocol::ref;
using host_ref = host_protocol::ref;

inline constexpr std::string_view host_name = "wordcount.host";
inline constexpr unsigned mappers_per_node = 2;
inline constexpr unsigned shards_per_node = 2;

[[nodiscard]] inline std::string mapper_name(unsigned index) { return fmt::format("wordcount.mapper.{}", index); }
[[nodiscard]] inline std::string shard_name(std::string_view job, std::uint32_t shard, unsigned generation) {
  return fmt::format("wordcount.{}.shard.{}.{}", job, shard, generation);
}

inline void add_count(v1::WordCounts& to, std::string_view word, std::uint64_t count) {
  to.mutable_words()->append(word).push_back('\n');
  to.add_counts(count);
}

/// Calls f(word, count) for each word. False, after as many calls as there was sense in, if the message contradicts
/// itself.
template <class F>
[[nodiscard]] bool for_each_count(const v1::WordCounts& counts, F&& f) {
  std::string_view rest = counts.words();
  for (const std::uint64_t count : counts.counts()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return false;
    f(rest.substr(0, end), count);
    rest.remove_prefix(end + 1);
  }
  return rest.empty();
}

}  // namespace wordcount
