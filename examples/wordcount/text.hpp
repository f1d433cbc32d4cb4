// The pure part of counting words: what a word is, where a text may be cut, how often each word occurs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tandem/errors/result.hpp>

namespace wordcount {

/// A word is a maximal run of these. Bytes, not characters: no locale, no encoding.
[[nodiscard]] constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// 64-bit FNV-1a: the same on every node, see wordcount.proto.
[[nodiscard]] constexpr std::uint64_t word_hash(std::string_view word) noexcept {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

/// Makes letters lower-case and every other byte a line feed: afterwards words are what stands between line feeds.
void fold(std::span<char> text) noexcept;

/// Calls f(word) for each word of a folded text, in order.
template <class F>
void for_each_word(std::string_view folded, F&& f) {
  std::size_t at = 0;
  while ((at = folded.find_first_not_of('\n', at)) != std::string_view::npos) {
    std::size_t end = folded.find('\n', at);
    if (end == std::string_view::npos) end = folded.size();
    f(folded.substr(at, end - at));
    at = end;
  }
}

struct word_hasher {
  std::size_t operator()(std::string_view word) const noexcept { return word_hash(word); }
};

/// How often each word occurs. The words point into the text they were counted in.
using word_counts = std::unordered_map<std::string_view, std::uint64_t, word_hasher>;

[[nodiscard]] word_counts count_words(std::string_view folded);

/// Splits a folded text into pieces of about `piece_bytes` without cutting a word.
[[nodiscard]] std::vector<std::string_view> split_between_words(std::string_view folded, std::size_t piece_bytes);

/// How a file is cut into chunks.
struct chunk_sizes {
  std::uint64_t target_bytes = 256 << 10;
  std::uint64_t longest_word_bytes = 16 << 20;
};

/// Reads the bytes at `offset` into `into`, as many as there are; fewer only at the end of the file.
using read_at = std::function<tandem::result<std::size_t>(std::uint64_t offset, std::span<char> into)>;

/// The ends of the chunks of a file of `size` bytes, in order; the last is `size`. No end has a letter on both sides,
/// and chunks are longer than the target only where a word makes them so. Reads only around the ends. An empty file has
/// none. Errors: errc::out_of_range if a word is longer than the limit and a cut was looked for in it; those of `read`.
[[nodiscard]] tandem::result<std::vector<std::uint64_t>> chunk_ends(std::uint64_t size, const chunk_sizes& sizes,
                                                                    const read_at& read);

}  // namespace wordcount
