// What io does to a runtime: its workers' sleep, deadlocks, dumps, descriptors, shutdown.
#include <tandem/runtime/asio.hpp>

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

#include "io_sockets.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using namespace test;

template <class Socket>
task<result<char>> read_byte(Socket& from) {
  char byte = 0;
  co_await or_return(from.async_read_some(asio::buffer(&byte, 1), use_task));
  co_return byte;
}

void write_byte(unix_socket& to, char byte) { to.write_some(asio::buffer(&byte, 1)); }

// What was spawned before has run up to a wait then.
void wait_until_asleep(runtime& rt) {
  for (std::uint64_t looks = 0; !rt.core().hands().all_asleep(looks); looks = 0) std::this_thread::yield();
}

template <class T>
auto result_of(runtime& rt, join_handle<T> handle) {
  return rt.block_on([](join_handle<T> h) -> task<result<typename join_handle<T>::value_type>> {
    co_return co_await h.join();
  }(std::move(handle)));
}

TEST(Io, IsOneIoContextPerRuntime) {
  runtime first({.workers = 1}), second({.workers = 1});
  EXPECT_EQ(&first.io(), &first.io());
  EXPECT_NE(&first.io(), &second.io());
  first.block_on([](asio::io_context& io) -> task<> {
    EXPECT_EQ(&this_task::io(), &io);
    co_return;
  }(first.io()));
}

TEST(Io, WakesARuntimeOfWhichEveryWorkerSleeps) {
  for (const unsigned workers : {1u, 2u, 4u}) {
    runtime rt({.workers = workers});
    auto [near, far] = socket_pair(rt.io());
    for (char byte = 'a'; byte <= 'j'; ++byte) {
      auto reader = rt.spawn(read_byte(near));
      wait_until_asleep(rt);
      write_byte(far, byte);
      EXPECT_EQ(result_of(rt, std::move(reader)).value(), byte);
    }
  }
}

// No worker has looked for events of io before it went to sleep.
TEST(Io, OfARuntimeThatSleepsAlreadyIsLookedAfter) {
  for (const unsigned workers : {1u, 3u}) {
    runtime rt({.workers = workers});
    wait_until_asleep(rt);
    std::promise<std::thread::id> ran;
    asio::post(rt.io(), [&] { ran.set_value(std::this_thread::get_id()); });
    EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
  }
}

// The sleep of who waits for events of io ends for everything else, too.
TEST(Io, LeavesSpawnsAndTimersOfASleepingRuntimeAlone) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers});
    (void)rt.io();
    for (int i = 0; i < 100; ++i) {
      wait_until_asleep(rt);
      EXPECT_EQ(rt.block_on([](int n) -> task<int> { co_return n; }(i)), i);
    }
    for (int i = 0; i < 20; ++i) {
      rt.block_on([]() -> task<> {
        const time_point due = now() + 1ms;
        (void)co_await sleep_until(due);
        EXPECT_GE(now(), due);
      }());
    }
  }
}

TEST(Io, ComesToATaskAlthoughOneThatComputesHoldsItsWorker) {
  runtime rt({.workers = 2, .held_limit = {}});
  auto [near, far] = socket_pair(rt.io());
  rt.block_on([](unix_socket& from, unix_socket& to) -> task<> {
    std::atomic<bool> read{false};
    auto reader = spawn([](unix_socket& s, std::atomic<bool>& done) -> task<> {
      const auto byte = co_await read_byte(s);
      EXPECT_TRUE(byte);
      done = true;
    }(from, read));
    (void)co_await sleep_for(5ms);
    write_byte(to, 'x');
    while (!read) std::this_thread::yield();  // holds this worker; the other one sees to io
    (void)co_await reader.join();
  }(near, far));
}

// Both workers are never idle.
TEST(Io, ComesToATaskAmongTasksThatAreAlwaysReady) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers});
    rt.block_on([](asio::io_context& io) -> task<> {
      auto [near, far] = socket_pair(io);
      auto server = spawn(echo(std::move(far)));
      std::atomic<bool> done{false};
      std::vector<join_handle<void>> busy;
      for (int i = 0; i < 4; ++i)
        busy.push_back(spawn([](std::atomic<bool>& stop) -> task<> {
          while (!stop) co_await yield();
        }(done)));
      for (int i = 0; i < 20; ++i) {
        const auto back = co_await exchange(near, "ping");
        EXPECT_EQ(back.value(), "ping");
      }
      done = true;
      for (auto& b : busy) (void)co_await b.join();
      near.close();
      (void)co_await server.join();
    }(rt.io()));
  }
}

