// The four rules of the Go memory model on channels. Plain variables are published through channels between workers: a
// missing edge is a data race, which the thread sanitizer reports, and a wrong value is one that the test sees.
#include <tandem/csp/channel.hpp>

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/this_task.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

/// How an end is used: the rules hold for each.
enum class way { waits, selects, tries };

task<result<void>> send_in(way how, const sender<int>& to, int value) {
  switch (how) {
    case way::waits:
      co_return co_await to.send(value);
    case way::selects: {
      const receiver<int> never;
      auto chosen = co_await select(on_send(to, value), on_recv(never));
      if (!chosen) co_return fail(chosen.error());
      co_return std::get<0>(*chosen);
    }
    case way::tries:
      break;
  }
  auto placed = to.try_send(value);
  while (!placed && placed.error() == errc::would_block) {
    co_await yield();
    placed = to.try_send(value);
  }
  co_return placed;
}

task<result<int>> recv_in(way how, const receiver<int>& from) {
  switch (how) {
    case way::waits:
      co_return co_await from.recv();
    case way::selects: {
      const receiver<int> never;
      auto chosen = co_await select(on_recv(from), on_recv(never));
      if (!chosen) co_return fail(chosen.error());
      co_return std::get<0>(*chosen);
    }
    case way::tries:
      break;
  }
  auto taken = from.try_recv();
  while (!taken && taken.error() == errc::would_block) {
    co_await yield();
    taken = from.try_recv();
  }
  co_return taken;
}

struct ways {
  way sends;
  way receives;
};

class GoMemoryModel : public ::testing::TestWithParam<std::tuple<unsigned, ways>> {
 protected:
  runtime workers{{.workers = std::get<0>(GetParam())}};
  const ways how = std::get<1>(GetParam());
};

constexpr int rounds = 4'000 / stress_divisor;

// A send is synchronized before the completion of the corresponding receive: what the sender wrote before, the receiver
// sees after.
TEST_P(GoMemoryModel, ASendIsBeforeTheEndOfItsReceive) {
  for (const std::size_t capacity : {0u, 1u, 8u}) {
    constexpr int senders = 3;
    std::vector<int> published(senders * rounds, 0);
    std::atomic<int> received = 0;
    auto send = [this, &published](int first, sender<int> to) -> task<> {
      for (int i = first; i < first + rounds; ++i) {
        published[i] = i + 1;
        EXPECT_TRUE((co_await send_in(how.sends, to, i)).has_value());
      }
    };
    auto receive = [this, &published, &received](receiver<int> from) -> task<> {
      while (auto i = co_await recv_in(how.receives, from)) {
        EXPECT_EQ(published[*i], *i + 1);
        published[*i] = 0;  // a race with the sender, were the edge missing
        ++received;
      }
    };
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(capacity);
      group g;
      for (int s = 0; s < senders; ++s) g.go(send(s * rounds, tx));
      for (int r = 0; r < 3; ++r) g.go(receive(rx));
      tx = {};
      rx = {};
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    EXPECT_EQ(received, senders * rounds);
  }
}

// The closing of a channel is synchronized before a receive that ends because it is closed, whether that waited or came
// later. Ours: to drop the last sender is to close.
TEST_P(GoMemoryModel, ACloseIsBeforeAReceiveThatEndsByIt) {
  for (int round = 0; round < rounds / 10; ++round) {
    std::string published;
    auto close = [&published, round](sender<int> tx) -> task<> {
      published = "what the closer did";
      if (round % 2 == 0) tx.close();
      co_return;
    };
    auto receive = [this, &published](receiver<int> from) -> task<> {
      auto ended = co_await recv_in(how.receives, from);
      EXPECT_EQ(ended.error(), errc::closed);
      EXPECT_EQ(published, "what the closer did");
    };
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(round % 3);
      group g;
      g.go(receive(rx));
      g.go(receive(rx));
      g.go(close(std::move(tx)));
      g.go(receive(rx));
      rx = {};
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
  }
}

// A receive from an unbuffered channel is synchronized before the completion of the corresponding send: what the
// receiver wrote before, the sender sees after.
TEST_P(GoMemoryModel, AReceiveIsBeforeTheEndOfItsSendIfThereIsNoBuffer) {
  std::vector<int> published(rounds, 0);
  auto receive = [this, &published](receiver<int> from) -> task<> {
    for (int i = 0; i < rounds; ++i) {
      published[i] = i + 1;
      EXPECT_EQ((co_await recv_in(how.receives, from)).value(), i);
    }
  };
  auto body = [&]() -> task<> {
    auto [tx, rx] = make_channel<int>(0);
    auto receiving = spawn(receive(std::move(rx)));
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE((co_await send_in(how.sends, tx, i)).has_value());
      EXPECT_EQ(published[i], i + 1);
    }
    EXPECT_TRUE((co_await receiving.join()).has_value());
  };
  workers.block_on(body());
}

