// A channel and an actor on one runtime: a task produces numbers, another tells them to an actor, which is then asked.
// Run: build/release/examples/hello/hello      Prints: the squares of 1 to 10 add up to 385
#include <fmt/format.h>

#include <tandem/actors/system.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>

// [readme]
using namespace tandem;

struct add { int n; };
struct get {};

struct adder {                                        // an actor: one message at a time, no locks
  using protocol = actors::protocol<void(add), int(get)>;
  void on(add a) { sum += a.n; }
  int on(get) { return sum; }
  int sum = 0;
};

task<> produce(csp::sender<int> out) {
  for (int i = 1; i <= 10; ++i)
    if (auto sent = co_await out.send(i * i); !sent) co_return;  // nobody listens, or we were cancelled
}                                                                // the last sender is gone: it closes

task<result<int>> consume(actors::system& actors) {
  auto [out, in] = csp::make_channel<int>(4);
  auto producer = spawn(produce(std::move(out)));
  auto sum = actors.spawn<adder>();
  while (auto n = co_await in.recv()) TANDEM_CO_TRY(co_await sum.tell(add{*n}));
  TANDEM_CO_TRY(co_await producer.join());
  co_return co_await sum.ask(get{}, std::chrono::seconds(1));
}

int main() {
  runtime rt;
  actors::system actors(rt);
  const auto sum = rt.block_on(consume(actors));
  if (sum) fmt::print("the squares of 1 to 10 add up to {}\n", *sum);
  else fmt::print(stderr, "{:+}\n", sum.error());    // the whole chain, with stacks
  return sum ? 0 : 1;
}
// [readme]
