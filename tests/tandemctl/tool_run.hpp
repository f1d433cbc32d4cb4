// Runs the real tandemctl.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct tool_result {
  int status;  // the exit code; 128 and the signal if one ended it
  std::string out;
  std::string err;
};

// Runs tandemctl with the arguments and `input` as its stdin, and waits for its end.
tool_result run_tandemctl(std::vector<std::string> arguments, std::string_view input = {});

}  // namespace tandem
