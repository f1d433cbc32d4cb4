// Routers, topics and pools with a shutdown at every moment, in virtual time: nothing is lost or hangs.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/actors/actor_pool.hpp>
#include <tandem/actors/ask_all.hpp>
#include <tandem/actors/router.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/actors/topic.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct drop_of {
  int n = 0;
};
struct level {};

struct ledger {
  std::int64_t accepted = 0, received = 0, asked = 0, answered = 0, unanswered = 0;
};

// Takes a while over each message, and quits now and then.
class cup {
 public:
  using protocol = actors::protocol<void(drop_of), int(level)>;
  cup(actor_context& self, ledger& all, int lives) : self_(self), all_(all), lives_(lives) {}
  task<> on(drop_of) {
    (void)co_await sleep_for(7us);
    ++all_.received;
    if (--lives_ == 0) self_.quit();
  }
  task<int> on(level) {
    (void)co_await sleep_for(5us);
    ++all_.asked;
    if (--lives_ == 0) self_.quit();
    co_return 1;
  }

 private:
  actor_context& self_;
  ledger& all_;
  int lives_;
};
using cup_ref = cup::protocol::ref;

task<> pour(cup_ref to, ledger& all, duration pause) {
  for (int i = 0; i < 12; ++i) {
    result<void> told;
    if (i % 3 == 0) {
      const auto tell = [](cup_ref r, int n) -> task<result<void>> { co_return co_await r.tell(drop_of{n}); };
      told = co_await with_timeout(9us, tell(to, i));
    } else {
      told = co_await to.tell(drop_of{i});
    }
    if (told) ++all.accepted;
    if (auto slept = co_await sleep_for(pause); !slept) co_return;
  }
}

task<> measure(cup_ref of, ledger& all) {
  for (int i = 0; i < 8; ++i) {
    duration limit = 1ms;
    if (i % 2 == 0) limit = 11us;
    const auto answer = co_await of.ask(level{}, limit);
    ++(answer ? all.answered : all.unanswered);
  }
}

// `program` with a shutdown at each microsecond in which something may happen.
template <class Program>
void at_every_moment(Program program) {
  for (int moment = 0; moment < 120; ++moment) {
    SCOPED_TRACE("shutdown after " + std::to_string(moment) + " us");
    testing::sim_runtime sim;
    program(sim, moment * 1us);
    if (::testing::Test::HasFailure()) return;
  }
}

// Senders, askers and, some time later, a shutdown; `make` gives the ref they use.
template <class Make>
void loses_nothing(Make make) {
  at_every_moment([&](testing::sim_runtime& sim, duration moment) {
    ledger all;
    system sys(sim);
    {
      const auto made = make(sys, all);
      std::vector<join_handle<void>> running;
      for (int i = 0; i < 3; ++i) running.push_back(sim.spawn(pour(made.ref(), all, i * 5us)));
      for (int i = 0; i < 2; ++i) running.push_back(sim.spawn(measure(made.ref(), all)));
      sim.advance(moment);
      EXPECT_TRUE(sys.shutdown(1s).has_value());
      sim.run_to_end();
      for (auto& r : running) EXPECT_TRUE(r.done());
      EXPECT_FALSE(made.ref().try_tell(drop_of{}).has_value());
    }
    EXPECT_EQ(all.accepted, all.received + static_cast<std::int64_t>(sys.dead_letters()));
    EXPECT_EQ(all.answered + all.unanswered, 16);
    EXPECT_LE(all.answered, all.asked);
    EXPECT_EQ(sys.live_actors(), 0u);
  });
}

using cups = router<void(drop_of), int(level)>;

std::vector<cup_ref> some_cups(system& sys, ledger& all, int lives) {
  std::vector<cup_ref> refs;
  for (int i = 0; i < 3; ++i) refs.push_back(sys.spawn<cup>(spawn_actor_options("cup", 1), all, lives + i));
  return refs;
}

