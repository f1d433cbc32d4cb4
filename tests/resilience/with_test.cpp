#include <tandem/resilience/with.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/timeout.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

// Notes when calls go in and out, and changes the attempt on the way.
class noting_state : public detail::policy_state {
 public:
  noting_state(std::string name, std::vector<std::string>& into, bool admits)
      : policy_state("noting", std::move(name)), notes(into), lets_in(admits) {}
  [[nodiscard]] std::string settings() const override { return name(); }
  [[nodiscard]] std::string state() const override { return "fine"; }
  [[nodiscard]] std::vector<policy_counter> counters() const override { return {{"notes", notes.size()}}; }
  std::vector<std::string>& notes;
  const bool lets_in;
};
class noting final : public policy {
 public:
  noting(std::string name, std::vector<std::string>& notes, bool admits = true)
      : policy(std::make_shared<detail::listed<noting_state>>(std::move(name), notes, admits)) {}
  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    auto& mine = state_as<noting_state>();
    mine.notes.push_back(name() + (next.admits(c) ? " in" : " in, though the inner would reject it"));
    call changed = c;
    ++changed.attempt;
    result<T> outcome = co_await next(changed);
    mine.notes.push_back(name() + (outcome ? " out" : " failed"));
    co_return outcome;
  }
  [[nodiscard]] bool admits(const call&) const noexcept { return state_as<noting_state>().lets_in; }
};

task<result<void>> sleep_long() { co_return co_await sleep_for(1h); }

const policy_info* find(const std::vector<policy_info>& all, const std::string& name) {
  for (const policy_info& p : all)
    if (p.name == name) return &p;
  return nullptr;
}

TEST(With, ThePoliciesAreAroundTheCallTheFirstOneOutermost) {
  sim_runtime sim;
  std::vector<std::string> notes;
  const auto both = with(noting("a", notes), noting("b", notes));
  const auto got = sim.run(both.run([&](const call& c) -> task<result<int>> {
    notes.push_back("called");
    co_return static_cast<int>(c.attempt);
  }));
  EXPECT_EQ(got.value(), 3) << "each handed a changed call inwards";
  EXPECT_EQ(notes, (std::vector<std::string>{"a in", "b in", "called", "b out", "a out"}));
}

TEST(With, PrintsItsPoliciesInTheirOrder) {
  std::vector<std::string> notes;
  EXPECT_EQ(to_string(with(timeout(1500ms), noting("n", notes), timeout(20us))),
            "timeout(1.5s) > noting(n) > timeout(20us)");
  EXPECT_EQ(to_string(with()), "");
}

TEST(With, APolicyCanAskWhetherTheOnesInsideWouldRejectACall) {
  sim_runtime sim;
  std::vector<std::string> notes;
  const auto both = with(noting("a", notes), noting("b", notes, false));
  (void)sim.run(both.run([] -> task<result<void>> { co_return result<void>(); }));
  EXPECT_EQ(notes.front(), "a in, though the inner would reject it");
  EXPECT_EQ(notes[1], "b in");
}

TEST(With, PassesOnTheCallAsTheCallerDescribedIt) {
  sim_runtime sim;
  const auto describe = [](const call& c) -> task<std::string> {
    co_return std::string(c.method) + " " + std::string(c.target) + (c.idempotent ? " again" : "");
  };
  const auto got = sim.run(with().run({.method = "get", .target = "a:1", .idempotent = true}, describe));
  EXPECT_EQ(got.value(), "get a:1 again");
}

TEST(With, AFunctionMayGiveAValueInsteadOfAResult) {
  sim_runtime sim;
  int called = 0;
  EXPECT_TRUE(sim.run(with(timeout(1s)).run([&] -> task<> {
                  ++called;
                  co_return;
                })).has_value());
  EXPECT_EQ(sim.run(with(timeout(1s)).run([] -> task<int> { co_return 7; })).value(), 7);
  EXPECT_EQ(called, 1);
}

TEST(With, AnExceptionPassesThroughThePolicies) {
  sim_runtime sim;
  auto fails = with(timeout(1s)).run([] -> task<result<int>> {
    throw std::runtime_error("no");
    co_return 1;
  });
  auto body = [](task<result<int>> what) -> task<std::string> {
    try {
      (void)co_await std::move(what);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(sim.run(body(std::move(fails))).value(), "no");
}

TEST(With, APolicyIsListedAsLongAsSomebodyHasIt) {
  std::vector<std::string> notes{"one"};
  {
    const auto all = with(noting("listed one", notes));
    const auto found = list_policies();
    const policy_info* const it = find(found, "listed one");
    ASSERT_NE(it, nullptr);
    EXPECT_EQ(it->kind, "noting");
    EXPECT_EQ(it->settings, "listed one");
    EXPECT_EQ(it->state, "fine");
    EXPECT_EQ(it->counters, (std::vector<policy_counter>{{"notes", 1}}));
    EXPECT_EQ(all.get<noting>().info().state, "fine");
  }
  EXPECT_EQ(find(list_policies(), "listed one"), nullptr);
}

TEST(With, APolicyWithoutANameGetsOneOfItsOwn) {
  const timeout a(1s);
  const timeout b(1s);
  EXPECT_NE(a.name(), b.name());
  EXPECT_EQ(a.name().substr(0, 8), "timeout-");
}

TEST(Timeout, EndsWhatTakesTooLong) {
  sim_runtime sim;
  const timeout limit(200ms, "limit");
  const time_point start = sim.now();
  const auto got = sim.run(with(limit).run({.method = "get"}, [] { return sleep_long(); }));
  EXPECT_EQ(got.error().code(), errc::timed_out);
  EXPECT_EQ(got.error().message(), "get: no outcome within 200ms: deadline_exceeded");
  EXPECT_EQ(sim.now() - start, 200ms);
  EXPECT_EQ(limit.info().state, "1 of 1 calls timed out");
}

TEST(Timeout, PassesOnWhatComesInTime) {
  sim_runtime sim;
  const timeout limit(200ms);
  auto body = [&]() -> task<result<int>> {
    return with(limit).run([] -> task<result<int>> {
      (void)co_await sleep_for(199ms);
      co_return 5;
    });
  };
  EXPECT_EQ(sim.run(body()).value(), 5);
  EXPECT_EQ(limit.info().counters, (std::vector<policy_counter>{{"calls", 1}, {"timed_out", 0}}));
}

TEST(Timeout, WaitsForAFunctionThatDoesNotLookAtItsContext) {
  sim_runtime sim;
  const time_point start = sim.now();
  const auto got = sim.run(with(timeout(10ms)).run([] -> task<result<int>> {
    (void)co_await without_cancel([] -> task<result<void>> { co_return co_await sleep_for(1s); }());
    co_return 5;
  }));
  EXPECT_EQ(got.value(), 5) << "late, but there";
  EXPECT_EQ(sim.now() - start, 1s);
}

TEST(Timeout, IsNotToBlameForTheCallersDeadline) {
  sim_runtime sim;
  const timeout limit(1s);
  const auto got = sim.run(with_timeout(100ms, with(limit).run([] { return sleep_long(); })));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(limit.info().counters[1].value, 0U);
}

TEST(Timeout, MustBeMoreThanNothing) {
  EXPECT_THROW(timeout(0ms), std::invalid_argument);
  EXPECT_THROW(timeout(-1ms), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::resilience
