#include "text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace wordcount {
namespace {

constexpr std::array<char, 256> folded_bytes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const char c = static_cast<char>(i);
    table[i] = is_letter(c) ? static_cast<char>(c | 0x20) : '\n';
  }
  return table;
}();

/// The first place at or after `from` that does not have a letter on both sides.
tandem::result<std::uint64_t> next_cut(std::uint64_t from, std::uint64_t size, std::uint64_t longest_word,
                                       const read_at& read) {
  std::array<char, 4096> buffer;
  std::uint64_t at = from - 1;  // the letter before the cut counts too
  while (at < size) {
    if (at - from + 1 > longest_word)
      return tandem::fail(tandem::errc::out_of_range,
                          fmt::format("it has a word longer than {} MiB, at byte {}", longest_word >> 20, from));
    TANDEM_TRY_ASSIGN(const std::size_t got, read(at, std::span(buffer)));
    if (got == 0) return tandem::fail(tandem::errc::aborted, "it became shorter while it was read");
    const auto end = buffer.begin() + static_cast<std::ptrdiff_t>(got);
    const auto gap = std::find_if_not(buffer.begin(), end, is_letter);
    if (gap != end) return std::max(from, at + static_cast<std::uint64_t>(gap - buffer.begin()));
    at += got;
  }
  return size;
}

}  // namespace

void fold(std::span<char> text) noexcept {
  for (char& c : text) c = folded_bytes[static_cast<unsigned char>(c)];
}

word_counts count_words(std::string_view folded) {
  word_counts counts;
  for_each_word(folded, [&](std::string_view word) { ++counts[word]; });
  return counts;
}

std::vector<std::string_view> split_between_words(std::string_view folded, std::size_t piece_bytes) {
  std::vector<std::string_view> pieces;
  while (folded.size() > piece_bytes) {
    const std::size_t end = std::min(folded.find('\n', piece_bytes), folded.size());
    pieces.push_back(folded.substr(0, end));
    folded.remove_prefix(end);
  }
  if (!folded.empty()) pieces.push_back(folded);
  return pieces;
}

tandem::result<std::vector<std::uint64_t>> chunk_ends(std::uint64_t size, const chunk_sizes& sizes,
                                                      const read_at& read) {
  std::vector<std::uint64_t> ends;
  std::uint64_t start = 0;
  while (size - start > sizes.target_bytes) {
    TANDEM_TRY_ASSIGN(start, next_cut(start + sizes.target_bytes, size, sizes.longest_word_bytes, read));
    ends.push_back(start);
  }
  if (start < size) ends.push_back(size);
  return ends;
}

}  // namespace wordcount
