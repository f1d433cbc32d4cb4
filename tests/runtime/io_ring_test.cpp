// Requests to the ring that the kernel keeps for as long as the test wants: reads from pipes nobody has written to.
#include "io_ring.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "file_helpers.hpp"
#include "kernel_call.hpp"
#include "scheduler.hpp"

namespace tandem::detail {
namespace {

using namespace std::chrono_literals;

class pipe_ends {
 public:
  pipe_ends() {
    if (pipe(ends_.data()) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  }
  ~pipe_ends() {
    close(ends_[0]);
    close(ends_[1]);
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;

  [[nodiscard]] int out() const noexcept { return ends_[0]; }
  [[nodiscard]] int in() const noexcept { return ends_[1]; }
  void put(char c) const { EXPECT_EQ(write(ends_[1], &c, 1), 1); }
  [[nodiscard]] bool has_bytes_within(std::chrono::milliseconds limit) const {
    pollfd look{ends_[0], POLLIN, 0};
    return poll(&look, 1, static_cast<int>(limit.count())) == 1;
  }

 private:
  std::array<int, 2> ends_{};
};

task<long> read_one(int descriptor, char& into) {
  transfer read(ring_request::call::read, descriptor, std::uint64_t(-1), std::as_writable_bytes(std::span(&into, 1)));
  co_return co_await read;
}

task<long> write_one(int descriptor, char from) {
  transfer write(ring_request::call::write, descriptor, std::uint64_t(-1),
                 std::as_writable_bytes(std::span(&from, 1)));
  co_return co_await write;
}

// The reads that the kernel has, and the others that wait for a place.
// The task goes on while the reaper is still about to count the request as done.
void await_quiet(const io_ring& ring) {
  while (!ring.quiet()) std::this_thread::yield();
}

void await_waiting(scheduler& s, std::size_t n) {
  for (;;) {
    std::size_t waiting = 0;
    for (const task_group& g : take_census(s).groups)
      if (g.doing == task_group::state::waiting && std::string(g.waits_for) == "a read of a file") waiting += g.count;
    if (waiting == n) return;
    std::this_thread::yield();
  }
}

class IoRing : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!rt.core().ring()) GTEST_SKIP() << "the kernel does not let this process use io_uring";
  }
  runtime rt{{.workers = 2}};
};

TEST_F(IoRing, GivesWhatTheKernelReadWhenThatComes) {
  const pipe_ends p;
  char got = '?';
  auto read = rt.spawn(read_one(p.out(), got));
  await_waiting(rt.core(), 1);
  p.put('x');
  auto join = [](join_handle<long>& h) -> task<long> { co_return (co_await h.join()).value(); };
  EXPECT_EQ(rt.block_on(join(read)), 1);
  EXPECT_EQ(got, 'x');
  await_quiet(*rt.core().ring());
}

TEST_F(IoRing, ACancelledReadEndsWhenTheKernelHasLetGoAndTakesNothing) {
  const pipe_ends p;
  char got = '?';
  auto read = rt.spawn(read_one(p.out(), got), spawn_options::cancellable());
  await_waiting(rt.core(), 1);
  EXPECT_TRUE(read.cancel());
  auto join = [](join_handle<long>& h) -> task<long> { co_return (co_await h.join()).value(); };
  EXPECT_EQ(rt.block_on(join(read)), -ECANCELED);
  await_quiet(*rt.core().ring());
  p.put('x');
  EXPECT_EQ(rt.block_on(read_one(p.out(), got)), 1);
  EXPECT_EQ(got, 'x');
}

TEST_F(IoRing, ReadsBeyondItsPlacesWaitAndAreNotLost) {
  const pipe_ends p;
  constexpr std::size_t n = io_ring::most_at_once + 100;
  std::vector<char> got(n, '?');
  std::vector<join_handle<long>> reads;
  for (char& c : got) reads.push_back(rt.spawn(read_one(p.out(), c)));
  await_waiting(rt.core(), n);
  for (std::size_t i = 0; i < n; ++i) p.put('x');
  auto join = [](std::vector<join_handle<long>>& all) -> task<long> {
    long sum = 0;
    for (auto& h : all) sum += (co_await h.join()).value();
    co_return sum;
  };
  EXPECT_EQ(rt.block_on(join(reads)), static_cast<long>(n));
  EXPECT_EQ(std::string(got.begin(), got.end()), std::string(n, 'x'));
}

TEST_F(IoRing, ReadsThatWaitForAPlaceAreWithdrawnAtOnceByACancel) {
  const pipe_ends p;
  cancel_source source(rt.root_context());
  constexpr std::size_t n = io_ring::most_at_once + 100;
  std::vector<char> got(n, '?');
  std::vector<join_handle<long>> reads;
  for (char& c : got) reads.push_back(rt.spawn(read_one(p.out(), c), source.context()));
  await_waiting(rt.core(), n);
  source.cancel();
  auto join = [](std::vector<join_handle<long>>& all) -> task<> {
    for (auto& h : all) EXPECT_EQ((co_await h.join()).value(), -ECANCELED);
  };
  rt.block_on(join(reads));
  await_quiet(*rt.core().ring());
}

// A million would take minutes under sanitizers; what a wait leaves behind, ten thousand leave as well.
TEST_F(IoRing, ManyCancelledReadsLeaveNothingBehind) {
  const pipe_ends p;
  char got = '?';
  auto many = [](int descriptor, char& into) -> task<> {
    for (int i = 0; i < 10'000; ++i) {
      const cancel_source source(this_task::context());
      auto read = spawn(read_one(descriptor, into), source.context());
      if (i % 3 != 0) co_await yield();
      source.cancel();
      EXPECT_EQ((co_await read.join()).value(), -ECANCELED);
    }
  };
  rt.block_on(many(p.out(), got));
  await_quiet(*rt.core().ring());
  p.put('x');
  EXPECT_EQ(rt.block_on(read_one(p.out(), got)), 1);  // none of them took it
}

TEST_F(IoRing, ACancelThatRacesWithTheDataGivesOneOrTheOther) {
  const pipe_ends p;
  auto race = [](const pipe_ends& from) -> task<> {
    for (int i = 0; i < 2'000; ++i) {
      char got = '?';
      const cancel_source source(this_task::context());
      auto read = spawn(read_one(from.out(), got), source.context());
      co_await yield();
      std::thread canceller([&source] { source.cancel(); });
      from.put('x');
      const long outcome = (co_await read.join()).value();
      canceller.join();
      if (outcome == 1) {
        EXPECT_EQ(got, 'x');
        continue;
      }
      EXPECT_EQ(outcome, -ECANCELED);
      EXPECT_EQ(co_await read_one(from.out(), got), 1);  // it is still there
    }
  };
  rt.block_on(race(p));
}

TEST_F(IoRing, WhatTheKernelHasNoRoomForAtFirstIsSentSoon) {
  const pipe_ends p;
  const faults some(io_call::submit, {{EAGAIN}});
  auto write = rt.spawn(write_one(p.in(), 'x'));
  EXPECT_TRUE(p.has_bytes_within(10s));
  EXPECT_GE(faults::calls(), 2U);
  EXPECT_TRUE(rt.shutdown(10s).has_value());
  EXPECT_EQ(write.target().take().value(), 1);
}

// What the first submission meets, on the worker that makes it.
struct first_submission {
  using deed = void (*)() noexcept;

