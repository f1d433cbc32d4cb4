// Files and contexts: cancelled at every moment of every operation, and closed while others use them.
#include <latch>
#include <random>
#include <thread>

#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/leak_check.hpp>

#include "file_helpers.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using FileCancel = on_each_engine;
TANDEM_ON_EACH_ENGINE(FileCancel);

template <class T>
errc code_of(const result<T>& outcome) {
  EXPECT_FALSE(outcome.has_value());
  return outcome ? errc() : outcome.error().code();
}

// One of the operations, under whatever context it is run in.
task<errc> some_operation(const file& f, int which, std::string path) {
  std::string text(100'000, 'x');
  switch (which) {
    case 0: co_return code_of(co_await f.read_at(0, memory_of(text)));
    case 1: co_return code_of(co_await f.read_exactly_at(0, memory_of(text)));
    case 2: co_return code_of(co_await f.write_at(0, bytes_of(text)));
    case 3: co_return code_of(co_await f.write_all_at(0, bytes_of(text)));
    case 4: co_return code_of(co_await f.size());
    case 5: co_return code_of(co_await f.truncate(1));
    case 6: co_return code_of(co_await f.sync());
    case 7: co_return code_of(co_await f.sync_data());
    default: co_return code_of(co_await file::open(path));
  }
}
constexpr int operations = 9;

TEST_P(FileCancel, UnderAContextThatIsOverNothingIsDone) {
  put(folder / "a", "12345");
  run([&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    const cancel_source over(this_task::context());
    over.cancel(make_error(errc::aborted, "the reason"));
    const cancel_source late(this_task::context(), now());
    (void)co_await sleep_for(1ms);
    while (!late.context().is_over()) co_await yield();
    for (int which = 0; which < operations; ++which) {
      EXPECT_EQ(co_await with_context(over.context(), some_operation(f, which, folder / "a")), errc::cancelled) << which;
      const errc outcome = co_await with_context(late.context(), some_operation(f, which, folder / "a"));
      EXPECT_EQ(outcome, errc::deadline_exceeded) << which;
    }
    std::string text(5, '?');
    auto read = [](const file& from, std::string& into) -> task<result<std::size_t>> {
      co_return co_await from.read_at(0, memory_of(into));
    };
    const auto why = co_await with_context(over.context(), read(f, text));
    EXPECT_NE(why.error().message().find("the reason"), std::string::npos) << why.error();
  });
  EXPECT_TRUE(get(folder / "a") == "12345");
}

// The only thread of the pool is held, so each operation is in its queue when it is cancelled.
TEST(FileCancelOnThePool, WithdrawsWhatHasNotBegunAtOnce) {
  const scratch_folder folder;
  put(folder / "a", "12345");
  runtime rt({.workers = 1, .blocking_threads = 1, .io_uring = false});
  auto body = [&]() -> task<> {
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::latch held(1), go(1);
    auto holder = run_blocking([&] {
      held.count_down();
      go.wait();
    });
    held.wait();
    for (int which = 0; which < operations; ++which) {
      const cancel_source source(this_task::context());
      auto queued = spawn(some_operation(f, which, folder / "a"), source.context());
      co_await yield();
      EXPECT_FALSE(queued.done()) << which;
      source.cancel();
      EXPECT_EQ((co_await queued.join()).value(), errc::cancelled) << which;
      auto late = spawn(with_timeout(1ms, some_operation(f, which, folder / "a")));
      EXPECT_EQ((co_await late.join()).value(), errc::deadline_exceeded) << which;
    }
    go.count_down();
    EXPECT_TRUE((co_await holder.join()).has_value());
    std::string text(5, '?');
    EXPECT_TRUE((co_await f.read_exactly_at(0, memory_of(text))).has_value());
  };
  rt.block_on(body());
  EXPECT_EQ(get(folder / "a"), "12345");  // nothing of it has happened
}

// The memory is gone when the operation has ended: sanitizers see whether anybody still refers to it.
TEST_P(FileCancel, AtAnyMomentTheTaskGoesOnOnlyWhenItsMemoryIsFree) {
  if (GetParam() == engine::simulation) return;  // there is no such moment
  put(folder / "a", std::string(300'000, 'x'));
  run([&]() -> task<> {
    const testing::leak_check nothing_left;
    const file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::mt19937 random(7);
    auto one = [](const file& on, std::uint32_t seed) -> task<> {
      std::string text(1 + seed % 200'000, 'x');
      if (seed % 3 == 0) {
        const auto ended = co_await on.write_all_at(seed % 1'000, bytes_of(text));
        EXPECT_TRUE(ended || ended.error().code() == errc::cancelled) << ended.error();
      } else {
        const auto ended = co_await on.read_exactly_at(seed % 1'000, memory_of(text));
        EXPECT_TRUE(ended || ended.error().code() == errc::cancelled) << ended.error();
        EXPECT_TRUE(!ended || text == std::string(text.size(), 'x'));
      }
    };
    for (int round = 0; round < 200; ++round) {
      const cancel_source source(this_task::context());
      std::vector<join_handle<void>> some;
      for (int i = 0; i < 4; ++i) some.push_back(spawn(one(f, random()), source.context()));
      if (const auto pause = random() % 4; pause != 0) (void)co_await sleep_for(std::chrono::microseconds(pause * 30));
      source.cancel();
      for (auto& handle : some) EXPECT_TRUE((co_await handle.join()).has_value());
    }
  });
}

TEST_P(FileCancel, CloseWaitsForWhatIsUnderWayAndNothingBeginsAfterIt) {
  run([&]() -> task<> {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
      file f = (co_await file::open(folder / "a", file_options::to_update())).value();
      auto write = [](const file& to, std::size_t size) -> task<> {
        for (int i = 0; i < 20; ++i) {
          const auto ended = co_await to.write_all_at(0, bytes_of(std::string(size, 'x')));
          if (ended) continue;
          EXPECT_EQ(ended.error().code(), errc::closed) << ended.error();
          EXPECT_EQ((co_await to.size()).error().code(), errc::closed);
          co_return;
        }
      };
      std::vector<join_handle<void>> writers;
      for (int i = 0; i < 4; ++i) writers.push_back(spawn(write(f, 1 + random() % 100'000)));
      for (auto turns = random() % 4; turns > 0; --turns) co_await yield();
      EXPECT_TRUE((co_await f.close()).has_value());
      EXPECT_EQ((co_await f.close()).error().code(), errc::closed);
      for (auto& writer : writers) EXPECT_TRUE((co_await writer.join()).has_value());
    }
  });
}

TEST(FileCloseOnThePool, ThatIsCancelledHasClosedAndTheLastOperationGoesOn) {
  const scratch_folder folder;
  put(folder / "a", "12345");
  runtime rt({.workers = 1, .blocking_threads = 1, .io_uring = false});
  auto body = [&]() -> task<> {
    file f = (co_await file::open(folder / "a", file_options::to_update())).value();
    std::latch held(1), go(1);
    auto holder = run_blocking([&] {
      held.count_down();
      go.wait();
    });
    held.wait();
    auto write = [](const file& to) -> task<result<void>> { co_return co_await to.write_all_at(0, bytes_of("abc")); };
    auto under_way = spawn(write(f));
    co_await yield();
    auto close = [](file& which) -> task<result<void>> { co_return co_await which.close(); };
    EXPECT_EQ((co_await with_timeout(1ms, close(f))).error().code(), errc::deadline_exceeded);
    EXPECT_EQ((co_await f.close()).error().code(), errc::closed);
    EXPECT_FALSE(under_way.done());
    go.count_down();
    EXPECT_TRUE((co_await under_way.join()).has_value());
    EXPECT_TRUE((co_await holder.join()).has_value());
  };
  rt.block_on(body());
  EXPECT_EQ(get(folder / "a"), "abc45");
}

// The call on the pool does not end before the limit, so the task has to stay, and its memory with it.
TEST(FileShutdown, WithACallUnderWayLeavesTheTaskAndNamesIt) {
  const scratch_folder folder;
  static std::latch go(1), begun(1);
  auto body = [](std::string path) -> task<> {
    detail::set_io_faults([](detail::io_call what, const char*) noexcept {
      if (what == detail::io_call::open) {
        begun.count_down();
        go.wait();
      }
      return detail::io_fault();
    });
    (void)co_await file::open(path);  // there is none: the call goes on while the folder is removed
  };
  runtime rt({.workers = 1});
  rt.spawn(without_cancel(body(folder / "a")), "opener").detach();
  begun.wait();
  const auto ended = rt.shutdown(10ms);
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message().find("a call on the blocking pool did not return"), std::string::npos);
  EXPECT_NE(ended.error().message().find("opener"), std::string::npos) << ended.error();
  EXPECT_NE(ended.error().message().find("waiting for a call on a file"), std::string::npos) << ended.error();
  EXPECT_EQ(rt.live_tasks(), 1U);
  go.count_down();
  detail::set_io_faults(nullptr);
}

}  // namespace
}  // namespace tandem
