// The actor that counts one part of the words. It is told each chunk at least once and counts it exactly once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tandem/actors/actor_context.hpp>
#include <tandem/errors/result.hpp>

#include "chunk_set.hpp"
#include "node_stats.hpp"
#include "text.hpp"
#include "wire.hpp"

namespace wordcount {

class shard {
 public:
  using protocol = shard_protocol;

  static constexpr std::size_t default_page_bytes = 1 << 20;

  /// `stats` must outlive the actor. Pages of totals are about `page_bytes` long, and longer only for a single long
  /// word.
  shard(tandem::actors::actor_context& context, node_stats& stats, std::size_t page_bytes = default_page_bytes)
      : context_(context), stats_(stats), page_bytes_(page_bytes) {}

  void on(v1::PartialCounts part);
  /// Errors: errc::out_of_range for a page past the last, unless chunks are missing.
  tandem::result<v1::Totals> on(v1::GetTotals request);
  void on(v1::StopShard) { context_.quit(); }

 private:
  struct hasher : word_hasher {
    using is_transparent = void;
  };
  using total = std::pair<std::string_view, std::uint64_t>;

  void make_pages();

  tandem::actors::actor_context& context_;
  node_stats& stats_;
  const std::size_t page_bytes_;
  chunk_set counted_;
  std::unordered_map<std::string, std::uint64_t, hasher, std::equal_to<>> totals_;
  std::vector<total> sorted_;             // the totals once nothing is missing; points into totals_
  std::vector<std::size_t> page_starts_;  // into sorted_; empty until then
};

}  // namespace wordcount
