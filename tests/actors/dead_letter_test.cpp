// What becomes known of messages that nobody handles.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct finish {};

class mortal {
 public:
  using protocol = actors::protocol<void(note), void(finish), void(hold)>;
  explicit mortal(actor_context& c) : context_(c) {}
  void on(note) {}
  void on(finish) { context_.quit(); }
  task<> on(hold) {
    (void)co_await sleep_for(12ms);
    context_.quit();
  }

 private:
  actor_context& context_;
};

// Ends behind `finish`, with the notes that follow it in its mailbox.
void die_with(testing::sim_runtime& sim, system& sys, int notes) {
  const auto ref = sys.spawn<mortal>(spawn_actor_options("m", 1 << 16));
  EXPECT_TRUE(ref.try_tell(finish{}).has_value());
  for (int i = 0; i < notes; ++i) EXPECT_TRUE(ref.try_tell(note{i}).has_value());
  sim.run_until_idle();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find('\n', from)) != std::string::npos; from = at + 1)
    lines.push_back(text.substr(from, at - from));
  return lines;
}

TEST(DeadLetters, TellReasonTargetTypeAndHowLongTheyWaited) {
  testing::sim_runtime sim;
  std::vector<dead_letter> dead;
  system_options options;
  options.on_dead_letter = [&](const dead_letter& d) { dead.push_back(d); };
  system sys(sim, std::move(options));
  const auto ref = sys.spawn<mortal>(spawn_actor_options("m"));
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  sim.run_until_idle();
  sim.advance(12ms);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].reason.code(), errc::unavailable);
  EXPECT_EQ(dead[0].target_id, ref.id());
  EXPECT_EQ(dead[0].target_name, "m");
  EXPECT_NE(dead[0].target_class.find("mortal"), std::string::npos);
  EXPECT_EQ(dead[0].message_type, "tandem::actors::note");
  EXPECT_EQ(dead[0].waited, 12ms);
}

TEST(DeadLetters, AreALineOnStderr) {
  testing::sim_runtime sim;
  ::testing::internal::CaptureStderr();
  {
    system sys(sim);
    die_with(sim, sys, 1);
  }
  const auto lines = lines_of(::testing::internal::GetCapturedStderr());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("tandem: dead letter: tandem::actors::note for m (")) << lines[0];
  EXPECT_NE(lines[0].find("mortal, id "), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("): actor m has ended"), std::string::npos) << lines[0];
}

TEST(DeadLetters, OfAFloodAreFiveLinesASecondAndACount) {
  testing::sim_runtime sim;
  ::testing::internal::CaptureStderr();
  {
    system sys(sim);
    die_with(sim, sys, 100);
    sim.advance(1s - 1ns);
    die_with(sim, sys, 7);  // in the same second
    sim.advance(1ns);
    die_with(sim, sys, 8);
    EXPECT_EQ(sys.dead_letters(), 115u);
  }
  const auto lines = lines_of(::testing::internal::GetCapturedStderr());
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_EQ(lines[5], "tandem: 102 more dead letters in the last second");
  EXPECT_EQ(lines[11], "tandem: 3 more dead letters in the last second");
  EXPECT_EQ(std::ranges::count_if(lines, [](const std::string& l) { return l.find(" more ") != std::string::npos; }), 2);
}

TEST(DeadLetters, AreTheHandlersAloneIfThereIsOne) {
  testing::sim_runtime sim;
  int seen = 0;
  system_options options;
  options.on_dead_letter = [&](const dead_letter&) { ++seen; };
  ::testing::internal::CaptureStderr();
  {
    system sys(sim, std::move(options));
    die_with(sim, sys, 10);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(seen, 10);
}

TEST(DeadLetters, AreOnlyCountedIfTheLogIsOff) {
  testing::sim_runtime sim;
  system_options options;
  options.log_dead_letters = false;
  ::testing::internal::CaptureStderr();
  {
    system sys(sim, std::move(options));
    die_with(sim, sys, 10);
    EXPECT_EQ(sys.dead_letters(), 10u);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(DeadLetters, KeepNoSimulationGoing) {
  testing::sim_runtime sim;
  ::testing::internal::CaptureStderr();
  {
    system sys(sim);
    die_with(sim, sys, 100);
    const time_point before = sim.now();
    sim.run_to_end();
    EXPECT_EQ(sim.now(), before);
  }
  (void)::testing::internal::GetCapturedStderr();
}

// A sender whose message is dropped by the mailbox's policy reports that after the fact, when nothing keeps the system.
TEST(DeadLetters, OfSendersAreReportedBeforeTheirSystemIsGone) {
  runtime rt({.workers = 1});
  std::atomic<bool> reporting = false;
  std::atomic<bool> ending = false;
  std::atomic<bool> gone = false;
  bool reported_late = false;
  system_options options;
  options.on_dead_letter = [&](const dead_letter&) {
    if (reporting.exchange(true)) return;
    ending.wait(false);
    const auto until = std::chrono::steady_clock::now() + 200ms;  // chance enough for it to go
    while (!gone && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    reported_late = gone;
  };
  auto sys = std::make_unique<system>(rt, std::move(options));
  const auto ref = sys->spawn<mortal>(spawn_actor_options("m", 1, overflow::drop_newest));
  std::thread sender([&] {
    for (int i = 0; !reporting; ++i) (void)ref.try_tell(note{i});  // until one finds no room
  });
  while (!reporting) std::this_thread::yield();
  EXPECT_TRUE(sys->shutdown(10s).has_value());  // the actor has ended, and no sender keeps it from that
  ending = true;
  ending.notify_one();
  sys.reset();
  gone = true;
  sender.join();
  EXPECT_FALSE(reported_late);
}

TEST(DeadLetters, ForASystemThatIsGoneAreNobodys) {
  testing::sim_runtime sim;
  mortal::protocol::ref ref;
  int dead = 0;
  {
    system_options options;
    options.on_dead_letter = [&](const dead_letter&) { ++dead; };
    system sys(sim, std::move(options));
    ref = sys.spawn<mortal>(spawn_actor_options("m"));
  }
  // As whoever cannot wait sends, and reports that nobody got it.
  static_cast<detail::local_target&>(*ref.target()).post(detail::envelope_ptr(new detail::told<note>(note{1})));
  EXPECT_EQ(dead, 0);
}

TEST(DeadLetters, ThatCannotBeWrittenAreCountedAndLost) {
  testing::sim_runtime sim;
  system sys(sim);
  const auto target = sys.spawn<counter>();
  dynamic_cast<detail::local_target&>(*target.target()).request_exit({}, false);
  ASSERT_TRUE(target.try_tell(add{1}).has_value());  // behind the end
  const int before = ::dup(STDERR_FILENO);
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_TRUE(before >= 0 && full >= 0);
  ASSERT_GE(::dup2(full, STDERR_FILENO), 0);
  sim.run_until_idle();
  ASSERT_GE(::dup2(before, STDERR_FILENO), 0);
  ::close(before);
  ::close(full);
  EXPECT_EQ(sys.dead_letters(), 1U);
}

}  // namespace
}  // namespace tandem::actors
