#include <tandem/errors/format.hpp>

#include <iterator>
#include <ostream>

#include <fmt/format.h>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

void append_layer(std::string& text, const layer_view& layer) {
  auto out = std::back_inserter(text);
  text += "\n  ";
  text += layer.message();
  if (layer.has_own_code()) fmt::format_to(out, "{}[{}]", layer.message().empty() ? "" : " ", layer.code());
  if (!layer.file().empty()) fmt::format_to(out, "\n    at {} ({}:{})", layer.function(), layer.file(), layer.line());
  if (!layer.node().empty()) fmt::format_to(out, "\n    on {}", layer.node());
  for (const error_field& field : layer.fields()) fmt::format_to(out, "\n    {}={}", field.key, field.value);
  if (!layer.has_stack()) return;
  text += "\n    stack:";
  int number = 0;
  for (const std::string& frame : layer.frames()) fmt::format_to(out, "\n      {} {}", number++, frame);
}

}  // namespace

std::string to_string(const error& e) {
  if (!e) return "no error";
  const std::string message = e.message();
  const std::string code = short_code(message);
  return fmt::format("{} [{} {}]", message, e.code(), code);
}

std::string to_long_string(const error& e) {
  std::string text = to_string(e);
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) append_layer(text, layer);
  return text;
}

std::ostream& operator<<(std::ostream& out, const error& e) { return out << to_string(e); }

}  // namespace tandem
