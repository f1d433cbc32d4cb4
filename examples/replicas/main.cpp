// Asks three replicas for prices, in two ways at once: plainly, with a limit of half a second, and carefully, with the
// policies of tandem::resilience. In the middle of the run one replica breaks and another one is slow; the table shows
// what the callers see of it.
//
// Run: build/release/examples/replicas/replicas    Prints: … what each policy did
#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/signal_set.hpp>
#include <fmt/format.h>

#include <tandem/csp/group.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/resilience/breaker.hpp>
#include <tandem/resilience/hedge.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/with_context.hpp>

#include "latencies.hpp"
#include "replica.hpp"

namespace replicas {
namespace {

namespace resilience = tandem::resilience;
using tandem::csp::group;

constexpr int wrong_usage = 64;

struct options {
  unsigned seconds = 9;
  unsigned per_second = 400;
};

// What is measured in the second that runs, and in all.
struct scores {
  std::mutex lock;  // guards the rest
  latencies second;
  latencies all;
};

template <class Policies>
task<> one_call(const Policies& policies, const trouble& bad, scores& seen, std::string target) {
  const time_point began = tandem::now();
  auto answer = policies.run({.method = "price", .target = target, .idempotent = true},
                             [&bad](const resilience::call& c) { return ask(c.target, bad); });
  const result<int> price = co_await std::move(answer);
  if (!price && price.error().is(tandem::errc::cancelled)) co_return;  // Ctrl-C
  const duration took = tandem::now() - began;
  const std::lock_guard hold(seen.lock);
  seen.second.add(took, !price.has_value());
  seen.all.add(took, !price.has_value());
}

// So many calls a second, whether those before have ended or not, as users come.
template <class Policies>
task<result<void>> clients(const Policies& policies, const trouble& bad, scores& seen, const options& o) {
  const std::vector<std::string> targets{"a", "b", "c"};
  group calls;
  tandem::ticker next(duration(1s) / o.per_second);
  for (unsigned n = 0; n < o.seconds * o.per_second; ++n) {
    const auto due = co_await next.next();
    if (!due) break;
    calls.go(one_call(policies, bad, seen, targets[n % targets.size()]));
  }
  co_return co_await calls.wait();
}

std::string row(latencies& l) {
  return fmt::format("{:6} {:7.1f} {:7.1f} {:7}", l.calls(), l.quantile(0.5), l.quantile(0.99), l.failed());
}

task<result<void>> print_seconds(scores& plain, scores& careful, const trouble& bad, unsigned seconds) {
  fmt::print("{:>6}  {:<31} {:<31}\n", "", "plainly", "carefully");
  constexpr const char* columns = " calls  p50 ms  p99 ms  failed";
  fmt::print("{:>6}  {}   {}\n", "second", columns, columns);
  tandem::ticker second(1s);
  for (unsigned n = 1; n <= seconds; ++n) {
    TANDEM_CO_TRY(co_await second.next());
    const std::scoped_lock hold(plain.lock, careful.lock);
    fmt::print("{:>6}  {}   {}{}\n", n, row(plain.second), row(careful.second),
               bad.at(tandem::now() - 500ms) ? "   b is broken, c is slow" : "");
    std::fflush(stdout);
    plain.second.clear();
    careful.second.clear();
  }
  co_return result<void>();
}

task<result<int>> run(options o) {
  const time_point start = tandem::now();
  const trouble bad{start + duration(1s) * o.seconds / 3, start + duration(1s) * o.seconds * 2 / 3};

  const resilience::retry_budget extra({.share = 0.1, .per_second = 10, .name = "extra"});
  const auto plainly = resilience::with(resilience::timeout(500ms, "limit"));
  const auto carefully = resilience::with(
      resilience::timeout(500ms, "in all"),
      resilience::retry({.attempts = 3, .backoff = {.initial = 5ms, .max = 100ms}, .budget = extra, .name = "again"}),
      resilience::hedge({.targets = {"a", "b", "c"}, .budget = extra, .max_failure_rate = 0.5, .name = "twice"}),
      resilience::breaker({.slow_rate = 0.5, .slow = 50ms, .name = "replicas"}),
      resilience::timeout(150ms, "each"));
  fmt::print("plainly:   {}\ncarefully: {}\n\n", to_string(plainly), to_string(carefully));

  scores plain;
  scores careful;
  group all;
  all.go(clients(plainly, bad, plain, o));
  all.go(clients(carefully, bad, careful, o));
  all.go(print_seconds(plain, careful, bad, o.seconds));
  const result<void> ended = co_await all.wait();
  if (!ended && !ended.error().is(tandem::errc::cancelled)) co_return tandem::fail(ended.error());

  fmt::print("{:>6}  {}   {}\n\nwhat each policy did:\n", "all", row(plain.all), row(careful.all));
  for (const auto& p : resilience::list_policies()) fmt::print("  {:<12} {:<9} {}\n", p.kind, p.name, p.state);
  // For the test of this program: policies that make it worse are a defect.
  co_return careful.all.failed() <= plain.all.failed() ? 0 : 1;
}

task<> obey(asio::signal_set& signals, const tandem::cancel_source& closing) {
  const auto first = co_await signals.async_wait(tandem::use_task);
  if (!first) co_return;
  closing.cancel();
  signals.clear();  // another one ends the program as ever
}

task<result<int>> run_until_signal(options o) {
  const tandem::cancel_source closing(tandem::this_task::context());
  asio::signal_set signals(tandem::this_task::io(), SIGINT, SIGTERM);
  auto obeying = tandem::spawn(obey(signals, closing));
  const result<int> outcome = co_await tandem::with_context(closing.context(), run(o));
  signals.cancel();
  (void)co_await obeying.join();
  co_return outcome;
}

}  // namespace
}  // namespace replicas

int main(int argc, char** argv) {
  replicas::options o;
  CLI::App app("Asks three replicas, one of which breaks, plainly and with the policies of tandem::resilience.");
  app.add_option("--seconds", o.seconds, "How long; the trouble is in the middle third")
      ->capture_default_str()
      ->check(CLI::Range(3U, 3600U));
  app.add_option("--rate", o.per_second, "Calls a second, of each kind")
      ->capture_default_str()
      ->check(CLI::Range(1U, 5000U));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : replicas::wrong_usage;
  }
  tandem::runtime runtime;
  const auto outcome = runtime.block_on(replicas::run_until_signal(o));
  if (!outcome) {
    fmt::print(stderr, "replicas: {}\n", outcome.error());
    return 1;
  }
  return *outcome;
}
