// copy() between sockets and pipes: what arrives, what a failure leaves where, and what it costs in pipes.
#include <tandem/runtime/splice.hpp>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <thread>

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "file_helpers.hpp"
#include "io_sockets.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::string random_text(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Two pairs of sockets: what is written to `source` comes to `from`, what is written to `to` comes to `sink`.
template <class Socket>
struct two_pairs {
  Socket source, from, to, sink;
};

two_pairs<unix_socket> unix_pairs(asio::io_context& io) {
  auto [source, from] = socket_pair(io);
  auto [to, sink] = socket_pair(io);
  return {std::move(source), std::move(from), std::move(to), std::move(sink)};
}

two_pairs<tcp::socket> tcp_pairs(asio::io_context& io) {
  tcp::acceptor door = listen_on_loopback(io);
  tcp::socket source(io), sink(io);
  source.connect(door.local_endpoint());
  tcp::socket from = door.accept();
  sink.connect(door.local_endpoint());
  tcp::socket to = door.accept();
  return {std::move(source), std::move(from), std::move(to), std::move(sink)};
}

template <class Socket>
task<result<void>> send_all(Socket& into, std::string_view text) {
  co_await or_return(asio::async_write(into, asio::buffer(text), use_task));
  into.shutdown(Socket::shutdown_send);
  co_return {};
}

template <class Socket>
task<std::string> receive_all(Socket& from) {
  std::string all, some(65536, ' ');
  for (;;) {
    const auto n = co_await from.async_read_some(asio::buffer(some), use_task);
    if (!n) co_return all;
    all.append(some, 0, *n);
  }
}

template <class Socket>
task<result<std::uint64_t>> copy_and_shut(Socket& from, Socket& to) {
  const result<std::uint64_t> copied = co_await copy(from, to);
  to.shutdown(Socket::shutdown_send);
  co_return copied;
}

template <class Socket>
task<> pass_through(two_pairs<Socket>& p, std::string_view text) {
  auto sending = spawn(send_all(p.source, text));
  auto copying = spawn(copy_and_shut(p.from, p.to));
  EXPECT_TRUE(co_await receive_all(p.sink) == text);
  const result<void> sent = co_await sending.join();
  EXPECT_TRUE(sent.has_value());
  const result<std::uint64_t> copied = co_await copying.join();
  EXPECT_EQ(copied.value(), text.size());
}

class Splice : public ::testing::Test {
 protected:
  void run(task<> body) {
    rt.block_on(std::move(body));
    EXPECT_EQ(rt.live_tasks(), 0U);
  }
  runtime rt{{.workers = 2}};
};

TEST_F(Splice, CopiesAllThatComesAndGivesTheNumberOfBytes) {
  const std::string text = random_text(10'000'000, 1);
  auto by_tcp = tcp_pairs(rt.io());
  run(pass_through(by_tcp, text));
  auto by_unix = unix_pairs(rt.io());
  run(pass_through(by_unix, text));
  auto nothing = unix_pairs(rt.io());
  run(pass_through(nothing, ""));
}

TEST_F(Splice, InBothDirectionsAtOnceBetweenTheSameTwo) {
  auto p = tcp_pairs(rt.io());
  const std::string there = random_text(3'000'000, 1), back = random_text(2'000'000, 2);
  run([](two_pairs<tcp::socket>& all, std::string_view a, std::string_view b) -> task<> {
    auto right = spawn(copy_and_shut(all.from, all.to)), left = spawn(copy_and_shut(all.to, all.from));
    auto send_right = spawn(send_all(all.source, a)), send_left = spawn(send_all(all.sink, b));
    all.source.non_blocking(true);
    all.sink.non_blocking(true);
    auto got_left = spawn(receive_all(all.source));
    EXPECT_TRUE(co_await receive_all(all.sink) == a);
    EXPECT_TRUE((co_await got_left.join()).value() == b);
    EXPECT_TRUE((co_await send_right.join()).has_value());
    EXPECT_TRUE((co_await send_left.join()).has_value());
    EXPECT_EQ((co_await right.join()).value(), a.size());
    EXPECT_EQ((co_await left.join()).value(), b.size());
  }(p, there, back));
}

