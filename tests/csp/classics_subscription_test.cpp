// The loop of a reader of feeds: one task that at the same time waits for the next fetch, for the fetch under way, for
// the reader to take an update, and to be closed. Which of them are arms of its select changes from turn to turn.
#include <tandem/csp/any_arm.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/after.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

using items = std::vector<std::string>;

/// Gives its answers one after the other, the last one again and again, and keeps when it was asked.
class feed {
 public:
  explicit feed(std::vector<result<items>> answers, duration takes = 0s)
      : answers_(std::move(answers)), takes_(takes) {}

  task<result<items>> fetch() {
    asked_.push_back(now() - start_);
    const std::size_t which = std::min(asked_.size(), answers_.size()) - 1;
    if (takes_ > 0s) co_await or_return(sleep_for(takes_));
    co_return answers_[which];
  }

  void start() { start_ = now(); }
  [[nodiscard]] const std::vector<duration>& asked() const { return asked_; }

 private:
  std::vector<result<items>> answers_;
  duration takes_;
  time_point start_;
  std::vector<duration> asked_;
};

constexpr duration interval = 10s;
constexpr duration longest_backoff = 8s;
constexpr std::size_t most_pending = 3;

struct subscription {
  receiver<std::string> updates;
  sender<sender<result<void>>> closing;
};

task<> follow(feed& from, sender<std::string> updates, receiver<sender<result<void>>> closing) {
  using event = std::variant<result<sender<result<void>>>, result<items>, timed_out, result<void>>;
  std::deque<std::string> pending;
  std::set<std::string> seen;
  result<void> last;
  duration backoff = 1s;
  after next(0s);
  join_handle<result<items>> fetching;
  from.start();
  for (;;) {
    std::vector<any_arm<event>> arms;
    arms.emplace_back(on_recv(closing));
    if (fetching) {
      arms.emplace_back(on_join(fetching));
    } else if (pending.size() < most_pending) {
      arms.emplace_back(on_timeout(next));
    }
    if (!pending.empty()) arms.emplace_back(on_send(updates, pending.front()));
    auto chosen = co_await select(arms);
    if (!chosen) co_return;
    if (auto* const asked = std::get_if<result<sender<result<void>>>>(&chosen->outcome)) {
      if (fetching) fetching.cancel();
      fetching.detach();
      if (*asked) (void)(*asked)->try_send(std::move(last));
      co_return;
    }
    if (auto* const fetched = std::get_if<result<items>>(&chosen->outcome)) {
      if (*fetched) {
        for (const std::string& item : **fetched)
          if (seen.insert(item).second) pending.push_back(item);
        last = {};
        backoff = 1s;
        next = after(interval);
      } else {
        last = fail(fetched->error());
        next = after(backoff);
        backoff = std::min(backoff * 2, longest_backoff);
      }
    } else if (std::holds_alternative<timed_out>(chosen->outcome)) {
      fetching = spawn(from.fetch(), spawn_options::cancellable("fetch"));
    } else {
      if (!std::get<result<void>>(chosen->outcome)) co_return;  // the reader has gone
      pending.pop_front();
    }
  }
}

subscription subscribe(feed& to) {
  auto [updates, received] = make_channel<std::string>(0);
  auto [closing, requests] = make_channel<sender<result<void>>>(0);
  spawn(follow(to, std::move(updates), std::move(requests)), "subscription").detach();
  return {std::move(received), std::move(closing)};
}

/// What the last fetch gave.
task<result<void>> close(sender<sender<result<void>>> closing) {
  auto [tx, rx] = make_channel<result<void>>(1);
  co_await or_return(closing.send(std::move(tx)));
  result<void> last = co_await or_return(rx.recv());
  co_return last;
}

result<items> broken() { return fail(errc::unavailable); }

TEST(ClassicSubscription, GivesEachItemOnceInTheOrderFetched) {
  const testing::leak_check nothing_left;
  sim_runtime sim;
  feed from({items{"a", "b"}, items{"b", "c"}, items{"c"}, items{"a", "d"}});
  auto read = [&from]() -> task<items> {
    const subscription s = subscribe(from);
    items got;
    while (got.size() < 4) got.push_back((co_await s.updates.recv()).value());
    EXPECT_TRUE((co_await close(s.closing)).has_value());
    EXPECT_EQ((co_await s.updates.recv()).error(), errc::closed);
    co_return got;
  };
  EXPECT_EQ(sim.run(read).value(), (items{"a", "b", "c", "d"}));
  EXPECT_EQ(from.asked(), (std::vector<duration>{0s, 10s, 20s, 30s}));
}

