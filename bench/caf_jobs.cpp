// A jobs again, by CAF's own event-based actors on tandem's workers; and how fast an idle actor wakes.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <tandem/actors/caf.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/runtime.hpp>

#include "job.hpp"

namespace bench {
namespace {

using i64 = std::int64_t;
using done = std::promise<i64>;

tandem::runtime_options workers(unsigned threads) {
  tandem::runtime_options options;
  options.workers = threads;
  return options;
}

// When the timing begins, and who is told to end after it.
struct started {
  clock::time_point at;
  std::vector<caf::actor> left;
};

// Calls `start` with a CAF system on `threads` workers and a promise; the job is done when that has the value `want`.
template <class Start>
void measure(const std::string& name, unsigned threads, i64 want, double per, const char* unit, Start start) {
  tandem::runtime runtime(workers(threads));
  tandem::actors::system system(runtime);
  done finished;
  auto outcome = finished.get_future();
  const started job = start(tandem::actors::caf_system(system), finished);
  const i64 got = outcome.get();
  const double elapsed = nanoseconds_since(job.at);
  check(got == want, name.c_str());
  report(name, threads, elapsed / per, unit);
  for (const caf::actor& actor : job.left) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}

// A1: pong answers a ping by an ordinary message to the handle it was given.
caf::behavior pong(caf::event_based_actor* self, const caf::actor& ping) {
  return {[=](i64 v) { self->send(ping, v + 1); }};
}

caf::behavior ping(caf::event_based_actor* self, i64 rounds, done* finished) {
  return {[=](const caf::actor& other) {
    self->become([=](i64 v) {
      if (v == rounds) {
        finished->set_value(v);
        self->quit();
      } else {
        self->send(other, v);
      }
    });
    self->send(other, i64{0});
  }};
}

void pingpong(unsigned threads) {
  const i64 n = count(1'000'000);
  measure("A1-caf", threads, n, static_cast<double>(n), "ns/roundtrip", [n](caf::actor_system& system, done& finished) {
    const auto begin = clock::now();
    const auto first = system.spawn(ping, n, &finished);
    const auto second = system.spawn(pong, first);
    caf::anon_send(first, second);
    return started{begin, {}};
  });
}

// A4: the last member of the ring is told its successor by a message.
caf::behavior member(caf::event_based_actor* self, const caf::actor& next, done* finished) {
  const auto pass_on = [self, finished](const caf::actor& to, i64 hops) {
    if (hops == 0)
      finished->set_value(1);
    else
      self->send(to, hops - 1);
  };
  return {[=](i64 hops) { pass_on(next, hops); },
          [=](const caf::actor& first) { self->become([=](i64 hops) { pass_on(first, hops); }); }};
}

void ring(unsigned threads) {
  const i64 hops = count(1'000'000);
  measure("A4-caf", threads, 1, static_cast<double>(hops), "ns/hop", [hops](caf::actor_system& system, done& finished) {
    const caf::actor last = system.spawn(member, caf::actor(), &finished);
    std::vector<caf::actor> all{last};
    while (all.size() < 1000) all.push_back(system.spawn(member, all.back(), &finished));
    caf::anon_send(last, all.back());
    const auto begin = clock::now();
    caf::anon_send(all.back(), hops);
    return started{begin, all};
  });
}

// A6: request and then, one outstanding at a time.
caf::behavior server(caf::event_based_actor*) {
  return {[](i64 v) { return v + 1; }};
}

void ask(caf::event_based_actor* self, const caf::actor& whom, caf::duration limit, i64 v, i64 times, done* finished) {
  self->request(whom, limit, v).then([=](i64 answer) {
    if (answer == times)
      finished->set_value(answer);
    else
      ask(self, whom, limit, answer, times, finished);
  });
}

caf::behavior client(caf::event_based_actor* self, const caf::actor& whom, caf::duration limit, i64 times,
                     done* finished) {
  ask(self, whom, limit, 0, times, finished);
  return {[](const caf::actor&) {}};
}

void asks(const std::string& name, unsigned threads, caf::duration limit) {
  const i64 n = count(1'000'000);
  measure(name, threads, n, static_cast<double>(n), "ns/roundtrip", [=](caf::actor_system& system, done& finished) {
    const auto begin = clock::now();
    system.spawn(client, system.spawn(server), limit, n, &finished);
    return started{begin, {}};
  });
}

// A7: actors that spawn the next one and end; -among: while many others have a receive time-out, which each end has to
// be told from.
void brief(caf::event_based_actor* self, i64 left, done* finished) {
  if (left == 0)
    finished->set_value(1);
  else
    self->spawn(brief, left - 1, finished);
}

caf::behavior patient(caf::event_based_actor*) {
  return {[](i64) {}, caf::after(std::chrono::seconds(3600)) >> [] {}};
}

void lives(const std::string& name, unsigned threads, int others) {
  const i64 n = count(500'000);
  measure(name, threads, 1, static_cast<double>(n), "ns/actor", [=](caf::actor_system& system, done& finished) {
    started job;
    for (int i = 0; i < others; ++i) job.left.push_back(system.spawn(patient));
    job.at = clock::now();
    system.spawn(brief, n, &finished);
    return job;
  });
}

// W1: from before a thread that is no worker sends until the handler runs, every worker asleep before.
using reached = std::atomic<std::int64_t>;

void note_time(reached& when) { when.store(clock::now().time_since_epoch().count(), std::memory_order_release); }

class sleeper {
 public:
  using protocol = tandem::actors::protocol<void(i64)>;
  explicit sleeper(reached& when) : when_(when) {}
  void on(i64) { note_time(when_); }

 private:
  reached& when_;
};

template <class Send>
void wake_up(const std::string& name, unsigned threads, reached& when, Send send) {
  const auto n = static_cast<std::size_t>(count(1'000));
  std::vector<double> waits;
  for (std::size_t i = 0; i < n + 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than a worker looks for work
    when.store(0, std::memory_order_relaxed);
    const std::int64_t start = clock::now().time_since_epoch().count();
    send();
    while (when.load(std::memory_order_acquire) == 0) std::this_thread::yield();
    if (i >= 50) waits.push_back(static_cast<double>(when.load() - start) / 1e3);  // the first ones warm up
  }
  check(!waits.empty(), "every wake-up is counted");
  std::ranges::sort(waits);
  report(name + "-p50", threads, waits[waits.size() / 2], "us");
  report(name + "-p90", threads, waits[waits.size() * 9 / 10], "us");
  report(name + "-p99", threads, waits[waits.size() * 99 / 100], "us");
}

void wake_tandem_actor(unsigned threads) {
  tandem::runtime runtime(workers(threads));
  tandem::actors::system system(runtime);
  reached when = 0;
  const auto idle = system.spawn<sleeper>(when);
  wake_up("W1-wake-actor", threads, when, [&] { check(idle.try_tell(i64{1}).has_value(), "W1-wake-actor"); });
}

void wake_caf_actor(unsigned threads) {
  tandem::runtime runtime(workers(threads));
  tandem::actors::system system(runtime);
  reached when = 0;
  const auto idle = tandem::actors::caf_system(system).spawn(
      [&when](caf::event_based_actor*) -> caf::behavior { return {[&when](i64) { note_time(when); }}; });
  wake_up("W1-wake-caf", threads, when, [&] { caf::anon_send(idle, i64{1}); });
}

}  // namespace

void add_caf_jobs(std::vector<job>& jobs) {
  jobs.push_back({"A1-caf", pingpong});
  jobs.push_back({"A4-caf", ring});
  jobs.push_back({"A6-caf", [](unsigned threads) { asks("A6-caf", threads, caf::infinite); }});
  jobs.push_back({"A6-caf-limit",
                  [](unsigned threads) { asks("A6-caf-limit", threads, caf::duration(std::chrono::seconds(1))); }});
  jobs.push_back({"A7-caf", [](unsigned threads) { lives("A7-caf", threads, 0); }});
  jobs.push_back({"A7-caf-among", [](unsigned threads) { lives("A7-caf-among", threads, 10'000); }});
  jobs.push_back({"W1-wake-actor", wake_tandem_actor});
  jobs.push_back({"W1-wake-caf", wake_caf_actor});
}

}  // namespace bench
