// A retry storm: many clients whose backend fails for a while. Their retries come on top of the calls that are made
// anyway; when the backend is back, they are more than it can serve, so calls time out, so they are retried. (Bronson
// et al., "Metastable Failures in Distributed Systems", HotOS 2021.)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/resilience/breaker.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;

constexpr int clients = 1000;
constexpr duration fails_from = 5s;
constexpr duration fails_to = 35s;
constexpr duration end = 70s;

/// What happened in each second.
struct history {
  static constexpr std::size_t seconds = end / 1s;
  std::vector<int> load = std::vector<int>(seconds + 10);   // attempts that reached the backend
  std::vector<int> calls = std::vector<int>(seconds + 10);  // that began
  std::vector<int> good = std::vector<int>(seconds + 10);   // of them, those that succeeded

  /// The most that reached the backend in a second from `from` to `to`, in normal loads.
  [[nodiscard]] double most_load(duration from, duration to) const {
    constexpr auto begun = 2s;  // all clients
    const double normal =
        std::accumulate(load.begin() + begun / 1s, load.begin() + fails_from / 1s, 0.0) / ((fails_from - begun) / 1s);
    return *std::max_element(load.begin() + from / 1s, load.begin() + to / 1s) / normal;
  }
  /// How long after the failure nearly all calls succeed again, until the end.
  [[nodiscard]] duration good_again_after() const {
    std::size_t at = seconds;
    while (at > fails_to / 1s && good[at - 1] >= 0.99 * calls[at - 1]) --at;
    return std::chrono::seconds(at) - fails_to;
  }
  void print(const char* what) const {
    std::printf("%s: load x%.2f while it fails, x%.2f after that; all is good %lld s after it, of %lld\n", what,
                most_load(fails_from, fails_to), most_load(fails_to, end),
                static_cast<long long>(good_again_after() / 1s), static_cast<long long>((end - fails_to) / 1s));
    for (std::size_t s = 0; s < seconds; s += s >= 33 && s < 42 ? 1 : 8)
      std::printf("  second %2zu: load %4d, of %d calls %4d good\n", s, load[s], calls[s], good[s]);
  }
};

/// Serves one call after the other, each for as long, also those whose callers have given up. While it fails, calls
/// queue up. It has two addresses.
class backend {
 public:
  task<result<void>> serve() {
    ++seen.load[second()];
    const duration at = now() - start_;
    const time_point works_from = at >= fails_from && at < fails_to ? start_ + fails_to : now();
    if (free_at_ - works_from > longest_queue) co_return fail(errc::overloaded);
    free_at_ = std::max(free_at_, works_from) + service_time;
    co_return co_await sleep_until(free_at_);
  }
  [[nodiscard]] std::size_t second() const { return static_cast<std::size_t>((now() - start_) / 1s); }

  history seen;

 private:
  static constexpr duration service_time = duration(1s) / 1600;  // 1.45 times the normal load
  static constexpr duration longest_queue = 1s;                  // longer than callers wait

  const time_point start_ = now();
  time_point free_at_ = start_;
};

template <class Composition>
task<void> one_call(Composition policies, backend& to, bool first) {
  const call again{.target = first ? "first" : "second", .idempotent = true};
  const std::size_t began = to.second();
  ++to.seen.calls[began];
  const auto got = co_await policies.run(again, [&to] { return to.serve(); });
  if (got) ++to.seen.good[began];
}

template <class Composition>
task<void> be_client(Composition policies, backend& to, duration every, duration phase) {
  (void)co_await sleep_for(phase);
  for (bool first = true; to.second() < history::seconds; first = !first) {
    spawn(one_call(policies, to, first)).detach();
    (void)co_await sleep_for(every);
  }
}

/// Each client has policies of its own, as programs on machines of their own would. It makes a call from two in three
/// seconds to two a second, whatever becomes of them.
template <class MakePolicies>
history simulate(const char* what, MakePolicies make_policies) {
  testing::sim_runtime sim(7);
  auto body = [](MakePolicies make, std::uint32_t seed) -> task<history> {
    backend target;
    std::minstd_rand random(seed);
    const auto up_to = [&](int ms) { return std::uniform_int_distribution<int>(0, ms)(random) * 1ms; };
    std::vector<join_handle<void>> all;
    for (int i = 0; i < clients; ++i) all.push_back(spawn(be_client(make(), target, 500ms + up_to(1000), up_to(1500))));
    for (auto& one : all) (void)co_await one.join();
    (void)co_await sleep_for(5s);  // the last calls
    co_return target.seen;
  };
  const history seen = sim.run(body(make_policies, sim.seed())).value();
  seen.print(what);
  return seen;
}

constexpr duration patience = 500ms;  // with an attempt

TEST(RetryStorm, WithoutABudgetRetriesKeepTheBackendDownThatCausedThem) {
  const history seen = simulate("retry", [] { return with(retry(), timeout(patience)); });
  EXPECT_GE(seen.most_load(fails_to, end), 2.0);
  EXPECT_GE(seen.good_again_after(), 30s);
}

TEST(RetryStorm, WithABudgetTheBackendRecoversAtOnce) {
  const history seen = simulate("retry with a budget", [] {
    return with(retry({.budget = retry_budget()}), timeout(patience));
  });
  EXPECT_LE(seen.most_load(fails_to, end), 1.2);
  EXPECT_LE(seen.good_again_after(), 5s);
}

// Both addresses are open then, so each is tried again after the first isolation time, however long the failure was.
TEST(RetryStorm, WithABudgetAndABreakerTheBackendIsSparedAsWell) {
  const history seen = simulate("retry with a budget, breaker", [] {
    return with(retry({.budget = retry_budget()}), breaker(), timeout(patience));
  });
  EXPECT_LE(seen.most_load(fails_to, end), 1.2);
  EXPECT_LE(seen.good_again_after(), 5s);
}

}  // namespace
}  // namespace tandem::resilience
