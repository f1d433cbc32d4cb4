// Shows what an error tells: the engineer who has the log, the program that must decide, and the stranger on the phone.
// Run it without arguments; it prints one failed request in three ways, and what can be found out by the code alone.
#include <fmt/format.h>
#include <tandem/errors/code_journal.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/errors/kind.hpp>
#include <tandem/errors/public_message.hpp>
#include <tandem/errors/retry_advice.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

using namespace tandem;

// A kind gives all errors of its sort one code, whatever their texts say of the occasion.
inline const kind no_such_user("shop.no_such_user", errc::not_found, "There is no such user.");

task<result<int>> find_user(int id) {
  co_await sleep_for(std::chrono::milliseconds(1));  // the lookup; stacks survive that a task sleeps
  co_return fail(no_such_user, fmt::format("no user {}", id));
}

task<result<int>> load_cart(int user) {
  const int row = co_await or_return(find_user(user));  // the value, or the end of this coroutine with the error
  co_return row + 1;
}

task<result<int>> serve(int user) {
  auto cart = co_await load_cart(user);
  if (!cart) co_return fail(with(wrap(std::move(cart).error(), "cannot show the cart"), "session", "s-81"));
  co_return *cart;
}

int main() {
  runtime rt;
  const result<int> served = rt.block_on(serve(7));
  if (served) return 1;

  fmt::print("the log:       {}\n", served.error());
  fmt::print("the long log:  {:+}\n", served.error());
  fmt::print("the program:   is it shop.no_such_user? {}; retry? {}\n", served.error().is(no_such_user),
             retry_advice(served.error()));
  fmt::print("the stranger:  {}\n", public_message(served.error()));
  // The stranger reads the code out, and somebody types it.
  if (const auto entry = process_journal().find("9f96")) fmt::print("the journal:   9f96 was {}\n", entry->latest);
  return 0;
}