TEST(ClassicSubscription, BacksOffFromAFeedThatFailsAndCloseTellsTheError) {
  const testing::leak_check nothing_left;
  sim_runtime sim;
  feed from({broken(), broken(), broken(), broken(), broken(), items{"a"}, broken()});
  auto read = [&from]() -> task<> {
    const subscription s = subscribe(from);
    EXPECT_EQ((co_await s.updates.recv()).value(), "a");
    EXPECT_TRUE((co_await sleep_for(10500ms)).has_value());
    EXPECT_EQ((co_await close(s.closing)).error(), errc::unavailable);
  };
  EXPECT_TRUE(sim.run(read).has_value());
  EXPECT_EQ(from.asked(), (std::vector<duration>{0s, 1s, 3s, 7s, 15s, 23s, 33s}));
}

TEST(ClassicSubscription, IsClosedAtOnceWhileAFetchIsUnderWay) {
  const testing::leak_check nothing_left;
  sim_runtime sim;
  feed from({items{"a"}}, 1h);
  auto read = [&from]() -> task<> {
    const subscription s = subscribe(from);
    EXPECT_TRUE((co_await sleep_for(1s)).has_value());
    const time_point asked = now();
    EXPECT_TRUE((co_await close(s.closing)).has_value());
    EXPECT_EQ(now(), asked);
  };
  EXPECT_TRUE(sim.run(read).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.live_tasks(), 0u);  // the fetch was cancelled
}

TEST(ClassicSubscription, FetchesNoMoreWhileTooMuchIsPending) {
  const testing::leak_check nothing_left;
  sim_runtime sim;
  feed from({items{"a", "b"}, items{"c"}, items{"d"}});
  auto read = [&from]() -> task<> {
    const subscription s = subscribe(from);
    EXPECT_TRUE((co_await sleep_for(1h)).has_value());
    EXPECT_EQ(from.asked().size(), 2u);
    for (const char* const expected : {"a", "b", "c", "d"})
      EXPECT_EQ((co_await s.updates.recv()).value(), expected);
    EXPECT_EQ(from.asked().size(), 3u);
    EXPECT_EQ(from.asked().back(), 1h);
    EXPECT_TRUE((co_await close(s.closing)).has_value());
  };
  EXPECT_TRUE(sim.run(read).has_value());
}

TEST(ClassicSubscription, EndsWithItsReader) {
  const testing::leak_check nothing_left;
  sim_runtime sim;
  feed from({items{"a"}}, 1s);
  auto read = [&from]() -> task<> {
    const subscription s = subscribe(from);
    co_return;
  };
  EXPECT_TRUE(sim.run(read).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sim.live_tasks(), 0u);
}

/// All updates of several subscriptions in one channel, until all of them have ended.
task<> merge_into(sender<std::string> out, std::vector<any_arm<result<std::string>>> from) {
  for (std::size_t open = from.size(); open > 0;) {
    auto chosen = co_await select(from);
    if (!chosen) co_return;
    if (chosen->outcome) {
      if (auto sent = co_await out.send(std::move(*chosen->outcome)); !sent) co_return;
    } else {
      from[chosen->index] = {};
      --open;
    }
  }
}

TEST(ClassicSubscription, SeveralAreMergedAndEachKeepsItsOrder) {
  for (const std::uint32_t seed : {1u, 2u, 3u}) {
    const testing::leak_check nothing_left;
    sim_runtime sim(seed);
    feed letters({items{"a", "b"}, items{"c"}});
    feed numbers({items{"1"}, broken(), items{"2", "3"}});
    feed slow({items{"late"}}, 5s);
    auto read = [&]() -> task<items> {
      std::vector<any_arm<result<std::string>>> arms;
      std::vector<sender<sender<result<void>>>> closing;
      for (feed* const f : {&letters, &numbers, &slow}) {
        subscription s = subscribe(*f);
        arms.emplace_back(on_recv(s.updates));
        closing.push_back(std::move(s.closing));
      }
      auto [merged, updates] = make_channel<std::string>(0);
      spawn(merge_into(std::move(merged), std::move(arms)), "merge").detach();
      items got;
      while (got.size() < 7) got.push_back((co_await updates.recv()).value());
      for (const auto& each : closing) EXPECT_TRUE((co_await close(each)).has_value());
      EXPECT_EQ((co_await updates.recv()).error(), errc::closed);
      co_return got;
    };
    const items got = sim.run(read).value();
    for (const items& own : {items{"a", "b", "c"}, items{"1", "2", "3"}, items{"late"}}) {
      items kept;
      for (const std::string& item : got)
        if (std::ranges::count(own, item) > 0) kept.push_back(item);
      EXPECT_EQ(kept, own) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace tandem::csp
