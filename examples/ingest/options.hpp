// The command line of ingest.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "load.hpp"
#include "server.hpp"

namespace ingest {

struct options {
  enum class command { serve, files, load };
  command what = command::serve;
  server_options server;  ///< Its store is that of command::files, too.
  load_options load;
  std::vector<std::string> files;
};

/// Exit codes of the program.
enum exit_code : int {
  exit_ok = 0,
  exit_failed = 1,   ///< It could not start, or documents could not be stored.
  exit_refused = 2,  ///< Some input was no JSON, or could not be read; the rest is stored.
  exit_usage = 64,   ///< Wrong usage: nothing was tried.
};

/// Reads the command line. Where there is nothing to do (--help, or an error, which it prints), the exit code instead.
[[nodiscard]] std::expected<options, int> parse_options(int argc, const char* const* argv);

}  // namespace ingest
