// tandemctl: looks at what tandem programs leave behind. `tandemctl --help` lists what it can do.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "command.hpp"
#include "suggest.hpp"

namespace tandemctl {
namespace {

std::vector<std::string> names_of(const std::vector<command>& commands) {
  std::vector<std::string> names;
  for (const command& c : commands) names.push_back(c.parser->get_name());
  return names;
}

// Arguments may hold anything, and the terminal obeys some of it.
std::string escaped(std::string_view text) {
  const std::string quoted = fmt::format("{:?}", text);
  return quoted.substr(1, quoted.size() - 2);
}

int refuse_command(std::string_view typed, const std::vector<std::string>& names) {
  const std::string meant = suggestion(typed, names);
  fmt::print(stderr, "tandemctl: there is no command '{}'; {}\n", escaped(typed),
             meant.empty() ? fmt::format("the commands are: {}", fmt::join(names, ", "))
                           : fmt::format("did you mean '{}'?", meant));
  return refused;
}

int run(int argc, char** argv) {
  CLI::App tool("Looks at what tandem programs leave behind.\n"
                "Exits with 0, 1 if something outside went wrong, 2 for wrong arguments.", "tandemctl");
  tool.set_version_flag("--version", "tandemctl " TANDEM_VERSION, "Print the version and exit");
  tool.require_subcommand(1);
  const std::vector<command> commands{add_code(tool)};

  const std::vector<std::string> names = names_of(commands);
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end()) {
    return refuse_command(argv[1], names);
  }
  try {
    tool.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return tool.exit(asked);  // --help, --version
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "tandemctl: {}; try --help\n", escaped(wrong.what()));
    return refused;
  }
  const auto chosen = std::ranges::find_if(commands, [](const command& c) { return c.parser->parsed(); });
  return chosen->run();
}

}  // namespace
}  // namespace tandemctl

int main(int argc, char** argv) {
  int status = tandemctl::failed;
  try {
    status = tandemctl::run(argc, argv);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "tandemctl: {}\n", problem.what());
  }
  if (std::fflush(stdout) != 0 && status == tandemctl::done) {
    fmt::print(stderr, "tandemctl: cannot write to stdout\n");
    status = tandemctl::failed;
  }
  return status;
}
