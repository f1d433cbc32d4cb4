#include "mapper.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <tandem/csp/pipeline.hpp>

namespace wordcount {

using namespace std::chrono_literals;

tandem::task<tandem::result<word_counts>> count_in_pieces(std::string_view folded, std::size_t piece_bytes) {
  constexpr std::size_t tasks = 2;
  word_counts merged;
  auto merge = [&merged](word_counts piece) {
    if (merged.empty()) {
      merged.swap(piece);
    } else {
      for (const auto& [word, count] : piece) merged[word] += count;
    }
  };
  auto counting =
      tandem::csp::from(split_between_words(folded, piece_bytes)).map(tasks, count_words).for_each(std::move(merge));
  TANDEM_CO_TRY(co_await std::move(counting).run());
  co_return merged;
}

std::vector<v1::WordCounts> split_by_shard(const word_counts& counts, std::uint32_t shard_count) {
  std::vector<v1::WordCounts> parts(shard_count);
  for (const auto& [word, count] : counts) add_count(parts[word_hash(word) % shard_count], word, count);
  return parts;
}

tandem::task<tandem::result<v1::ChunkMapped>> mapper::on(v1::Chunk chunk) {
  if (chunk.shard_count() == 0 || chunk.shard_count() > 65'536)
    co_return tandem::fail(tandem::errc::invalid_argument,
                           fmt::format("a job cannot have {} shards", chunk.shard_count()));
  if (chunk.job() != job_) {
    job_ = chunk.job();
    known_.clear();
  }
  std::string& text = *chunk.mutable_text();
  fold(text);
  TANDEM_CO_TRY_ASSIGN(const word_counts counts, co_await count_in_pieces(text));
  auto parts = split_by_shard(counts, chunk.shard_count());

  v1::ChunkMapped reply;
  for (const auto& [word, count] : counts) reply.set_words(reply.words() + count);
  for (const v1::ShardPlace& place : chunk.shards()) {
    if (place.shard() >= parts.size())
      co_return tandem::fail(tandem::errc::invalid_argument,
                             fmt::format("there is no shard {} of {}", place.shard(), parts.size()));
    v1::PartialCounts part;
    part.set_chunk(chunk.chunk());
    *part.mutable_counts() = std::move(parts[place.shard()]);
    if (const bool told = co_await tell(place, std::move(part)); !told)
      reply.set_shards_not_told(reply.shards_not_told() + 1);
  }
  node_stats::add(stats_.chunks_mapped, 1);
  node_stats::add(stats_.words_mapped, reply.words());
  co_return reply;
}

tandem::task<bool> mapper::tell(v1::ShardPlace to, v1::PartialCounts part) {
  constexpr auto pause_after_failure = 250ms;
  known_shard& known = known_[to.name()];
  if (!known.ref) {
    if (tandem::now() < known.look_again) co_return false;
    auto found = co_await find_(to);
    if (!found) {
      // Do not hold up the chunks that follow by looking for a lost shard each time.
      known.look_again = tandem::deadline_in(pause_after_failure);
      co_return false;
    }
    known.ref = std::move(*found);
  }
  const auto told = co_await known.ref.tell(std::move(part));
  if (!told) {
    known.ref = {};
    known.look_again = tandem::deadline_in(pause_after_failure);
  }
  co_return told.has_value();
}

}  // namespace wordcount
