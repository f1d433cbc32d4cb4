#include <tandem/runtime/task_dump.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <tandem/errors/stack.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

task<> nap() { (void)co_await sleep_for(1h); }

// Of this simulation alone: tests may leave runtimes behind that did not end.
std::string dump_of(testing::sim_runtime& sim) {
  const auto census = detail::take_census(sim.core());
  return fmt::format("{} tasks\n{}", census.tasks, detail::describe(census));
}

TEST(TaskDump, CountsEqualTasksOnOneLine) {
  runtime rt({.workers = 2});
  int spawned = 0;
  for (int i = 0; i < 1000; ++i) {
    rt.spawn(nap(), "napper").detach();
    spawned = __LINE__ - 1;
  }
  const std::string line =
      fmt::format("    1000 x napper in the background ({}:{}), waiting for a time to come\n", __FILE__, spawned);
  std::string dump;
  do {  // until the last of them has got to its wait
    dump = rt.dump_tasks();
  } while (dump.find("ready to run") != std::string::npos || dump.find("running on worker") != std::string::npos);
  EXPECT_NE(dump.find("tandem: 1000 tasks on 2 workers\n"), std::string::npos) << dump;
  EXPECT_NE(dump.find(line), std::string::npos) << dump;
}

TEST(TaskDump, ShowsTheTaskThatHoldsAWorkerAndThoseBehindIt) {
  runtime rt({.workers = 1, .held_limit = 0s});
  std::atomic<bool> holding{false};
  std::atomic<bool> release{false};
  auto hold = [](std::atomic<bool>& started, std::atomic<bool>& end) -> task<> {
    started = true;
    started.notify_all();
    while (!end) detail::cpu_pause();
    co_return;
  };
  auto holder = rt.spawn(hold(holding, release), "holder");
  holding.wait(false);
  auto behind = rt.spawn(nap(), "behind");
  const std::string dump = rt.dump_tasks();
  EXPECT_NE(dump.find("2 tasks on 1 workers, which went on meanwhile"), std::string::npos) << dump;
  EXPECT_NE(dump.find("1 x holder ("), std::string::npos) << dump;
  EXPECT_NE(dump.find("running on worker 0"), std::string::npos) << dump;
  EXPECT_NE(dump.find("ready to run"), std::string::npos) << dump;
  release = true;
  EXPECT_TRUE(rt.shutdown(30s));
  EXPECT_TRUE(holder.done() && behind.done());
  behind.detach();
}

TEST(TaskDump, MayBeTakenByATask) {
  runtime rt({.workers = 2});
  auto body = []() -> task<std::string> { co_return tandem::dump_tasks(); };
  const std::string dump = rt.block_on(body());
  EXPECT_NE(dump.find("1 x main ("), std::string::npos) << dump;
  EXPECT_NE(dump.find("running on worker"), std::string::npos) << dump;
}

TEST(TaskDump, NamesSomeOfTheTasksThatDifferInNothingElse) {
  testing::sim_runtime sim;
  static const std::array<std::string, 100> names = [] {
    std::array<std::string, 100> made;
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = fmt::format("napper {}", i);
    return made;
  }();
  for (const std::string& name : names) sim.spawn(nap(), name.c_str()).detach();
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_LT(std::count(dump.begin(), dump.end(), '\n'), 15) << dump;
  EXPECT_NE(dump.find(" and others in the background ("), std::string::npos) << dump;
  EXPECT_NE(dump.find("1 x napper "), std::string::npos) << dump;
}

template <int Kind>
task<> nap_of_kind() {
  (void)co_await sleep_for(1h);
}

template <int... Kinds>
void spawn_naps(testing::sim_runtime& sim, std::integer_sequence<int, Kinds...>) {
  (sim.spawn(nap_of_kind<Kinds>(), "napper").detach(), ...);
}

TEST(TaskDump, IsBoundedHoweverManyPlacesThereAre) {
  testing::sim_runtime sim;
  spawn_naps(sim, std::make_integer_sequence<int, 100>());
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 1 + 64 * 2 + 1) << dump;
  EXPECT_NE(dump.find("      36 more\n"), std::string::npos) << dump;
}

