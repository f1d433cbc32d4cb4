// Locks, permits and signals: held by as many as may, nobody is forgotten, whatever is cancelled or late meanwhile.
#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/barrier.hpp>
#include <tandem/sync/condition.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/once.hpp>
#include <tandem/sync/recursive_mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/shared_mutex.hpp>
#include <tandem/sync/wait_group.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;
using namespace tandem::sync;

task<> join_all(std::vector<join_handle<void>>& tasks) {
  for (auto& t : tasks) (void)co_await t.join();
}

task<> cancel_later(const cancel_source& source, duration after) {
  (void)co_await sleep_for(after);
  source.cancel();
}

/// Starts `n` tasks that `make` makes, every third under a context that is cancelled soon, and waits for all.
template <class Make>
void run_some(runtime& rt, std::uint32_t seed, int n, Make make) {
  std::mt19937 random(seed);
  std::vector<join_handle<void>> all;
  const cancel_source source(rt.root_context());
  for (int i = 0; i < n; ++i) {
    if (i % 3 == 2)
      all.push_back(rt.spawn(make(static_cast<std::uint32_t>(random())), source.context()));
    else
      all.push_back(rt.spawn(make(static_cast<std::uint32_t>(random()))));
  }
  all.push_back(rt.spawn(cancel_later(source, std::chrono::microseconds(random() % 3'000))));
  rt.block_on(join_all(all));
  check(rt.live_tasks() == 0, "tasks are left");
}

/// A limit from none at all to one that seldom comes.
duration some_limit(std::mt19937& random) { return std::chrono::microseconds(random() % 4 == 0 ? 0 : random() % 300); }

/// Now and then a task holds what it has over a turn of the others.
task<> linger(std::mt19937& random) {
  const auto how = random() % 16;
  if (how == 0) (void)co_await sleep_for(std::chrono::microseconds(random() % 20));
  if (how == 1) co_await yield();
}

struct locked_room {
  mutex lock;
  std::uint64_t entries = 0, inside = 0;  // guarded by lock
  std::atomic<std::uint64_t> taken{0};

  void enter() { check(++inside == 1, "two tasks hold a mutex"); }
  void leave() {
    --inside;
    ++entries;
    taken.fetch_add(1, std::memory_order_relaxed);
  }
};

task<> use_mutex(locked_room& r, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    mutex::guard held;
    switch (random() % 4) {
      case 0:
        if (auto got = r.lock.try_lock(); got) held = std::move(*got);
        break;
      case 1: {
        auto got = co_await r.lock.lock_for(some_limit(random));
        if (got) held = std::move(*got);
        break;
      }
      default: {
        auto got = co_await r.lock.lock();
        check(got || this_task::cancelled(), "a lock without a limit failed");
        if (got) held = std::move(*got);
      }
    }
    if (!held) continue;
    r.enter();
    co_await linger(random);
    r.leave();
  }
}

std::uint64_t mutex_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  locked_room r;
  std::atomic<bool> over{false};
  std::thread outsider([&] {
    while (!over) {
      if (auto got = r.lock.try_lock(); got) {
        r.enter();
        r.leave();
      }
      std::this_thread::yield();
    }
  });
  run_some(rt, seed, 24, [&](std::uint32_t s) { return use_mutex(r, s); });
  over = true;
  outsider.join();
  check(!r.lock.is_locked(), "a mutex stays locked");
  check(r.entries == r.taken, "an entry was lost");
  return r.entries;
}

struct library {
  shared_mutex lock;
  std::atomic<int> readers{0}, writers{0};
  std::uint64_t value = 0;  // guarded by lock
  std::atomic<std::uint64_t> visits{0};
};

task<> use_shared_mutex(library& l, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    if (random() % 4 == 0) {
      auto held = co_await l.lock.lock_for(std::chrono::milliseconds(1 + random() % 50));
      if (!held) continue;
      check(++l.writers == 1 && l.readers == 0, "a writer is not alone");
      ++l.value;
      co_await linger(random);
      --l.writers;
    } else {
      auto held = co_await l.lock.lock_shared();
      if (!held) continue;
      ++l.readers;
      const std::uint64_t before = l.value;
      co_await linger(random);
      check(l.writers == 0 && l.value == before, "a reader meets a writer");
      --l.readers;
    }
    ++l.visits;
  }
}

std::uint64_t shared_mutex_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  library l;
  run_some(rt, seed, 24, [&](std::uint32_t s) { return use_shared_mutex(l, s); });
  check(l.lock.try_lock().has_value(), "a shared mutex stays locked");
  return l.visits;
}

