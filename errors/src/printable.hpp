// Text of unknown origin, made fit for a line of a log or a terminal.
#pragma once
#include <string>
#include <string_view>

namespace tandem::internal {

// Appends `text`; control characters and bytes that are no UTF-8 are written as in C: \n, \t, \x1b, so that no message can
// begin a line of its own or speak to the terminal.
void append_printable(std::string& out, std::string_view text);

inline std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

}  // namespace tandem::internal