// Where the coroutines below wait.
constexpr int line_of_inner = __LINE__ + 5, line_of_outer = __LINE__ + 8, line_of_yield = __LINE__ + 13;

enum class rest { sleep, yield };

task<> inner(rest how) {
  if (how == rest::sleep) (void)co_await sleep_for(1h);
}
task<> outer(rest how) {
  co_await inner(how);
}

task<> polite(bool& stop) {
  while (!stop) {
    co_await yield();
  }
}

task<> nest(int depth) {
  if (depth == 0) (void)co_await sleep_for(1h);
  if (depth != 0) co_await nest(depth - 1);
}

// False in builds without libbacktrace or without debug information.
bool lines_are_known() {
  return describe_address(reinterpret_cast<const void*>(&lines_are_known)).find("task_dump_test.cpp:") !=
         std::string::npos;
}

std::string awaited_by(const char* function, int line) {
  return fmt::format("           awaited by tandem::(anonymous namespace)::{} at {}:{}\n", function, __FILE__, line);
}

TEST(TaskDump, ShowsTheLineOfEachCoAwaitOfATaskThatWaits) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  testing::sim_runtime sim;
  for (int i = 0; i < 3; ++i) sim.spawn(outer(rest::sleep), "napper").detach();
  sim.spawn(inner(rest::sleep), "other").detach();
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  const std::string first = awaited_by("inner(tandem::(anonymous namespace)::rest)", line_of_inner);
  const std::string second = awaited_by("outer(tandem::(anonymous namespace)::rest)", line_of_outer);
  EXPECT_NE(dump.find(", waiting for a time to come\n" + first + second), std::string::npos) << dump;
  EXPECT_NE(dump.find("       3 x napper"), std::string::npos) << dump;
  EXPECT_NE(dump.find("       1 x other"), std::string::npos) << dump;
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 1 + 3 + 2) << dump;
}

constexpr int line_of_return = __LINE__ + 2;
task<result<void>> sleep_or_return() {
  co_await or_return(sleep_for(1h));
  co_return result<void>();
}

TEST(TaskDump, ShowsNotHowOrReturnAwaits) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  testing::sim_runtime sim;
  sim.spawn(sleep_or_return(), "napper").detach();
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_NE(dump.find(", waiting for a time to come\n" + awaited_by("sleep_or_return()", line_of_return)),
            std::string::npos)
      << dump;
}

TEST(TaskDump, ShowsWhoWaitsForABlockingCall) {
  runtime rt({.workers = 1});
  std::atomic<bool> release{false};
  auto call = [](std::atomic<bool>& end) -> task<> {
    auto blocked = run_blocking([&end] { end.wait(false); });
    (void)co_await blocked.join();
  };
  auto caller = rt.spawn(call(release), "caller");
  std::string dump;
  do {  // until it has got to its wait
    dump = rt.dump_tasks();
  } while (dump.find(", waiting for a blocking call\n") == std::string::npos);
  EXPECT_NE(dump.find("       1 x caller ("), std::string::npos) << dump;
  release = true;
  release.notify_all();
  EXPECT_TRUE(rt.shutdown(30s));
}

TEST(TaskDump, ShowsWhereATaskThatIsReadyYielded) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  runtime rt({.workers = 1});
  bool stop = false;
  rt.spawn(polite(stop), "polite").detach();
  std::string dump;
  do {  // until it has begun
    dump = rt.dump_tasks();
  } while (dump.find(awaited_by("polite(bool&)", line_of_yield)) == std::string::npos);
  EXPECT_NE(dump.find(", ready to run\n"), std::string::npos) << dump;
  auto end = [](bool& flag) -> task<> {
    flag = true;
    co_return;
  };
  rt.block_on(end(stop));
}

TEST(TaskDump, SaysHowManyAwaitsItLeavesOut) {
  testing::sim_runtime sim;
  sim.spawn(nest(40), "deep").detach();
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 1 + 1 + 16 + 1) << dump;
  EXPECT_NE(dump.find("           awaited by 25 more\n"), std::string::npos) << dump;
}