  explicit first_submission(deed what, int with_error) {
    meanwhile = what;
    error = with_error;
    calls = 0;
    calls_by_first = 0;
    ran_a_task = false;
    set_io_faults([](io_call about, const char*) noexcept {
      if (about != io_call::submit) return io_fault();
      const bool is_first = calls.fetch_add(1) == 0;
      if (is_first) first = std::this_thread::get_id();
      if (tls_worker && tls_worker->current) ran_a_task = true;
      if (first.load() == std::this_thread::get_id()) ++calls_by_first;
      if (!is_first) return io_fault();
      meanwhile();
      return io_fault{.error = error};
    });
  }
  ~first_submission() { set_io_faults(nullptr); }
  first_submission(const first_submission&) = delete;
  first_submission& operator=(const first_submission&) = delete;

  static inline deed meanwhile = nullptr;
  static inline int error = 0;
  static inline std::atomic<std::thread::id> first;
  static inline std::atomic<unsigned> calls;
  static inline std::atomic<unsigned> calls_by_first;
  static inline std::atomic<bool> ran_a_task;  // while it submitted: one that may have ended elsewhere
};

TEST_F(IoRing, ACancelWhileTheKernelRefusesIsNotForgotten) {
  static const cancel_source* source;
  const pipe_ends p;
  const cancel_source own(rt.root_context());
  source = &own;
  const first_submission refused(
      []() noexcept {
        source->cancel();
        std::this_thread::sleep_for(20ms);  // the reaper wakes, and may not submit
      },
      EAGAIN);
  char got = '?';
  auto read = rt.spawn(read_one(p.out(), got), own.context());
  const auto limit = std::chrono::steady_clock::now() + 10s;
  while (rt.live_tasks() != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(rt.live_tasks(), 0U);
  EXPECT_TRUE(rt.shutdown(10s).has_value());
  EXPECT_EQ(read.target().take().value(), -ECANCELED);
}

TEST_F(IoRing, AWorkerSubmitsForItselfAndRunsNoTaskMeanwhile) {
  static constexpr unsigned others = 20;
  static std::atomic<unsigned> begun;
  begun = 0;
  const pipe_ends p;
  const first_submission held(
      []() noexcept {
        while (begun.load() != others) std::this_thread::yield();
      },
      0);
  auto counted = [](int descriptor, char& into) -> task<long> {
    ++begun;
    co_return co_await read_one(descriptor, into);
  };
  std::vector<char> got(others + 1, '?');
  std::vector<join_handle<long>> reads;
  reads.push_back(rt.spawn(read_one(p.out(), got[others])));
  while (first_submission::calls.load() == 0) std::this_thread::yield();  // one worker is in there
  for (unsigned i = 0; i < others; ++i) reads.push_back(rt.spawn(counted(p.out(), got[i])));
  while (begun.load() != others) std::this_thread::yield();  // a census would wait for the one that is held
  await_waiting(rt.core(), others + 1);
  while (first_submission::calls.load() < 2) std::this_thread::yield();
  EXPECT_EQ(first_submission::calls_by_first.load(), 1U);
  EXPECT_FALSE(first_submission::ran_a_task.load());
  for (unsigned i = 0; i <= others; ++i) p.put('x');
  auto join = [](std::vector<join_handle<long>>& all) -> task<> {
    for (auto& h : all) EXPECT_EQ((co_await h.join()).value(), 1);
  };
  rt.block_on(join(reads));
}

TEST_F(IoRing, AForcedShutdownTakesTheReadFromTheKernelBeforeItDestroysTheTask) {
  const pipe_ends p;
  std::vector<std::string> gone;
  auto body = [](int descriptor, std::vector<std::string>& out) -> task<> {
    struct witness {
      std::vector<std::string>* names;
      ~witness() { names->push_back("local"); }
    } local{&out};
    char got = '?';
    (void)co_await read_one(descriptor, got);
    ADD_FAILURE() << "it went on";
  };
  rt.spawn(without_cancel(body(p.out(), gone)), "stubborn").detach();
  await_waiting(rt.core(), 1);
  const auto ended = rt.shutdown(10ms);
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("destroyed tasks stubborn"), std::string::npos) << ended.error();
  EXPECT_NE(ended.error().message().find("waiting for a read of a file"), std::string::npos) << ended.error();
  EXPECT_EQ(gone, std::vector<std::string>{"local"});
  EXPECT_EQ(rt.live_tasks(), 0U);
}

TEST_F(IoRing, ShutdownEndsReadsThatNobodyElseWould) {
  const pipe_ends p;
  char got = '?';
  auto read = rt.spawn(read_one(p.out(), got));
  await_waiting(rt.core(), 1);
  EXPECT_TRUE(rt.shutdown(10s).has_value());
  EXPECT_EQ(read.target().take().value(), -ECANCELED);
}

TEST(IoRingDeadlock, AReadUnderWayIsNoDeadlock) {
  runtime rt({.workers = 2, .detect_deadlock = true});
  if (!rt.core().ring()) GTEST_SKIP() << "the kernel does not let this process use io_uring";
  const pipe_ends p;
  std::thread writer([&] {
    await_waiting(rt.core(), 1);
    p.put('x');
  });
  char got = '?';
  EXPECT_EQ(rt.block_on(read_one(p.out(), got)), 1);
  writer.join();
}

TEST(IoRingOption, WithoutItThereIsNone) {
  runtime rt({.workers = 1, .io_uring = false});
  EXPECT_EQ(rt.core().ring(), nullptr);
}

// The ring needs descriptors; without them files go by the pool.
TEST(IoRingOption, WhereItCannotBeMadeThereIsNone) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  runtime rt({.workers = 1});
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(rt.core().ring(), nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  const pipe_ends p;
  p.put('x');
  char got = '?';
  EXPECT_EQ(rt.block_on(read_one(p.out(), got)), -EINVAL);  // pread(), which takes no such offset
}

}  // namespace
}  // namespace tandem::detail
