#include <tandem/runtime/task_dump.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

task<> nap() { (void)co_await sleep_for(1h); }

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

TEST(TaskDump, IsBoundedHoweverManyKindsOfTasksThereAre) {
  constexpr std::size_t kinds = 600;
  static std::array<std::string, kinds> names;
  runtime rt({.workers = 1});
  for (std::size_t i = 0; i < kinds; ++i) {
    names[i] = fmt::format("kind {}", i);
    rt.spawn(nap(), names[i].c_str()).detach();
  }
  const std::string dump = rt.dump_tasks();
  EXPECT_LT(std::count(dump.begin(), dump.end(), '\n'), 70) << dump;
  EXPECT_NE(dump.find(" more\n"), std::string::npos) << dump;
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
    EXPECT_NE(err.read_until(__FILE__).find("1 x napper in the background ("), std::string::npos);
  }
  std::signal(SIGQUIT, SIG_DFL);
}

TEST(TaskDump, RefusesASignalThatCannotBeHandled) {
  EXPECT_EQ(print_task_dump_on(SIGKILL).error().code(), errc::invalid_argument);
  EXPECT_EQ(print_task_dump_on(12345).error().code(), errc::invalid_argument);
}

}  // namespace
}  // namespace tandem
