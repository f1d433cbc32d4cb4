// Every wait there is, ended by its context at every moment: cancelled while it waits, over before, at a deadline. The
// error says why, the operation has not taken effect, and nothing is left.
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/after.hpp>
#include <tandem/runtime/cron.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/wall_clock.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;

/// Waits for more than an hour, expects that not to have taken effect, and gives the error.
struct wait {
  const char* name;
  task<error> (*body)();
};

template <class T>
error error_of_wait(const result<T>& ended) {
  EXPECT_FALSE(ended.has_value());
  return ended ? error() : ended.error();
}

task<error> sleep() { co_return error_of_wait(co_await sleep_for(2h)); }
task<error> sleep_for_ever() { co_return error_of_wait(co_await sleep_until(no_deadline)); }
task<error> moment() {
  const after later(2h);
  const error why = error_of_wait(co_await later);
  EXPECT_FALSE(later.has_come());
  co_return why;
}
task<error> wait_for_timer() {
  timer t(2h);
  const error why = error_of_wait(co_await t.wait());
  EXPECT_TRUE(t.stop());  // it is still to come
  co_return why;
}
task<error> wait_for_stopped_timer() {
  timer t;
  const error why = error_of_wait(co_await t.wait());
  EXPECT_FALSE(t.stop());
  co_return why;
}
task<error> wait_for_ticker() {
  ticker t(2h);
  const time_point start = now();
  const error why = error_of_wait(co_await t.next());
  const auto first = co_await without_cancel([](ticker& from) -> task<result<tick>> { co_return co_await from.next(); }(t));
  EXPECT_EQ(first.value(), (tick{start + 2h, 0}));
  co_return why;
}
task<error> wall_clock() { co_return error_of_wait(co_await at(wall_now() + 2h)); }
task<error> wait_for_cron() {
  cron every_other_hour(wall_now() + 2h, 2h);
  const wall_time first = wall_now() + 2h;
  const error why = error_of_wait(co_await every_other_hour.next());
  const auto point = co_await without_cancel(every_other_hour.next());
  EXPECT_EQ(point.value(), (cron_point{first, 0}));
  co_return why;
}

task<int> seven_later() {
  (void)co_await sleep_for(2h);
  co_return 7;
}
task<error> finish_join(join_handle<int> handle, error why) {
  EXPECT_EQ((co_await handle.join()).value(), 7);
  co_return why;
}
task<error> join() {
  auto handle = spawn(seven_later(), context());
  const error why = error_of_wait(co_await handle.join());
  co_return co_await without_cancel(finish_join(std::move(handle), why));
}
task<error> join_for_some_time() {
  auto handle = spawn(seven_later(), context());
  const error why = error_of_wait(co_await handle.join_for(100min));
  co_return co_await without_cancel(finish_join(std::move(handle), why));
}

task<error> send_to_full() {
  auto [tx, rx] = make_channel<std::string>(1);
  EXPECT_TRUE(tx.try_send("first").has_value());
  std::string second = "second";
  const error why = error_of_wait(co_await tx.send(std::move(second)));
  EXPECT_EQ(second, "second");
  EXPECT_EQ(rx.size(), 1U);
  co_return why;
}
task<error> send_a_copy() {
  auto [tx, rx] = make_channel<std::string>(0);
  const std::string value = "value";
  const error why = error_of_wait(co_await tx.send(value));
  EXPECT_EQ(rx.try_recv().error().code(), errc::would_block);
  co_return why;
}
task<error> receive() {
  auto [tx, rx] = make_channel<std::string>(0);
  const error why = error_of_wait(co_await rx.recv());
  EXPECT_EQ(tx.try_send("nobody waits").error().code(), errc::would_block);
  co_return why;
}
task<error> receive_from_nothing() {
  const receiver<int> never;
  co_return error_of_wait(co_await never.recv());
}
task<error> select_of_everything() {
  auto [tx, rx] = make_channel<std::string>(0);
  auto [into, from] = make_channel<std::string>(0);
  timer t(2h);
  ticker often(2h);
  auto handle = spawn(seven_later(), context());
  std::string value = "value";
  const error why = error_of_wait(co_await select(on_recv(rx), on_send(into, std::move(value)), on_tick(t),
                                                  on_tick(often), on_join(handle), on_timeout(2h)));
  EXPECT_EQ(value, "value");
  EXPECT_EQ(tx.try_send("nobody waits").error().code(), errc::would_block);
  EXPECT_EQ(from.try_recv().error().code(), errc::would_block);
  EXPECT_TRUE(t.stop());
  EXPECT_TRUE(often.stop());
  co_return co_await without_cancel(finish_join(std::move(handle), why));
}
task<error> wait_for_group() {
  group g;
  int ended = 0;
  auto body = [](int& n) -> task<> {
    (void)co_await sleep_for(2h);
    ++n;
  };
  for (int i = 0; i < 3; ++i) g.go(body(ended));
  const error why = error_of_wait(co_await g.wait());
  EXPECT_TRUE(ended == 3 || ended == 0) << ended;  // none starts when it is over
  co_return why;
}

