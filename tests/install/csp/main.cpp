#include <cstdio>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/runtime.hpp>

tandem::task<> produce(tandem::csp::sender<int> out) { (void)co_await out.send(42); }

tandem::task<int> consume() {
  auto [out, in] = tandem::csp::make_channel<int>(0);
  auto producer = tandem::spawn(produce(std::move(out)));
  const auto value = co_await in.recv();
  (void)co_await producer.join();
  co_return value.value_or(0);
}

int main() {
  tandem::runtime rt;
  std::printf("received %d\n", rt.block_on(consume()));
}
