// Shutdown of what does not end by itself: what is destroyed, in which order, and what has to stay.
#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/after.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/ticker.hpp>
#include <tandem/runtime/timer.hpp>
#include <tandem/runtime/wall_clock.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

constexpr duration short_limit = 30ms;

/// Writes down when it goes.
class witness {
 public:
  witness(std::vector<std::string>& gone, std::string name) : gone_(&gone), name_(std::move(name)) {}
  witness(witness&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)), name_(std::move(other.name_)) {}
  witness& operator=(witness&&) = delete;
  ~witness() {
    if (gone_) gone_->push_back(name_);
  }

 private:
  std::vector<std::string>* gone_;
  std::string name_;
};

using names = std::vector<std::string>;

// Ends only by force: it does not care about the end of its context.
task<> wait_for_ever() {
  for (;;) co_await yield();
}

task<result<void>> sleep_for_ever() { co_return co_await sleep_until(no_deadline); }

// Runs `body` where it is not cancelled, until `begun` says so, and shuts the runtime down over it. Gives the report.
template <class F>
std::string shut_down_over(F body, unsigned workers = 2) {
  std::latch begun(1);
  runtime rt({.workers = workers});
  auto handle = rt.spawn(without_cancel(body(begun)), "stubborn");
  begun.wait();
  const auto ended = rt.shutdown(short_limit);
  EXPECT_FALSE(ended.has_value());
  EXPECT_EQ(rt.live_tasks(), 0U);
  EXPECT_TRUE(handle.done());
  if (!handle.done() || ended) return {};
  EXPECT_EQ(handle.target()->take().error().code(), errc::cancelled);
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
  return ended.error().message();
}

TEST(ShutdownByForce, DestroysATaskThatDoesNotCareAndNamesIt) {
  names gone;
  const std::string why = shut_down_over([&gone](std::latch& begun) -> task<> {
    const witness local(gone, "local");
    begun.count_down();
    co_await wait_for_ever();
  });
  EXPECT_EQ(gone, (names{"local"}));
  EXPECT_NE(why.find("destroyed tasks stubborn ("), std::string::npos) << why;
}

TEST(ShutdownByForce, DestroysFramesFromTheInsideOut) {
  names gone;
  auto innermost = [](names& out, witness) -> task<int> {
    const witness local(out, "innermost's local");
    co_await wait_for_ever();
    co_return 1;
  };
  auto middle = [&innermost](names& out, witness) -> task<result<int>> {
    const witness first(out, "middle's first local"), second(out, "middle's second local");
    co_return co_await innermost(out, witness(out, "innermost's argument"));
  };
  shut_down_over([&](std::latch& begun) -> task<> {
    const witness local(gone, "outermost's local");
    begun.count_down();
    (void)co_await middle(gone, witness(gone, "middle's argument"));
  });
  EXPECT_EQ(gone, (names{"innermost's local", "innermost's argument", "middle's second local", "middle's first local",
                         "middle's argument", "outermost's local"}));
}

// In the order of declaration, what it awaits would go last.
TEST(ShutdownByForce, DestroysWhatIsAwaitedBeforeTheLocalsOfItsAwaiter) {
  names gone;
  auto awaited = [](names& out) -> task<> {
    const witness local(out, "awaited");
    co_await wait_for_ever();
  };
  auto awaiting = [](names& out, task<> what) -> task<> {
    const witness local(out, "awaiting");
    co_await std::move(what);
  };
  shut_down_over([&](std::latch& begun) -> task<> {
    begun.count_down();
    co_await awaiting(gone, awaited(gone));
  });
  EXPECT_EQ(gone, (names{"awaited", "awaiting"}));
}

