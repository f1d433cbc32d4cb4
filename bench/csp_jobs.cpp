// C jobs: channels, select and a pipeline of tasks.
#include <array>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/runtime.hpp>

#include "job.hpp"

namespace bench {
namespace {

using tandem::task;
using tandem::csp::make_channel;
using tandem::csp::on_recv;
using tandem::csp::receiver;
using tandem::csp::select;
using tandem::csp::sender;
using numbers_in = receiver<std::int64_t>;
using numbers_out = sender<std::int64_t>;

constexpr std::int64_t sum_below(std::int64_t n) { return n * (n - 1) / 2; }

// By reference: the handles outlive the tasks, as in the peers' programs.
task<> send_range(const numbers_out& out, std::int64_t from, std::int64_t to) {
  for (std::int64_t i = from; i < to; ++i) check((co_await out.send(i)).has_value(), "send");
}

task<std::int64_t> sum_all(const numbers_in& in) {
  std::int64_t sum = 0;
  while (const auto value = co_await in.recv()) sum += *value;
  co_return sum;
}

// Runs `body` as a task on `threads` workers and prints its time divided by `n`.
template <class Body>
void measure(const std::string& name, unsigned threads, double n, const char* unit, Body body) {
  tandem::runtime runtime({.workers = threads});
  double elapsed = 0;
  auto timed = [&]() -> task<> {
    const auto start = clock::now();
    co_await body();
    elapsed = nanoseconds_since(start);
  };
  runtime.block_on(timed());
  report(name, threads, elapsed / n, unit);
}

void pingpong(unsigned threads) {
  const std::int64_t n = count(1'000'000);
  measure("C1-pingpong", threads, static_cast<double>(n), "ns/roundtrip", [n]() -> task<> {
    auto [ping_out, ping_in] = make_channel<std::int64_t>(0);
    auto [pong_out, pong_in] = make_channel<std::int64_t>(0);
    auto echo = [](const numbers_in& in, const numbers_out& out, std::int64_t rounds) -> task<> {
      for (std::int64_t i = 0; i < rounds; ++i) {
        const auto value = co_await in.recv();
        check((co_await out.send(*value + 1)).has_value(), "C1");
      }
    };
    auto serve = [](const numbers_in& in, const numbers_out& out, std::int64_t rounds) -> task<std::int64_t> {
      std::int64_t value = 0;
      for (std::int64_t i = 0; i < rounds; ++i) {
        check((co_await out.send(value)).has_value(), "C1");
        value = *co_await in.recv();
      }
      co_return value;
    };
    auto echoing = tandem::spawn(echo(ping_in, pong_out, n));
    auto serving = tandem::spawn(serve(pong_in, ping_out, n));
    check(*co_await serving.join() == n, "C1");
    (void)co_await echoing.join();
  });
}

void spsc(unsigned threads) {
  const std::int64_t n = count(10'000'000);
  measure("C2-spsc", threads, static_cast<double>(n), "ns/msg", [n]() -> task<> {
    auto [out, in] = make_channel<std::int64_t>(128);
    auto produce = [](const numbers_out& to, std::int64_t limit) -> task<> {
      co_await send_range(to, 0, limit);
      to.close();
    };
    auto producing = tandem::spawn(produce(out, n));
    auto consuming = tandem::spawn(sum_all(in));
    check(*co_await consuming.join() == sum_below(n), "C2");
    (void)co_await producing.join();
  });
}

void mpmc(unsigned threads) {
  const std::int64_t n = count(8'000'000) / 4 * 4;
  measure("C3-mpmc", threads, static_cast<double>(n), "ns/msg", [n]() -> task<> {
    auto [out, in] = make_channel<std::int64_t>(128);
    std::vector<tandem::join_handle<void>> producers;
    std::vector<tandem::join_handle<std::int64_t>> consumers;
    for (std::int64_t p = 0; p < 4; ++p) {
      producers.push_back(tandem::spawn(send_range(out, p * (n / 4), (p + 1) * (n / 4))));
      consumers.push_back(tandem::spawn(sum_all(in)));
    }
    for (auto& p : producers) (void)co_await p.join();
    out.close();
    std::int64_t sum = 0;
    for (auto& c : consumers) sum += *co_await c.join();
    check(sum == sum_below(n), "C3");
  });
}

// C2 and C3 with the two sides on workers of different runtimes, so that no task can move to the other side's worker:
// each value crosses from one core to the other, which the scheduler otherwise avoids.
template <class Producers, class Consumers>
void measure_apart(const std::string& name, std::int64_t n, Producers produce, Consumers consume) {
  tandem::runtime producing({.workers = 1}), consuming({.workers = 1});
  auto [out, in] = make_channel<std::int64_t>(128);
  double elapsed = 0;
  std::int64_t sum = 0;
  std::thread consumer([&] { sum = consuming.block_on(consume(in)); });
  const auto start = clock::now();
  producing.block_on(produce(out));
  out.close();
  consumer.join();
  elapsed = nanoseconds_since(start);
  check(sum == sum_below(n), name.c_str());
  report(name, 2, elapsed / static_cast<double>(n), "ns/msg");
}

void spsc_apart(unsigned) {
  const std::int64_t n = count(2'000'000);
  measure_apart(
      "C2-spsc-apart", n, [n](const numbers_out& out) { return send_range(out, 0, n); },
      [](const numbers_in& in) { return sum_all(in); });
}

task<> send_from_four(const numbers_out& out, std::int64_t n) {
  std::vector<tandem::join_handle<void>> producers;
  for (std::int64_t p = 0; p < 4; ++p)
    producers.push_back(tandem::spawn(send_range(out, p * (n / 4), (p + 1) * (n / 4))));
  for (auto& p : producers) (void)co_await p.join();
}

task<std::int64_t> sum_by_four(const numbers_in& in) {
  std::vector<tandem::join_handle<std::int64_t>> consumers;
  for (int c = 0; c < 4; ++c) consumers.push_back(tandem::spawn(sum_all(in)));
  std::int64_t sum = 0;
  for (auto& c : consumers) sum += *co_await c.join();
  co_return sum;
}

void mpmc_apart(unsigned) {
  const std::int64_t n = count(2'000'000) / 4 * 4;
  measure_apart(
      "C3-mpmc-apart", n, [n](const numbers_out& out) { return send_from_four(out, n); },
      [](const numbers_in& in) { return sum_by_four(in); });
}

void select_of_four(const std::string& name, unsigned threads, std::size_t capacity) {
  const std::int64_t n = count(4'000'000) / 4 * 4;
  measure(name, threads, static_cast<double>(n), "ns/msg", [n, capacity]() -> task<> {
    std::array<numbers_out, 4> out;
    std::array<numbers_in, 4> in;
    for (std::size_t p = 0; p < 4; ++p) std::tie(out[p], in[p]) = make_channel<std::int64_t>(capacity);
    std::vector<tandem::join_handle<void>> producers;
    for (std::int64_t p = 0; p < 4; ++p)
      producers.push_back(tandem::spawn(send_range(out[static_cast<std::size_t>(p)], p * (n / 4), (p + 1) * (n / 4))));
    auto consume = [](const std::array<numbers_in, 4>& from, std::int64_t messages) -> task<std::int64_t> {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < messages; ++i) {
        const auto chosen = co_await select(on_recv(from[0]), on_recv(from[1]), on_recv(from[2]), on_recv(from[3]));
        std::visit([&](const auto& value) { sum += *value; }, *chosen);
      }
      co_return sum;
    };
    auto consuming = tandem::spawn(consume(in, n));
    check(*co_await consuming.join() == sum_below(n), "C4");
    for (auto& p : producers) (void)co_await p.join();
  });
}

void sieve(unsigned threads) {
  constexpr int primes = 2500;
  measure("C5-sieve", threads, 1e6, "ms", []() -> task<> {
    auto generate = [](numbers_out out) -> task<> {
      for (std::int64_t i = 2; co_await out.send(i); ++i) {}
    };
    auto sift = [](numbers_in in, numbers_out out, std::int64_t prime) -> task<> {
      while (const auto value = co_await in.recv())
        if (*value % prime != 0 && !co_await out.send(*value)) break;  // coroutine-ok: value is a local variable
    };
    std::vector<tandem::join_handle<void>> stages;
    auto [first_out, in] = make_channel<std::int64_t>(0);
    stages.push_back(tandem::spawn(generate(std::move(first_out))));
    std::int64_t prime = 0;
    for (int k = 0; k < primes; ++k) {
      prime = *co_await in.recv();
      auto [out, next] = make_channel<std::int64_t>(0);
      stages.push_back(tandem::spawn(sift(std::move(in), std::move(out), prime)));
      in = std::move(next);
    }
    check(prime == 22307, "C5");
    in.close();
    for (auto& stage : stages) stage.detach();  // they end one after the other, outside of the timing
  });
}

void fan(unsigned threads) {
  const std::int64_t n = count(4'000'000);
  measure("C7-fan", threads, static_cast<double>(n), "ns/item", [n]() -> task<> {
    auto [source_out, source_in] = make_channel<std::int64_t>(64);
    auto [merged_out, merged_in] = make_channel<std::int64_t>(64);
    auto produce = [](numbers_out to, std::int64_t limit) -> task<> { co_await send_range(to, 0, limit); };
    auto work = [](numbers_in in, numbers_out out) -> task<> {
      while (const auto value = co_await in.recv()) check((co_await out.send(2 * *value + 1)).has_value(), "C7");
    };
    auto producing = tandem::spawn(produce(std::move(source_out), n));
    std::vector<tandem::join_handle<void>> workers;
    for (int w = 0; w < 8; ++w) workers.push_back(tandem::spawn(work(source_in, merged_out)));
    merged_out = {};
    auto merging = tandem::spawn(sum_all(merged_in));
    check(*co_await merging.join() == n * n, "C7");
    (void)co_await producing.join();
    for (auto& w : workers) (void)co_await w.join();
  });
}

}  // namespace

void add_csp_jobs(std::vector<job>& jobs) {
  jobs.push_back({"C1-pingpong", pingpong});
  jobs.push_back({"C2-spsc", spsc});
  jobs.push_back({"C3-mpmc", mpmc});
  jobs.push_back({"C2-spsc-apart", spsc_apart, {2}});
  jobs.push_back({"C3-mpmc-apart", mpmc_apart, {2}});
  jobs.push_back({"C4-select", [](unsigned threads) { select_of_four("C4-select", threads, 128); }});
  jobs.push_back({"C4u-select", [](unsigned threads) { select_of_four("C4u-select", threads, 0); }});
  jobs.push_back({"C5-sieve", sieve});
  jobs.push_back({"C7-fan", fan});
}

}  // namespace bench
