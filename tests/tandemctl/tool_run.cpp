#include "tandemctl/tool_run.hpp"

#include <cstdio>
#include <memory>

#include <sys/wait.h>
#include <unistd.h>

namespace tandem {
namespace {

// Files, not pipes: neither side waits for the other, however much is written.
using temporary_file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

temporary_file make_file() { return {std::tmpfile(), std::fclose}; }

std::string content_of(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  return text;
}

}  // namespace

tool_result run_tandemctl(std::vector<std::string> arguments, std::string_view input) {
  const temporary_file in = make_file();
  const temporary_file out = make_file();
  const temporary_file err = make_file();
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());

  std::vector<char*> argv;
  std::string program = TANDEMCTL;
  argv.push_back(program.data());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    dup2(fileno(in.get()), STDIN_FILENO);
    dup2(fileno(out.get()), STDOUT_FILENO);
    dup2(fileno(err.get()), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, content_of(out.get()), content_of(err.get())};
}

}  // namespace tandem
