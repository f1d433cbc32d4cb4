// Tasks that shutdown() has to destroy while they use channels, selects and groups of each other.
#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;

constexpr duration short_limit = 30ms;

using token = std::shared_ptr<int>;  // its use_count() tells whether all that held it is gone

task<> wait_for_ever() {
  for (;;) co_await yield();
}

task<> receive_for_ever(receiver<token> from, token) {
  for (;;) (void)co_await from.recv();
}

struct wait {
  const char* name;
  task<> (*body)(token held);
};

class ShutdownByForceOf : public ::testing::TestWithParam<wait> {};

TEST_P(ShutdownByForceOf, DestroysTheTaskAndAllThatItHeld) {
  const auto held = std::make_shared<int>(1);
  std::latch begun(1);
  auto body = [](std::latch& l, token t) -> task<> {
    l.count_down();
    co_await GetParam().body(std::move(t));
    ADD_FAILURE() << "it went on";
  };
  runtime rt({.workers = 2});
  rt.spawn(without_cancel(body(begun, held)), "stubborn").detach();
  begun.wait();
  const auto ended = rt.shutdown(short_limit);
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("destroyed tasks"), std::string::npos) << ended.error().message();
  EXPECT_EQ(rt.live_tasks(), 0U);
  EXPECT_EQ(held.use_count(), 1);
}

task<> receive_in_vain(token) {
  auto [tx, rx] = make_channel<token>(1);
  (void)co_await rx.recv();
  tx.close();
}
task<> send_in_vain(token held) {
  auto [tx, rx] = make_channel<token>(1);
  (void)co_await tx.send(held);
  (void)co_await tx.send(held);
  rx.close();
}
task<> use_nothing(token) {
  receiver<token> never;
  (void)co_await never.recv();
}
task<> select_in_vain(token held) {
  auto [tx, rx] = make_channel<token>(0);
  auto [full, other_end] = make_channel<token>(0);
  timer t(1h);
  ticker often(1h);
  auto other = spawn(wait_for_ever());
  token mine = held;
  (void)co_await select(on_recv(rx), on_send(full, std::move(mine)), on_send(full, std::as_const(held)), on_tick(t),
                        on_tick(often), on_join(other), on_timeout(1h));
  tx.close();
  other_end.close();
}
task<> wait_for_a_group(token held) {
  group g;
  g.set_limit(2);
  for (int i = 0; i < 10; ++i) {
    auto body = [](token) -> task<> { co_await wait_for_ever(); };
    g.go(body(held));
  }
  (void)co_await g.wait();
}
task<> wait_for_a_cancelled_group(token held) {
  group g;
  auto body = [](token) -> task<> { co_await wait_for_ever(); };
  g.go(body(held));
  const cancel_source source;
  source.cancel();
  (void)co_await with_context(source.context(), g.wait());
}
// Its destructor sends to a task that is destroyed later, and closes what another waits for.
struct parting_gift {
  parting_gift(sender<token> to, token what) : into(std::move(to)), gift(std::move(what)) {}
  parting_gift(const parting_gift&) = delete;
  parting_gift& operator=(const parting_gift&) = delete;
  ~parting_gift() {
    for (int i = 0; i < 3; ++i) (void)into.try_send(token(gift));
    into.close();
  }
  sender<token> into;
  token gift;
};
task<> give_when_it_goes(sender<token> into, token held) {
  const parting_gift gift(std::move(into), std::move(held));
  co_await wait_for_ever();
}
task<> receive_from_one_that_goes_first(token held) {
  auto [tx, rx] = make_channel<token>(0);
  auto younger = spawn(give_when_it_goes(std::move(tx), held));
  (void)co_await rx.recv();
}
task<> select_from_one_that_goes_first(token held) {
  auto [tx, rx] = make_channel<token>(0);
  auto younger = spawn(give_when_it_goes(std::move(tx), held));
  (void)co_await select(on_recv(rx), on_timeout(1h));
}
task<> give_to_one_that_went_first(token held) {
  auto [tx, rx] = make_channel<token>(1);
  const parting_gift gift(std::move(tx), held);
  auto younger = spawn(receive_for_ever(std::move(rx), held));
  (void)co_await younger.join();
}
// Both always run, so that shutdown meets values on their way.
task<> exchange_for_ever(token held) {
  auto [tx, rx] = make_channel<token>(3);
  auto younger = spawn(receive_for_ever(std::move(rx), held));
  for (;;) (void)co_await tx.send(held);
}
task<> select_for_ever(sender<token> into, receiver<token> from, token held) {
  for (;;) {
    token copy = held;
    (void)co_await select(on_recv(from), on_send(into, std::move(copy)));
  }
}
task<> exchange_by_select_for_ever(token held) {
  auto [tx, rx] = make_channel<token>(1);
  auto younger = spawn(select_for_ever(tx, rx, held));
  co_await select_for_ever(std::move(tx), std::move(rx), std::move(held));
}