TEST(Io, RunsHandlersOfOtherTokensOneAtATimeOnAWorker) {
  runtime rt({.workers = 4});
  std::atomic<int> inside{0}, ran{0};
  std::atomic<bool> together{false};
  std::latch all(1000);
  for (int i = 0; i < 1000; ++i)
    asio::post(rt.io(), [&] {
      if (inside.fetch_add(1) != 0) together = true;
      std::this_thread::yield();
      inside.fetch_sub(1);
      if (ran.fetch_add(1) % 10 == 0) rt.spawn([]() -> task<> { co_await yield(); }()).detach();
      all.count_down();
    });
  all.wait();
  EXPECT_FALSE(together);
}

TEST(Io, ServesTenThousandOperationsOnFewWorkers) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers});
    const int sum = rt.block_on([](asio::io_context& io) -> task<int> {
      constexpr int pairs = 100, rounds = 100;
      std::vector<std::pair<unix_socket, unix_socket>> sockets;
      std::vector<join_handle<result<int>>> readers;
      for (int i = 0; i < pairs; ++i) sockets.push_back(socket_pair(io));
      for (auto& [near, far] : sockets)
        readers.push_back(spawn([](unix_socket& from) -> task<result<int>> {
          int got = 0;
          for (int i = 0; i < rounds; ++i) got += co_await or_return(read_byte(from));
          co_return got;
        }(near)));
      for (int i = 0; i < rounds; ++i) {
        for (auto& [near, far] : sockets) {
          const char one = 1;
          (void)co_await asio::async_write(far, asio::buffer(&one, 1), use_task);
        }
      }
      int total = 0;
      for (auto& r : readers) {
        const auto got = co_await r.join();
        total += got.value();
      }
      co_return total;
    }(rt.io()));
    EXPECT_EQ(sum, 10'000);
  }
}

TEST(Io, OfSeveralRuntimesIsKeptApart) {
  std::vector<std::unique_ptr<runtime>> runtimes;
  std::vector<std::pair<unix_socket, unix_socket>> sockets;
  std::vector<join_handle<result<char>>> readers;
  for (int i = 0; i < 3; ++i) {
    runtimes.push_back(std::make_unique<runtime>(runtime_options{.workers = 1}));
    sockets.push_back(socket_pair(runtimes.back()->io()));
  }
  for (std::size_t i = 0; i < 3; ++i) readers.push_back(runtimes[i]->spawn(read_byte(sockets[i].first)));
  for (std::size_t i = 3; i-- > 0;) {
    write_byte(sockets[i].second, static_cast<char>('a' + i));
    EXPECT_EQ(result_of(*runtimes[i], std::move(readers[i])).value(), 'a' + static_cast<int>(i));
  }
  sockets.clear();
}

TEST(Io, InFlightIsNoDeadlock) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers, .detect_deadlock = true});
    auto [near, far] = socket_pair(rt.io());
    std::thread peer([&rt, &to = far] {
      for (int i = 0; i < 20; ++i) {
        wait_until_asleep(rt);
        write_byte(to, 'x');
      }
    });
    rt.block_on([](unix_socket& from) -> task<> {
      for (int i = 0; i < 20; ++i) {
        const auto byte = co_await read_byte(from);
        EXPECT_TRUE(byte);
      }
    }(near));
    peer.join();
  }
}

TEST(Io, ThatIsOverLeavesDeadlocksToBeFound) {
  runtime rt({.workers = 2, .detect_deadlock = true});
  auto [near, far] = socket_pair(rt.io());
  write_byte(far, 'x');
  EXPECT_THROW(rt.block_on([](unix_socket& from) -> task<> {
    (void)co_await read_byte(from);
    auto never = spawn([]() -> task<> { (void)co_await sleep_until(no_deadline); });
    (void)co_await never.join();
  }(near)), deadlock);
}

TEST(Io, IsNamedInDumps) {
  runtime rt({.workers = 1});
  auto [near, far] = socket_pair(rt.io());
  auto reader = rt.spawn(read_byte(near), "reader");
  wait_until_asleep(rt);
  const std::string dump = rt.dump_tasks();
  EXPECT_NE(dump.find("waiting for an asio operation"), std::string::npos) << dump;
  EXPECT_NE(dump.find("read_byte"), std::string::npos) << dump;  // where it waits
  far.close();
  EXPECT_EQ(result_of(rt, std::move(reader)).error().code(), errc::closed);
}

// While it lives, the process has all descriptors it may have.
class descriptor_shortage {
 public:
  /// `left` can still be opened.
  explicit descriptor_shortage(int left = 0) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit fewer{.rlim_cur = static_cast<rlim_t>(next_descriptor() + left), .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &fewer);
  }
  ~descriptor_shortage() { setrlimit(RLIMIT_NOFILE, &before_); }

  static int next_descriptor() {
    const int free = dup(STDERR_FILENO);
    close(free);
    return free;
  }

 private:
  rlimit before_{};
};

