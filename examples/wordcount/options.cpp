#include "options.hpp"

#include <algorithm>
#include <iterator>
#include <memory>

#include <CLI/CLI.hpp>

namespace wordcount {
namespace {

constexpr const char* description =
    "Counts the words of files on a cluster of nodes. A word is a maximal run of ASCII letters, lower-cased.\n"
    "Start `node` on every member but one and `count` on that one; ./demo.sh does it all on this machine.";

constexpr const char* exit_codes =
    "Exit codes: 0 all counted; 1 the job failed, or the node could not start; 2 some input could not be counted, the\n"
    "rest was; 64 wrong usage; 130 interrupted.";

// "NAME=HOST:PORT" in two; the cluster checks name and address more closely.
const CLI::Validator member_form(
    [](std::string& text) {
      const auto equals = text.find('=');
      const bool good = equals != std::string::npos && equals > 0 && text.find(':', equals) != std::string::npos;
      return good ? std::string() : "'" + text + "' is not NAME=HOST:PORT, e.g. n1=127.0.0.1:7101";
    },
    "");

tandem::cluster::member parse_member(const std::string& text) {
  const auto equals = text.find('=');
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_cluster_options(CLI::App& app, options& into, std::vector<std::string>& members) {
  tandem::cluster::node_options& cluster = into.cluster;
  app.add_option("--name", cluster.name, "This node, as the others' member lists and its certificate call it")
      ->required()
      ->type_name("NAME");
  app.add_option("--listen", cluster.listen_address, "Where to listen for other nodes")
      ->required()
      ->type_name("HOST:PORT");
  app.add_option("--member", members, "A node of the cluster; give one for each. This node may be among them")
      ->check(member_form)
      ->type_name("NAME=HOST:PORT")
      ->allow_extra_args(false);
  app.add_option("--ca", cluster.tls.ca, "The CA that signs the nodes' certificates (PEM)")
      ->required()
      ->type_name("FILE");
  app.add_option("--cert", cluster.tls.certificate, "This node's certificate (PEM)")->required()->type_name("FILE");
  app.add_option("--key", cluster.tls.private_key, "The certificate's key (PEM)")->required()->type_name("FILE");
  app.set_config("--config", "", "A TOML file with any of these options, e.g. listen = \"0.0.0.0:7100\"")
      ->type_name("FILE");
  app.allow_config_extras(CLI::config_extras_mode::error);
}

void add_count_options(CLI::App& app, count_options& count) {
  app.add_option("FILE|DIR", count.inputs, "What to count; folders with all regular files below them")
      ->required()
      ->type_name("");
  app.add_option("--top", count.top, "How many of the most frequent words to print")
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--counts-out", count.counts_file, "Write all counts, sorted by word, in the form of `uniq -c`")
      ->type_name("FILE");
  app.add_option("--files-out", count.files_file, "Write the names of the files counted, each followed by a NUL")
      ->type_name("FILE");
  app.add_option_function<unsigned>(
         "--wait", [&count](unsigned seconds) { count.wait = std::chrono::seconds(seconds); },
         "How long to wait for the other members at the start")
      ->default_str(std::to_string(count.wait.count()))
      ->type_name("SECONDS");
  app.add_flag("--allow-missing", count.allow_missing, "Start without the members that are not there by then");
  app.add_option("--kill-at-third", count.kill_at_third,
                 "For demonstrations: send SIGKILL to this process once a third of the input is counted")
      ->check(CLI::PositiveNumber.name(""))
      ->type_name("PID");
}

}  // namespace

std::expected<options, int> parse_options(int argc, const char* const* argv) {
  options parsed;
  std::vector<std::string> members;
  CLI::App app(description, "wordcount");
  const auto formatter = std::make_shared<CLI::Formatter>();
  app.formatter(formatter);
  add_cluster_options(app, parsed, members);
  app.require_subcommand(1);

  CLI::App& node = *app.add_subcommand("node", "Serves counts of other nodes until SIGINT or SIGTERM");
  CLI::App& count = *app.add_subcommand("count", "Coordinates one count, prints its result and leaves");
  add_count_options(count, parsed.count);
  for (CLI::App* command : {&node, &count}) {
    command->fallthrough();  // the cluster's options may follow the command
    command->footer([&] { return formatter->make_groups(&app, CLI::AppFormatMode::All) + "\n" + exit_codes; });
  }
  app.footer(exit_codes);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stop) {
    return std::unexpected(app.exit(stop) == 0 ? int{exit_ok} : int{exit_usage});
  }
  parsed.what = count.parsed() ? options::command::count : options::command::node;
  std::ranges::transform(members, std::back_inserter(parsed.cluster.members), parse_member);
  return parsed;
}

}  // namespace wordcount