TEST_F(Splice, CopiesThatWaitForBytesHoldNoPipes) {
  run([](runtime& r) -> task<> {
    std::vector<two_pairs<unix_socket>> pairs;
    std::vector<join_handle<result<std::uint64_t>>> copies;
    for (int i = 0; i < 40; ++i) pairs.push_back(unix_pairs(r.io()));
    for (auto& p : pairs) copies.push_back(spawn(copy_and_shut(p.from, p.to)));
    for (int round = 0; round < 3; ++round) {
      for (auto& p : pairs) {
        EXPECT_TRUE((co_await asio::async_write(p.source, asio::buffer("abc", 3), use_task)).has_value());
        std::string got(3, ' ');
        EXPECT_TRUE((co_await asio::async_read(p.sink, asio::buffer(got), use_task)).has_value());
        EXPECT_EQ(got, "abc");
      }
    }
    EXPECT_GE(r.core().pipes().idle(), 1U);
    EXPECT_LE(r.core().pipes().idle(), detail::pipe_pool::most_idle);
    for (auto& p : pairs) p.source.close();
    for (auto& c : copies) EXPECT_EQ((co_await c.join()).value(), 9U);
  }(rt));
  EXPECT_LE(rt.core().pipes().idle(), detail::pipe_pool::most_idle);
  EXPECT_TRUE(rt.shutdown(10s).has_value());
  EXPECT_EQ(rt.core().pipes().idle(), 0U);
}

// Cancelled with the way full, at some moment: what arrived, what the error holds, and what was not taken make the
//                                              whole.
template <class Socket>
task<> cancel_in_between(two_pairs<Socket>& p, std::string_view text, std::uint32_t seed) {
  auto sending = spawn(send_all(p.source, text));
  const cancel_source source(this_task::context());
  auto copying = spawn(copy(p.from, p.to), source.context());
  std::string arrived(seed % text.size(), ' ');
  const result<std::size_t> some = co_await asio::async_read(p.sink, asio::buffer(arrived), use_task);
  EXPECT_TRUE(some.has_value());
  for (auto turns = seed % 5; turns > 0; --turns) co_await yield();
  source.cancel();
  const result<std::uint64_t> ended = co_await copying.join();
  std::uint64_t copied = text.size();
  if (!ended) {
    EXPECT_EQ(ended.error().code(), errc::cancelled);
    const auto* const rest = ended.error().as<unfinished_copy>();
    if (!rest) {
      ADD_FAILURE() << ended.error();
      co_return;
    }
    copied = rest->copied;
    EXPECT_TRUE(text.substr(copied, rest->held.size()) == rest->held);
    // Both are open: the rest goes the same way.
    auto receiving = spawn(receive_all(p.sink));
    const result<std::size_t> handed_on = co_await asio::async_write(p.to, asio::buffer(rest->held), use_task);
    EXPECT_TRUE(handed_on.has_value());
    const result<std::uint64_t> others = co_await copy_and_shut(p.from, p.to);
    EXPECT_EQ(others.value(), text.size() - copied - rest->held.size());
    const result<std::string> received = co_await receiving.join();
    arrived += received.value();
  } else {
    p.to.shutdown(Socket::shutdown_send);
    arrived += co_await receive_all(p.sink);
  }
  EXPECT_TRUE(arrived == text);
  const result<void> sent = co_await sending.join();
  EXPECT_TRUE(sent.has_value());
}

TEST_F(Splice, ACancelledCopyLosesNoByteAndBothCanBeUsedOn) {
  const std::string text = random_text(4'000'000, 1);
  std::mt19937 random(1);
  for (int i = 0; i < 15; ++i) {
    auto by_tcp = tcp_pairs(rt.io());
    run(cancel_in_between(by_tcp, text, random()));
    auto by_unix = unix_pairs(rt.io());
    run(cancel_in_between(by_unix, text, random()));
  }
}

