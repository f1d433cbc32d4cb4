// service: the supervision tree, and how it is reached from outside.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/router.hpp>
#include <tandem/actors/subscription.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/actors/system.hpp>

#include "desk.hpp"
#include "keeper.hpp"
#include "listeners.hpp"
#include "messages.hpp"

namespace inventory {

/// ```
/// shop           gives up at the first failure that comes this far
/// ├ ledger       adds up all movements
/// ├ tape         prints them
/// ├ staff        starts keepers again, one for each item
/// │ └ #1, #2 …   keepers; started by desks
/// └ desks
///   └ desk 1 …   find or start keepers
/// ```
/// Starts on construction. Ends by tree.stop(), or with its system.
struct service {
  service(actors::system& system, int connection_lasts, std::size_t intensity);

  topic<movement> movements;
  router<receipt(order), int(count)> desks;  ///< Customers talk to desks.ref().
  books::protocol::ref ledger;
  ticker_tape::protocol::ref tape;
  keepers staff;
  supervisor tree;
  subscription to_ledger, to_tape;
};

// A child's ref is there before the actor, and stays valid when that is started again: so all can be wired first.
// Children start in their order and stop in reverse: the ledger sees the last sale, desks find keepers.
inline service::service(actors::system& system, int connection_lasts, std::size_t intensity)
    : movements(topic_options("movements")),
      desks(by_key([](const order& o) { return o.item; }, [](const count& c) { return c.item; })) {
  const shop common{movements, 20, connection_lasts};

  auto ledger_child = actor_child<books>(system, "ledger");
  ledger = ledger_child.ref();
  to_ledger = movements.subscribe(ledger).value();  // if it is behind, who publishes waits
  auto tape_child = actor_child<ticker_tape>(system, "tape");
  tape = tape_child.ref();
  to_tape = movements.subscribe(tape, subscriber_full::drop_newest).value();

  // A keeper that failed is started again after a pause that grows, with what it left. The other customers' orders stay
  // in its mailbox meanwhile. If keepers fail again and again, that is no accident, and the shop closes.
  actor_child_options keeper_options("keeper");
  keeper_options.snapshot = true;
  supervisor_options staff_options{.name = "staff", .intensity = intensity, .period = 10s};
  staff_options.backoff = {.initial = 10ms, .max = 200ms};
  auto staff_child = supervisor_child("staff", std::move(staff_options),
                                      actor_template<keeper, shop, std::string>(system, keeper_options));
  staff = staff_child.handle();

  std::vector<child_spec> desk_children;
  for (int i = 1; i <= 3; ++i) {
    auto made = actor_child<desk>(system, child_options(fmt::format("desk {}", i)), common, staff);
    (void)desks.add(made.ref());
    desk_children.push_back(std::move(made));
  }

  // With the keepers' supervisor the pieces on their shelves are gone, and no restart brings these back; as little as
  // one of the process would. What has to survive that belongs on a disk.
  tree =
      start_supervisor(system, {.name = "shop", .intensity = 0}, std::move(ledger_child), std::move(tape_child),
                       std::move(staff_child), supervisor_child("desks", {.name = "desks"}, std::move(desk_children)));
}

}  // namespace inventory