task<result<void>> by_or_return(int which) {
  auto [tx, rx] = make_channel<int>(0);
  if (which == 0) co_await or_return(sleep_for(2h));
  if (which == 1) co_await or_return(tx.send(1));
  if (which == 2) co_await or_return(rx.recv());
  if (which == 3) co_await or_return(by_or_return(0));
  ADD_FAILURE() << "it went on";
  co_return {};
}
template <int Which>
task<error> through_or_return() {
  co_return error_of_wait(co_await by_or_return(Which));
}
task<error> below_another_deadline() {
  auto inner = []() -> task<result<void>> { co_return co_await sleep_for(2h); };
  co_return error_of_wait(co_await with_timeout(3h, inner()));
}

class CancelEverywhere : public ::testing::TestWithParam<wait> {
 protected:
  void expect_nothing_left() {
    sim_.run_to_end();
    EXPECT_EQ(sim_.live_tasks(), 0U);
    EXPECT_EQ(tandem::detail::armed_timers(sim_.core()), 0U);
  }
  testing::sim_runtime sim_;
};

TEST_P(CancelEverywhere, WhileItWaits) {
  const cancel_source source(sim_.root_context());
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.advance(1h);
  ASSERT_FALSE(handle.done());
  source.cancel(make_error(errc::aborted, "not needed"));
  sim_.run_to_end();
  ASSERT_TRUE(handle.done());
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted)) << why;
  expect_nothing_left();
}

TEST_P(CancelEverywhere, BeforeItWaits) {
  const cancel_source source(sim_.root_context());
  source.cancel(make_error(errc::aborted, "not needed"));
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.run_to_end();
  ASSERT_TRUE(handle.done());
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::cancelled);
  EXPECT_TRUE(why.is(errc::aborted)) << why;
  expect_nothing_left();
}

TEST_P(CancelEverywhere, AtTheDeadlineNotBefore) {
  const cancel_source source(sim_.root_context(), sim_.now() + 1h, make_error(errc::overloaded, "too slow"));
  auto handle = sim_.spawn(GetParam().body(), source.context());
  sim_.advance(1h - 1ns);
  EXPECT_FALSE(source.context().is_over());
  ASSERT_FALSE(handle.done());
  sim_.run_to_end();
  const error why = sim_.get(handle).value();
  EXPECT_EQ(why.code(), errc::deadline_exceeded);
  EXPECT_TRUE(why.is(errc::overloaded)) << why;
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(
    Waits, CancelEverywhere,
    ::testing::Values(wait{"sleep", sleep}, wait{"sleep_for_ever", sleep_for_ever}, wait{"after", moment},
                      wait{"timer", wait_for_timer}, wait{"stopped_timer", wait_for_stopped_timer},
                      wait{"ticker", wait_for_ticker}, wait{"at", wall_clock}, wait{"cron", wait_for_cron},
                      wait{"join", join}, wait{"join_for", join_for_some_time}, wait{"send", send_to_full},
                      wait{"send_a_copy", send_a_copy}, wait{"recv", receive},
                      wait{"recv_from_nothing", receive_from_nothing}, wait{"select", select_of_everything},
                      wait{"group", wait_for_group}, wait{"or_return_sleep", through_or_return<0>},
                      wait{"or_return_send", through_or_return<1>}, wait{"or_return_recv", through_or_return<2>},
                      wait{"or_return_twice", through_or_return<3>}, wait{"nested_deadline", below_another_deadline}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace tandem::csp
