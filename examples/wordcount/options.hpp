// The command line of wordcount, and the file that --config names.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include <tandem/cluster/options.hpp>

namespace wordcount {

struct count_options {
  std::vector<std::string> inputs;  ///< Files and directories.
  std::size_t top = 20;
  std::filesystem::path counts_file;  ///< Empty: not written.
  std::filesystem::path files_file;   ///< Empty: not written.
  std::chrono::seconds wait{10};      ///< For the other members, at the start.
  bool allow_missing = false;         ///< Start although not all members are there.
  pid_t kill_at_third = 0;            ///< 0: nobody is killed.
};

struct options {
  enum class command { node, count };
  command what = command::node;
  tandem::cluster::node_options cluster;
  count_options count;  ///< For command::count.
};

/// Exit codes of the program.
enum exit_code : int {
  exit_ok = 0,
  exit_failed = 1,         ///< The job failed, or the node could not start.
  exit_input_skipped = 2,  ///< Some input could not be counted; the rest was, if there was any.
  exit_usage = 64,         ///< Wrong usage: nothing was tried.
  exit_signal = 128        ///< Plus the number of the signal that ended it: 130 for Ctrl-C.
};

/// Reads the command line. Where there is nothing to do (--help, or an error, which it prints), the exit code instead.
[[nodiscard]] std::expected<options, int> parse_options(int argc, const char* const* argv);

}  // namespace wordcount
