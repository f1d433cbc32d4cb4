#include "report.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

namespace wordcount {
namespace {

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

/// "1 file", "2,000 files".
std::string counted(std::uint64_t number, std::string_view what) {
  return fmt::format("{} {}{}", grouped(number), what, number == 1 ? "" : "s");
}

tandem::result<void> write_file(const std::filesystem::path& path, const std::string& text) {
  const auto problem = [&] {
    return tandem::fail(tandem::errc::unavailable,
                        fmt::format("cannot write {}: {}", path.string(), std::generic_category().message(errno)));
  };
  std::FILE* const file = std::fopen(path.c_str(), "wbe");
  if (!file) return problem();
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) return problem();
  return {};
}

}  // namespace

std::string summary(const report& r, std::size_t top) {
  auto by_count = r.counts;
  const std::size_t shown = std::min(top, by_count.size());
  std::ranges::partial_sort(
      by_count, by_count.begin() + static_cast<std::ptrdiff_t>(shown),
      [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  std::string text;
  const auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < shown; ++i)
    fmt::format_to(out, "{:>12}  {}\n", grouped(by_count[i].second), by_count[i].first);

  const double seconds = std::chrono::duration<double>(r.elapsed).count();
  const double megabytes = static_cast<double>(r.bytes) / 1e6;
  fmt::format_to(out, "{}, {}, {}, {} distinct\n", counted(r.files.size(), "file"), counted(r.bytes, "byte"),
                 counted(r.words, "word"), grouped(r.counts.size()));
  if (r.files_skipped > 0) fmt::format_to(out, "{} could not be counted, see above\n", grouped(r.files_skipped));
  fmt::format_to(out, "{:.2f} s, {:.1f} MB/s; {}", seconds, seconds > 0 ? megabytes / seconds : 0.0,
                 counted(r.chunks, "chunk"));
  if (r.chunks_mapped_again > 0)
    fmt::format_to(out, ", {} mapped again for lost counts", grouped(r.chunks_mapped_again));
  fmt::format_to(out, "\n{} with {} crossed the wire", counted(r.messages, "message"), counted(r.wire_bytes, "byte"));
  for (const std::string& node : r.silent_nodes) fmt::format_to(out, "; {} did not answer", node);
  text += '\n';
  return text;
}

tandem::result<void> write_counts(const report& r, const std::filesystem::path& path) {
  std::string text;
  for (const auto& [word, count] : r.counts) fmt::format_to(std::back_inserter(text), "{:7} {}\n", count, word);
  return write_file(path, text);
}

tandem::result<void> write_files(const report& r, const std::filesystem::path& path) {
  std::string text;
  for (const std::string& file : r.files) text.append(file).push_back('\0');
  return write_file(path, text);
}

}  // namespace wordcount
