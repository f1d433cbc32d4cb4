// What is JSON, and what is not.
#pragma once
#include <string>

#include <tandem/errors/result.hpp>

namespace ingest {

/// Makes valid JSON one line: its bytes as they are, but for a byte order mark at the beginning, which goes, and line
/// breaks, which can only stand between values, where they become spaces.
/// Errors: errc::invalid_argument, saying where and why it is no JSON.
[[nodiscard]] tandem::result<std::string> one_line_of_json(std::string text);

/// {"error": "…"}
[[nodiscard]] std::string error_json(const std::string& message);

}  // namespace ingest
