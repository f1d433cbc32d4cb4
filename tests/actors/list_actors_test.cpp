// What system::list_actors() tells about each moment of an actor's life.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct finish {};

// Looks at itself, where it is.
class mirror {
 public:
  using protocol = actors::protocol<void(note), void(hold), void(finish)>;
  mirror(actor_context& c, std::vector<actor_info>& seen) : context_(c), seen_(seen) {}
  void on(note) { seen_.push_back(context_.system().list_actors().front()); }
  task<> on(hold) { (void)co_await sleep_for(1s); }
  void on(finish) { context_.quit(); }

 private:
  actor_context& context_;
  std::vector<actor_info>& seen_;
};

struct listing : ::testing::Test {
  testing::sim_runtime sim;
  std::vector<actor_info> seen;
  recorder::state tape;
  system sys{sim, quiet()};
  mirror::protocol::ref ref = sys.spawn<mirror>(spawn_actor_options("m", 3, overflow::fail), seen);

  static system_options quiet() {
    system_options o;
    o.log_dead_letters = false;
    return o;
  }
  actor_info now() { return sys.list_actors().front(); }
};

TEST_F(listing, OfAnIdleActor) {
  sim.run_until_idle();
  ASSERT_EQ(sys.list_actors().size(), 1u);
  const actor_info i = now();
  EXPECT_EQ(i.id, ref.id());
  EXPECT_EQ(i.name, "m");
  EXPECT_NE(i.class_name.find("mirror"), std::string::npos);
  EXPECT_EQ(i.parent, 0u);
  EXPECT_EQ(i.state, actor_state::idle);
  EXPECT_EQ(i.depth, 0u);
  EXPECT_EQ(i.oldest_age, 0ms);
  EXPECT_EQ(i.overflows, 0u);
  EXPECT_EQ(i.handling, "");
  EXPECT_EQ(i.handling_for, 0ms);
  EXPECT_EQ(i.restarts, 0u);
}

TEST_F(listing, OfAnActorThatHasATurnToCome) {
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  EXPECT_EQ(now().state, actor_state::busy);
  EXPECT_EQ(now().depth, 1u);
  EXPECT_EQ(now().handling, "");
}

TEST_F(listing, OfAHandlerThatRuns) {
  sim.run_until_idle();
  sim.advance(1h);
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());
  sim.run_until_idle();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].state, actor_state::busy);
  EXPECT_EQ(seen[0].handling, "tandem::actors::note");
  EXPECT_EQ(seen[0].handling_for, 0ms);  // of the turn, not of an hour ago
  EXPECT_EQ(now().handling, "");
}

TEST_F(listing, OfAHandlerThatWaits) {
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  sim.advance(300ms);
  actor_info i = now();
  EXPECT_EQ(i.state, actor_state::waiting);
  EXPECT_EQ(i.handling, "tandem::actors::hold");
  EXPECT_EQ(i.handling_for, 300ms);
  EXPECT_EQ(i.depth, 0u);
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.advance(200ms);
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());
  sim.advance(100ms);
  i = now();
  EXPECT_EQ(i.depth, 2u);
  EXPECT_EQ(i.oldest_age, 300ms);
  EXPECT_EQ(i.handling_for, 600ms);
  sim.advance(1s);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].handling_for, 0ms);  // the handler before it is over
  EXPECT_EQ(now().state, actor_state::idle);
  EXPECT_EQ(now().depth, 0u);
  EXPECT_EQ(now().oldest_age, 0ms);
}

