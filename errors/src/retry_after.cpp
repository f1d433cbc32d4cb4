#include <tandem/errors/retry_after.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

constexpr const char* key = "retry_after_ms";
using milliseconds = std::chrono::duration<std::int64_t, std::milli>;
constexpr milliseconds longest = std::chrono::days(1);

std::optional<std::chrono::nanoseconds> parsed(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failed == std::errc::result_out_of_range && text.front() != '-') return longest;
  if (failed != std::errc() || end != text.data() + text.size() || count < 0) return std::nullopt;
  return std::min(milliseconds(count), longest);
}

std::optional<std::chrono::nanoseconds> said_by(layer_view layer) {
  for (; layer; layer = layer.next()) {
    for (const error_field& f : layer.fields())
      if (f.key == key)
        if (const auto wait = parsed(f.value)) return wait;
    std::optional<std::chrono::nanoseconds> most;
    for (const error& cause : layer.causes()) most = std::max(most, said_by(cause.first_layer()));
    if (most) return most;
  }
  return std::nullopt;
}

}  // namespace

error with_retry_after(error e, std::chrono::nanoseconds wait) {
  const auto whole = std::chrono::ceil<milliseconds>(std::max(wait, std::chrono::nanoseconds(0)));
  return with(std::move(e), key, std::to_string(whole.count()));
}

std::optional<std::chrono::nanoseconds> retry_after_of(const error& e) { return said_by(e.first_layer()); }

}  // namespace tandem
