// Customers: tasks outside of the tree, as requests that come over a network would be.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <utility>

#include <tandem/csp/collect.hpp>
#include <tandem/runtime/backoff.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task.hpp>

#include "messages.hpp"

namespace inventory {

struct customer_options {
  int customers = 8;
  int orders = 100;  ///< Of each.
  int pause_ms = 0;  ///< Of each, after an order.
};

/// What was bought.
struct purchases {
  std::size_t orders = 0;
  long pieces = 0;
  std::size_t repeated = 0;  ///< Orders placed again, because the keeper failed over them.
};

/// Says errc::unavailable if the keeper failed over the order, which was not carried out then: it is placed again. Any
/// other failure is passed on; after a timeout, it might have been carried out.
inline task<result<void>> buy(seller desks, order what, purchases& all) {
  backoff pause({.initial = 1ms, .max = 100ms});
  for (;;) {
    const auto done = co_await desks.ask(what, 30s);
    if (done) break;
    if (done.error().code() != errc::unavailable) co_return fail(done.error());
    ++all.repeated;
    co_await or_return(sleep_for(pause.next()));
  }
  ++all.orders;
  all.pieces += what.pieces;
  co_return {};
}

/// Places its orders one after the other, but none once `closing` is over.
inline task<result<purchases>> be_customer(seller desks, customer_options options, std::uint32_t seed,
                                           context closing) {
  constexpr const char* items[] = {"apples", "beans", "corn", "dates", "eggs"};
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::size_t> any_item(0, std::size(items) - 1);
  std::uniform_int_distribution<int> any_number(1, 3);
  purchases mine;
  for (int i = 0; i < options.orders && !closing.is_over(); ++i) {
    order next{items[any_item(random)], any_number(random)};
    co_await or_return(buy(desks, std::move(next), mine));
    co_await or_return(sleep_for(std::chrono::milliseconds(options.pause_ms)));
  }
  co_return mine;
}

inline task<result<purchases>> send_customers(seller desks, customer_options options, context closing) {
  csp::collect<purchases> customers;
  for (int i = 1; i <= options.customers; ++i)
    customers.go(be_customer(desks, options, static_cast<std::uint32_t>(i), closing), "customer");
  purchases all;
  for (const purchases& one : co_await or_return(customers.wait())) {
    all.orders += one.orders;
    all.pieces += one.pieces;
    all.repeated += one.repeated;
  }
  co_return all;
}

}  // namespace inventory