INSTANTIATE_TEST_SUITE_P(
    Waits, ShutdownByForceOf,
    ::testing::Values(wait{"receive", receive_in_vain}, wait{"send", send_in_vain}, wait{"never_ready", use_nothing},
                      wait{"select", select_in_vain}, wait{"group", wait_for_a_group},
                      wait{"cancelled_group", wait_for_a_cancelled_group},
                      wait{"receive_from_one_that_goes_first", receive_from_one_that_goes_first},
                      wait{"select_from_one_that_goes_first", select_from_one_that_goes_first},
                      wait{"give_to_one_that_went_first", give_to_one_that_went_first},
                      wait{"exchange", exchange_for_ever}, wait{"exchange_by_select", exchange_by_select_for_ever}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(ShutdownByForce, ClosesChannelsForThreadsAndOtherRuntimes) {
  runtime other({.workers = 1});
  auto [tx, rx] = make_channel<token>(0);
  auto receive = [](receiver<token> from) -> task<result<token>> { co_return co_await from.recv(); };
  auto elsewhere = other.spawn(receive(rx));
  std::thread thread([from = rx] { EXPECT_EQ(from.blocking_recv().error().code(), errc::closed); });
  {
    std::latch begun(1);
    runtime rt({.workers = 1});
    auto body = [](sender<token> held, std::latch& l) -> task<> {
      l.count_down();
      co_await wait_for_ever();
      held.close();
    };
    rt.spawn(without_cancel(body(std::move(tx), begun))).detach();
    begun.wait();
    EXPECT_FALSE(rt.shutdown(short_limit).has_value());
  }
  thread.join();
  auto await = [](join_handle<result<token>> h) -> task<result<token>> { co_return co_await h.join(); };
  EXPECT_EQ(other.block_on(await(std::move(elsewhere))).error().code(), errc::closed);
}

// Other runtimes and threads go on to use channels while those who wait there are destroyed.
TEST(ShutdownByForceStress, MeetsThreadsThatSendAndReceiveMeanwhile) {
  const auto held = std::make_shared<int>(1);
  for (int round = 0; round < 20; ++round) {
    auto [tx, rx] = make_channel<token>(round % 3);
    std::atomic<bool> stop = false;
    {
      runtime rt({.workers = 2});
      for (int i = 0; i < 20; ++i) {
        rt.spawn(without_cancel(receive_for_ever(rx, held))).detach();
        rt.spawn(without_cancel(select_for_ever(tx, rx, held))).detach();
      }
      std::thread user([&stop, &held, into = tx, from = rx] {
        while (!stop) {
          (void)into.try_send(token(held));
          (void)from.try_recv();
          std::this_thread::yield();  // the workers need the lock and the CPU as well
        }
      });
      EXPECT_FALSE(rt.shutdown(1ms).has_value());
      EXPECT_EQ(rt.live_tasks(), 0U);
      stop = true;
      user.join();
    }
    tx = {};
    rx = {};
    EXPECT_EQ(held.use_count(), 1);
  }
}

}  // namespace
}  // namespace tandem::csp
