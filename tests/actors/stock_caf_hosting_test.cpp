// Where hosting CAF could go wrong: messages that wake nobody, actors that starve, time-outs that pile up, and systems
// that never end.
#include "stock_caf.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <malloc.h>

#include <tandem/runtime/runtime.hpp>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int many = 50'000;
#else
constexpr int many = 1'000'000;
#endif

// Bytes that are allocated and not freed. Nothing under sanitizers, whose allocators do not count here.
std::size_t heap_in_use() { return mallinfo2().uordblks; }

// Asks `whom` `left` times, one after the other, and then says so. It lives on for a message.
caf::behavior asker(caf::event_based_actor* self, const caf::actor& whom, caf::duration limit, int left,
                    std::promise<bool>* asked) {
  struct chain {
    static void next(caf::event_based_actor* me, const caf::actor& server, caf::duration within, int n,
                     std::promise<bool>* done) {
      me->request(server, within, n).then([=](int) {
        if (n > 1)
          next(me, server, within, n - 1, done);
        else
          done->set_value(true);
      });
    }
  };
  chain::next(self, whom, limit, left, asked);
  return {[self](int) { self->quit(); }};
}

// CAF gives a child its parent's context, which for one with a thread of its own is that of a worker it never runs on.
// One worker: another would find in the end what was put into the queue of the first without waking it.
TEST(HostedCafScheduling, AnActorWithAStaleContextWakesTheWorkerThatSleeps) {
  runtime rt(runtime_options{1, 4, 10s});
  system sys(rt);
  constexpr int rounds = 1000;
  std::promise<bool> stale;
  std::promise<int> box;
  const auto server = caf_system(sys).spawn(echo);
  caf_system(sys).spawn([&](caf::event_based_actor* parent) {
    caf::execution_unit* const of_parent = parent->context();
    parent->spawn([&, server, of_parent](caf::blocking_actor* self) {
      stale.set_value(of_parent && self->context() == of_parent);
      int sum = 0;
      for (int i = 0; i < rounds; ++i)  // between a question and the next the worker has nothing to do
        self->request(server, caf::infinite, i).receive([&](int n) { sum += n; }, [](const caf::error&) {});
      box.set_value(sum);
    });
  });
  ASSERT_TRUE(stale.get_future().get());  // else the rest proves nothing
  auto answered = box.get_future();
  ASSERT_EQ(answered.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(answered.get(), rounds * (rounds - 1) / 2);
}

// Whom an actor sends to runs next. Two that send to each other would go on so for ever.
TEST(HostedCafScheduling, TheLifoBudgetLetsOthersRunBesideTwoActorsThatWakeEachOther) {
  in_simulation place;
  constexpr int most = 100'000;
  int bounces = 0;
  int bounces_before = -1;
  const auto player = [&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](const caf::actor& other) {
      if (++bounces < most) self->send(other, caf::actor_cast<caf::actor>(self));
    }};
  };
  const auto first = place.caf().spawn(player);
  const auto second = place.caf().spawn(player);
  const auto third = place.caf().spawn(
      [&](caf::event_based_actor*) -> caf::behavior { return {[&](int) { bounces_before = bounces; }}; });
  place.sim().run_until_idle();
  place.caf().spawn([&](caf::event_based_actor* self) {
    self->send(third, 1);  // runs next,
    self->send(first, second);  // unless somebody else does
  });
  place.sim().run_until_idle();
  ASSERT_EQ(bounces, most);
  EXPECT_GT(bounces_before, 0);  // it did have to wait
  EXPECT_LT(bounces_before, 1000);
}

TEST(HostedCafClock, AMillionAnsweredRequestsLeaveNoPileOfTimeouts) {
  on_workers place;
  const auto server = place.caf().spawn(echo);
  std::promise<bool> warm;
  const auto first = place.caf().spawn(asker, server, caf::duration(3600s), 1000, &warm);
  (void)place.get(warm);
  const std::size_t before = heap_in_use();
  std::promise<bool> asked;
  const auto client = place.caf().spawn(asker, server, caf::duration(3600s), many, &asked);
  (void)asked.get_future().get();
  EXPECT_LT(heap_in_use(), before + 64 * 1024);
}

TEST(HostedCafClock, RequestsMadeByOtherMessagesLeaveNoPileEither) {
  on_workers place;
  const auto server = place.caf().spawn(echo);
  const auto client = place.caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[self, server](int n) { self->request(server, 3600s, n).then([](int) {}); },
            [](caf::ok_atom) { return 1; }};
  });
  const auto ask_all = [&](int n) {
    for (int i = 0; i < n; i += 100) {
      for (int k = 0; k < 100; ++k) caf::anon_send(client, k);
      std::promise<int> box;  // keeps the mailbox short
      place.caf().spawn([&](caf::event_based_actor* self) {
        self->request(client, caf::infinite, caf::ok_atom::value).then([&](int one) { box.set_value(one); });
      });
      (void)place.get(box);
    }
  };
  ask_all(1000);
  const std::size_t before = heap_in_use();
  ask_all(many / 10);
  EXPECT_LT(heap_in_use(), before + 256 * 1024);
}

