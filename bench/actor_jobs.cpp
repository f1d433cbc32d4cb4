// A jobs: actors that tell and ask each other.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/system.hpp>
#include <tandem/runtime/runtime.hpp>

#include "job.hpp"

namespace bench {
namespace {

using i64 = std::int64_t;
using done = std::promise<i64>;
using tandem::result;
using tandem::task;
using tandem::actors::actor_context;
using tandem::actors::actor_ref;
using number_ref = actor_ref<void(i64)>;

constexpr i64 sum_below(i64 n) { return n * (n - 1) / 2; }

double peak_rss_mib() {
  double kib = 0;
  if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, status))
      if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::atof(line + 6);
    std::fclose(status);
  }
  return kib / 1024;
}

// Calls `start` with a system on `threads` workers and a promise; the job is done when that has the value `want`.
template <class Start>
void measure(const std::string& name, unsigned threads, i64 want, double per, const char* unit, Start start) {
  tandem::runtime_options options;
  options.workers = threads;
  tandem::runtime runtime(options);
  tandem::actors::system system(runtime);
  done finished;
  auto outcome = finished.get_future();
  const auto begin = clock::now();
  const auto keep = start(system, finished);
  const i64 got = outcome.get();
  const double elapsed = nanoseconds_since(begin);
  check(got == want, name.c_str());
  report(name, threads, elapsed / per, unit);
}

// A1: pong answers a ping by an ordinary message to the ref it was given. Once by plain functions that send as CAF's
// and SObjectizer's actors do, without waiting; and once by coroutines that wait where a mailbox is full.
struct start_with {
  number_ref other;
};

class pong {
 public:
  using protocol = tandem::actors::protocol<void(i64)>;
  explicit pong(number_ref ping) : ping_(std::move(ping)) {}
  result<void> on(i64 v) { return ping_.try_tell(v + 1); }

 private:
  number_ref ping_;
};

class waiting_pong {
 public:
  using protocol = pong::protocol;
  explicit waiting_pong(number_ref ping) : ping_(std::move(ping)) {}
  task<result<void>> on(i64 v) { co_return co_await ping_.tell(v + 1); }

 private:
  number_ref ping_;
};

class player {
 public:
  using protocol = tandem::actors::protocol<void(i64), void(start_with)>;
  player(actor_context& context, i64 rounds, done& finished)
      : context_(context), rounds_(rounds), finished_(finished) {}

 protected:
  [[nodiscard]] bool is_last(i64 v) const { return v == rounds_; }
  void finish() {
    pong_ = {};
    context_.quit();
    finished_.set_value(rounds_);
  }
  number_ref pong_;

 private:
  actor_context& context_;
  i64 rounds_;
  done& finished_;
};

class ping : public player {
 public:
  using player::player;
  result<void> on(start_with message) {
    pong_ = std::move(message.other);
    return pong_.try_tell(i64{0});
  }
  result<void> on(i64 v) {
    if (!is_last(v)) return pong_.try_tell(v);
    finish();
    return {};
  }
};

class waiting_ping : public player {
 public:
  using player::player;
  task<result<void>> on(start_with message) {
    pong_ = std::move(message.other);
    co_return co_await pong_.tell(i64{0});
  }
  task<result<void>> on(i64 v) {
    if (!is_last(v)) co_return co_await pong_.tell(v);
    finish();
    co_return result<void>();
  }
};

template <class Ping, class Pong>
void pingpong(const std::string& name, unsigned threads) {
  const i64 n = count(1'000'000);
  measure(name, threads, n, static_cast<double>(n), "ns/roundtrip",
          [n](tandem::actors::system& system, done& finished) {
            auto first = system.spawn<Ping>(n, finished);
            auto second = system.spawn<Pong>(first);
            check(first.try_tell(start_with{second}).has_value(), "A1");
            return first;
          });
}

// A2, A3: a counter, and senders that send in one go.
class counter {
 public:
  using protocol = tandem::actors::protocol<void(i64)>;
  counter(i64 expected, done& finished) : left_(expected), finished_(finished) {}
  void on(i64 v) {
    sum_ += v;
    if (--left_ == 0) finished_.set_value(sum_);
  }

 private:
  i64 left_;
  i64 sum_ = 0;
  done& finished_;
};

struct range {
  number_ref to;
  i64 from, end;
};

class sender {
 public:
  using protocol = tandem::actors::protocol<void(range)>;
  task<result<void>> on(range r) {
    for (i64 i = r.from; i < r.end; ++i) {
      auto sent = co_await r.to.tell(i);
      check(sent.has_value(), "send");
    }
    co_return result<void>();
  }
};

void flood(const std::string& name, unsigned threads, i64 senders, i64 n) {
  measure(name, threads, sum_below(n), static_cast<double>(n), "ns/msg",
          [=](tandem::actors::system& system, done& finished) {
            auto sink = system.spawn<counter>(n, finished);
            for (i64 p = 0; p < senders; ++p) {
              auto from = system.spawn<sender>();
              check(from.try_tell(range{sink, p * (n / senders), (p + 1) * (n / senders)}).has_value(), "flood");
            }
            return sink;
          });
  report(name + "-rss", threads, peak_rss_mib(), "MiB");
}

