#include "shard.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace wordcount {

void shard::on(v1::PartialCounts part) {
  if (!page_starts_.empty() || counted_.contains(part.chunk())) return;  // told again
  // A message that contradicts itself adds nothing: its chunk stays missing and will be mapped again.
  if (!for_each_count(part.counts(), [](std::string_view, std::uint64_t) {})) return;
  (void)for_each_count(part.counts(), [&](std::string_view word, std::uint64_t count) {
    const auto known = totals_.find(word);
    if (known != totals_.end()) {
      known->second += count;
    } else {
      totals_.emplace(word, count);
    }
  });
  counted_.insert(part.chunk());
  node_stats::add(stats_.partial_counts, 1);
}

tandem::result<v1::Totals> shard::on(v1::GetTotals request) {
  v1::Totals reply;
  for (const auto& [first, last] : counted_.missing(request.chunk_count())) {
    v1::ChunkRange& gap = *reply.add_missing();
    gap.set_first(first);
    gap.set_last(last);
  }
  if (reply.missing_size() > 0) return reply;

  if (page_starts_.empty()) make_pages();
  const std::size_t page = request.page();
  if (page >= page_starts_.size())
    return tandem::fail(tandem::errc::out_of_range,
                        fmt::format("there is no page {}; there are {}", page, page_starts_.size()));
  reply.set_page_count(static_cast<std::uint32_t>(page_starts_.size()));
  const std::size_t end = page + 1 < page_starts_.size() ? page_starts_[page + 1] : sorted_.size();
  for (std::size_t i = page_starts_[page]; i < end; ++i)
    add_count(*reply.mutable_counts(), sorted_[i].first, sorted_[i].second);
  return reply;
}

void shard::make_pages() {
  sorted_.assign(totals_.begin(), totals_.end());
  std::ranges::sort(sorted_);
  page_starts_.push_back(0);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    constexpr std::size_t most_bytes_of_a_count = 10;
    const std::size_t more = sorted_[i].first.size() + 1 + most_bytes_of_a_count;
    if (bytes > 0 && bytes + more > page_bytes_) {
      page_starts_.push_back(i);
      bytes = 0;
    }
    bytes += more;
  }
}

}  // namespace wordcount
