// An actor ends with its children, and after them.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct log_of_ends {
  std::vector<std::string> ended;
  std::vector<error> interrupted;
  std::uint64_t late_child = 0;
  actor_context* root = nullptr;
};

struct have_child {
  std::string name;
  int depth;  // of descendants below that
};
struct finish {};
struct crash {};
struct linger {  // a handler that takes its time to end
  duration time;
};

class node {
 public:
  using protocol = actors::protocol<void(have_child), void(finish), void(crash), void(hold), void(linger)>;
  node(actor_context& c, log_of_ends& log) : context_(c), log_(log), name_(c.name()) {
    if (name_ == "p") log.root = &c;
  }
  ~node() { log_.ended.push_back(name_); }
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  void on(have_child m) {
    child_ = context_.spawn<node>(spawn_actor_options(m.name), log_);
    if (child_ && m.depth > 0) (void)child_.try_tell(have_child{m.name + "1", m.depth - 1});
  }
  void on(finish) { context_.quit(); }
  result<void> on(crash) { return fail(errc::data_loss, "disk gone"); }
  task<> on(hold) {
    auto slept = co_await sleep_for(1h);
    if (!slept) log_.interrupted.push_back(slept.error());
  }
  task<> on(linger m) {
    (void)co_await sleep_for(1h);
    (void)co_await without_cancel(nap(m.time));
    log_.late_child = context_.spawn<node>(spawn_actor_options("late"), log_).id();
  }

 private:
  static task<result<void>> nap(duration d) { co_return co_await sleep_for(d); }

  actor_context& context_;
  log_of_ends& log_;
  std::string name_;
  protocol::ref child_;
};

system_options quiet() {
  system_options options;
  options.log_dead_letters = false;
  return options;
}

struct family : ::testing::Test {
  testing::sim_runtime sim;
  log_of_ends log;
  system sys{sim, quiet()};
  node::protocol::ref parent = sys.spawn<node>(spawn_actor_options("p"), log);

  template <class M>
  void tell(const node::protocol::ref& to, M m) {
    EXPECT_TRUE(to.try_tell(std::move(m)).has_value());
    sim.run_until_idle();
  }
  node::protocol::ref find(const std::string& name) {
    for (const auto& info : sys.list_actors())
      if (info.name == name) return node::protocol::ref(detail::system_access::find(sys, info.id).get());
    return {};
  }
};

