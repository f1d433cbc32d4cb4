// Tasks that shutdown() has to destroy while they wait at, or use, channels of other kinds.
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/broadcast.hpp>
#include <tandem/csp/for_each.hpp>
#include <tandem/csp/lossy.hpp>
#include <tandem/csp/oneshot.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/csp/watch.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/leak_check.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;

using token = std::shared_ptr<int>;  // its use_count() tells whether all that held it is gone

struct wait {
  const char* name;
  task<> (*body)(token held);
};

class KindsShutdownByForce : public ::testing::TestWithParam<wait> {};

TEST_P(KindsShutdownByForce, DestroysTheTaskAndAllThatItHeld) {
  testing::leak_check nothing_left;
  const auto held = std::make_shared<int>(1);
  {
    std::latch begun(1);
    auto body = [](std::latch& l, token t) -> task<> {
      l.count_down();
      co_await GetParam().body(std::move(t));
      ADD_FAILURE() << "it went on";
    };
    runtime rt({.workers = 2});
    rt.spawn(without_cancel(body(begun, held)), "stubborn").detach();
    begun.wait();
    ASSERT_FALSE(rt.shutdown(30ms).has_value());
    EXPECT_EQ(rt.live_tasks(), 0U);
  }
  EXPECT_EQ(held.use_count(), 1);
}

task<> wait_at_all(token held) {
  auto [lossy_tx, lossy_rx] = make_latest<token>();
  auto [unbounded_tx, unbounded_rx] = make_unbounded<token>();
  auto [once_tx, once_rx] = make_oneshot<token>();
  auto [broadcast_tx, broadcast_rx] = make_broadcast<token>(2);
  auto [watch_tx, watch_rx] = make_watch<token>(held);
  (void)co_await select(on_recv(lossy_rx), on_recv(unbounded_rx), on_recv(once_rx), on_recv(broadcast_rx),
                        on_change(watch_rx));
  (void)lossy_tx.send(std::move(held));
}
task<> wait_at_a_broadcast(token held) {
  auto [tx, rx] = make_broadcast<token>(2);
  (void)tx.send(std::move(held));
  while (auto next = co_await rx.recv()) held = std::move(next->value);
}
task<> wait_at_a_watch(token held) {
  auto [tx, rx] = make_watch<token>(std::move(held));
  (void)co_await rx.changed();
}
task<> wait_for_many(token held) {
  auto [tx, rx] = make_channel<token>(2);
  std::vector<token> got;
  (void)tx.try_send(std::move(held));
  while (auto n = co_await rx.recv_many(got, 4)) got.clear();
}
task<> read_to_the_end(token held) {
  auto [tx, rx] = make_unbounded<token>();
  (void)tx.send(held);
  (void)co_await for_each(rx, [&](token t) { held = std::move(t); });
}
// Always under way, so that shutdown meets values and wakes on their way.
task<> send_for_ever(broadcast_sender<token> to, unbounded_sender<token> also, token held) {
  for (;;) {
    (void)to.send(held);
    if (also.size() < 100) (void)also.send(held);
    co_await this_task::yield();
  }
}
task<> exchange(token held) {
  auto [tx, rx] = make_broadcast<token>(3);
  auto [unbounded_tx, unbounded_rx] = make_unbounded<token>();
  auto sending = spawn(send_for_ever(std::move(tx), std::move(unbounded_tx), held));
  for (;;) (void)co_await select(on_recv(rx), on_recv(unbounded_rx));
}

INSTANTIATE_TEST_SUITE_P(Waits, KindsShutdownByForce,
                         ::testing::Values(wait{"select", wait_at_all}, wait{"broadcast", wait_at_a_broadcast},
                                           wait{"watch", wait_at_a_watch}, wait{"recv_many", wait_for_many},
                                           wait{"for_each", read_to_the_end}, wait{"exchange", exchange}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace tandem::csp
