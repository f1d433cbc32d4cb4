// keeper: the actor that has the pieces of one item; and what makes it fail.
#pragma once
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task.hpp>

#include "messages.hpp"

namespace inventory {

/// A connection to the supplier, as somebody else's library may give it: one day it breaks, throws, and is of no use
/// any more.
class connection {
 public:
  explicit connection(int lasts) : deliveries_left_(lasts) {}

  /// Pieces that were delivered: all.   Errors: throws when it has broken.
  task<result<int>> deliver(int pieces) {
    co_await or_return(sleep_for(1ms));
    if (deliveries_left_ == 0) throw std::runtime_error("the connection to the supplier broke");
    --deliveries_left_;
    co_return pieces;
  }

 private:
  int deliveries_left_;
};

/// Sells what is on its shelf, and has it filled when that is too little. When its connection breaks it does not repair
/// it: it fails, and the supervisor makes another keeper, with a new connection and the pieces that this one left.
class keeper {
 public:
  using protocol = seller::protocol;

  /// `left` is what the keeper before it left: its snapshot().
  keeper(const shop& in, std::string item, int left = 0)
      : shop_(in), item_(std::move(item)), left_(left), supplier_(in.connection_lasts) {}
  int snapshot() const { return left_; }

  /// Whatever fails, fails before the pieces are counted: then none were sold, and the order may be placed again.
  task<result<receipt>> on(order o) {
    if (o.pieces < 1) co_return fail(errc::invalid_argument, "an order is of one piece or more");
    while (left_ < o.pieces) {
      const int came = co_await or_return(supplier_.deliver(shop_.lot));
      co_await or_return(note(came));
    }
    co_await or_return(note(-o.pieces));
    co_return receipt{left_};
  }
  int on(const count&) { return left_; }

 private:
  /// Counts pieces when all have been told, so that the books and the shelf cannot differ.
  task<result<void>> note(int pieces) {
    movement m{item_, pieces, left_ + pieces};
    co_await or_return(shop_.movements.publish(std::move(m)));
    left_ += pieces;
    co_return {};
  }

  const shop shop_;
  const std::string item_;
  int left_;
  connection supplier_;
};

}  // namespace inventory
