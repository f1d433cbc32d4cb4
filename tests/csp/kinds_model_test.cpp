// The same random operations against each kind of channel and against what it is meant to be.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/csp/broadcast.hpp>
#include <tandem/csp/lossy.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/csp/watch.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

// Receives by recv() or by a select: which makes no difference.
task<result<int>> receive(const receiver<int>& rx, bool by_select) {
  if (!by_select) co_return co_await rx.recv();
  const receiver<int> never;
  auto chosen = co_await select(on_recv(never), on_recv(rx));
  if (!chosen) co_return fail(chosen.error());
  co_return std::move(std::get<1>(*chosen));
}

struct receive_of_model {
  join_handle<result<int>> handle;
  std::optional<int> value;  // none yet, or never
};

// A queue whose senders never wait.
struct queue_model {
  std::size_t capacity;
  bool keeps_newest;
  std::deque<int> buffered{};
  std::deque<std::size_t> waiting{};  // indices of receives
  std::uint64_t dropped = 0;

  void send(int value, std::vector<receive_of_model>& receives) {
    if (!waiting.empty()) {
      receives[waiting.front()].value = value;
      waiting.pop_front();
      return;
    }
    buffered.push_back(value);
    if (buffered.size() <= capacity) return;
    ++dropped;
    if (keeps_newest) {
      buffered.pop_front();
    } else {
      buffered.pop_back();
    }
  }
  std::optional<int> recv() {
    if (buffered.empty()) return std::nullopt;
    const int value = buffered.front();
    buffered.pop_front();
    return value;
  }
};

template <class Sender>
void compare_queue(Sender tx, receiver<int> rx, queue_model model, unsigned seed) {
  SCOPED_TRACE(::testing::Message() << "capacity " << model.capacity << " seed " << seed);
  std::mt19937 random(seed);
  sim_runtime sim(seed);
  std::vector<receive_of_model> receives;
  const unsigned sends = 1 + random() % 4;  // of 5: some runs fill up, some run dry
  int next = 0;
  for (int step = 0; step < 400; ++step) {
    if (random() % 5 < sends) {
      ASSERT_TRUE(tx.send(next).has_value());
      model.send(next++, receives);
    } else if (random() % 2 == 0) {
      receives.emplace_back(sim.spawn(receive(rx, random() % 2 == 0)), model.recv());
      if (!receives.back().value) model.waiting.push_back(receives.size() - 1);
    } else {
      const auto got = rx.try_recv();
      const auto wanted = model.recv();
      ASSERT_EQ(got.has_value(), wanted.has_value());
      ASSERT_EQ(got.value_or(-1), wanted.value_or(-1));
    }
    sim.run_until_idle();
    ASSERT_EQ(rx.size(), model.buffered.size());
    ASSERT_EQ(rx.dropped(), model.dropped);
    ASSERT_EQ(sim.live_tasks(), model.waiting.size());
  }
  tx = {};
  sim.run_until_idle();
  for (auto& r : receives) {
    const auto got = sim.get(r.handle);
    ASSERT_EQ(got.has_value(), r.value.has_value());
    ASSERT_EQ(got.value_or(-1), r.value.value_or(-1));
  }
  while (const auto wanted = model.recv()) ASSERT_EQ(rx.try_recv().value(), *wanted);
  EXPECT_EQ(rx.try_recv().error(), errc::closed);
}

TEST(KindsModel, LossyChannelsAreQueuesThatDropAtOneEnd) {
  leak_check nothing_left;
  for (const std::size_t capacity : {0U, 1U, 2U, 7U}) {
    for (unsigned seed = 1; seed <= 40; ++seed) {
      auto [tx, rx] = make_drop_newest<int>(capacity);
      compare_queue(std::move(tx), std::move(rx), queue_model{.capacity = capacity, .keeps_newest = false}, seed);
      if (capacity == 0) continue;
      auto [newest_tx, newest_rx] = make_drop_oldest<int>(capacity);
      compare_queue(std::move(newest_tx), std::move(newest_rx), queue_model{.capacity = capacity, .keeps_newest = true},
                    seed);
    }
  }
}

TEST(KindsModel, AnUnboundedChannelIsAQueue) {
  leak_check nothing_left;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    auto [tx, rx] = make_unbounded<int>();
    constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();
    compare_queue(std::move(tx), std::move(rx), queue_model{.capacity = no_bound, .keeps_newest = false}, seed);
  }
}

task<result<broadcast_value<int>>> receive(broadcast_receiver<int>& rx, bool by_select) {
  if (!by_select) co_return co_await rx.recv();
  broadcast_receiver<int> never;
  auto chosen = co_await select(on_recv(never), on_recv(rx));
  if (!chosen) co_return fail(chosen.error());
  co_return std::move(std::get<1>(*chosen));
}

// A log of all values, and how far each receiver has read.
struct reader_of_model {
  explicit reader_of_model(broadcast_receiver<int> from, std::size_t position) : rx(std::move(from)), read(position) {}
  broadcast_receiver<int> rx;
  std::size_t read;
  std::optional<join_handle<result<broadcast_value<int>>>> waiting{};
};