TEST_F(family, GrandchildrenEndFirst) {
  tell(parent, have_child{"a", 3});
  ASSERT_EQ(sys.live_actors(), 5u);
  tell(parent, finish{});
  EXPECT_EQ(log.ended, (std::vector<std::string>{"a111", "a11", "a1", "a", "p"}));
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST_F(family, ChildrenEndWithAParentThatFails) {
  tell(parent, have_child{"a", 1});
  tell(parent, crash{});
  EXPECT_EQ(log.ended, (std::vector<std::string>{"a1", "a", "p"}));
  EXPECT_TRUE(is(parent.try_tell(finish{}).error(), errc::data_loss));
}

TEST_F(family, AChildsFailureIsItsOwn) {
  tell(parent, have_child{"a", 0});
  tell(find("a"), crash{});
  EXPECT_EQ(log.ended, std::vector<std::string>{"a"});
  EXPECT_EQ(sys.live_actors(), 1u);
  tell(parent, have_child{"b", 0});
  EXPECT_EQ(sys.live_actors(), 2u);
}

TEST_F(family, AChildNobodyCanReachEndsAlone) {
  tell(parent, have_child{"a", 0});
  tell(parent, have_child{"b", 0});  // takes the place of the ref to a
  EXPECT_EQ(log.ended, std::vector<std::string>{"a"});
  EXPECT_EQ(sys.live_actors(), 2u);
}

TEST_F(family, AChildsHandlerIsInterruptedAndWaitedFor) {
  tell(parent, have_child{"a", 0});
  tell(find("a"), linger{10ms});
  tell(parent, finish{});
  EXPECT_TRUE(log.ended.empty());
  EXPECT_EQ(sys.live_actors(), 2u);
  sim.advance(10ms - 1ns);
  EXPECT_TRUE(log.ended.empty());
  sim.advance(1ns);
  EXPECT_EQ(log.ended, (std::vector<std::string>{"late", "a", "p"}));
}

// By the last handler of one that was told to end.
TEST_F(family, AChildSpawnedAfterTheRequestToEndEndsToo) {
  tell(parent, linger{10ms});
  static_cast<detail::local_target&>(*parent.target()).request_exit({}, true);
  sim.run_until_idle();
  sim.advance(10ms);
  EXPECT_NE(log.late_child, 0u);
  EXPECT_EQ(log.ended, (std::vector<std::string>{"late", "p"}));
  EXPECT_EQ(sys.live_actors(), 0u);
}

// From outside, while the parent waits for the children it has.
TEST_F(family, AChildSpawnedAfterTheLastHandlerIsNone) {
  tell(parent, have_child{"a", 0});
  tell(find("a"), linger{10ms});
  tell(parent, finish{});
  EXPECT_FALSE(log.root->spawn<node>(spawn_actor_options("b"), log));
  EXPECT_EQ(sys.live_actors(), 2u);
  sim.advance(10ms);
  EXPECT_EQ(log.ended, (std::vector<std::string>{"late", "a", "p"}));
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST_F(family, ATellToAParentThatWaitsForItsChildrenIsADeadLetter) {
  tell(parent, have_child{"a", 0});
  tell(find("a"), linger{10ms});
  tell(parent, finish{});
  tell(parent, have_child{"b", 0});
  EXPECT_EQ(sys.dead_letters(), 0u);
  sim.advance(10ms);
  EXPECT_EQ(sys.dead_letters(), 1u);
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST_F(family, ListsItsParents) {
  tell(parent, have_child{"a", 1});
  std::uint64_t a = 0;
  for (const auto& i : sys.list_actors())
    if (i.name == "a") a = i.id;
  for (const auto& i : sys.list_actors()) EXPECT_EQ(i.parent, i.name == "p" ? 0 : i.name == "a" ? parent.id() : a);
}

TEST_F(family, AParentWithoutRefsLivesWhileItsChildrenDo) {
  tell(parent, have_child{"a", 0});
  auto child = find("a");
  parent = {};
  sim.run_until_idle();
  EXPECT_EQ(sys.live_actors(), 2u);
  tell(child, finish{});
  EXPECT_EQ(log.ended, (std::vector<std::string>{"a", "p"}));
  EXPECT_EQ(sys.live_actors(), 0u);
}

TEST_F(family, AConstructorThatThrowsLeavesNoChild) {
  class thrower {
   public:
    using protocol = actors::protocol<void(finish)>;
    thrower() { throw std::runtime_error("no"); }
    void on(finish) {}
  };
  class parent_of_thrower {
   public:
    using protocol = actors::protocol<void(hold), void(finish)>;
    parent_of_thrower(actor_context& c, int& caught) : context_(c), caught_(caught) {}
    void on(hold) {
      try {
        (void)context_.spawn<thrower>({});
      } catch (const std::runtime_error&) {
        ++caught_;
      }
    }
    void on(finish) { context_.quit(); }

   private:
    actor_context& context_;
    int& caught_;
  };
  int caught = 0;
  const auto ref = sys.spawn<parent_of_thrower>(caught);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  ASSERT_TRUE(ref.try_tell(finish{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(caught, 3);
  EXPECT_EQ(sys.live_actors(), 1u);
}

TEST_F(family, ShutdownEndsItInOrder) {
  tell(parent, have_child{"a", 2});
  ASSERT_TRUE(sys.shutdown(1s).has_value());
  EXPECT_EQ(log.ended, (std::vector<std::string>{"a11", "a1", "a", "p"}));
}

// By somebody who does not run in its turn, while that ends: the child ends too, or there is none.
TEST(Families, OnManyWorkersLeaveNoChildSpawnedFromOutsideBehind) {
  class parent {
   public:
    using protocol = actors::protocol<void(finish)>;
    parent(actor_context& c, std::atomic<actor_context*>& at, std::atomic<bool>& spawned)
        : context_(c), at_(at), spawned_(spawned) {
      at_ = &c;
    }
    ~parent() {  // whoever spawns is done by then
      at_ = nullptr;
      spawned_.wait(false);
    }
    parent(const parent&) = delete;
    parent& operator=(const parent&) = delete;
    void on(finish) { context_.quit(); }

   private:
    actor_context& context_;
    std::atomic<actor_context*>& at_;
    std::atomic<bool>& spawned_;
  };
  runtime rt({.workers = 2});
  for (int round = 0; round < 2000; ++round) {
    system sys(rt, quiet());
    std::atomic<actor_context*> at = nullptr;
    std::atomic<bool> spawned = false;
    counter::protocol::ref child;
    const auto ref = sys.spawn<parent>(at, spawned);
    ASSERT_TRUE(ref.try_tell(finish{}).has_value());
    if (actor_context* const context = at.load()) child = context->spawn<counter>({});
    spawned = true;
    spawned.notify_all();
    while (sys.live_actors() != 0) std::this_thread::yield();
    if (child) {
      EXPECT_EQ(child.try_tell(add{1}).error().code(), errc::unavailable);
    }
  }
}

// On many workers: a tree that grows while it is told to end.
TEST(Families, OnManyWorkersEndWhileTheyGrow) {
  struct grow {
    int depth;
  };
  class shrub {
   public:
    using protocol = actors::protocol<void(grow), void(finish)>;
    shrub(actor_context& c, std::atomic<long>& live) : context_(c), live_(live) { live_.fetch_add(1); }
    ~shrub() { live_.fetch_sub(1); }
    shrub(const shrub&) = delete;
    shrub& operator=(const shrub&) = delete;
    task<> on(grow g) {
      for (int i = 0; i < 3 && g.depth > 0; ++i) {
        children_.push_back(context_.spawn<shrub>({}, live_));
        if (children_.back()) (void)children_.back().try_tell(grow{g.depth - 1});
        co_await yield();
      }
    }
    void on(finish) { context_.quit(); }

   private:
    actor_context& context_;
    std::atomic<long>& live_;
    std::vector<protocol::ref> children_;
  };
  runtime rt({.workers = 4});
  std::atomic<long> live = 0;
  for (int round = 0; round < 100; ++round) {
    system sys(rt, quiet());
    const auto root = sys.spawn<shrub>(live);
    ASSERT_TRUE(root.try_tell(grow{5}).has_value());
    if (round % 2) {
      ASSERT_TRUE(root.try_tell(finish{}).has_value());
    }
    const auto ended = sys.shutdown(30s);
    ASSERT_TRUE(ended.has_value()) << ended.error();
    EXPECT_EQ(live.load(), 0);
  }
}

}  // namespace
}  // namespace tandem::actors
