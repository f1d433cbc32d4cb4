#include "options.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include <CLI/CLI.hpp>

namespace ingest {
namespace {

constexpr const char* description =
    "Takes JSON documents over HTTP or from files and appends them to files, one per line.";

constexpr const char* replies =
    "POST /documents takes a document, GET /stats gives numbers, GET /healthz says whether it serves.\n"
    "202: stored in the file, and safe from a crash of this program (--sync never).\n"
    "200: stored on the disk, and safe from a crash of the system (--sync batch).\n"
    "400: no JSON, and why. 408: too slow. 413, 431: too large. 429, 503: not taken, come again after Retry-After.\n"
    "500, 507: it could not be stored. After any other code than 200 or 202 a document may be sent again.";

constexpr const char* exit_codes =
    "Exit codes: 0 well; 1 it could not start, or store what it took; 2 some input was no JSON, or could not be read;\n"
    "64 wrong usage.";

void add_seconds(CLI::App& app, const char* name, std::chrono::seconds& into, const char* what) {
  app.add_option_function<unsigned>(name, [&into](unsigned s) { into = std::chrono::seconds(s); }, what)
      ->default_str(std::to_string(into.count()))
      ->check(CLI::Range(1U, 86400U))
      ->type_name("SECONDS");
}

void add_store_options(CLI::App& app, store_options& store) {
  app.add_option("--folder", store.journal.folder, "Where to store: documents-000001.jsonl, …")
      ->required()
      ->type_name("DIR");
  auto policies = CLI::IsMember({"never", "batch"}, CLI::ignore_case);
  policies.description("");  // the name of the type tells it
  app.add_option_function<std::string>(
         "--sync",
         [&store](const std::string& s) {
           store.journal.sync = s == "batch" ? sync_policy::batch : sync_policy::never;
         },
         "Whether a document is on the disk before it counts as stored")
      ->transform(policies)
      ->default_str("never")
      ->type_name("never|batch");
  app.add_option("--file-limit", store.journal.file_bytes, "A file that has grown to that is followed by another")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
      ->type_name("BYTES");
  app.add_option("--workers", store.workers, "Documents on their way to the disk at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  app.add_option("--queue", store.queue, "Documents that may wait for a worker; the next is told 429")
      ->capture_default_str()
      ->check(CLI::Range(0, 10000000))
      ->type_name("N");
}

void add_server_options(CLI::App& app, server_options& server) {
  app.add_option("--address", server.address, "The IP address to listen on")
      ->capture_default_str()
      ->type_name("ADDRESS");
  app.add_option("--port", server.port, "0 is any that is free")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535))
      ->type_name("PORT");
  app.add_option("--connections", server.connections, "At a time; more have to wait")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_option("--body-limit", server.limits.body_bytes, "Bytes of a document")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("BYTES");
  app.add_option("--header-limit", server.limits.header_bytes, "Bytes of a request's header")
      ->capture_default_str()
      ->check(CLI::Range(256, 1 << 20))
      ->type_name("BYTES");
  add_seconds(app, "--patience", server.patience, "How long a client may take for a request, and for a reply");
  add_seconds(app, "--grace", server.grace, "After Ctrl-C, for what was begun");
}

}  // namespace

std::expected<options, int> parse_options(int argc, const char* const* argv) {
  options parsed;
  CLI::App app(description, "ingest");
  app.require_subcommand(1);
  app.footer(exit_codes);

  CLI::App& serve = *app.add_subcommand("serve", "Serves until Ctrl-C, then stores what it has taken; twice: at once");
  add_store_options(serve, parsed.server.store);
  add_server_options(serve, parsed.server);
  serve.footer(std::string(replies) + "\n\n" + exit_codes);

  CLI::App& files = *app.add_subcommand("files", "Stores the documents of files");
  add_store_options(files, parsed.server.store);
  files.add_option("FILE", parsed.files, "A document; *.jsonl and *.ndjson: one per line")->required()->type_name("");
  files.footer(exit_codes);

  CLI::App& load = *app.add_subcommand("load", "Measures a server: posts as many documents as it can");
  load.add_option("--host", parsed.load.host, "The server")->capture_default_str()->type_name("HOST");
  load.add_option("--port", parsed.load.port, "Its port")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  load.add_option("--connections", parsed.load.connections, "Each has one request under way")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  load.add_option("--bytes", parsed.load.document_bytes, "Size of a document, at least 60")
      ->capture_default_str()
      ->check(CLI::Range(60, 1 << 20))
      ->type_name("BYTES");
  add_seconds(load, "--seconds", parsed.load.length, "For how long");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stop) {
    return std::unexpected(app.exit(stop) == 0 ? int{exit_ok} : int{exit_usage});
  }
  if (files.parsed()) parsed.what = options::command::files;
  if (load.parsed()) parsed.what = options::command::load;
  return parsed;
}

}  // namespace ingest