// A4: the last member of the ring is told its successor by a message. Plain functions and coroutines, as in A1.
class member {
 public:
  using protocol = tandem::actors::protocol<void(i64), void(start_with)>;
  member(number_ref next, done& finished) : next_(std::move(next)), finished_(finished) {}
  void on(start_with message) { next_ = std::move(message.other); }
  result<void> on(i64 hops) {
    if (hops != 0) return next_.try_tell(hops - 1);
    finished_.set_value(1);
    return {};
  }

 private:
  number_ref next_;
  done& finished_;
};

class waiting_member {
 public:
  using protocol = member::protocol;
  waiting_member(number_ref next, done& finished) : next_(std::move(next)), finished_(finished) {}
  void on(start_with message) { next_ = std::move(message.other); }
  task<result<void>> on(i64 hops) {
    if (hops != 0) co_return co_await next_.tell(hops - 1);
    finished_.set_value(1);
    co_return result<void>();
  }

 private:
  number_ref next_;
  done& finished_;
};

template <class Member>
void ring(const std::string& name, unsigned threads) {
  const i64 hops = count(1'000'000);
  measure(name, threads, 1, static_cast<double>(hops), "ns/hop",
          [hops](tandem::actors::system& system, done& finished) {
            const auto last = system.spawn<Member>(number_ref(), finished);
            auto next = last;
            for (int i = 1; i < 1000; ++i) next = system.spawn<Member>(number_ref(next), finished);
            check(last.try_tell(start_with{next}).has_value(), "A4");
            check(next.try_tell(hops).has_value(), "A4");
            return next;
          });
}

// A6: one outstanding ask at a time.
class server {
 public:
  using protocol = tandem::actors::protocol<i64(i64)>;
  i64 on(i64 v) { return v + 1; }
};

struct ask_many {
  server::protocol::ref whom;
  i64 times;
};

class client {
 public:
  using protocol = tandem::actors::protocol<void(ask_many)>;
  explicit client(done& finished) : finished_(finished) {}
  task<result<void>> on(ask_many job) {
    i64 value = 0;
    while (value < job.times) {
      auto answer = co_await job.whom.ask(value, std::chrono::seconds(10));
      check(answer.has_value(), "A6");
      value = *answer;
    }
    finished_.set_value(value);
    co_return result<void>();
  }

 private:
  done& finished_;
};

void asks(unsigned threads) {
  const i64 n = count(1'000'000);
  measure("A6-ask", threads, n, static_cast<double>(n), "ns/roundtrip",
          [n](tandem::actors::system& system, done& finished) {
            auto from = system.spawn<client>(finished);
            check(from.try_tell(ask_many{system.spawn<server>(), n}).has_value(), "A6");
            return from;
          });
}

// The same by actors that are one coroutine.
using number_box = tandem::actors::inbox<void(i64)>;

task<result<void>> pong_loop(number_box& in, number_ref ping) {
  for (;;) {
    auto m = co_await in.receive();
    if (!m) co_return result<void>();
    auto sent = co_await ping.tell(*m->get_if<i64>() + 1);
    check(sent.has_value(), "A1");
  }
}
using ping_box = tandem::actors::inbox<void(i64), void(start_with)>;
task<result<void>> ping_loop(ping_box& in, i64 rounds, done& finished) {
  auto first = co_await in.receive();
  check(first.has_value(), "A1");
  number_ref pong = first->get_if<start_with>()->other;
  auto sent = co_await pong.tell(i64{0});
  for (;;) {
    auto m = co_await in.receive();
    if (!m) co_return result<void>();
    const i64 v = *m->get_if<i64>();
    if (v == rounds) break;
    sent = co_await pong.tell(v);
  }
  finished.set_value(rounds);
  co_return result<void>();
}
void pingpong_loops(unsigned threads) {
  const i64 n = count(1'000'000);
  measure("A1-loops", threads, n, static_cast<double>(n), "ns/roundtrip",
          [n](tandem::actors::system& system, done& finished) {
            auto first = system.spawn(ping_loop, n, std::ref(finished));
            auto second = system.spawn(pong_loop, number_ref(first));
            check(first.try_tell(start_with{second}).has_value(), "A1");
            return first;
          });
}

task<result<void>> member_loop(tandem::actors::inbox<void(i64), void(start_with)>& in, number_ref next,
                               done& finished) {
  for (;;) {
    auto m = co_await in.receive();
    if (!m) co_return result<void>();
    if (auto* const start = m->get_if<start_with>()) {
      next = std::move(start->other);
    } else if (const i64 hops = *m->get_if<i64>(); hops != 0) {
      auto sent = co_await next.tell(hops - 1);
      check(sent.has_value(), "A4");
    } else {
      finished.set_value(1);
    }
  }
}
void ring_loops(unsigned threads) {
  const i64 hops = count(1'000'000);
  measure("A4-loops", threads, 1, static_cast<double>(hops), "ns/hop",
          [hops](tandem::actors::system& system, done& finished) {
            const auto last = system.spawn(member_loop, number_ref(), std::ref(finished));
            auto next = last;
            for (int i = 1; i < 1000; ++i) next = system.spawn(member_loop, number_ref(next), std::ref(finished));
            check(last.try_tell(start_with{next}).has_value(), "A4");
            check(next.try_tell(hops).has_value(), "A4");
            return next;
          });
}

