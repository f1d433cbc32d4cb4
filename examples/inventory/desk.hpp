// desk: finds the keeper of an item, or has one started.
#pragma once
#include <string>
#include <utility>

#include <tandem/actors/dynamic_supervisor.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/task.hpp>

#include "messages.hpp"

namespace inventory {

/// Starts a keeper for each item that is asked for.
using keepers = dynamic_supervisor<seller(shop, std::string)>;

/// Remembers nothing: a keeper is found by its name, so a desk that is started again goes on where it was. All orders
/// of one item come to the same desk, which handles one message at a time: no item gets two keepers.
class desk {
 public:
  using protocol = seller::protocol;

  desk(actor_context& context, shop in, keepers staff)
      : context_(context), shop_(std::move(in)), staff_(std::move(staff)) {}

  /// The keeper answers in place of the desk, which does not wait for that.
  task<> on(order o, reply_to<receipt> customer) {
    const auto keeper = co_await find_or_start(o.item);
    if (keeper) {
      (void)co_await keeper->forward(std::move(o), std::move(customer));  // the customer hears if it fails
    } else {
      customer.answer(fail(keeper.error()));
    }
  }
  task<result<int>> on(count c) {
    const seller keeper = co_await or_return(find(c.item));
    co_return co_await keeper.ask(std::move(c));
  }

 private:
  [[nodiscard]] static std::string name_of_keeper(const std::string& item) { return "keeper of " + item; }
  [[nodiscard]] result<seller> find(const std::string& item) const {
    return context_.system().lookup<receipt(order), int(count)>(name_of_keeper(item));
  }
  task<result<seller>> find_or_start(std::string item) {
    auto known = find(item);
    if (known || known.error().code() != errc::not_found) co_return known;
    auto started = co_await or_return(staff_.start_child(shop_, item));
    co_await or_return(context_.system().register_name(name_of_keeper(item), started.handle));
    co_return started.handle;
  }

  actor_context& context_;
  const shop shop_;
  const keepers staff_;
};

}  // namespace inventory
