// tandem_stress: runs one primitive against its invariants until the time is over, and prints how far it is.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "stress.hpp"

int main(int argc, char** argv) {
  std::vector<stress::primitive> all;
  for (auto some : {stress::task_primitives(), stress::channel_primitives(), stress::thread_primitives(),
                    stress::file_primitives(), stress::read_primitives(), stress::sync_primitives()})
    all.insert(all.end(), some.begin(), some.end());

  stress::settings how;
  std::string name;
  std::vector<std::string> names;
  std::string list = "Primitives:";
  for (const auto& p : all) {
    names.emplace_back(p.name);
    list += fmt::format("\n  {:9} {}", p.name, p.checks);
  }
  CLI::App app("Runs one primitive of tandem against its invariants until the time is over.");
  app.footer(list);
  app.add_option("--seconds", how.seconds, "how long")->capture_default_str()->check(CLI::Range(1, 86'400));
  app.add_option("--workers", how.workers, "workers of each runtime")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--seed", how.seed, "of the first round; each further one adds 1")->capture_default_str();
  app.add_option("--primitive", name, "what to run")->required()->check(CLI::IsMember(names));
  CLI11_PARSE(app, argc, argv);

  const auto chosen = std::ranges::find_if(all, [&](const stress::primitive& p) { return name == p.name; });
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  const auto end = start + std::chrono::seconds(how.seconds);
  auto tell = start + std::chrono::seconds(10);
  std::uint64_t rounds = 0, operations = 0;
  const auto print = [&] {
    fmt::print("{} workers={} seconds={:.0f} rounds={} operations={}\n", name, how.workers,
               std::chrono::duration<double>(clock::now() - start).count(), rounds, operations);
    std::fflush(stdout);
  };
  while (clock::now() < end) {
    operations += chosen->round(how, how.seed + static_cast<std::uint32_t>(rounds));
    ++rounds;
    if (clock::now() >= tell) {
      print();
      tell += std::chrono::seconds(10);
    }
  }
  print();
  return 0;
}