// The mailbox is told now and then only what its actor took; lists know better.
TEST_F(listing, CountsWhatIsNotHandledYet) {
  const auto large = sys.spawn<recorder>(spawn_actor_options("large"), tape);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(large.try_tell(note{i}).has_value());
  ASSERT_TRUE(large.try_tell(hold{}).has_value());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(large.try_tell(note{i}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(tape.holding);
  EXPECT_EQ(large.target()->depth(), 5u);
  for (const actor_info& i : sys.list_actors()) EXPECT_EQ(i.depth, i.name == "large" ? 5u : 0u);
  tape.open = true;
  sim.run_to_end();
  EXPECT_EQ(large.target()->depth(), 0u);
}

TEST_F(listing, OfOverflows) {
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  for (int i = 0; i < 10; ++i) (void)ref.try_tell(note{i});
  EXPECT_EQ(now().depth, 3u);
  EXPECT_EQ(now().overflows, 7u);
}

TEST_F(listing, OfAnActorThatWaitsForItsChildrenToEnd) {
  class lingerer {
   public:
    using protocol = actors::protocol<void(finish)>;
    task<> on(finish) { (void)co_await without_cancel(nap()); }

   private:
    static task<result<void>> nap() { co_return co_await sleep_for(5ms); }
  };
  class parent {
   public:
    using protocol = actors::protocol<void(finish)>;
    explicit parent(actor_context& c) : context_(c), child_(c.spawn<lingerer>({})) {
      EXPECT_TRUE(child_.try_tell(finish{}).has_value());
    }
    void on(finish) { context_.quit(); }

   private:
    actor_context& context_;
    lingerer::protocol::ref child_;
  };
  ref = {};
  const auto old = sys.spawn<parent>(spawn_actor_options("old"));
  sim.run_until_idle();
  ASSERT_TRUE(old.try_tell(finish{}).has_value());
  sim.run_until_idle();
  const auto all = sys.list_actors();
  ASSERT_EQ(all.size(), 2u);
  for (const actor_info& i : all) EXPECT_EQ(i.state, i.name == "old" ? actor_state::ending : actor_state::waiting);
  sim.advance(5ms);
  EXPECT_TRUE(sys.list_actors().empty());
}

TEST_F(listing, DisturbsNobody) {
  sim.run_until_idle();
  ref = {};
  sim.run_until_idle();
  EXPECT_TRUE(sys.list_actors().empty());
  const auto another = sys.spawn<counter>();
  sim.run_until_idle();
  (void)sys.list_actors();
  EXPECT_EQ(sim.run_until_idle(), 0u);
}

TEST_F(listing, NamesEachState) {
  EXPECT_STREQ(to_string(actor_state::idle), "idle");
  EXPECT_STREQ(to_string(actor_state::busy), "busy");
  EXPECT_STREQ(to_string(actor_state::waiting), "waiting");
  EXPECT_STREQ(to_string(actor_state::stopped), "stopped");
  EXPECT_STREQ(to_string(actor_state::ending), "ending");
}

TEST(Listing, OfManyWorkersRacesNobody) {
  runtime rt({.workers = 4});
  system_options quiet;
  quiet.log_dead_letters = false;
  system sys(rt, std::move(quiet));
  auto churn = [](system& home) -> task<> {
    std::vector<counter::protocol::ref> some;
    for (int i = 0; i < 2000; ++i) {
      some.push_back(home.spawn<counter>(spawn_actor_options(i % 2 ? "a name that is longer than most others" : "")));
      (void)some.back().try_tell(add{1});
      if (some.size() == 50) some.clear();
      if (i % 10 == 0) co_await yield();
    }
  };
  std::vector<join_handle<void>> running;
  for (int i = 0; i < 3; ++i) running.push_back(rt.spawn(churn(sys)));
  const auto busy = [&] { return std::ranges::any_of(running, [](const auto& r) { return !r.done(); }); };
  std::size_t listed = 0;
  while (busy())
    for (const actor_info& i : sys.list_actors()) {
      EXPECT_NE(i.id, 0u);
      EXPECT_LE(i.depth, 1u);
      ++listed;
    }
  while (sys.live_actors() != 0) std::this_thread::yield();
  EXPECT_TRUE(sys.list_actors().empty());
}

// Ids: given once, found while they live.
TEST(ActorIds, AreNeverGivenTwice) {
  testing::sim_runtime sim;
  system sys(sim);
  std::vector<std::uint64_t> ids;
  for (int round = 0; round < 20; ++round) {
    std::vector<counter::protocol::ref> some;
    for (int i = 0; i < 500; ++i) some.push_back(sys.spawn<counter>());
    for (const auto& s : some) {
      ids.push_back(s.id());
      EXPECT_EQ(detail::system_access::find(sys, s.id()).get(), s.target().get());
    }
    some.clear();
    sim.run_until_idle();
  }
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  for (const std::uint64_t id : ids) EXPECT_FALSE(detail::system_access::find(sys, id));
}

TEST(ActorIds, OfNobodyAreNotFound) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<counter>();
  for (const std::uint64_t id : {std::uint64_t{0}, ref.id() + 1, ref.id() + (std::uint64_t{1} << 32),
                                 ~std::uint64_t{0}, std::uint64_t{0xffffffff}})
    EXPECT_FALSE(detail::system_access::find(sys, id)) << id;
}

TEST(ActorIds, AreFoundOrNotWhileTheirActorsEnd) {
  runtime rt({.workers = 4});
  system_options quiet;
  quiet.log_dead_letters = false;
  system sys(rt, std::move(quiet));
  std::atomic<std::uint64_t> newest = 0;
  std::atomic<bool> over = false;
  std::atomic<long> found = 0;
  auto seek = [&]() -> task<> {
    while (!over.load()) {
      const std::uint64_t id = newest.load();
      if (const auto there = detail::system_access::find(sys, id)) {
        EXPECT_EQ(there->id(), id);
        detail::envelope_ptr message(new detail::told<add>(add{1}));
        there->post(std::move(message));
        found.fetch_add(1);
      }
      co_await yield();
    }
  };
  std::vector<join_handle<void>> seekers;
  for (int i = 0; i < 2; ++i) seekers.push_back(rt.spawn(seek));
  auto churn = [](system& home, std::atomic<std::uint64_t>& at) -> task<> {
    for (int i = 0; i < 20'000; ++i) {
      const auto ref = home.spawn<counter>();
      at = ref.id();
      if (i % 4 == 0) co_await yield();
    }
  };
  rt.block_on(churn(sys, newest));
  over = true;
  auto join = [](join_handle<void> h) -> task<> { (void)co_await h.join(); };
  for (auto& s : seekers) rt.block_on(join(std::move(s)));
  while (sys.live_actors() != 0) std::this_thread::yield();
}

}  // namespace
}  // namespace tandem::actors
