// Two experiments of Dean & Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013, on simulated servers
// and a virtual clock: reads that fan out to 100 servers, unhedged and hedged, and reads from replicated disks, alone
// and tied. The servers are fitted to what the paper measured without hedges and ties; what those do is the outcome.
#pragma once
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/hedge.hpp>
#include <tandem/resilience/tied.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::tail_at_scale {

using namespace std::chrono_literals;

class random_source {
 public:
  explicit random_source(std::uint64_t seed) : bits_(seed) {}

  double from_to(double least, double most) { return std::uniform_real_distribution(least, most)(bits_); }
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(bits_); }
  static duration milliseconds(double ms) { return duration(static_cast<duration::rep>(ms * 1e6)); }
  duration exponential(duration mean) { return milliseconds(-std::log(1 - from_to(0, 1)) * count_ms(mean)); }
  duration log_normal(duration median, double sigma) {
    return milliseconds(std::lognormal_distribution(std::log(count_ms(median)), sigma)(bits_));
  }
  static double count_ms(duration d) { return static_cast<double>(d.count()) / 1e6; }

 private:
  std::mt19937_64 bits_;
};

/// What took how long.
class latencies {
 public:
  void add(duration d) { all_.push_back(d); }
  /// In milliseconds.
  [[nodiscard]] double quantile(double q) {
    std::ranges::sort(all_);
    const auto at = static_cast<std::size_t>(q * static_cast<double>(all_.size()));
    return random_source::count_ms(all_.at(std::min(at, all_.size() - 1)));
  }

 private:
  std::vector<duration> all_;
};

/// Does eight requests at a time, in the order in which they came. Every ten seconds or so it stands still, for
/// 15 ms on average (collecting garbage, switching to a neighbour on the machine), and once in some hours for half a
/// second to two and a half (a compaction, a tablet that moves). A request that is cancelled leaves the queue at once.
class leaf_server {
 public:
  explicit leaf_server(std::uint64_t seed) : random_(seed) {}

  task<result<void>> serve() {
    const auto turn = co_await or_return(turns_.acquire());
    co_return co_await sleep_until(done_at(now(), random_.log_normal(4ms, 0.35)));
  }

 private:
  struct pause {
    time_point begin, end;
  };

  time_point done_at(time_point at, duration work) {
    while (!pauses_.empty() && pauses_.front().end <= at) pauses_.pop_front();
    for (std::size_t i = 0;; ++i) {
      if (i == pauses_.size()) draw_pause();
      const auto [begin, end] = pauses_[i];
      if (at + work <= begin) return at + work;
      work -= std::max(begin - at, 0ns);
      at = end;
    }
  }
  void draw_pause() {
    const time_point begin = last_end_ + random_.exponential(10s);
    const bool is_long = random_.from_to(0, 1) < 1e-3;
    const duration length =
        is_long ? random_source::milliseconds(random_.from_to(500, 2500)) : random_.exponential(15ms);
    last_end_ = begin + length;
    pauses_.push_back({begin, last_end_});
  }

  random_source random_;
  sync::semaphore turns_{8};
  std::deque<pause> pauses_;  // those that have not ended, as far as they are known
  time_point last_end_ = now();
};

/// A table spread over 100 servers: 100 ranges of keys, each on three of them. A read asks for keys of all ranges, and
/// ends with the last answer.
class table {
 public:
  static constexpr std::size_t size = 100;

  table(bool hedged, std::uint64_t seed) : hedged_(hedged), budget_({.share = 0.05, .most = 100}) {
    for (std::size_t i = 0; i < size; ++i) servers_.push_back(std::make_unique<leaf_server>(seed * size + i));
    for (std::size_t i = 0; i < size; ++i) {
      std::vector<std::string> replicas;
      for (const std::size_t step : {0, 37, 71}) replicas.push_back(std::to_string((i + step) % size));
      resilience::hedge_options options{.delay = 10ms, .targets = std::move(replicas)};
      options.budget = budget_;
      ranges_.push_back(with(resilience::hedge(std::move(options))));
    }
  }

