// What is left of a runtime in a child of fork().
#include <csignal>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task_dump.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

task<int> seven() {
  co_await yield();
  co_return 7;
}

struct child_end {
  int status = 0;
  std::string said;  // on stderr
};

// Forks, runs `body` in the child, which then ends with code 0, and waits for it.
child_end fork_and(const std::function<void()>& body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  child_end end;
  char part[256];
  for (ssize_t n = 0; (n = read(ends[0], part, sizeof(part))) > 0;) end.said.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  EXPECT_EQ(waitpid(child, &end.status, 0), child);
  return end;
}

void expect_good_end(const child_end& end) {
  EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0) << end.status << end.said;
}

void expect_abort_with_advice(const child_end& end, const std::string& what) {
  EXPECT_TRUE(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT) << end.status << end.said;
  EXPECT_NE(end.said.find("tandem: " + what), std::string::npos) << end.said;
  EXPECT_NE(end.said.find("fork before you make a runtime"), std::string::npos) << end.said;
}

TEST(Fork, TheChildMayDestroyTheRuntimeWhichDoesNothing) {
  auto rt = std::make_unique<runtime>(runtime_options{.workers = 2, .shutdown_limit = duration::max()});
  auto sleeper = rt->spawn([]() -> task<result<void>> { co_return co_await sleep_until(no_deadline); });
  expect_good_end(fork_and([&] { rt.reset(); }));
  EXPECT_EQ(rt->block_on(seven()), 7);  // the parent's goes on
  EXPECT_TRUE(rt->shutdown(60s).has_value());
  EXPECT_TRUE(sleeper.done());
  sleeper.disown();
}

TEST(Fork, AnyOtherUseInTheChildAbortsWithAdvice) {
  runtime rt({.workers = 2});
  const cancel_source source(rt.root_context());
  std::latch begun(1);
  auto sleep = [](std::latch& l) -> task<> {
    l.count_down();
    (void)co_await sleep_until(no_deadline);
  };
  auto sleeper = rt.spawn(sleep(begun), source.context());
  begun.wait();
  while (rt.dump_tasks().find("waiting") == std::string::npos) std::this_thread::yield();
  expect_abort_with_advice(fork_and([&] { rt.spawn(seven()).detach(); }), "a task was spawned");
  expect_abort_with_advice(fork_and([&] { (void)rt.block_on(seven()); }), "block_on() was called");
  expect_abort_with_advice(fork_and([&] { (void)rt.shutdown(1s); }), "shutdown() was called");
  expect_abort_with_advice(fork_and([&] { (void)rt.dump_tasks(); }), "a dump was asked for");
  expect_abort_with_advice(fork_and([&] { source.cancel(); }), "a task was spawned or woken");
  expect_abort_with_advice(fork_and([] { const runtime another({.workers = 1}); }), "a runtime was made");
  EXPECT_EQ(rt.block_on(seven()), 7);
}

TEST(Fork, ADumpOfAllTasksSaysWhoHasThem) {
  runtime rt({.workers = 1});
  expect_good_end(fork_and([] {
    if (tandem::dump_tasks().find("the process that forked this one") == std::string::npos) _exit(1);
  }));
}

TEST(Fork, ATaskMayForkAndExecOrExit) {
  runtime rt({.workers = 2});
  auto body = []() -> task<> {
    expect_good_end(fork_and([] {}));
    expect_good_end(fork_and([] { execl("/bin/true", "true", static_cast<char*>(nullptr)); }));
    co_return;
  };
  rt.block_on(body());
}

TEST(Fork, ATaskThatGoesOnInTheChildAborts) {
  runtime rt({.workers = 2});
  auto body = []() -> task<int> {
    const pid_t child = fork();
    if (child == 0) {
      close(STDERR_FILENO);
      co_await yield();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    co_return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  };
  EXPECT_EQ(rt.block_on(body()), SIGABRT);
}

TEST(Fork, ABlockingCallThatReturnsInTheChildAborts) {
  runtime rt({.workers = 1});
  auto body = []() -> task<int> {
    auto call = run_blocking([] {
      const pid_t child = fork();
      if (child == 0) {
        close(STDERR_FILENO);
        return 0;
      }
      int status = 0;
      waitpid(child, &status, 0);
      return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    });
    co_return (co_await call.join()).value();
  };
  EXPECT_EQ(rt.block_on(body()), SIGABRT);
}

TEST(Fork, AChildMayMakeARuntimeOnceTheParentsHaveEnded) {
  {
    runtime rt({.workers = 2});
    EXPECT_EQ(rt.block_on(seven()), 7);
    EXPECT_TRUE(rt.shutdown(60s).has_value());
    expect_good_end(fork_and([] {
      if (runtime({.workers = 2}).block_on(seven()) != 7) _exit(1);
    }));
  }
  expect_good_end(fork_and([] {
    if (runtime({.workers = 2}).block_on(seven()) != 7) _exit(1);
  }));
}

TEST(Fork, ASimulationHasNoThreadsAndSurvives) {
  testing::sim_runtime sim;
  expect_good_end(fork_and([&] {
    if (sim.run(seven()).value() != 7) _exit(1);
  }));
  const runtime rt({.workers = 1});
  expect_good_end(fork_and([&] {
    if (sim.run(seven()).value() != 7) _exit(1);
  }));
}

TEST(Fork, TheSignalThatDumpsTasksIsIgnoredInTheChild) {
  runtime rt({.workers = 1});
  ASSERT_TRUE(print_task_dump_on(SIGUSR1).has_value());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int before = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  const child_end end = fork_and([] {
    for (int i = 0; i < 10; ++i) raise(SIGUSR1);
  });
  auto sleeper = rt.spawn([]() -> task<result<void>> { co_return co_await sleep_until(no_deadline); });
  raise(SIGUSR1);  // so a dump that the child asked for comes before this one, and has no task
  std::string printed;
  char part[256];
  while (printed.find("1 tasks on 1 workers") == std::string::npos) {
    const ssize_t n = read(ends[0], part, sizeof(part));
    ASSERT_GT(n, 0);
    printed.append(part, static_cast<std::size_t>(n));
  }
  dup2(before, STDERR_FILENO);
  for (const int fd : {before, ends[0], ends[1]}) close(fd);
  signal(SIGUSR1, SIG_DFL);
  EXPECT_EQ(printed.find("0 tasks on 1 workers"), std::string::npos) << printed;
  expect_good_end(end);
  sleeper.detach();
}

}  // namespace
}  // namespace tandem
