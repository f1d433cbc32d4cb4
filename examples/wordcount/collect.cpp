#include "collect.hpp"

#include <chrono>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;

constexpr auto ask_limit = 30s;  // a shard may have much to sort

v1::GetTotals get_page(std::uint64_t chunk_count, std::uint32_t page) {
  v1::GetTotals request;
  request.set_chunk_count(chunk_count);
  request.set_page(page);
  return request;
}

std::uint64_t missing_in(const v1::Totals& totals) {
  std::uint64_t chunks = 0;
  for (const v1::ChunkRange& gap : totals.missing()) chunks += gap.last() - gap.first() + 1;
  return chunks;
}

/// The first page of a shard that misses nothing, or its last word on what it misses.
task<result<v1::Totals>> first_page(const shard_keeper::view& shard, std::uint64_t chunk_count) {
  constexpr tandem::duration longest_pause = 200ms;
  std::uint64_t missed_before = chunk_count + 1;
  for (tandem::duration pause = 5ms;; pause *= 2) {
    TANDEM_CO_TRY_ASSIGN(v1::Totals totals, co_await shard.ref.ask(get_page(chunk_count, 0), ask_limit));
    const std::uint64_t missed = missing_in(totals);
    const bool created_too_late = shard.generation > 0 && missed == chunk_count;
    const bool nothing_comes = missed >= missed_before && pause > longest_pause;
    if (missed == 0 || created_too_late || nothing_comes) co_return totals;
    if (missed < missed_before) pause = 5ms;  // counts are still coming in
    missed_before = missed;
    TANDEM_CO_TRY(co_await tandem::sleep_for(pause));
  }
}

task<result<void>> collect_pages(const shard_keeper::view& shard, std::uint64_t chunk_count, shard_totals& into) {
  TANDEM_CO_TRY_ASSIGN(v1::Totals totals, co_await first_page(shard, chunk_count));
  for (const v1::ChunkRange& gap : totals.missing()) {
    if (gap.first() > gap.last() || gap.last() >= chunk_count)
      co_return tandem::fail(tandem::errc::data_loss, "the shard misses chunks that do not exist");
    into.missing.emplace_back(gap.first(), gap.last());
  }
  if (!into.missing.empty()) co_return result<void>();

  const auto add = [&](std::string_view word, std::uint64_t count) { into.counts.emplace_back(word, count); };
  for (std::uint32_t page = 0;;) {
    if (!for_each_count(totals.counts(), add))
      co_return tandem::fail(tandem::errc::data_loss, "a page of totals contradicts itself");
    if (++page >= totals.page_count()) break;
    auto next = co_await shard.ref.ask(get_page(chunk_count, page), ask_limit);
    if (!next) co_return tandem::fail(std::move(next).error());
    totals = std::move(*next);
  }
  into.complete = true;
  co_return result<void>();
}

}  // namespace

task<result<shard_totals>> collect_shard(shard_keeper& shards, std::uint32_t shard, std::uint64_t chunk_count) {
  shard_totals got;
  got.shard = shard;
  const shard_keeper::view at = shards.look(shard);
  if (!at.ref) {
    got.why = tandem::make_error(tandem::errc::unavailable, "the shard is being created anew");
    co_return got;
  }
  const auto done = co_await collect_pages(at, chunk_count, got);
  if (done) co_return got;

  const tandem::error over = tandem::this_task::context().why();
  if (over) co_return tandem::fail(over);
  got.why = done.error();
  got.counts.clear();
  // Cut off for a moment, or gone? If its node is up and does not know it, it is gone.
  const auto still_there = co_await shards.find_again(at.place);
  if (!still_there && still_there.error() == tandem::errc::not_found) shards.report_lost(shard, at.generation);
  co_return got;
}

}  // namespace wordcount