  task<result<void>> read() {
    const time_point begun = now();
    std::vector<join_handle<result<void>>> parts;
    for (const auto& range : ranges_) parts.push_back(spawn(read_range(range)));
    for (auto& part : parts) co_await or_return(part.join());
    took.add(now() - begun);
    co_return result<void>();
  }

  latencies took;
  [[nodiscard]] double extra_requests() const { return static_cast<double>(asked_) / static_cast<double>(needed_) - 1; }

 private:
  task<result<void>> read_range(const resilience::composition<resilience::hedge>& range) {
    ++needed_;
    auto ask = [this](const resilience::call& c) {
      ++asked_;
      std::size_t which = 0;
      std::from_chars(c.target.data(), c.target.data() + c.target.size(), which);
      return servers_.at(which)->serve();
    };
    // Unhedged reads choose their replica in the same way, but are told to be no candidates.
    const resilience::call c{.method = "read", .idempotent = hedged_};
    co_return co_await range.run(c, ask);
  }

  const bool hedged_;
  const resilience::retry_budget budget_;
  std::vector<std::unique_ptr<leaf_server>> servers_;
  std::vector<resilience::composition<resilience::hedge>> ranges_;
  std::uint64_t needed_ = 0;
  std::uint64_t asked_ = 0;
};

struct fan_out_figures {
  latencies took;
  double extra;  ///< Requests in addition to those needed, as a share of them.
};

/// Reads from all servers, one in a second on average: far enough apart that a pause of a server hits few of them.
inline fan_out_figures read_from_all(int reads, bool hedged, std::uint32_t seed) {
  testing::sim_runtime sim(seed);
  return sim.run([](int n, bool hedges, std::uint32_t s) -> task<fan_out_figures> {
    random_source random(s);
    table all(hedges, s);
    std::vector<join_handle<result<void>>> running;
    for (int i = 0; i < n; ++i) {
      (void)co_await sleep_for(random.exponential(1s));
      running.push_back(spawn(all.read()));
    }
    for (auto& each : running) (void)co_await each.join();
    const double extra = all.extra_requests();
    co_return fan_out_figures{std::move(all.took), extra};
  }(reads, hedged, seed)).value();
}

/// How much of their time the disks of a cluster are busy, with what.
struct disk_load {
  double reads = 0.1;    ///< Those of the experiment.
  double others = 0.28;  ///< Reads of the other users, which are as long.
  double chunks = 0;     ///< The terasort's long transfers.
};
inline constexpr disk_load idle_cluster{};
inline constexpr disk_load with_terasort{.reads = 0.1, .others = 0.26, .chunks = 0.25};

/// Disks with a queue each, first come, first served. A read needs one access, two or three (indices first, as far as
/// they are in no cache), each a seek, half a turn of 7200 in a minute on average, and the transfer: 15 ms in all. A
/// chunk takes 16 ms. Messages take half a millisecond: requests, answers, and those by which a disk that begins a read
/// tells the other that has its twin. A read is done twice if the other disk begins it before that message has come.
///
/// Load and accesses are such that reads that are not tied take as long as in the paper. That could be had with other
/// pairs of the two; fewer accesses and longer queues would make tying look better than it was there.
class disk_cluster {
 public:
  disk_cluster(const disk_load& load, bool tied, std::uint64_t seed)
      : load_(load), tied_(tied), random_(seed), queues_(disks) {
    for (auto& queue : queues_) queue = std::make_unique<sync::semaphore>(1);
  }

  task<result<void>> run(int reads) {
    const cancel_source load_ends;
    spawn(others(load_.others, false), load_ends.context()).detach("other users");
    spawn(others(load_.chunks, true), load_ends.context()).detach("terasort");
    (void)co_await sleep_for(10s);  // until the queues are as long as they will be
    std::vector<join_handle<result<void>>> running;
    for (int i = 0; i < reads; ++i) {
      (void)co_await sleep_for(random_.exponential(between(load_.reads, read_mean)));
      running.push_back(spawn(read()));
    }
    for (auto& each : running) co_await or_return(each.join());
    load_ends.cancel();
    co_return result<void>();
  }

