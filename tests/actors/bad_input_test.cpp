// What nobody should do to actors, and what comes of it.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

TEST(BadInput, ADefaultRefRefusesEverything) {
  testing::sim_runtime sim;
  system sys(sim);
  const counter::protocol::ref nobody;
  EXPECT_FALSE(nobody);
  EXPECT_EQ(nobody.id(), 0u);
  EXPECT_EQ(nobody.name(), "");
  EXPECT_EQ(nobody.try_tell(add{1}).error().code(), errc::failed_precondition);
  const auto tell = [&]() -> task<result<void>> { co_return co_await nobody.tell(add{1}); };
  const auto ask = [&]() -> task<result<std::int64_t>> { co_return co_await nobody.ask(get{}, 1s); };
  EXPECT_EQ(sim.run(tell).error().code(), errc::failed_precondition);
  EXPECT_EQ(sim.run(ask).error().code(), errc::failed_precondition);
  EXPECT_EQ(sys.register_name("nobody", nobody).error().code(), errc::failed_precondition);
}

TEST(BadInput, AnUnknownNameIsNotFound) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto found = sys.lookup<void(add)>("nobody");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), errc::not_found);
  EXPECT_NE(found.error().message().find("nobody"), std::string::npos);
  EXPECT_FALSE(sys.unregister_name("nobody"));
  EXPECT_EQ(sys.lookup<void(add)>("").error().code(), errc::not_found);
}

struct blob {
  std::vector<char> bytes;
};
class reader {
 public:
  using protocol = actors::protocol<void(blob), std::size_t(get)>;
  void on(blob b) {
    sum_ += b.bytes.size();
    address_ = b.bytes.data();
    seen_at = address_;
  }
  std::size_t on(get) { return sum_; }
  static inline const char* seen_at = nullptr;

 private:
  const char* address_ = nullptr;
  std::size_t sum_ = 0;
};

TEST(BadInput, AMessageOfAHundredMegabytesIsMovedNotCopied) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<reader>();
  blob large{std::vector<char>(100'000'000, 'x')};
  const char* const at = large.bytes.data();
  ASSERT_TRUE(ref.try_tell(std::move(large)).has_value());
  sim.run_until_idle();
  EXPECT_EQ(reader::seen_at, at);
  EXPECT_EQ(sim.run([&]() -> task<result<std::size_t>> { co_return co_await ref.ask(get{}, 1s); }).value(),
            100'000'000u);
}

// The same as bytes from a link: it is no message of this actor, and the link is told that it was consumed.
TEST(BadInput, AHundredMegabytesOfAnUnknownMessageAreADeadLetter) {
  struct credit final : detail::consumption_listener {
    void consumed(std::size_t bytes) noexcept override { given += bytes; }
    std::size_t given = 0;
  };
  testing::sim_runtime sim;
  std::vector<dead_letter> dead;
  system_options options;
  options.on_dead_letter = [&](const dead_letter& d) { dead.push_back(d); };
  system sys(sim, std::move(options));
  const auto ref = sys.spawn<reader>();
  const auto bytes = std::make_shared<std::vector<std::byte>>(100'000'000);
  const auto link = std::make_shared<credit>();
  detail::incoming message;
  message.type_hash = 4711;
  message.bytes = *bytes;
  message.owner = bytes;
  message.link = link;
  static_cast<detail::local_target&>(*ref.target()).deliver_bytes(std::move(message));
  sim.run_until_idle();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].reason.code(), errc::invalid_argument);
  EXPECT_EQ(link->given, 100'000'000u);
  EXPECT_EQ(sys.live_actors(), 1u);
}

struct nothing {};
class thrower {
 public:
  using protocol = actors::protocol<void(note), int(get), void(hold), void(nothing)>;
  void on(note) { throw std::runtime_error("thrown by a handler"); }
  int on(get) { throw 42; }
  task<> on(hold) {
    co_await yield();
    throw std::bad_alloc();
  }
  void on(nothing) {}
};

TEST(BadInput, AnActorThatThrowsEndsWithThat) {
  testing::sim_runtime sim;
  system sys(sim);
  auto ref = sys.spawn<thrower>();
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  EXPECT_NE(ref.try_tell(nothing{}).error().message().find("thrown by a handler"), std::string::npos);
  ref = sys.spawn<thrower>();
  const auto asked = sim.run([&]() -> task<result<int>> { co_return co_await ref.ask(get{}, 1s); });
  EXPECT_EQ(asked.error().code(), errc::unavailable);
  ref = sys.spawn<thrower>();
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(ref.try_tell(nothing{}).error().code(), errc::unavailable);
  EXPECT_EQ(sys.live_actors(), 0u);
}

// Keeps its worker until it is let go.
class blocker {
 public:
  using protocol = actors::protocol<void(hold)>;
  explicit blocker(std::atomic<int>& s) : state_(s) {}
  void on(hold) {
    state_ = 1;
    state_.notify_all();
    // Blocks in poll(): TSan keeps the watchdog's signal from a thread in a call it does not know, as in state_.wait().
    while (state_ == 1) (void)::poll(nullptr, 0, 1);
  }

 private:
  std::atomic<int>& state_;
};