TEST(TaskDump, StaysShortForAHundredThousandEqualTasks) {
  testing::sim_runtime sim;
  for (int i = 0; i < 100'000; ++i) sim.spawn(outer(rest::sleep), "napper").detach();
  sim.run_until_idle();
  const std::string dump = dump_of(sim);
  EXPECT_NE(dump.find("  100000 x napper"), std::string::npos) << dump;
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 1 + 1 + 2) << dump;
}

TEST(TaskDump, AShutdownThatFailsTellsWhereTheTasksWait) {
  if (!lines_are_known()) GTEST_SKIP() << "frames have no names here";
  const std::string expected =
      fmt::format("inner(tandem::(anonymous namespace)::rest) at {}:{}, awaited by ", __FILE__, line_of_inner);
  // It waits on, whatever its context says: without it, the end could not be told from the wait.
  auto stubborn = [](std::atomic<bool>& started) -> task<> {
    started = true;
    started.notify_all();
    co_await with_context(context(), outer(rest::sleep));
  };
  std::string message;
  do {  // until the worker, for which the machine may have no CPU, comes to rest in time to be looked at
    runtime rt({.workers = 1});
    std::atomic<bool> begun{false};
    rt.spawn(stubborn(begun), "stubborn").detach();
    begun.wait(false);
    const auto outcome = rt.shutdown(50ms);
    ASSERT_FALSE(outcome.has_value());
    message = outcome.error().message();
    ASSERT_NE(message.find("tasks stubborn in the background ("), std::string::npos) << message;
  } while (message.find(expected) == std::string::npos);
}

TEST(TaskDump, RacesNobodyWhileTasksComeAndGo) {
  runtime rt({.workers = 2});
  std::atomic<bool> stop{false};
  auto churn = [](std::atomic<bool>& end) -> task<> {
    while (!end) {
      auto child = spawn(nap(), "child");
      (void)co_await child.join_for(10us);
      auto quick = spawn([]() -> task<> { co_await yield(); }, "quick");
      (void)co_await quick.join();
      if (auto slept = co_await sleep_for(10us); !slept) co_return;
    }
  };
  for (int i = 0; i < 4; ++i) rt.spawn(churn(stop), "churn").detach();
  for (int i = 0; i < 100; ++i) EXPECT_NE(rt.dump_tasks().find("churn"), std::string::npos);
  stop = true;
  EXPECT_TRUE(rt.shutdown(30s));
}

// Stands in for stderr.
class captured_stderr {
 public:
  captured_stderr() : saved_(dup(STDERR_FILENO)) {
    EXPECT_EQ(pipe(ends_.data()), 0);
    dup2(ends_[1], STDERR_FILENO);
  }
  ~captured_stderr() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    close(ends_[0]);
    close(ends_[1]);
  }
  captured_stderr(const captured_stderr&) = delete;
  captured_stderr& operator=(const captured_stderr&) = delete;

  std::string read_until(const std::string& wanted) {
    std::string text;
    char byte = 0;
    while (text.find(wanted) == std::string::npos && ::read(ends_[0], &byte, 1) == 1) text += byte;
    return text;
  }

 private:
  int saved_;
  std::array<int, 2> ends_{};
};

TEST(TaskDump, ComesToStderrOnSigquitAndTheProcessLivesOn) {
  runtime rt({.workers = 2});
  rt.spawn(nap(), "napper").detach();
  ASSERT_TRUE(print_task_dump_on(SIGQUIT));
  for (int round = 0; round < 3; ++round) {
    captured_stderr err;
    ASSERT_EQ(kill(getpid(), SIGQUIT), 0);
    EXPECT_NE(err.read_until("1 x napper in the background (").find("tandem: "), std::string::npos);
  }
  std::signal(SIGQUIT, SIG_DFL);
}

TEST(TaskDump, RefusesASignalThatCannotBeHandled) {
  EXPECT_EQ(print_task_dump_on(SIGKILL).error().code(), errc::invalid_argument);
  EXPECT_EQ(print_task_dump_on(12345).error().code(), errc::invalid_argument);
}

}  // namespace
}  // namespace tandem
