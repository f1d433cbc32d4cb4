// Takes JSON documents over HTTP, or from files, and stores them: a bounded worker pool (csp::worker_pool) between what
// comes and what the disk takes. When the pool is full clients are told 429 and come again; nothing is acknowledged
// before it is stored; Ctrl-C stores what was taken, and then ends. `ingest serve --help` tells more.
//
// Run: build/release/examples/ingest/ingest serve --folder /tmp/documents    Prints: listening on 127.0.0.1:8080
//      curl -i -d '{"n": 1}' http://127.0.0.1:8080/documents                 Prints: HTTP/1.1 202 Accepted …
//      build/release/examples/ingest/ingest files --folder /tmp/documents a.json b.jsonl
//      examples/ingest/bench.sh build/release/examples/ingest/ingest         Prints: … requests per minute …
#include <cstdio>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>

#include "files.hpp"
#include "load.hpp"
#include "options.hpp"
#include "server.hpp"

namespace ingest {
namespace {

int exit_code_of(const tandem::result<void>& done) {
  if (done) return exit_ok;
  fmt::print(stderr, "ingest: {}\n", done.error());
  return exit_failed;
}

int run_files(tandem::runtime& rt, const options& opts) {
  const auto counts = rt.block_on(ingest_files(opts.server.store, opts.files));
  if (!counts) return exit_code_of(tandem::fail(counts.error()));
  fmt::print("stored {} documents\n", counts->stored);
  return counts->refused > 0 ? exit_refused : exit_ok;
}

int run(const options& opts) {
  try {
    tandem::runtime rt;
    switch (opts.what) {
      case options::command::serve: return exit_code_of(rt.block_on(serve(opts.server)));
      case options::command::files: return run_files(rt, opts);
      case options::command::load: return exit_code_of(rt.block_on(load(opts.load)));
    }
  } catch (const std::exception&) {
    return exit_code_of(tandem::fail(tandem::from_exception(std::current_exception())));
  }
  return exit_failed;
}

}  // namespace
}  // namespace ingest

int main(int argc, char** argv) {
  const auto parsed = ingest::parse_options(argc, argv);
  if (!parsed) return parsed.error();
  return ingest::run(*parsed);
}
