// A jobs: actors that tell and ask each other.
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

// A1: pong answers a ping by an ordinary message to the ref it was given.
struct start_with {
  number_ref other;
};

class pong {
 public:
  using protocol = tandem::actors::protocol<void(i64)>;
  explicit pong(number_ref ping) : ping_(std::move(ping)) {}
  task<result<void>> on(i64 v) { co_return co_await ping_.tell(v + 1); }

 private:
  number_ref ping_;
};

class ping {
 public:
  using protocol = tandem::actors::protocol<void(i64), void(start_with)>;
  ping(actor_context& context, i64 rounds, done& finished) : context_(context), rounds_(rounds), finished_(finished) {}
  task<result<void>> on(start_with message) {
    pong_ = std::move(message.other);
    co_return co_await pong_.tell(i64{0});
  }
  task<result<void>> on(i64 v) {
    if (v != rounds_) co_return co_await pong_.tell(v);
    pong_ = {};
    context_.quit();
    finished_.set_value(v);
    co_return result<void>();
  }

 private:
  actor_context& context_;
  i64 rounds_;
  done& finished_;
  number_ref pong_;
};

void pingpong(unsigned threads) {
  const i64 n = count(1'000'000);
  measure("A1-pingpong", threads, n, static_cast<double>(n), "ns/roundtrip",
          [n](tandem::actors::system& system, done& finished) {
            auto first = system.spawn<ping>(n, finished);
            auto second = system.spawn<pong>(first);
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

// A4: the last member of the ring is told its successor by a message.
class member {
 public:
  using protocol = tandem::actors::protocol<void(i64), void(start_with)>;
  member(number_ref next, done& finished) : next_(std::move(next)), finished_(finished) {}
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

void ring(unsigned threads) {
  const i64 hops = count(1'000'000);
  measure("A4-ring", threads, 1, static_cast<double>(hops), "ns/hop",
          [hops](tandem::actors::system& system, done& finished) {
            const auto last = system.spawn<member>(number_ref(), finished);
            auto next = last;
            for (int i = 1; i < 1000; ++i) next = system.spawn<member>(number_ref(next), finished);
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

}  // namespace

void add_actor_jobs(std::vector<job>& jobs) {
  jobs.push_back({"A1-pingpong", pingpong});
  jobs.push_back({"A2-flood", [](unsigned threads) { flood("A2-flood", threads, 1, count(10'000'000)); }});
  jobs.push_back({"A3-mpsc", [](unsigned threads) { flood("A3-mpsc", threads, 8, count(8'000'000) / 8 * 8); }});
  jobs.push_back({"A4-ring", ring});
  jobs.push_back({"A6-ask", asks});
}

}  // namespace bench
