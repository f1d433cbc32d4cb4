#include "chunk_set.hpp"

#include <iterator>

namespace wordcount {

bool chunk_set::contains(std::uint64_t chunk) const {
  const auto after = ranges_.upper_bound(chunk);
  return after != ranges_.begin() && chunk <= std::prev(after)->second;
}

bool chunk_set::insert(std::uint64_t chunk) {
  if (contains(chunk)) return false;
  const auto after = ranges_.upper_bound(chunk);
  const bool extends_before = after != ranges_.begin() && std::prev(after)->second + 1 == chunk;
  const bool meets_after = after != ranges_.end() && chunk + 1 == after->first;
  const std::uint64_t last = meets_after ? after->second : chunk;
  if (extends_before) {
    std::prev(after)->second = last;
  } else {
    ranges_.emplace(chunk, last);
  }
  if (meets_after) ranges_.erase(after);
  return true;
}

std::vector<chunk_set::range> chunk_set::missing(std::uint64_t count) const {
  std::vector<range> gaps;
  std::uint64_t next = 0;
  for (const auto& [first, last] : ranges_) {
    if (first >= count) break;
    if (next < first) gaps.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next < count) gaps.emplace_back(next, count - 1);
  return gaps;
}

}  // namespace wordcount