TEST_F(Splice, EndsAtADeadlineWhileNothingComes) {
  auto p = unix_pairs(rt.io());
  run([](two_pairs<unix_socket>& all) -> task<> {
    const auto ended = co_await with_timeout(1ms, copy(all.from, all.to));
    EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
    EXPECT_EQ(ended.error().as<unfinished_copy>()->copied, 0U);
    EXPECT_EQ(ended.error().as<unfinished_copy>()->held, "");
    co_await pass_through(all, "still there");
  }(p));
}

TEST_F(Splice, APeerThatIsGoneIsAnErrorAndNoSignal) {
  auto p = unix_pairs(rt.io());
  run([](two_pairs<unix_socket>& all) -> task<> {
    all.sink.close();
    EXPECT_TRUE((co_await asio::async_write(all.source, asio::buffer("abc", 3), use_task)).has_value());
    const auto ended = co_await copy(all.from, all.to);
    EXPECT_EQ(ended.error().code(), errc::unavailable) << ended.error();
    EXPECT_EQ(ended.error().as<std::error_code>()->value(), EPIPE);
    EXPECT_EQ(ended.error().as<unfinished_copy>()->copied, 0U);
    EXPECT_EQ(ended.error().as<unfinished_copy>()->held, "abc");
  }(p));
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST_F(Splice, APeerThatResetsIsAnError) {
  auto p = tcp_pairs(rt.io());
  run([](two_pairs<tcp::socket>& all) -> task<> {
    all.source.set_option(asio::socket_base::linger(true, 0));
    all.source.close();
    const auto ended = co_await copy(all.from, all.to);
    EXPECT_EQ(ended.error().code(), errc::unavailable) << ended.error();
  }(p));
}

TEST_F(Splice, PipesAndDevicesAreCopiedToo) {
  std::array<int, 2> first{}, second{};
  ASSERT_EQ(pipe2(first.data(), O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(second.data(), O_CLOEXEC), 0);
  ASSERT_EQ(write(first[1], "abc", 3), 3);
  close(first[1]);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  run([](int from, int to, int back, int sink) -> task<> {
    EXPECT_EQ((co_await copy(from, to)).value(), 3U);
    close(to);
    EXPECT_EQ((co_await copy(back, sink)).value(), 3U);
  }(first[0], second[1], second[0], null));
  for (const int descriptor : {first[0], second[0], null}) close(descriptor);
}

TEST_F(Splice, FallsBackToReadAndWriteWhereTheReceiverTakesNoSplicing) {
  const std::string text = random_text(3'000'000, 1);
  auto p = unix_pairs(rt.io());
  ASSERT_EQ(fcntl(p.to.native_handle(), F_SETFL, O_APPEND), 0);  // which the kernel does not splice to
  run(pass_through(p, text));
}

TEST_F(Splice, FallsBackToReadAndWriteWhereTheSenderTakesNoSplicing) {
  const std::string text = random_text(3'000'000, 1);
  auto p = unix_pairs(rt.io());
  const faults refused(detail::io_call::splice, {{EINVAL}});
  run(pass_through(p, text));
  EXPECT_EQ(faults::calls(), 1U);
}

TEST_F(Splice, GoesOnAfterInterruptions) {
  const std::string text = random_text(300'000, 1);
  auto p = unix_pairs(rt.io());
  const faults some(detail::io_call::splice, {{EINTR}, {}, {EINTR}, {EINTR}, {}, {EINTR}});
  run(pass_through(p, text));
}

TEST_F(Splice, WithoutSplicingACancelledCopyLosesNoByteEither) {
  const std::string text = random_text(2'000'000, 1);
  std::mt19937 random(1);
  for (int i = 0; i < 10; ++i) {
    auto p = unix_pairs(rt.io());
    ASSERT_EQ(fcntl(p.to.native_handle(), F_SETFL, O_APPEND), 0);
    run(cancel_in_between(p, text, random()));
  }
}

TEST_F(Splice, CopiesToATerminal) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) GTEST_SKIP() << "there are no terminals";
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  auto p = unix_pairs(rt.io());
  run([](int to, int screen, two_pairs<unix_socket>& all) -> task<> {
    EXPECT_TRUE((co_await send_all(all.source, "to the terminal")).has_value());
    EXPECT_EQ((co_await copy(all.from.native_handle(), to)).value(), 15U);
    std::string shown(15, ' ');
    EXPECT_EQ(read(screen, shown.data(), shown.size()), 15);
    EXPECT_EQ(shown, "to the terminal");
  }(terminal, master, p));
  close(terminal);
  close(master);
}

TEST_F(Splice, WhatCannotBeWaitedForIsRefusedAndNothingIsTaken) {
  auto p = unix_pairs(rt.io());
  run([](two_pairs<unix_socket>& all) -> task<> {
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const auto refused = co_await copy(file, all.to.native_handle());
    EXPECT_EQ(refused.error().code(), errc::invalid_argument);
    EXPECT_EQ(refused.error().as<unfinished_copy>(), nullptr);
    close(file);
    EXPECT_EQ((co_await copy(file, all.to.native_handle())).error().code(), errc::failed_precondition);
    EXPECT_EQ((co_await copy(-1, all.to.native_handle())).error().code(), errc::failed_precondition);
    unix_socket closed(all.to.get_executor());
    EXPECT_EQ((co_await copy(all.from, closed)).error().code(), errc::failed_precondition);
    co_await pass_through(all, "still there");
  }(p));
}

TEST_F(Splice, DatagramsAreRefusedAsTheirBoundsWouldBeLost) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
  const auto refused = rt.block_on(copy(ends[0], ends[1]));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), errc::invalid_argument);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Splice, WithoutDescriptorsItSaysSo) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan, which comes with it, opens a pipe to look at an object";
