// Systems that start and stop while their actors are busy, on real workers.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include <tandem/actors/caf.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct ball {
  int bounces;
};

class asker {
 public:
  using protocol = actors::protocol<void(actor_ref<int(get)>)>;
  task<result<void>> on(actor_ref<int(get)> whom) {
    for (;;) TANDEM_CO_TRY(co_await whom.ask(get{}, 10s));
  }
};

TEST(ActorSystem, StartsAndStopsUnderLoadTwoHundredTimes) {
  runtime rt(runtime_options{2, 4, 10s});
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> total = 0;
    system sys(rt);
    class hub {
     public:
      using protocol = actors::protocol<void(ball), int(get)>;
      hub(actor_context& c, std::atomic<int>& t) : context_(c), total_(t) {}
      task<result<void>> on(ball b) {
        total_.fetch_add(1, std::memory_order_relaxed);
        co_return co_await context_.self<hub>().tell(ball{b.bounces + 1});
      }
      int on(get) { return total_; }

     private:
      actor_context& context_;
      std::atomic<int>& total_;
    };
    const auto a = sys.spawn<hub>(total);
    const auto b = sys.spawn<hub>(total);
    const auto c = sys.spawn<asker>();
    auto stock = caf_system(sys).spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[self](int n) { self->send(self, n + 1); }};
    });
    caf::anon_send(stock, 1);
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(a.try_tell(ball{0}).has_value());
      ASSERT_TRUE(b.try_tell(ball{0}).has_value());
    }
    ASSERT_TRUE(c.try_tell(actor_ref<int(get)>(a)).has_value());
    const auto played = rt.block_on([](actor_ref<int(get)> whom) -> task<result<int>> {
      co_return co_await whom.ask(get{}, 10s);
    }(b));
    ASSERT_TRUE(played.has_value()) << played.error();
    caf::anon_send_exit(stock, caf::exit_reason::kill);
    stock = nullptr;
    const auto ended = sys.shutdown(10s);
    ASSERT_TRUE(ended.has_value()) << ended.error();
    EXPECT_EQ(sys.live_actors(), 0u);
  }
  EXPECT_EQ(rt.live_tasks(), 0u);
}

TEST(ActorSystem, TwoSystemsShareARuntime) {
  runtime rt(runtime_options{2, 4, 10s});
  system one(rt);
  system two(rt);
  const auto a = one.spawn<counter>();
  const auto b = two.spawn<counter>();
  ASSERT_TRUE(a.try_tell(add{1}).has_value());
  ASSERT_TRUE(b.try_tell(add{2}).has_value());
  const auto sum = [](counter::protocol::ref whom) -> task<result<std::int64_t>> {
    co_return co_await whom.ask(get{}, 10s);
  };
  EXPECT_EQ(rt.block_on(sum(a)).value(), 1);
  EXPECT_EQ(rt.block_on(sum(b)).value(), 2);
  EXPECT_TRUE(one.shutdown(10s).has_value());
  EXPECT_EQ(rt.block_on(sum(a)).error().code(), errc::unavailable);
  EXPECT_EQ(rt.block_on(sum(b)).value(), 2);
}

TEST(ActorSystem, AfterItsRuntimeItSaysSoInsteadOfHanging) {
  runtime rt(runtime_options{1, 4, 10s});
  system sys(rt);
  const auto left = sys.spawn<counter>(spawn_actor_options("left behind"));
  ASSERT_TRUE(rt.shutdown(10s).has_value());
  const auto ended = sys.shutdown(10s);
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code(), errc::failed_precondition);
  EXPECT_NE(ended.error().message().find("left behind"), std::string::npos);
}

TEST(ActorSystem, ManySendersWaitingForRoomLoseNothing) {
  runtime rt(runtime_options{2, 4, 10s});
  system sys(rt);
  const auto sink = sys.spawn<counter>(spawn_actor_options("sink", 4));
  const auto send = [](counter::protocol::ref to, int n) -> task<result<void>> {
    for (int i = 0; i < n; ++i) TANDEM_CO_TRY(co_await to.tell(add{1}));
    co_return result<void>();
  };
  std::vector<join_handle<result<void>>> senders;
  for (int i = 0; i < 8; ++i) senders.push_back(rt.spawn(send(sink, 5000)));
  const auto all = rt.block_on([](std::vector<join_handle<result<void>>>& s,
                                  counter::protocol::ref to) -> task<result<std::int64_t>> {
    for (auto& handle : s) TANDEM_CO_TRY(co_await handle.join());
    co_return co_await to.ask(get{}, 10s);
  }(senders, sink));
  EXPECT_EQ(all.value(), 40000);
}

TEST(ActorSystem, CancellingWaitingSendersLosesAndDuplicatesNothing) {
  runtime rt(runtime_options{2, 4, 10s});
  system sys(rt);
  const auto sink = sys.spawn<counter>(spawn_actor_options("sink", 1));
  std::atomic<std::int64_t> sent = 0;
  const auto send = [](counter::protocol::ref to, std::atomic<std::int64_t>& n) -> task<result<void>> {
    for (;;) {
      TANDEM_CO_TRY(co_await to.tell(add{1}));
      n.fetch_add(1, std::memory_order_relaxed);
    }
  };
  for (int round = 0; round < 50; ++round) {
    const cancel_source source(rt.root_context());
    std::vector<join_handle<result<void>>> senders;
    for (int i = 0; i < 4; ++i) senders.push_back(rt.spawn(send(sink, sent), source.context()));
    const std::int64_t before = sent;
    while (sent < before + 100) std::this_thread::yield();
    source.cancel();
    for (auto& handle : senders) {
      const auto ended = rt.block_on([](join_handle<result<void>>& h) -> task<result<void>> {
        co_return co_await h.join();
      }(handle));
      EXPECT_EQ(ended.error().code(), errc::cancelled);
    }
  }
  const auto got = rt.block_on([](counter::protocol::ref to) -> task<result<std::int64_t>> {
    co_return co_await to.ask(get{}, 10s);
  }(sink));
  EXPECT_EQ(got.value(), sent.load());
}

}  // namespace
}  // namespace tandem::actors