TEST(ShutdownByForce, DestroysWhatIsAwaitedThroughOrReturn) {
  names gone;
  auto third = [](names& out) -> task<result<int>> {
    const witness local(out, "third");
    co_await wait_for_ever();
    co_return 1;
  };
  auto second = [&third](names& out) -> task<result<int>> {
    const witness local(out, "second");
    co_return co_await third(out);
  };
  auto first = [&second](names& out) -> task<result<int>> {
    const witness local(out, "first");
    const int n = co_await or_return(second(out));
    co_return n;
  };
  shut_down_over([&](std::latch& begun) -> task<> {
    begun.count_down();
    (void)co_await first(gone);
  });
  EXPECT_EQ(gone, (names{"third", "second", "first"}));
}

struct wait {
  const char* name;
  task<> (*body)();
};

class ShutdownByForceOf : public ::testing::TestWithParam<wait> {};

TEST_P(ShutdownByForceOf, DestroysTheTask) {
  names gone;
  const std::string why = shut_down_over([&gone](std::latch& begun) -> task<> {
    const witness local(gone, "local");
    begun.count_down();
    co_await GetParam().body();
    ADD_FAILURE() << "it went on";
  });
  EXPECT_EQ(gone, (names{"local"})) << why;
}

task<> join_for_ever() {
  auto other = spawn(wait_for_ever());
  (void)co_await other.join();
}
task<> join_for_an_hour() {
  auto other = spawn(wait_for_ever());
  (void)co_await other.join_for(1h);
}
task<> wait_for_a_timer() {
  timer t(1h);
  (void)co_await t.wait();
}
task<> wait_for_a_stopped_timer() {
  timer t;
  (void)co_await t.wait();
}
task<> wait_for_a_ticker() {
  ticker t(1h);
  (void)co_await t.next();
}
task<> sleep_below_a_deadline() { (void)co_await with_timeout(1h, sleep_for_ever()); }
task<> sleep_below_a_cancel() {
  const cancel_source source;
  (void)co_await with_context(source.context(), sleep_for_ever());
}
task<> wait_for_a_moment() { (void)co_await after(1h); }
task<> wait_for_the_wall_clock() { (void)co_await at(wall_now() + 1h); }

INSTANTIATE_TEST_SUITE_P(Waits, ShutdownByForceOf,
                         ::testing::Values(wait{"yield", wait_for_ever}, wait{"join", join_for_ever},
                                           wait{"join_for", join_for_an_hour}, wait{"timer", wait_for_a_timer},
                                           wait{"stopped_timer", wait_for_a_stopped_timer},
                                           wait{"ticker", wait_for_a_ticker}, wait{"after", wait_for_a_moment},
                                           wait{"sleep_below_a_deadline", sleep_below_a_deadline},
                                           wait{"sleep_below_a_cancel", sleep_below_a_cancel},
                                           wait{"wall_clock", wait_for_the_wall_clock}),
                         [](const auto& instance) { return std::string(instance.param.name); });

// What its destructor touches must still be there.
struct touching {
  explicit touching(names& there) : what(&there) {}
  touching(const touching&) = delete;
  touching& operator=(const touching&) = delete;
  ~touching() { what->push_back("touched"); }
  names* what;
};

task<> family(names& above, int generations) {
  const touching last(above);
  names here;
  const touching first(here);
  std::vector<join_handle<void>> children;
  for (int i = 0; generations > 0 && i < 5; ++i) {
    children.push_back(spawn(family(here, generations - 1)));
    co_await yield();
  }
  for (auto& child : children) (void)co_await child.join();
  co_await wait_for_ever();
}

TEST(ShutdownByForce, DestroysTheYoungestFirstSoThatReferencesToItsSpawnersHold) {
  for (int round = 0; round < 10; ++round) {
    names outside;
    runtime rt({.workers = 4});
    rt.spawn(without_cancel(family(outside, 3))).detach();
    while (rt.live_tasks() < 1 + 5 + 25 + 125) std::this_thread::yield();
    EXPECT_FALSE(rt.shutdown(0s).has_value());
    EXPECT_EQ(rt.live_tasks(), 0U);
    EXPECT_EQ(outside, (names{"touched"}));
  }
}

