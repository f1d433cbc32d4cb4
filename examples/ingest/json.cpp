#include "json.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace ingest {
namespace {

using nlohmann::json;

/// Keeps nothing but the error: a document is stored as it came.
struct checker : nlohmann::json_sax<json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const json::exception& e) override {
    problem = e.what();
    return false;
  }

  std::string problem;
};

}  // namespace

tandem::result<std::string> one_line_of_json(std::string text) {
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  checker seen;
  if (!json::sax_parse(text, &seen)) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    const std::size_t prefix = seen.problem.find("] ");
    if (prefix != std::string::npos) seen.problem.erase(0, prefix + 2);
    return tandem::fail(tandem::errc::invalid_argument, std::move(seen.problem));
  }
  // The parser takes a zero byte for the end, whatever comes after it.
  if (const std::size_t zero = text.find('\0'); zero != std::string::npos)
    return tandem::fail(tandem::errc::invalid_argument, "parse error: byte " + std::to_string(zero + 1) + " is zero");
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

std::string error_json(const std::string& message) {
  return json{{"error", message}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace ingest
