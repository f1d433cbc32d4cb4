#include "command.hpp"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include <tandem/errors/short_code.hpp>

namespace tandemctl {
namespace {

struct code_arguments {
  std::string text;
  std::string typed;
};

// All of stdin, whatever the bytes; none if it cannot be read.
std::optional<std::string> read_stdin() {
  std::string text;
  char piece[1 << 16];
  while (const std::size_t got = std::fread(piece, 1, sizeof piece, stdin)) text.append(piece, got);
  if (std::ferror(stdin) != 0) return std::nullopt;
  return text;
}

int print_code_of(std::string text) {
  if (text == "-") {
    auto input = read_stdin();
    if (!input) {
      fmt::print(stderr, "tandemctl: cannot read stdin\n");
      return failed;
    }
    text = std::move(*input);
    if (text.ends_with('\n')) text.pop_back();
  }
  fmt::print("{}\n", tandem::short_code(text));
  if (const auto code = tandem::normalise_code(text); code && text == *code) {
    fmt::print(stderr, "tandemctl: {} is a code itself; this is the code of the text \"{}\"\n", *code, *code);
  }
  return done;
}

int print_normal_form(const std::string& typed) {
  const auto code = tandem::normalise_code(typed);
  if (!code) {
    fmt::print(stderr, "tandemctl: {}\n", code.error().message());
    return refused;
  }
  fmt::print("{}\n", *code);
  return done;
}

}  // namespace

command add_code(CLI::App& tool) {
  CLI::App* const parser = tool.add_subcommand(
      "code", "Print the short code of an error's text, or the normal form of a code");
  const auto arguments = std::make_shared<code_arguments>();
  CLI::Option* const text = parser->add_option(
      "TEXT", arguments->text,
      "The text as one argument (quote it), or the key of the error's kind.\n"
      "\"-\" reads it from stdin, whatever the bytes, without the newline at its end if there is one.\n"
      "Put -- before a text that starts with a dash");
  CLI::Option* const typed = parser->add_option(
      "--normalise,--normalize", arguments->typed,
      "Print the code that a person typed in its normal form (3oev: 30EV);\n"
      "exit with 2 if nothing can have it as its code");
  typed->type_name("CODE");
  text->type_name("");
  return {parser, [arguments, text, typed]() -> int {
            if (text->count() + typed->count() != 1) {
              fmt::print(stderr,
                         "tandemctl: code needs either a text (\"-\" for stdin) or --normalise CODE; try --help\n");
              return refused;
            }
            return typed->count() > 0 ? print_normal_form(arguments->typed) : print_code_of(std::move(arguments->text));
          }};
}

}  // namespace tandemctl