TEST(ShutdownByForce, DestroysTasksThatNeverRan) {
  names gone;
  auto never = [](witness) -> task<> { co_return; };
  shut_down_over(
      [&](std::latch& begun) -> task<> {
        begun.count_down();
        for (;;) {
          auto late = spawn(never(witness(gone, "argument")));
          if (late.done()) break;  // refused
          late.detach();
          if (gone.size() > 100) gone.clear();
          if (this_task::context().is_over()) ADD_FAILURE();
          co_await yield();
        }
        co_await wait_for_ever();
      },
      1);
  EXPECT_FALSE(gone.empty());
}

TEST(ShutdownByForce, LetsDestructorsSpawnWhichIsRefused) {
  names gone;
  auto late = [](witness) -> task<int> { co_return 1; };
  struct spawning {
    ~spawning() { body(); }
    std::function<void()> body;
  };
  bool refused = false;
  shut_down_over([&](std::latch& begun) -> task<> {
    const spawning local{[&] {
      auto handle = spawn(late(witness(gone, "argument")));
      refused = handle.done() && handle.target()->take().error().code() == errc::cancelled;
    }};
    begun.count_down();
    co_await wait_for_ever();
  });
  EXPECT_TRUE(refused);
  EXPECT_EQ(gone, (names{"argument"}));
}

TEST(ShutdownByForce, TellsDestructorsWhoseTaskTheyBelongTo) {
  static constexpr context_key<int> key("number");
  struct asking {
    ~asking() {
      name = this_task::name();
      const int* const found = this_task::context().value(key);
      value = found ? *found : 0;
    }
    std::string& name;
    int& value;
  };
  std::string name;
  int value = 0;
  shut_down_over([&](std::latch& begun) -> task<> {
    auto below = [&]() -> task<> {
      const asking local{name, value};
      begun.count_down();
      co_await wait_for_ever();
    };
    co_await with_value(key, 7, below());
  });
  EXPECT_EQ(name, "stubborn");
  EXPECT_EQ(value, 7);
}

TEST(ShutdownByForce, EndsJoinsOfOtherRuntimesAndBlockedThreads) {
  runtime other({.workers = 1});
  runtime rt({.workers = 1});
  std::latch begun(3);
  auto handle = rt.spawn(without_cancel([](std::latch& l) -> task<> {
    l.count_down();
    co_await wait_for_ever();
  }(begun)));
  auto join = [](join_handle<void>& what, std::latch& l) -> task<result<void>> {
    l.count_down();
    co_return co_await what.join();
  };
  auto joining = other.spawn(join(handle, begun));
  auto blocked = [](std::latch& l) -> task<int> {
    l.count_down();
    co_await wait_for_ever();
    co_return 1;
  };
  std::thread blocking([&] { EXPECT_THROW(rt.block_on(without_cancel(blocked(begun))), std::logic_error); });
  begun.wait();
  EXPECT_FALSE(rt.shutdown(short_limit).has_value());
  blocking.join();
  auto await = [](join_handle<result<void>>& h) -> task<result<void>> { co_return co_await h.join(); };
  EXPECT_EQ(other.block_on(await(joining)).error().code(), errc::cancelled);
}

#if TANDEM_NESTED_RESUME  // then the awaits themselves are on the stack
constexpr int deep_enough = 1'000;
#else
constexpr int deep_enough = 1'000'000;
#endif

task<> nest(int depth, std::latch& begun) {
  if (depth > 0) co_return co_await nest(depth - 1, begun);
  begun.count_down();
  co_await wait_for_ever();
}

TEST(ShutdownByForce, DestroysATaskHoweverDeepItAwaits) {
  std::latch begun(1);
  runtime rt({.workers = 1});
  auto deep = rt.spawn(without_cancel(nest(deep_enough, begun)));
  begun.wait();
  EXPECT_FALSE(rt.shutdown(short_limit).has_value());
  EXPECT_EQ(rt.live_tasks(), 0U);
  EXPECT_TRUE(deep.done());
}