struct garage {
  static constexpr std::ptrdiff_t size = 5;
  semaphore room{size};
  std::atomic<std::ptrdiff_t> inside{0};
  std::atomic<std::uint64_t> visits{0};
};

task<> use_semaphore(garage& g, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    const auto n = static_cast<std::ptrdiff_t>(random() % (garage::size + 1));
    result<semaphore::permits> got = fail(errc::aborted);
    if (random() % 3 == 0)
      got = co_await g.room.acquire_for(some_limit(random), n);
    else
      got = co_await g.room.acquire(n);
    if (!got) continue;
    check((g.inside += n) <= garage::size, "more permits are out than there are");
    co_await linger(random);
    g.inside -= n;
    ++g.visits;
  }
}

std::uint64_t semaphore_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  garage g;
  run_some(rt, seed, 24, [&](std::uint32_t s) { return use_semaphore(g, s); });
  check(g.room.available() == garage::size, "permits were lost or made");
  return g.visits;
}

struct shop {
  mutex lock;
  condition not_empty, not_full;
  std::deque<std::uint64_t> shelf;  // guarded by lock, as are the rest
  std::uint64_t put = 0, taken = 0, in_stock = 0;
  int producers = 0;
};

task<> produce(shop& s, std::uint64_t n) {
  for (std::uint64_t i = 1; i <= n; ++i) {
    auto held = co_await s.lock.lock();
    while (s.shelf.size() >= 3) (void)co_await s.not_full.wait(*held);
    s.shelf.push_back(i);
    s.put += i;
    ++s.in_stock;
    s.not_empty.notify_one();
  }
  const auto held = co_await s.lock.lock();
  if (--s.producers == 0) s.not_empty.notify_all();
}

task<> consume(shop& s, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (;;) {
    auto held = co_await s.lock.lock();
    while (s.shelf.empty() && s.producers > 0) {
      if (random() % 4 == 0)
        (void)co_await s.not_empty.wait_for(*held, std::chrono::microseconds(random() % 100));
      else
        (void)co_await s.not_empty.wait(*held);
      check(held->holds(), "a wait for a condition came back without the mutex");
    }
    if (s.shelf.empty()) co_return;
    s.taken += s.shelf.front();
    s.shelf.pop_front();
    held->unlock();
    s.not_full.notify_one();
  }
}

// Nobody is cancelled here: who waits for ever for a notification that was lost would be saved by that.
std::uint64_t condition_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  shop s;
  s.producers = 4;
  std::vector<join_handle<void>> all;
  for (int i = 0; i < 4; ++i) all.push_back(rt.spawn(produce(s, 1'000)));
  for (std::uint32_t i = 0; i < 5; ++i) all.push_back(rt.spawn(consume(s, seed * 31 + i)));
  rt.block_on(join_all(all));
  check(s.put == s.taken, "a value was lost or taken twice");
  return s.in_stock;
}

struct parade {
  static constexpr std::size_t parties = 6;
  static constexpr int rounds = 300;
  barrier place{static_cast<std::ptrdiff_t>(parties)};
  std::array<std::atomic<int>, parties> round{};
  std::atomic<int> leaders{0};
};

// With little patience: who gave up has not arrived, and comes again.
task<bool> meet(barrier& place, std::mt19937& random) {
  for (;;) {
    const auto last = co_await place.arrive_and_wait_for(some_limit(random));
    if (last) co_return *last;
    check(last.error().code() == errc::timed_out, "a barrier failed");
    co_await yield();
  }
}

task<> march(parade& p, std::size_t me, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < parade::rounds; ++i) {
    p.round[me] = i;
    const bool last = co_await meet(p.place, random);
    if (last) ++p.leaders;
    for (const auto& other : p.round) check(other >= i, "a barrier let one go before the others had come");
  }
  p.place.drop_out();
}

std::uint64_t barrier_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  parade p;
  std::vector<join_handle<void>> all;
  for (std::size_t i = 0; i < parade::parties; ++i)
    all.push_back(rt.spawn(march(p, i, seed * 31 + static_cast<std::uint32_t>(i))));
  rt.block_on(join_all(all));
  check(p.leaders == parade::rounds, "a round had no last party, or two");
  check(p.place.parties() == 0, "a party is left");
  return parade::rounds;
}