void compare_broadcast(std::size_t capacity, unsigned seed) {
  SCOPED_TRACE(::testing::Message() << "capacity " << capacity << " seed " << seed);
  std::mt19937 random(seed);
  sim_runtime sim(seed);
  auto [tx, first] = make_broadcast<int>(capacity);
  std::vector<int> log;
  std::deque<reader_of_model> readers;  // never moves them: tasks refer to them
  readers.emplace_back(std::move(first), 0);
  const auto expect_next = [&](reader_of_model& r, const result<broadcast_value<int>>& got) {
    ASSERT_TRUE(got.has_value());
    const std::size_t oldest = log.size() > capacity ? log.size() - capacity : 0;
    const std::size_t here = std::max(r.read, oldest);
    ASSERT_EQ(got->value, log[here]);
    ASSERT_EQ(got->missed, here - r.read);
    r.read = here + 1;
  };
  const unsigned sends = 1 + random() % 4;
  for (int step = 0; step < 400; ++step) {
    reader_of_model& reader = readers[random() % readers.size()];
    if (random() % 8 < sends) {
      log.push_back(static_cast<int>(random() % 1000));
      ASSERT_TRUE(tx.send(log.back()).has_value());
      if (random() % 4 == 0) continue;  // the next comes before those who wait have run
    } else if (random() % 16 == 0) {
      readers.emplace_back(random() % 2 == 0 ? tx.subscribe() : reader.rx.subscribe(), log.size());
    } else if (!reader.waiting) {
      if (random() % 2 == 0) {
        reader.waiting = sim.spawn(receive(reader.rx, random() % 2 == 0));
      } else if (const auto got = reader.rx.try_recv(); reader.read == log.size()) {
        ASSERT_EQ(got.error(), errc::would_block);
      } else {
        expect_next(reader, got);
      }
    }
    sim.run_until_idle();
    for (reader_of_model& r : readers) {
      if (!r.waiting) continue;
      ASSERT_EQ(r.waiting->done(), r.read != log.size());
      if (!r.waiting->done()) continue;
      expect_next(r, sim.get(*r.waiting));
      r.waiting.reset();
    }
  }
  sim.run_until_idle();
  tx = {};
  sim.run_until_idle();
  for (reader_of_model& r : readers) {
    if (r.waiting && r.read != log.size()) {
      expect_next(r, sim.get(*r.waiting));
    } else if (r.waiting) {
      ASSERT_EQ(sim.get(*r.waiting).error(), errc::closed);
    }
    while (r.read != log.size()) expect_next(r, r.rx.try_recv());
    ASSERT_EQ(r.rx.try_recv().error(), errc::closed);
  }
}

TEST(KindsModel, ABroadcastIsALogThatIsReadFromSeveralPlaces) {
  leak_check nothing_left;
  for (const std::size_t capacity : {1U, 2U, 7U, 1000U})
    for (unsigned seed = 1; seed <= 40; ++seed) compare_broadcast(capacity, seed);
}

task<result<void>> change(watch_receiver<int>& rx, bool by_select) {
  if (!by_select) co_return co_await rx.changed();
  watch_receiver<int> never;
  auto chosen = co_await select(on_change(never), on_change(rx));
  if (!chosen) co_return fail(chosen.error());
  co_return std::move(std::get<1>(*chosen));
}

struct watcher_of_model {
  explicit watcher_of_model(watch_receiver<int> of, int version) : rx(std::move(of)), seen(version) {}
  watch_receiver<int> rx;
  int seen;
  std::optional<join_handle<result<void>>> waiting{};
};

// The value is the number of its version.
void compare_watch(unsigned seed) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  sim_runtime sim(seed);
  auto [tx, first] = make_watch<int>(0);
  int version = 0;
  std::deque<watcher_of_model> watchers;
  watchers.emplace_back(std::move(first), 0);
  for (int step = 0; step < 400; ++step) {
    watcher_of_model& watcher = watchers[random() % watchers.size()];
    switch (random() % 8) {
      case 0: ASSERT_TRUE(tx.send(++version).has_value()); break;
      case 1:
        ASSERT_TRUE(tx.update([](int& n) { ++n; }).value());
        ++version;
        break;
      case 2: ASSERT_FALSE(tx.update([](int& n) { return ++n == 0; }).value()); break;
      case 3:
        if (random() % 8 != 0) break;
        watchers.emplace_back(random() % 2 == 0 ? tx.subscribe() : watcher.rx.subscribe(), version);
        break;
      case 4:
        if (watcher.waiting) break;
        ASSERT_EQ(watcher.rx.get(), version);
        watcher.seen = version;
        break;
      default:
        if (!watcher.waiting) watcher.waiting = sim.spawn(change(watcher.rx, random() % 2 == 0));
        break;
    }
    if (random() % 4 == 0) continue;
    sim.run_until_idle();
    for (watcher_of_model& w : watchers) {
      if (!w.waiting) {
        ASSERT_EQ(w.rx.has_changed(), w.seen != version);
        continue;
      }
      ASSERT_EQ(w.waiting->done(), w.seen != version);
      if (!w.waiting->done()) continue;
      ASSERT_TRUE(sim.get(*w.waiting).has_value());
      w.waiting.reset();
      w.seen = version;
    }
  }
  sim.run_until_idle();
  tx = {};
  sim.run_until_idle();
  for (watcher_of_model& w : watchers) {
    if (w.waiting) {
      const auto ended = sim.get(*w.waiting);
      ASSERT_EQ(ended.has_value(), w.seen != version);
    }
    ASSERT_EQ(w.rx.get(), version);
  }
}

TEST(KindsModel, AWatchIsAVersionThatEachReceiverHasSeenOrNot) {
  leak_check nothing_left;
  for (unsigned seed = 1; seed <= 100; ++seed) compare_watch(seed);
}

}  // namespace
}  // namespace tandem::csp
