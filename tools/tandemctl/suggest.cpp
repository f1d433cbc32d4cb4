#include "suggest.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tandemctl {
namespace {

// The edit distance with swapped neighbours (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = std::move(last);
    last = row;
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::string suggestion(std::string_view typed, const std::vector<std::string>& words) {
  std::string best;
  std::size_t best_distance = 3;
  for (const std::string& word : words) {
    const std::size_t d = distance(typed, word);
    if (d >= std::min(best_distance, word.size())) continue;
    best = word;
    best_distance = d;
  }
  return best;
}

}  // namespace tandemctl