#endif
  auto p = unix_pairs(rt.io());
  run([](two_pairs<unix_socket>& all) -> task<> {
    EXPECT_TRUE((co_await asio::async_write(all.source, asio::buffer("abc", 3), use_task)).has_value());
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    const auto refused = co_await copy(all.from, all.to);
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(refused.error().code(), errc::resource_exhausted) << refused.error();
    all.source.close();
    EXPECT_EQ((co_await copy(all.from, all.to)).value(), 3U);  // they are still there
  }(p));
}

TEST_F(Splice, LeavesNoDescriptorBehind) {
  (void)rt.io();
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  {
    auto p = unix_pairs(rt.io());  // one pipe is kept from now on
    run(pass_through(p, "abc"));
  }
  const auto before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto p = unix_pairs(rt.io());
    run(pass_through(p, "abc"));
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(PipePool, KeepsAFewAndClosesTheOthers) {
  detail::pipe_pool pool;
  std::vector<detail::empty_pipe> lent(detail::pipe_pool::most_idle + 4);
  for (auto& p : lent) {
    ASSERT_EQ(pool.borrow(p), 0);
    EXPECT_GE(p.capacity, 4096U);
  }
  const int last = lent.back().in.get();
  for (auto& p : lent) pool.give_back(std::move(p));
  EXPECT_EQ(pool.idle(), detail::pipe_pool::most_idle);
  EXPECT_EQ(fcntl(last, F_GETFD), -1);
  detail::empty_pipe again;
  ASSERT_EQ(pool.borrow(again), 0);
  EXPECT_EQ(pool.idle(), detail::pipe_pool::most_idle - 1);
  pool.stop();
  EXPECT_EQ(pool.idle(), 0U);
  pool.give_back(std::move(again));
  EXPECT_EQ(pool.idle(), 0U);
}

}  // namespace
}  // namespace tandem