  latencies took;
  /// Reads that were begun, for each that was needed.
  [[nodiscard]] double begun_per_read() const { return static_cast<double>(begun_) / static_cast<double>(needed_); }

 private:
  static constexpr std::size_t disks = 50;
  static constexpr duration message = 500us;
  static constexpr duration read_mean = 15250us;
  static constexpr duration chunk_mean = 16ms;

  duration read_time() {
    const double drawn = random_.from_to(0, 1);
    double ms = 0;
    for (int accesses = drawn < 0.6 ? 1 : drawn < 0.9 ? 2 : 3; accesses > 0; --accesses)
      ms += random_.from_to(1, 9) + random_.from_to(0, 1000 / 120.) + 1;
    return random_source::milliseconds(ms);
  }
  duration chunk_time() { return 12ms + random_.exponential(4ms); }
  /// The time between requests that keep all disks busy to that part.
  static duration between(double busy, duration mean) {
    return random_source::milliseconds(random_source::count_ms(mean) / (busy * static_cast<double>(disks)));
  }

  task<void> others(double busy, bool chunks) {
    if (busy <= 0) co_return;
    for (;;) {
      const auto slept = co_await sleep_for(random_.exponential(between(busy, chunks ? chunk_mean : read_mean)));
      if (!slept) co_return;
      spawn(occupy(random_.below(disks), chunks ? chunk_time() : read_time())).detach();
    }
  }
  task<void> occupy(std::size_t disk, duration time) {
    const auto turn = co_await queues_[disk]->acquire();
    if (turn) (void)co_await sleep_for(time);
  }

  // What the copies of a read share.
  struct twins {
    resilience::tie tied;
    time_point claimed{};
    sync::event answered;
  };

  task<result<void>> read() {
    ++needed_;
    const time_point begun = now();
    const auto both = std::make_shared<twins>();
    const std::size_t a = random_.below(disks);
    const std::size_t b = (a + 1 + random_.below(disks - 1)) % disks;
    auto first = [this, &both, a] { return send(both, a); };
    auto second = [this, &both, b] { return send(both, b); };
    if (tied_) {
      co_await or_return(resilience::send_tied(both->tied, first, second, 2 * message));
    } else {
      co_await or_return(first());
    }
    co_await or_return(both->answered.wait());
    took.add(now() - begun);
    co_return result<void>();
  }
  task<result<void>> send(std::shared_ptr<twins> both, std::size_t disk) {
    spawn(serve(std::move(both), disk)).detach("read");
    co_return result<void>();
  }
  task<void> serve(std::shared_ptr<twins> both, std::size_t disk) {
    (void)co_await sleep_for(message);
    {
      const auto turn = co_await queues_[disk]->acquire();
      if (both->tied.claim()) {
        both->claimed = now();
      } else if (now() >= both->claimed + message) {
        co_return;
      }
      ++begun_;
      (void)co_await sleep_for(read_time());
    }
    (void)co_await sleep_for(message);
    both->answered.set();
  }

  const disk_load load_;
  const bool tied_;
  random_source random_;
  std::vector<std::unique_ptr<sync::semaphore>> queues_;
  std::uint64_t needed_ = 0;
  std::uint64_t begun_ = 0;
};

struct disk_figures {
  latencies took;
  double begun_per_read;
};

inline disk_figures read_from_disks(int reads, const disk_load& load, bool tied, std::uint32_t seed) {
  testing::sim_runtime sim(seed);
  return sim.run([](int n, disk_load busy, bool ties, std::uint32_t s) -> task<disk_figures> {
    disk_cluster cluster(busy, ties, s);
    (void)co_await cluster.run(n);
    (void)co_await sleep_for(10s);  // until what others have queued is done
    const double begun = cluster.begun_per_read();
    co_return disk_figures{std::move(cluster.took), begun};
  }(reads, load, tied, seed)).value();
}

}  // namespace tandem::tail_at_scale