TEST(RouteShutdown, RoundRobinLosesNothing) {
  loses_nothing([](system& sys, ledger& all) { return cups(round_robin(), some_cups(sys, all, 5)); });
}

TEST(RouteShutdown, ByKeyLosesNothing) {
  loses_nothing([](system& sys, ledger& all) {
    return cups(by_key([](const drop_of& d) { return d.n; }, [](const level&) { return 0; }), some_cups(sys, all, 5));
  });
}

TEST(RouteShutdown, ARouterOfRoutersLosesNothing) {
  loses_nothing([](system& sys, ledger& all) {
    const cups one(round_robin(), some_cups(sys, all, 5)), other(least_loaded(), some_cups(sys, all, 4));
    return cups(two_choices(), {one.ref(), other.ref()});
  });
}

TEST(RouteShutdown, APoolThatMakesItsWorkersLosesNothing) {
  loses_nothing([](system& sys, ledger& all) {
    actor_pool_options o;
    o.max_workers = 3;
    o.queue_capacity = 2;
    o.keep_alive = 3us;
    o.restarts = 1'000;
    return actor_pool<void(drop_of), int(level)>(sys, [&] { return sys.spawn<cup>(all, 3); }, o);
  });
}

TEST(RouteShutdown, APoolThatRunsOutOfWorkersLosesNothing) {
  loses_nothing([](system& sys, ledger& all) {
    actor_pool_options o;
    o.queue_capacity = 2;
    return actor_pool<void(drop_of), int(level)>(sys, some_cups(sys, all, 4), o);
  });
}

TEST(RouteShutdown, ATopicCountsWhatItDelivers) {
  at_every_moment([](testing::sim_runtime& sim, duration moment) {
    ledger all;
    system sys(sim);
    const topic<drop_of> t(topic_options("drops", 2));
    std::vector<subscription> kept;
    for (const auto& ref : some_cups(sys, all, 6)) {
      const auto when_full = kept.size() == 1 ? subscriber_full::drop_newest : subscriber_full::wait;
      kept.push_back(t.subscribe(ref, when_full).value());
    }
    std::vector<join_handle<void>> running;
    for (int i = 0; i < 2; ++i)
      running.push_back(sim.spawn([&t, i]() -> task<> {
        for (int n = 0; n < 10; ++n) {
          (void)co_await t.publish(drop_of{n});
          (void)co_await sleep_for(i * 3us);
        }
      }));
    sim.advance(moment);
    EXPECT_TRUE(sys.shutdown(1s).has_value());
    sim.run_to_end();
    for (auto& r : running) EXPECT_TRUE(r.done());
    EXPECT_EQ(static_cast<std::int64_t>(t.stats().delivered),
              all.received + static_cast<std::int64_t>(sys.dead_letters()));
    EXPECT_EQ(t.stats().published, 20u);
  });
}

TEST(RouteShutdown, AskingManyGivesEveryAskerAnAnswer) {
  at_every_moment([](testing::sim_runtime& sim, duration moment) {
    ledger all;
    system sys(sim);
    const auto refs = some_cups(sys, all, 4);
    const router<int(level)> any(first_success(), {refs.begin(), refs.end()});
    int answers = 0;
    auto asking = sim.spawn([&]() -> task<> {
      for (int i = 0; i < 4; ++i) {
        const auto first = co_await ask_first(refs, level{}, 20us);
        const auto every = co_await ask_all(refs, level{}, 20us);
        const auto one = co_await any.ref().ask(level{}, 20us);
        answers += 1 + static_cast<int>(every.size());
        for (const auto* outcome : {&first, &one})
          EXPECT_TRUE(*outcome || outcome->error().code() != errc::unknown);
      }
    });
    sim.advance(moment);
    EXPECT_TRUE(sys.shutdown(1s).has_value());
    sim.run_to_end();
    EXPECT_TRUE(asking.done());
    EXPECT_EQ(answers, 16);
  });
}

}  // namespace
}  // namespace tandem::actors
