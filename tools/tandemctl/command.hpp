// The subcommands of tandemctl: one file each, named after it.
#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace tandemctl {

/// How tandemctl ends.
enum exit_code : int {
  done = 0,
  failed = 1,   // something outside went wrong: stdin cannot be read, stdout is gone
  refused = 2,  // the arguments make no sense; stderr says what would
};

/// A subcommand that was added to the tool's parser.
struct command {
  CLI::App* parser;
  std::function<int()> run;  // to be called once the tool has parsed its arguments and met the subcommand
};

/// `tandemctl code`: the short code of a text, or a code as it is typed.
command add_code(CLI::App& tool);

}  // namespace tandemctl