TEST(BadInput, AnActorThatBlocksAWorkerIsNamedByTheWatchdog) {
  std::mutex lock;
  std::string reports;
  std::atomic<int> state = 0;
  runtime_options options;
  options.workers = 1;
  options.held_limit = 5ms;
  options.report = [&](const std::string& text) {
    {
      const std::lock_guard guard(lock);
      reports += text;
    }
    state = 2;
    state.notify_all();
  };
  runtime rt(options);
  system sys(rt);
  const auto ref = sys.spawn<blocker>(spawn_actor_options("the blocker"), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  while (state != 2) state.wait(state);
  ASSERT_TRUE(sys.shutdown(10s).has_value());
  const std::lock_guard guard(lock);
  EXPECT_NE(reports.find("the blocker"), std::string::npos) << reports;
}

TEST(BadInput, AnActorThatNeverReturnsIsNamedByShutdown) {
  std::atomic<int> state = 0;
  runtime_options options;
  options.workers = 2;
  options.held_limit = {};
  runtime rt(options);
  system sys(rt);
  const auto ref = sys.spawn<blocker>(spawn_actor_options("the endless"), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  state.wait(0);
  const auto ended = sys.shutdown(1ms);
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
  EXPECT_NE(ended.error().message().find("the endless"), std::string::npos) << ended.error().message();
  const auto info = sys.list_actors();
  ASSERT_EQ(info.size(), 1u);
  EXPECT_EQ(info[0].state, actor_state::busy);
  EXPECT_EQ(info[0].handling, "tandem::actors::hold");
  state = 2;
  state.notify_all();
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

// Uses its system when that was to have ended long ago.
class latecomer {
 public:
  using protocol = actors::protocol<void(hold)>;
  latecomer(actor_context& c, std::atomic<int>& state) : context_(c), state_(state) {}
  void on(hold) {
    step(1);
    state_.wait(1);
    const bool nobody = !context_.spawn<latecomer>({}, state_) && !context_.system().spawn<latecomer>(state_);
    step(nobody && context_.system().live_actors() == 1 ? 3 : 4);
  }

 private:
  void step(int to) {
    state_ = to;
    state_.notify_all();
  }
  actor_context& context_;
  std::atomic<int>& state_;
};

TEST(BadInput, AnActorThatDidNotEndInTimeHasItsSystemStill) {
  std::atomic<int> state = 0;
  runtime_options limits;
  limits.workers = 2;
  limits.held_limit = {};
  runtime rt(limits);
  ::testing::internal::CaptureStderr();
  {
    system_options options;
    options.shutdown_limit = 1ms;
    system sys(rt, std::move(options));
    ASSERT_TRUE(sys.spawn<latecomer>(spawn_actor_options("late"), state).try_tell(hold{}).has_value());
    state.wait(0);
  }
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("late"), std::string::npos);
  state = 2;
  state.notify_all();
  state.wait(2);
  EXPECT_EQ(state, 3);
}

TEST(BadInput, AShutdownByTheOnlyWorkerFailsInsteadOfHanging) {
  runtime_options options;
  options.workers = 1;
  runtime rt(options);
  system sys(rt);
  const auto ref = sys.spawn<counter>();
  auto body = [](system& s) -> task<result<void>> { co_return s.shutdown(1h); };
  EXPECT_EQ(rt.block_on(body(sys)).error().code(), errc::failed_precondition);
  EXPECT_TRUE(sys.shutdown(10s).has_value());
}

struct breed {
  int width;
};
// Each of its kind makes others, which make others.
class rabbit {
 public:
  using protocol = actors::protocol<void(breed)>;
  rabbit(actor_context& c, bool children) : context_(c), children_(children) {}
  task<> on(breed b) {
    for (int i = 0;; ++i) {
      const auto next = children_ ? context_.spawn<rabbit>({}, true) : context_.system().spawn<rabbit>(false);
      if (!next) co_return;
      if (i < b.width) (void)next.try_tell(b);
      co_await yield();
    }
  }

 private:
  actor_context& context_;
  const bool children_;
};

TEST(BadInput, ActorsThatSpawnEndlesslyEndWithTheirSystem) {
  runtime_options limits;
  limits.workers = 2;
  limits.held_limit = {};
  runtime rt(limits);
  for (const bool children : {false, true}) {
    system_options quiet;
    quiet.log_dead_letters = false;
    system sys(rt, std::move(quiet));
    const auto first = sys.spawn<rabbit>(children);
    ASSERT_TRUE(first.try_tell(breed{1}).has_value());
    while (sys.live_actors() < 100) std::this_thread::yield();
    const auto ended = sys.shutdown(30s);
    ASSERT_TRUE(ended.has_value()) << ended.error();
    EXPECT_EQ(sys.live_actors(), 0u);
  }
}

TEST(BadInput, ATaskThatSpawnsEndlesslyDoesNotKeepASystemUp) {
  runtime rt({.workers = 2});
  system sys(rt);
  std::atomic<bool> begun = false;
  auto spawner = [](system& home, std::atomic<bool>& b) -> task<> {
    std::vector<counter::protocol::ref> kept;
    for (;;) {
      kept.push_back(home.spawn<counter>());
      if (!kept.back()) co_return;
      b = true;
      if (kept.size() == 1000) kept.clear();
      co_await yield();
    }
  };
  auto running = rt.spawn(spawner(sys, begun));
  while (!begun) std::this_thread::yield();
  const auto ended = sys.shutdown(30s);
  ASSERT_TRUE(ended.has_value()) << ended.error();
  auto join = [](join_handle<void> h) -> task<> { (void)co_await h.join(); };
  rt.block_on(join(std::move(running)));
}

}  // namespace
}  // namespace tandem::actors
