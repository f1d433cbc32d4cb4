// A program that awaits an operation of Asio's.
#include <cstdio>

#include <asio/steady_timer.hpp>

#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/runtime.hpp>

tandem::task<bool> wait() {
  asio::steady_timer timer(tandem::this_task::io(), std::chrono::milliseconds(1));
  const tandem::result<void> waited = co_await timer.async_wait(tandem::use_task);
  co_return waited.has_value();
}

int main() {
  tandem::runtime rt({.workers = 1});
  std::printf("awaited: %d\n", rt.block_on(wait()));
}
