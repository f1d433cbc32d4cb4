// The only file that knows nlohmann-json.
#include <tandem/errors/code_journal.hpp>

#include <ostream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

using json = nlohmann::ordered_json;

// Recursion ends here; who joins joins of joins that deep learns how many there were.
constexpr int most_nested_joins = 32;

// RFC 3339 with milliseconds.
std::string utc(std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  const auto millis = floor<milliseconds>(when);
  const auto day = floor<days>(millis);
  const year_month_day date(day);
  const hh_mm_ss time(millis - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

json fields_of(const layer_view& layer) {
  json fields = json::array();
  for (const error_field& field : layer.fields()) {
    json shown;
    shown["key"] = field.key;
    shown["value"] = field.sensitive ? std::string("(sensitive)") : field.value;
    fields.push_back(std::move(shown));
  }
  return fields;
}

json layers_of(const error& e, int joins_above);

void add_causes(json& shown, const layer_view& layer, int joins_above) {
  std::size_t left_out = layer.left_out();
  if (joins_above < most_nested_joins) {
    for (const error& cause : layer.causes()) shown["causes"].push_back(layers_of(cause, joins_above + 1));
  } else {
    left_out += layer.causes().size();
  }
  if (left_out > 0) shown["causes_left_out"] = left_out;
}

json layer_as_json(const layer_view& layer, int joins_above) {
  json shown;
  shown["message"] = layer.message();
  if (layer.has_own_code()) shown["errc"] = to_string(layer.code());
  if (!layer.kind_key().empty()) shown["kind"] = layer.kind_key();
  if (!layer.file().empty()) {
    shown["file"] = layer.file();
    shown["line"] = layer.line();
    shown["function"] = layer.function();
  }
  if (!layer.node().empty()) shown["node"] = layer.node();
  if (!layer.fields().empty()) shown["fields"] = fields_of(layer);
  if (layer.has_stack()) shown["stack"] = layer.frames();
  add_causes(shown, layer, joins_above);
  return shown;
}

json layers_of(const error& e, int joins_above) {
  json layers = json::array();
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) {
    layers.push_back(layer_as_json(layer, joins_above));
  }
  return layers;
}

json as_json(const code_entry& entry) {
  json shown;
  shown["code"] = entry.code;
  shown["count"] = entry.count;
  shown["first_seen"] = utc(entry.first_seen);
  shown["last_seen"] = utc(entry.last_seen);
  shown["message"] = entry.latest.message();
  shown["errc"] = to_string(entry.latest.code());
  if (const auto kind = entry.latest.kind_key(); !kind.empty()) shown["kind"] = kind;
  if (entry.shortened) shown["shortened"] = true;
  shown["layers"] = layers_of(entry.latest, 0);
  return shown;
}

}  // namespace

void code_journal::dump_json(std::ostream& out) const {
  const std::uint64_t evicted_so_far = evicted();
  out << "{\"evicted\":" << evicted_so_far << ",\"codes\":[";
  const char* separator = "\n";
  for (const code_entry& entry : snapshot()) {
    out << std::exchange(separator, ",\n") << as_json(entry).dump(-1, ' ', false, json::error_handler_t::replace);
  }
  out << "\n]}\n";
}

std::string code_journal::dump_json() const {
  std::ostringstream out;
  dump_json(out);
  return std::move(out).str();
}

}  // namespace tandem
