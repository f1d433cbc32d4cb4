// Keeps the stock of a shop: one actor for each item, started when the first order for it comes. Their connections to
// the supplier break now and then, which fails the actor; its supervisor starts it again with the stock it had. At the
// end the books are compared with the shelves. README.md leads through it; `inventory --help` tells more.
//
// Run: build/release/examples/inventory/inventory    Prints: … apples: 2 sold, 14 left … the books are right
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <asio/signal_set.hpp>
#include <fmt/format.h>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

#include "customers.hpp"
#include "service.hpp"

namespace inventory {
namespace {

constexpr int wrong_usage = 64;

struct options {
  customer_options customers;
  int connection_lasts = 4;
  std::size_t intensity = 100;
};

// After the first Ctrl-C nobody orders any more. Then the signals are let go of: another one ends the program as ever.
task<> obey(asio::signal_set& signals, const cancel_source& closing) {
  const auto first = co_await signals.async_wait(use_task);
  if (!first) co_return;
  closing.cancel();
  signals.clear();
}

task<> close_when_over(supervisor tree, const cancel_source& open) {
  const auto ended = co_await tree.wait();
  if (!ended) open.cancel(ended.error());
}

// True if every shelf has what came less what was sold, and what was sold is what customers bought.
task<result<bool>> audit(const service& shop, const purchases& bought) {
  const accounts entries = co_await or_return(shop.ledger.ask(read_accounts{}, 30s));
  bool right = true;
  long sold = 0;
  fmt::print("\n{:<8} {:>10} {:>6} {:>6}\n", "item", "delivered", "sold", "left");
  for (const auto& [item, entry] : entries) {
    count question{item};
    const int left = co_await or_return(shop.desks.ref().ask(std::move(question), 30s));
    const bool same = left == entry.delivered - entry.sold;
    fmt::print("{:<8} {:>10} {:>6} {:>6}{}\n", item, entry.delivered, entry.sold, left, same ? "" : "  <- wrong");
    right = right && same;
    sold += entry.sold;
  }
  right = right && sold == bought.pieces;
  co_return right;
}

task<result<void>> print_numbers(actors::system& system, const service& shop, const purchases& bought) {
  std::size_t restarts = 0;
  const auto keepers = co_await or_return(shop.staff.which_children());
  for (const auto& k : keepers) restarts += k.restarts;
  fmt::print("{} orders of {} pieces; {} were placed again, as their keeper failed\n", bought.orders, bought.pieces,
             bought.repeated);
  fmt::print("{} keepers, started again {} times\n", keepers.size(), restarts);
  const long printed = co_await or_return(shop.tape.ask(lines_printed{}, 30s));
  fmt::print("{} movements, {} printed, {} not; {} dead letters\n", shop.movements.stats().published, printed,
             shop.to_tape.missed(), system.dead_letters());
  co_return {};
}

task<result<bool>> open_shop(actors::system& system, options chosen) {
  asio::signal_set signals(this_task::io(), SIGINT, SIGTERM);
  service shop(system, chosen.connection_lasts, chosen.intensity);
  co_await or_return(shop.tree.started());

  const cancel_source closing, open;
  auto obeying = spawn(obey(signals, closing), spawn_options::cancellable("signals"));
  auto watching = spawn(close_when_over(shop.tree, open), spawn_options::cancellable("watching"));
  auto bought =
      co_await with_context(open.context(), send_customers(shop.desks.ref(), chosen.customers, closing.context()));
  obeying.cancel();
  watching.cancel();
  (void)co_await obeying.join();
  (void)co_await watching.join();
  if (!bought) co_return fail(bought.error());

  const bool right = co_await or_return(audit(shop, *bought));
  co_await or_return(print_numbers(system, shop, *bought));
  co_await or_return(shop.tree.stop(10s));
  co_return right;
}

int parse(int argc, char** argv, options& into) {
  CLI::App app(
      "Customers order items of a shop whose actors keep the stock, lose their supplier now and then, and are started "
      "again. Prints each movement, and at the end compares the books with the shelves. Ctrl-C: no more orders.",
      "inventory");
  app.footer("Exit codes: 0 the books are right; 1 they are not, or the shop had to close; 64 wrong usage.");
  const auto number = [&app](const char* name, auto& to, int least, int most, const char* what) {
    app.add_option(name, to, what)->capture_default_str()->check(CLI::Range(least, most))->type_name("N");
  };
  number("--customers", into.customers.customers, 1, 10000, "Who order at the same time");
  number("--orders", into.customers.orders, 0, 1'000'000'000, "Of each customer");
  number("--pause", into.customers.pause_ms, 0, 60000, "Milliseconds from a customer's order to his next");
  number("--connection-lasts", into.connection_lasts, 0, 1'000'000'000, "Deliveries until a connection breaks");
  number("--intensity", into.intensity, 0, 1'000'000, "Keepers that may fail in 10 s before the shop closes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stop) {
    return app.exit(stop) == 0 ? 0 : wrong_usage;
  }
  return -1;
}

}  // namespace
}  // namespace inventory

int main(int argc, char** argv) {
  using namespace inventory;
  options chosen;
  if (const int code = parse(argc, argv, chosen); code >= 0) return code;
  result<bool> right;
  try {
    runtime rt;
    actors::system system(rt);
    right = rt.block_on(open_shop(system, chosen));
  } catch (const std::exception&) {
    right = fail(from_exception(std::current_exception()));
  }
  if (!right) {
    fmt::print(stderr, "inventory: the shop had to close: {}\n", right.error());
    if (is(right.error(), shutdown_reason))
      fmt::print(stderr,
                 "inventory: a supplier that fails that often is not cured by starting keepers again; allow more "
                 "with --intensity, or better connections with --connection-lasts\n");
    return 1;
  }
  fmt::print("the books are {}\n", *right ? "right" : "wrong");
  return *right ? 0 : 1;
}