// The k-th receive on a channel of capacity C is synchronized before the completion of the send k + C.
TEST_P(GoMemoryModel, AReceiveIsBeforeTheEndOfTheSendThatTakesItsPlace) {
  for (const int capacity : {1, 2, 7}) {
    std::vector<int> published(rounds, 0);
    auto receive = [this, &published](receiver<int> from) -> task<> {
      for (int k = 0; k < rounds; ++k) {
        published[k] = k + 1;
        EXPECT_EQ((co_await recv_in(how.receives, from)).value(), k);
      }
    };
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(capacity);
      auto receiving = spawn(receive(std::move(rx)));
      for (int k = 0; k < rounds; ++k) {
        EXPECT_TRUE((co_await send_in(how.sends, tx, k)).has_value());
        if (k >= capacity) {
          EXPECT_EQ(published[k - capacity], k - capacity + 1);
        }
      }
      EXPECT_TRUE((co_await receiving.join()).has_value());
    };
    workers.block_on(body());
  }
}

// So a buffered channel is a counting semaphore: sends that enter, receives that leave, at most C inside at a time; and
// with C = 1 a mutex, under which a plain counter counts.
TEST_P(GoMemoryModel, ABufferedChannelIsACountingSemaphore) {
  for (const int capacity : {1, 3}) {
    constexpr int tasks = 8;
    constexpr int each = rounds / 10;
    std::atomic<int> inside = 0;
    int counted = 0;
    auto work = [&, this](sender<int> enter, receiver<int> leave) -> task<> {
      for (int i = 0; i < each; ++i) {
        EXPECT_TRUE((co_await send_in(how.sends, enter, i)).has_value());
        EXPECT_LE(++inside, capacity);
        if (capacity == 1) ++counted;
        if (i % 8 == 0) co_await yield();
        --inside;
        EXPECT_TRUE((co_await recv_in(how.receives, leave)).has_value());
      }
    };
    auto body = [&]() -> task<> {
      auto [tx, rx] = make_channel<int>(capacity);
      group g;
      for (int i = 0; i < tasks; ++i) g.go(work(tx, rx));
      EXPECT_TRUE((co_await g.wait()).has_value());
    };
    workers.block_on(body());
    if (capacity == 1) {
      EXPECT_EQ(counted, tasks * each);
    }
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<unsigned, ways>>& info) {
  static constexpr const char* names[] = {"waits", "selects", "tries"};
  const auto& [workers, how] = info.param;
  return std::to_string(workers) + "workers_sender_" + names[static_cast<int>(how.sends)] + "_receiver_" +
         names[static_cast<int>(how.receives)];
}

// Two that only try never meet in a channel without a buffer.
INSTANTIATE_TEST_SUITE_P(Ways, GoMemoryModel,
                         ::testing::Combine(::testing::Values(2u, 4u),
                                            ::testing::Values(ways{way::waits, way::waits},
                                                              ways{way::selects, way::selects},
                                                              ways{way::waits, way::selects},
                                                              ways{way::tries, way::waits},
                                                              ways{way::selects, way::tries})),
                         name_of);

// The same rules between a task and a thread that is no worker.
TEST(GoMemoryModelOfThreads, SendsAndReceivesOfAThreadAreOrderedToo) {
  runtime workers({.workers = 2});
  for (const int capacity : {0, 2}) {
    std::vector<int> before_send(rounds, 0);
    std::vector<int> before_receive(rounds, 0);
    auto [tx, rx] = make_channel<int>(capacity);
    std::thread sending([&, out = std::move(tx)] {
      for (int k = 0; k < rounds; ++k) {
        before_send[k] = k + 1;
        EXPECT_TRUE(out.blocking_send(k).has_value());
        if (k >= capacity) {
          EXPECT_EQ(before_receive[k - capacity], k - capacity + 1);
        }
      }
    });
    auto receive = [&, in = std::move(rx)]() -> task<> {
      for (int k = 0; k < rounds; ++k) {
        before_receive[k] = k + 1;
        EXPECT_EQ((co_await in.recv()).value(), k);
        EXPECT_EQ(before_send[k], k + 1);
      }
    };
    workers.block_on(receive());
    sending.join();
  }
}

}  // namespace
}  // namespace tandem::csp
