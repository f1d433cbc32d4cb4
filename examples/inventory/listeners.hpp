// Who is told of each movement: one that must not miss any, and one that must not be waited for.
#pragma once
#include <map>
#include <string>

#include <fmt/format.h>

#include "messages.hpp"

namespace inventory {

struct account {
  long delivered = 0;
  long sold = 0;
};
using accounts = std::map<std::string, account>;
struct read_accounts {};

/// Adds up what came and what went.
class books {
 public:
  using protocol = actors::protocol<void(movement), accounts(read_accounts)>;

  void on(const movement& m) {
    account& of_item = accounts_[m.item];
    (m.pieces < 0 ? of_item.sold : of_item.delivered) += m.pieces < 0 ? -m.pieces : m.pieces;
  }
  accounts on(read_accounts) { return accounts_; }

 private:
  accounts accounts_;
};

struct lines_printed {};

/// Prints. A terminal may be slow: this one misses what it has no room for.
class ticker_tape {
 public:
  using protocol = actors::protocol<void(movement), long(lines_printed)>;

  void on(const movement& m) {
    const bool sold = m.pieces < 0;
    fmt::print("{}: {} {}, {} left\n", m.item, sold ? -m.pieces : m.pieces, sold ? "sold" : "delivered", m.left);
    ++printed_;
  }
  long on(lines_printed) { return printed_; }

 private:
  long printed_ = 0;
};

}  // namespace inventory