// A5: each of ten children tells its parent the sum of what is below it.
struct make_tree {
  i64 first, size;
};
class tree_node {
 public:
  using protocol = tandem::actors::protocol<void(make_tree), void(i64)>;
  tree_node(actor_context& context, number_ref parent) : context_(context), parent_(std::move(parent)) {}
  void on(make_tree m) {
    if (m.size == 1) {
      sum_ = m.first;
      left_ = 1;
      on(i64{0});
      return;
    }
    left_ = 10;
    const i64 each = m.size / 10;
    const auto self = context_.self<tree_node>();
    for (i64 i = 0; i < 10; ++i) {
      auto child = context_.system().spawn<tree_node>(number_ref(self));
      check(child.try_tell(make_tree{m.first + i * each, each}).has_value(), "A5");
    }
  }
  void on(i64 v) {
    sum_ += v;
    if (--left_ != 0) return;
    check(parent_.try_tell(sum_).has_value(), "A5");
    context_.quit();
  }

 private:
  actor_context& context_;
  number_ref parent_;
  i64 sum_ = 0;
  int left_ = 0;
};
void skynet(unsigned threads) {
  const i64 n = count(1'000'000);
  measure("A5-skynet", threads, sum_below(n), 1e6, "ms", [n](tandem::actors::system& system, done& finished) {
    auto sink = system.spawn<counter>(i64{1}, finished);
    auto root = system.spawn<tree_node>(number_ref(sink));
    check(root.try_tell(make_tree{0, n}).has_value(), "A5");
    return std::make_pair(sink, root);
  });
  report("A5-skynet-rss", threads, peak_rss_mib(), "MiB");
}

class relay {
 public:
  using protocol = tandem::actors::protocol<void(i64)>;
  explicit relay(number_ref to) : to_(std::move(to)) {}
  task<result<void>> on(i64 v) { co_return co_await to_.tell(v); }

 private:
  number_ref to_;
};

// Memory of a live idle actor that has handled a message.
double rss_bytes() {
  double kib = 0;
  if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, status))
      if (std::strncmp(line, "VmRSS:", 6) == 0) kib = std::atof(line + 6);
    std::fclose(status);
  }
  return kib * 1024;
}
// `at_once` actors are spawned and given their message before the next are: what handlers need while they run and wait
// is used again, unless all do so together.
void memory(const std::string& name, unsigned threads, i64 n, i64 at_once) {
  tandem::runtime_options options;
  options.workers = threads;
  tandem::runtime runtime(options);
  tandem::actors::system system(runtime);
  std::vector<number_ref> all;
  all.reserve(static_cast<std::size_t>(n));
  const double before = rss_bytes();
  for (i64 done_before = 0; done_before < n; done_before += at_once) {
    done finished;
    auto tally = system.spawn<counter>(at_once, finished);
    for (i64 i = 0; i < at_once; ++i) {
      all.push_back(system.spawn<relay>(tally));
      check(all.back().try_tell(i64{1}).has_value(), name.c_str());
    }
    check(finished.get_future().get() == at_once, name.c_str());
  }
  report(name, threads, (rss_bytes() - before) / static_cast<double>(n), "B/actor");
  all.clear();
}

}  // namespace

void add_actor_jobs(std::vector<job>& jobs) {
  jobs.push_back({"A1-pingpong", [](unsigned threads) { pingpong<ping, pong>("A1-pingpong", threads); }});
  jobs.push_back({"A2-flood", [](unsigned threads) { flood("A2-flood", threads, 1, count(10'000'000)); }});
  jobs.push_back({"A3-mpsc", [](unsigned threads) { flood("A3-mpsc", threads, 8, count(8'000'000) / 8 * 8); }});
  jobs.push_back({"A4-ring", [](unsigned threads) { ring<member>("A4-ring", threads); }});
  jobs.push_back({"A6-ask", asks});
  jobs.push_back({"A1-waiting", [](unsigned threads) { pingpong<waiting_ping, waiting_pong>("A1-waiting", threads); }});
  jobs.push_back({"A4-waiting", [](unsigned threads) { ring<waiting_member>("A4-waiting", threads); }});
  jobs.push_back({"A1-loops", pingpong_loops});
  jobs.push_back({"A4-loops", ring_loops});
  jobs.push_back({"A5-skynet", skynet});
  jobs.push_back({"A-mem", [](unsigned threads) {
                    const i64 wave = std::min<i64>(10'000, count(1'000'000));
                    memory("A-mem", threads, count(1'000'000) / wave * wave, wave);
                  }});
  jobs.push_back({"A-mem-crowd", [](unsigned threads) {
                    memory("A-mem-crowd", threads, count(1'000'000), count(1'000'000));
                  }});
}

}  // namespace bench
