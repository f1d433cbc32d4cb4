// What is said in the shop, and what all who say it share.
#pragma once
#include <chrono>
#include <string>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/topic.hpp>

namespace inventory {

using namespace std::chrono_literals;
using namespace tandem;
using namespace tandem::actors;

/// So many pieces of an item, please.
struct order {
  std::string item;
  int pieces = 1;
};
struct receipt {
  int left = 0;  ///< Pieces, afterwards.
};

/// How many pieces are left?
struct count {
  std::string item;
};

/// Pieces that came, or if fewer than zero went. Told to all who want to know.
struct movement {
  std::string item;
  int pieces = 0;
  int left = 0;
};

/// Whom customers talk to: a keeper, the desk in front of it, or the router in front of the desks.
using seller = actor_ref<receipt(order), int(count)>;

/// What each keeper needs.
struct shop {
  topic<movement> movements;
  int lot = 20;              ///< Pieces in a delivery.
  int connection_lasts = 4;  ///< Deliveries before a connection to the supplier breaks.
};

}  // namespace inventory