struct race {
  explicit race(std::ptrdiff_t n) : ready(n) {}
  event start;
  latch ready;
  wait_group running;
  once prize;
  once_value<int> winner;
  std::atomic<int> started{0}, prizes{0};
};

task<> run_race(race& r, int me) {
  r.ready.count_down();
  auto go = co_await r.start.wait();
  check(go.has_value(), "an event failed");
  ++r.started;
  auto take = [&r]() -> task<> {
    co_await yield();
    ++r.prizes;
  };
  check((co_await r.prize.call(take)).has_value(), "a call failed");
  check(r.prizes == 1, "called before it was done, or twice");
  auto mine = [me] { return me; };
  const auto winner = co_await r.winner.get(mine);
  check(winner.has_value() && r.winner.get_if() == *winner, "two values of one function");
  r.running.done();
}

// As fast as one can, so that tasks come to each gate before, while and after it opens.
std::uint64_t signal_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  constexpr int races = 100, runners = 8;
  for (int i = 0; i < races; ++i) {
    race r(runners);
    r.running.add(runners);
    for (int k = 0; k < runners; ++k) rt.spawn(run_race(r, k)).disown();
    auto referee = [](race& of, bool early) -> task<> {
      if (!early) (void)co_await of.ready.wait();
      of.start.set();
      const auto over = co_await of.running.wait();
      check(over.has_value(), "a wait group failed");
    };
    if (seed % 2 == 0) {
      std::thread([&] { r.start.set(); }).join();
    }
    rt.block_on(referee(r, i % 3 == 0));
    check(r.started == runners, "a wait group was open too early");
  }
  return races * runners;
}

struct recursion {
  recursive_mutex lock;
  std::uint64_t inside = 0, entries = 0;  // guarded by lock
};

task<> enter_again(recursion& r, int depth) {
  const auto held = co_await r.lock.lock();
  if (!held) co_return;
  check(r.lock.depth() != 0, "locked by nobody");
  if (depth == 0) {
    check(++r.inside == 1, "two tasks hold a recursive mutex");
    co_await yield();
    --r.inside;
    ++r.entries;
    co_return;
  }
  co_await enter_again(r, depth - 1);
}

std::uint64_t recursive_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  recursion r;
  run_some(rt, seed, 12, [&](std::uint32_t s) -> task<> {
    for (int i = 0; i < 100; ++i) co_await enter_again(r, static_cast<int>(s % 4));
  });
  return r.entries;
}

using clock = std::chrono::steady_clock;

struct contest {
  mutex lock;
  clock::time_point end;
  bool computes = false;  // while it holds the lock, or it sleeps
  std::array<std::uint64_t, 2> turns{};
  duration longest_wait{}, waited{}, paused{};  // of the polite one
};
constexpr duration hold_time = std::chrono::microseconds(100);

task<> hold(contest& c) {
  if (!c.computes) {
    (void)co_await sleep_for(hold_time);
    co_return;
  }
  for (const auto until = clock::now() + hold_time; clock::now() < until;) {
  }
}

