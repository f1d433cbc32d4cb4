// A tree on several threads, with actors that fail, and commands from outside.
#include <gtest/gtest.h>

#include <atomic>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/dynamic_supervisor.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct hit {
  int n;
};
struct sum {};

class target_actor {
 public:
  using protocol = actors::protocol<void(hit), int(sum)>;
  explicit target_actor(std::atomic<int>& made) { made.fetch_add(1); }
  task<result<void>> on(hit h) {
    co_await yield();
    if (h.n % 100 == 0) co_return fail(errc::internal, "hit");
    ++seen_;
    co_return result<void>();
  }
  int on(sum) const { return seen_; }

 private:
  int seen_ = 0;
};

supervisor_options quiet(const char* name) {
  supervisor_options o;
  o.name = name;
  o.intensity = 1'000'000;
  o.on_event = [](const supervision_event&) {};
  return o;
}

task<result<void>> joined(join_handle<result<void>> h) { co_return co_await h.join(); }

TEST(SupervisorThreads, ActorsFailAndAreRestartedUnderFire) {
  std::atomic<int> made{0};
  runtime on({.workers = 4});
  system sys(on);
  auto first = actor_child<target_actor>(sys, "first", std::ref(made));
  auto second = actor_child<target_actor>(sys, "second", std::ref(made));
  const auto one = first.ref();
  const auto two = second.ref();
  auto options = quiet("top");
  options.strategy = supervision_strategy::one_for_all;
  const auto tree = start_supervisor(sys, options, std::move(first), std::move(second));
  ASSERT_TRUE(on.block_on(tree.started()).has_value());
  const auto fire = [](target_actor::protocol::ref at) -> task<result<void>> {
    for (int n = 1; n <= 1000; ++n) TANDEM_CO_TRY(co_await at.tell(hit{n}));
    co_return result<void>();
  };
  auto shooting = on.spawn(fire(one));
  EXPECT_TRUE(on.block_on(fire(two)).has_value());
  EXPECT_TRUE(on.block_on(joined(std::move(shooting))).has_value());
  const auto ask = [](target_actor::protocol::ref at) -> task<result<int>> { co_return co_await at.ask(sum{}, 10s); };
  EXPECT_TRUE(on.block_on(ask(one)).has_value());
  EXPECT_TRUE(on.block_on(ask(two)).has_value());
  EXPECT_GE(made.load(), 2 + 10);
  EXPECT_TRUE(on.block_on(tree.stop(10s)).has_value());
  EXPECT_TRUE(sys.shutdown(10s).has_value());  // the supervisor hears of an end a moment before that is counted
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST(SupervisorThreads, ChildrenComeAndGoFromSeveralTasks) {
  std::atomic<int> alive{0};
  runtime on({.workers = 4});
  system sys(on);
  const auto sup = start_supervisor(sys, quiet("many"), task_template<int>("n", [&alive](int n) -> task<result<void>> {
                                      alive.fetch_add(1);
                                      auto slept = co_await sleep_for(std::chrono::microseconds(n % 7 * 50));
                                      alive.fetch_sub(1);
                                      if (n % 3 == 0) co_return fail(errc::internal, "odd");
                                      co_return slept;
                                    }));
  const auto churn = [](dynamic_supervisor<void(int)> at) -> task<result<void>> {
    for (int n = 0; n < 200; ++n) {
      auto added = co_await at.start_child(n);
      if (!added) co_return fail(std::move(added).error());
      if (n % 5 == 0) (void)co_await at.terminate_child(added->number);
      if (n % 50 == 0) TANDEM_CO_TRY(co_await at.which_children());
    }
    co_return result<void>();
  };
  std::vector<join_handle<result<void>>> running;
  for (int i = 0; i < 4; ++i) running.push_back(on.spawn(churn(sup)));
  for (auto& each : running) EXPECT_TRUE(on.block_on(joined(std::move(each))).has_value());
  EXPECT_TRUE(on.block_on(sup.stop(10s)).has_value());
  EXPECT_EQ(alive.load(), 0);
}

TEST(SupervisorThreads, ATreeEndsWithItsSystemWhileItRestarts) {
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> made{0};
    runtime on({.workers = 2});
    system sys(on);
    auto spec = actor_child<target_actor>(sys, "a", std::ref(made));
    const auto ref = spec.ref();
    const auto tree = start_supervisor(sys, quiet("top"), std::move(spec),
                                       supervisor_child("inner", quiet("inner"), task_child("t", []() -> task<> {
                                                          co_await yield();
                                                          throw std::runtime_error("again");
                                                        })));
    for (int n = 0; n < 20; ++n) (void)ref.try_tell(hit{n});
    EXPECT_TRUE(sys.shutdown(10s).has_value());
    EXPECT_EQ(sys.live_actors(), 0u);
  }
}

}  // namespace
}  // namespace tandem::actors