TEST(IoErrors, OfAProcessWithoutDescriptorsSayWhatIsShort) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan, which comes with it, opens a pipe to look at an object";
#endif
  runtime rt({.workers = 1});
  rt.block_on([](asio::io_context& io) -> task<> {
    tcp::acceptor acceptor = listen_on_loopback(io);
    tcp::socket client(io);
    client.connect(acceptor.local_endpoint());
    {
      const descriptor_shortage shortage;
      const auto refused = co_await acceptor.async_accept(use_task);
      EXPECT_EQ(refused.error().code(), errc::resource_exhausted) << refused.error();
      tcp::socket another(io);
      const auto unopened = co_await another.async_connect(acceptor.local_endpoint(), use_task);
      EXPECT_EQ(unopened.error().code(), errc::resource_exhausted) << unopened.error();
    }
    const auto accepted = co_await acceptor.async_accept(use_task);  // the connection is still there
    EXPECT_TRUE(accepted);
  }(rt.io()));
}

TEST(IoErrors, AReactorThatCannotBeMadeIsMadeLater) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan, which comes with it, opens a pipe to look at an exception";
#endif
  runtime rt({.workers = 2});
  const int next = descriptor_shortage::next_descriptor();
  for (int left = 0; left < 4; ++left) {
    {
      const descriptor_shortage shortage(left);
      EXPECT_THROW((void)rt.io(), std::system_error) << left;
    }
    EXPECT_EQ(descriptor_shortage::next_descriptor(), next) << left;
  }
  auto [near, far] = socket_pair(rt.io());
  write_byte(far, 'x');
  EXPECT_EQ(rt.block_on(read_byte(near)).value(), 'x');
}

TEST(IoShutdown, EndsOperationsOfTasksThatListen) {
  for (const unsigned workers : {1u, 2u}) {
    runtime rt({.workers = workers});
    auto [near, far] = socket_pair(rt.io());
    auto reader = rt.spawn(read_byte(near));
    wait_until_asleep(rt);
    EXPECT_TRUE(rt.shutdown(10s));
    ASSERT_TRUE(reader.done());
    EXPECT_EQ(reader.target().take().error().code(), errc::cancelled);
  }
}

// It waits under a context that does not end, with locals that must go while the reactor is there.
TEST(IoShutdown, DestroysTasksThatDoNotListen) {
  for (const unsigned workers : {1u, 2u}) {
    auto witness = std::make_shared<int>(0);
    runtime rt({.workers = workers});
    auto stubborn = rt.spawn(
        [](asio::io_context& io, std::shared_ptr<int>) -> task<> {
          auto [near, far] = socket_pair(io);
          std::array<char, 16> data;
          (void)co_await asio::async_read(near, asio::buffer(data), use_task);
        }(rt.io(), witness),
        {"stubborn", context()});
    wait_until_asleep(rt);
    const auto ended = rt.shutdown(10ms);
    ASSERT_FALSE(ended);
    EXPECT_NE(ended.error().message().find("stubborn"), std::string::npos) << ended.error();
    EXPECT_NE(ended.error().message().find("an asio operation"), std::string::npos) << ended.error();
    EXPECT_EQ(rt.live_tasks(), 0u);
    EXPECT_EQ(witness.use_count(), 1);
  }
}

// Nobody looks at the request any more when the context ends.
TEST(IoShutdown, DestroysATaskWhoseContextEndsMeanwhile) {
  for (int i = 0; i < 20; ++i) {
    const cancel_source source;
    runtime rt({.workers = 1, .shutdown_limit = 1ms});
    auto [near, far] = socket_pair(rt.io());
    rt.spawn([](unix_socket& from) -> task<> {
      for (;;) {
        const auto read = co_await read_byte(from);
        if (!read) co_await yield();  // as if nothing were
      }
    }(near), {"deaf", source.context()}).detach();
    wait_until_asleep(rt);
    std::thread canceller([&] { source.cancel(); });
    (void)rt.shutdown(1ms);
    canceller.join();
    EXPECT_EQ(rt.live_tasks(), 0u);
  }
}

// Handlers that never ran go with the runtime.
TEST(IoShutdown, DropsHandlersOfOtherTokens) {
  auto witness = std::make_shared<int>(0);
  {
    runtime rt({.workers = 1});
    asio::steady_timer timer(rt.io(), std::chrono::hours(1));
    timer.async_wait([witness](std::error_code) { ADD_FAILURE() << "it ran"; });
    EXPECT_TRUE(rt.shutdown(1s));
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace tandem