task<> compete(contest& c, bool polite) {
  while (clock::now() < c.end) {
    const auto came = clock::now();
    {
      const auto held = co_await c.lock.lock();
      const duration wait = clock::now() - came;
      if (polite) {
        c.longest_wait = std::max(c.longest_wait, wait);
        c.waited += wait;
      }
      ++c.turns[polite ? 1 : 0];
      co_await hold(c);
    }
    if (!polite) continue;
    const auto gone = clock::now();
    (void)co_await sleep_for(hold_time);
    c.paused += clock::now() - gone;
  }
}

struct crowd {
  mutex lock;
  clock::time_point end;
  std::array<std::uint64_t, 8> turns{};
  duration longest_wait{};  // guarded by lock
};

task<> push(crowd& c, std::size_t me) {
  while (clock::now() < c.end) {
    const auto came = clock::now();
    const auto held = co_await c.lock.lock();
    c.longest_wait = std::max(c.longest_wait, duration(clock::now() - came));
    if (++c.turns[me] % 64 == 0) co_await yield();
  }
}

// Prints figures; what they must be is a matter of a quiet machine, but nobody may get nothing.
std::uint64_t fairness_round(const settings& how, std::uint32_t) {
  runtime rt({.workers = how.workers});
  const auto microseconds = [](duration d) { return static_cast<long long>(d.count() / 1'000); };
  std::uint64_t all = 0;
  for (const bool computes : {false, true}) {
    contest c;
    c.computes = computes;
    c.end = clock::now() + std::chrono::milliseconds(300);
    std::vector<join_handle<void>> both;
    both.push_back(rt.spawn(compete(c, false)));
    both.push_back(rt.spawn(compete(c, true)));
    rt.block_on(join_all(both));
    const std::uint64_t turns = c.turns[0] + c.turns[1];
    check(c.turns[1] > 0, "a polite task starves");
    // A pause that is late is the machine's doing, and costs the polite one turns as well.
    const auto mean = [&](duration d) { return microseconds(d / static_cast<duration::rep>(c.turns[1])); };
    std::printf("fairness, greedy one %s: polite share %.1f %% of %llu turns, it paused %lld us and waited %lld us each "
                "time, %lld us at most\n",
                computes ? "computes" : "sleeps",
                100.0 * static_cast<double>(c.turns[1]) / static_cast<double>(turns),
                static_cast<unsigned long long>(turns), mean(c.paused), mean(c.waited), microseconds(c.longest_wait));
    all += turns;
  }
  crowd c;
  c.end = clock::now() + std::chrono::milliseconds(300);
  std::vector<join_handle<void>> tasks;
  for (std::size_t i = 0; i < c.turns.size(); ++i) tasks.push_back(rt.spawn(push(c, i)));
  rt.block_on(join_all(tasks));
  const auto [least, most] = std::ranges::minmax(c.turns);
  std::printf("fairness, a crowd of 8: turns of each from %llu to %llu (%.2f), longest wait %lld us\n",
              static_cast<unsigned long long>(least), static_cast<unsigned long long>(most),
              static_cast<double>(most) / static_cast<double>(least), microseconds(c.longest_wait));
  check(least > 0, "one of a crowd starves");
  for (const std::uint64_t n : c.turns) all += n;
  return all;
}

}  // namespace

std::vector<primitive> sync_primitives() {
  return {{"mutex", "one task or thread at a time, whatever is late or cancelled", mutex_round},
          {"shared", "a shared mutex: readers, or one writer", shared_mutex_round},
          {"semaphore", "no more permits are out than there are, none is lost", semaphore_round},
          {"condition", "a bounded shelf: every value arrives once, no notification is lost", condition_round},
          {"barrier", "rounds end together, with one last party each", barrier_round},
          {"signal", "event, latch, wait_group, once: nobody is forgotten or early", signal_round},
          {"recursive", "a recursive mutex belongs to one task", recursive_round},
          {"fairness", "figures of a mutex: shares, turns, longest waits", fairness_round}};
}

}  // namespace stress