// What the call refers to must stay, and nobody knows what that is.
TEST(ShutdownByForce, LeavesTasksAloneWhileABlockingCallGoesOn) {
  const auto begun = std::make_shared<std::latch>(1), go = std::make_shared<std::latch>(1);
  const auto read = std::make_shared<std::promise<int>>();
  auto reading = read->get_future();
  {
    runtime rt({.workers = 1});
    auto body = [begun, go, read]() -> task<> {
      int local = 7;
      auto call = run_blocking([begun, go, read, &local] {
        begun->count_down();
        go->wait();
        read->set_value(local);
      });
      (void)co_await call.join();
    };
    rt.spawn(without_cancel(body())).detach();
    begun->wait();
    const auto ended = rt.shutdown(short_limit);
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(rt.live_tasks(), 1U);
  }
  go->count_down();
  EXPECT_EQ(reading.get(), 7);
}

TEST(ShutdownByForce, ATaskThatHoldsItsWorkerKeepsItAndNothingIsDestroyed) {
  // The task outlives the runtime, and must have ended before the test does.
  static std::atomic<bool> release;
  static std::latch begun(1), ended(1);
  release = false;
  std::thread blocking;
  {
    runtime rt({.workers = 2, .held_limit = 0s});
    auto hold = []() -> task<> {
      begun.count_down();
      while (!release) std::this_thread::yield();
      ended.count_down();
      co_return;
    };
    auto stubborn = rt.spawn(without_cancel(wait_for_ever()), "stubborn");
    std::vector<join_handle<result<void>>> polite;
    for (int i = 0; i < 100; ++i) polite.push_back(rt.spawn(sleep_for_ever(), "polite"));
    std::latch blocks(1);
    auto wait = [&blocks]() -> task<> {
      blocks.count_down();
      co_await wait_for_ever();
    };
    blocking = std::thread([&] { EXPECT_THROW(rt.block_on(without_cancel(wait())), std::logic_error); });
    blocks.wait();
    rt.spawn(hold(), "holds its worker").detach();
    begun.wait();
    const auto outcome = rt.shutdown(300ms);
    ASSERT_FALSE(outcome.has_value());
    const std::string why = outcome.error().message();
    EXPECT_NE(why.find("holds its worker"), std::string::npos) << why;
    EXPECT_NE(why.find("stubborn"), std::string::npos) << why;
    EXPECT_NE(why.find("a task held its worker and never suspended"), std::string::npos) << why;
    EXPECT_EQ(why.find("polite"), std::string::npos) << why;  // they could end, and did
    for (auto& p : polite) {
      ASSERT_TRUE(p.done());
      EXPECT_EQ(p.target()->take().error().code(), errc::cancelled);
      p.detach();
    }
    EXPECT_FALSE(stubborn.done());
    auto late = rt.spawn(sleep_for_ever());
    ASSERT_TRUE(late.done());  // refused
    EXPECT_EQ(late.target()->take().error().code(), errc::cancelled);
    late.detach();
    blocking.join();  // it does not wait for ever either
  }
  release = true;
  ended.wait();
}

TEST(ShutdownByForce, WithoutAnyTimeStillEndsWhatEndsAtOnce) {
  for (const duration limit : {duration(0), duration(-1h), duration::min()}) {
    names gone;
    runtime rt({.workers = 2, .shutdown_limit = limit});
    auto body = [](names& out) -> task<> {
      const witness local(out, "local");
      (void)co_await sleep_until(no_deadline);
    };
    rt.spawn(body(gone)).detach();
    (void)rt.shutdown(limit);  // which may have found the time or not
    EXPECT_EQ(rt.live_tasks(), 0U);
    EXPECT_EQ(gone, (names{"local"}));
  }
}

}  // namespace
}  // namespace tandem
