// Counts the words of files on a cluster: channels and actors on the nodes, gRPC between them.
//
// What it shows
//   - a channel pipeline that reads files without blocking a worker and keeps a bounded number of chunks under way
//     (coordinator.cpp), and a small one inside each mapper (mapper.cpp);
//   - actors with typed protocols (shard, mapper, host), told and asked alike on this node and on others;
//   - an exact result although messages and nodes get lost (wordcount.proto tells how; shard_keeper.cpp, collect.cpp);
//   - cancelling everything on Ctrl-C through one context.
//
// How to run it: ./demo.sh in the repository's top folder starts three nodes on this machine. By hand:
//   tools/dev-certs.sh certs n1 n2
//   common="--member n1=127.0.0.1:7101 --member n2=127.0.0.1:7102 --ca certs/ca.crt"
//   wordcount node  $common --name n2 --listen 127.0.0.1:7102 --cert certs/n2.crt --key certs/n2.key &
//   wordcount count $common --name n1 --listen 127.0.0.1:7101 --cert certs/n1.crt --key certs/n1.key README.md
//
// What it prints: `count` the most frequent words and totals on stdout, how it comes along on stderr; `node` one line
// when it is ready ("node n2 ready on 127.0.0.1:7102") and one when it leaves.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/context.hpp>

#include "coordinator.hpp"
#include "node_service.hpp"
#include "options.hpp"
#include "signals.hpp"

namespace wordcount {
namespace {

void print_problem(const tandem::error& what) { fmt::print(stderr, "wordcount: {}\n", what); }

/// Prints what happens to other nodes, and has the host forget the jobs of those that are down.
tandem::task<> follow_events(tandem::csp::receiver<tandem::cluster::node_event> events, host::protocol::ref own_host) {
  using tandem::cluster::node_event;
  while (auto event = co_await events.recv()) {
    if (event->what == node_event::kind::up) {
      fmt::print(stderr, "node {} is up\n", event->node);
    } else if (event->what == node_event::kind::problem) {
      print_problem(event->why);
    } else {
      fmt::print(stderr, "node {} is down: {}\n", event->node, event->why);
      v1::NodeDown down;
      down.set_node(event->node);
      (void)co_await own_host.tell(std::move(down));  // fails only when this node ends, too
    }
  }
}

int run_node(const options& opts, stop_signals& signals) {
  auto started = node_service::start(opts.cluster);
  if (!started) {
    print_problem(started.error());
    return exit_failed;
  }
  node_service& service = **started;
  service.runtime().spawn(follow_events(service.events(), service.own_host()), "node events").detach();
  const std::string& listen = opts.cluster.listen_address;
  fmt::print("node {} ready on {}:{}\n", service.node().name(), listen.substr(0, listen.rfind(':')),
             service.node().port());
  std::fflush(stdout);

  signals.wait();
  const node_stats& did = service.stats();
  fmt::print("node {} leaves: it mapped {} chunks with {} words, and had {} shards that took {} partial counts\n",
             service.node().name(), did.chunks_mapped.load(), did.words_mapped.load(), did.shards_created.load(),
             did.partial_counts.load());
  std::fflush(stdout);
  service.stop();
  return exit_ok;
}

/// Prints the result and writes the files asked for. Gives the exit code.
int deliver(const report& result, const count_options& opts) {
  fmt::print("{}", summary(result, opts.top));
  if (std::fflush(stdout) != 0) return exit_failed;
  for (const auto& [path, write] :
       {std::pair(opts.counts_file, &write_counts), std::pair(opts.files_file, &write_files)}) {
    if (path.empty()) continue;
    if (const auto written = write(result, path); !written) {
      print_problem(written.error());
      return exit_failed;
    }
  }
  return result.files_skipped > 0 ? exit_input_skipped : exit_ok;
}

int run_count(const options& opts, stop_signals& signals) {
  found_files files = find_files(opts.count.inputs);
  for (const tandem::error& problem : files.problems) print_problem(problem);
  if (files.usable.empty()) {
    fmt::print(stderr, "wordcount: there is nothing to count: none of the inputs is a file that can be read\n");
    return exit_input_skipped;
  }

  auto started = node_service::start(opts.cluster);
  if (!started) {
    print_problem(started.error());
    return exit_failed;
  }
  node_service& service = **started;
  const tandem::cancel_source stop(service.runtime().root_context());
  signals.on_stop([&stop](int) { stop.cancel(tandem::make_error(tandem::errc::cancelled, "interrupted")); });
  tandem::result<report> outcome = tandem::fail(tandem::errc::cancelled);
  {
    progress out(isatty(STDERR_FILENO) == 1);
    auto count = count_words_of(service.node(), service.events(), opts.count, std::move(files.usable), out);
    outcome = service.runtime().block_on(std::move(count), {"count", stop.context()});
  }
  signals.on_stop({});
  service.stop();
  if (const int signal = signals.received()) {  // even at the very end: what the other nodes sent is not known then
    fmt::print(stderr, "wordcount: interrupted; there is no result\n");
    return exit_signal + signal;
  }
  if (outcome) {
    outcome->files_skipped += files.problems.size();
    return deliver(*outcome, opts.count);
  }
  print_problem(outcome.error());
  return exit_failed;
}

}  // namespace
}  // namespace wordcount

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // what gRPC would print of its own accord, node events say better
  wordcount::stop_signals signals;      // before any other thread exists
  const auto parsed = wordcount::parse_options(argc, argv);
  if (!parsed) return parsed.error();
  return parsed->what == wordcount::options::command::node ? wordcount::run_node(*parsed, signals)
                                                           : wordcount::run_count(*parsed, signals);
}