TEST(HostedCafClock, AMillionOutstandingRequestsAllTimeOut) {
  in_simulation place;
  constexpr int n = many / 100;
  int failed = 0;
  const auto server = place.caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { return self->make_response_promise(); }};
  });
  place.caf().spawn([&](caf::event_based_actor* self) {
    for (int i = 0; i < n; ++i) self->request(server, 1s, i).then([](int) {}, [&](const caf::error&) { ++failed; });
  });
  place.sim().run_until_idle();
  place.sim().advance(1s - 1ns);
  EXPECT_EQ(failed, 0);
  place.sim().advance(1ns);
  EXPECT_EQ(failed, n);
}

TEST(HostedCafClock, AHundredThousandDelayedMessagesComeInTime) {
  in_simulation place;
  constexpr int n = many / 10;
  int came = 0;
  const auto a = place.caf().spawn([&](caf::event_based_actor*) -> caf::behavior { return {[&](int) { ++came; }}; });
  for (int i = 0; i < n; ++i) caf::delayed_anon_send(a, std::chrono::milliseconds(1 + i % 1000), i);
  place.sim().run_until_idle();
  place.sim().advance(500ms);
  EXPECT_EQ(came, n / 2);
  place.sim().advance(500ms);
  EXPECT_EQ(came, n);
}

TEST(HostedCafClock, AnActorThatEndsTakesItsTimeoutsWithIt) {
  in_simulation place;
  const auto nobody = place.caf().spawn(silent);
  const auto a = place.caf().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    self->request(nobody, 3600s, 1).then([](int) {});
    return {[](int) {}, caf::after(7200s) >> [] {}};
  });
  place.sim().run_until_idle();
  caf::anon_send_exit(a, caf::exit_reason::kill);
  place.sim().run_until_idle();
  const auto before = place.sim().now();
  place.sim().run_to_end();
  EXPECT_EQ(place.sim().now(), before);  // no timer was left
}

TEST(HostedCafClock, AnAnsweredRequestDoesNotHoldUpShutdown) {
  runtime rt(runtime_options{2, 4, 10s});
  system sys(rt);
  std::promise<bool> asked;
  {
    const auto server = caf_system(sys).spawn(echo);
    (void)caf_system(sys).spawn(asker, server, caf::duration(3600s), 10, &asked);
  }
  (void)asked.get_future().get();
  const auto ended = sys.shutdown(10s);
  EXPECT_TRUE(ended.has_value()) << ended.error();
}

TEST(HostedCafEnd, AThreadThatSpawnedAndLivesOnDoesNotHoldItUp) {
  runtime rt(runtime_options{2, 4, 10s});
  std::promise<void> spawned;
  std::promise<void> over;
  auto sys = std::make_unique<system>(rt);
  std::thread other([&] {
    caf_system(*sys).spawn([](caf::event_based_actor*) {});
    spawned.set_value();
    over.get_future().wait();
  });
  spawned.get_future().wait();
  sys.reset();  // would wait for the other thread
  over.set_value();
  other.join();
  const system next(rt);  // ends the one that was kept
}

TEST(HostedCafEnd, ATaskThatSpawnedDoesNotHoldItUp) {
  runtime rt(runtime_options{2, 4, 10s});
  for (int round = 0; round < 50; ++round) {
    system sys(rt);
    const auto spawned = rt.block_on([](system& s) -> task<caf::actor> {
      co_return caf_system(s).spawn<caf::lazy_init>(echo);  // nothing of CAF runs on this worker after that
    }(sys));
    EXPECT_TRUE(spawned);
  }
}

TEST(HostedCafEnd, ADetachedActorsHandleDoesNotHoldItUp) {
  runtime rt(runtime_options{2, 4, 10s});
  caf::actor handle;
  ::testing::internal::CaptureStderr();
  {
    system sys(rt);
    handle = caf_system(sys).spawn<caf::detached>(echo);
    caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("somebody has a handle still"), std::string::npos) << said;
  caf::anon_send(handle, 1);
  handle = nullptr;
}

TEST(HostedCafEnd, AHandleMayOutliveItsSystem) {
  runtime rt(runtime_options{2, 4, 10s});
  std::vector<caf::actor> handles;
  const auto behaviors = std::make_shared<int>();
  {
    system sys(rt);
    for (int i = 0; i < 10; ++i)
      handles.push_back(
          caf_system(sys).spawn([behaviors]() -> caf::behavior { return {[behaviors](int n) { return n; }}; }));
    EXPECT_GT(behaviors.use_count(), 10);
    for (const auto& a : handles) caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  }
  for (const auto& a : handles) caf::anon_send(a, 1);
  handles.clear();
  EXPECT_EQ(behaviors.use_count(), 1);
}

TEST(HostedCafEnd, AHiddenActorThatNeverRestsDoesNotHoldItUp) {
  runtime rt(runtime_options{2, 4, 10s});
  system sys(rt);
  const auto busy = caf_system(sys).spawn<caf::hidden>([](caf::event_based_actor* self) -> caf::behavior {
    self->send(self, 1);
    return {[self](int n) { self->send(self, n); }};
  });
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

TEST(HostedCafEnd, MessagesNotYetDueAreDropped) {
  runtime rt(runtime_options{2, 4, 10s});
  system sys(rt);
  const auto a = caf_system(sys).spawn(echo);
  for (int i = 0; i < 1000; ++i) caf::delayed_anon_send(a, 3600s, i);
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

TEST(HostedCafEnd, ASystemWithMembersInGroupsEndsInSimulation) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto group = caf_system(sys).groups().get_local("members");
  const auto a = caf_system(sys).spawn_in_group(group, echo);
  sim.run_until_idle();
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

}  // namespace
}  // namespace tandem::actors
