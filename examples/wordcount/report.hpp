// What a count has found, and how it is printed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace wordcount {

struct report {
  std::vector<std::pair<std::string, std::uint64_t>> counts;  ///< Sorted by word, in byte order.
  std::vector<std::string> files;                             ///< That were counted.
  std::size_t files_skipped = 0;
  std::uint64_t bytes = 0;
  std::uint64_t words = 0;  ///< Repetitions counted.
  std::uint64_t chunks = 0;
  std::uint64_t chunks_mapped_again = 0;
  tandem::duration elapsed{};
  std::uint64_t messages = 0;  ///< That crossed the wire, as far as nodes answered.
  std::uint64_t wire_bytes = 0;
  std::vector<std::string> silent_nodes;  ///< Did not say what they have sent.
};

/// The most frequent words and the totals, as text.
[[nodiscard]] std::string summary(const report& r, std::size_t top);

/// Writes all counts in the form of `LC_ALL=C sort | uniq -c`.   Errors: errc::unavailable, with the path and the
/// reason.
[[nodiscard]] tandem::result<void> write_counts(const report& r, const std::filesystem::path& path);

/// Writes the names of the files counted, each followed by a NUL.   Errors: as write_counts().
[[nodiscard]] tandem::result<void> write_files(const report& r, const std::filesystem::path& path);

}  // namespace wordcount
