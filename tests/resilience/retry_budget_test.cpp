#include <tandem/resilience/retry_budget.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>

#include <gtest/gtest.h>
#include <tandem/resilience/hedge.hpp>
#include <tandem/resilience/retry.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;

int spend_all(const retry_budget& b) {
  int n = 0;
  while (b.spend()) ++n;
  return n;
}

TEST(RetryBudget, IsAShareOfTheCalls) {
  const retry_budget b({.share = 0.05, .most = 10});
  EXPECT_EQ(spend_all(b), 10) << "what is saved up at the start";
  for (int i = 0; i < 19; ++i) b.called();
  EXPECT_FALSE(b.spend());
  b.called();
  EXPECT_TRUE(b.spend());
  EXPECT_FALSE(b.spend());
}

TEST(RetryBudget, SavesUpNoMoreThanTheMost) {
  const retry_budget b({.share = 1, .most = 3});
  for (int i = 0; i < 100; ++i) b.called();
  EXPECT_EQ(spend_all(b), 3);
}

TEST(RetryBudget, MayGiveSomeEachSecondInAnyCase) {
  testing::sim_runtime sim;
  const retry_budget b({.share = 0, .per_second = 2, .most = 5});
  auto body = [&]() -> task<result<void>> {
    EXPECT_EQ(spend_all(b), 5);
    (void)co_await sleep_for(1500ms);
    EXPECT_EQ(spend_all(b), 3);
    (void)co_await sleep_for(1h);
    EXPECT_EQ(spend_all(b), 5);
    co_return result<void>();
  };
  EXPECT_TRUE(sim.run(body()).has_value());
}

TEST(RetryBudget, CopiesShareWhatIsLeft) {
  const retry_budget a({.most = 2});
  const retry_budget b = a;
  EXPECT_TRUE(a.spend());
  EXPECT_TRUE(b.spend());
  EXPECT_FALSE(a.spend());
  EXPECT_EQ(b.info().counters, (std::vector<policy_counter>{{"calls", 0}, {"spent", 2}, {"refused", 1}}));
  EXPECT_EQ(b.info().settings, "5% of calls, at most 2 saved");
}

TEST(RetryBudget, CountsACallOnceThatGoesThroughSeveralPolicies) {
  testing::sim_runtime sim;
  const retry_budget extra;
  const auto both = with(retry({.budget = extra}), hedge({.budget = extra}));
  int attempts = 0;
  auto third_time = [&attempts]() -> task<result<int>> {
    if (++attempts < 3) co_return fail(errc::unavailable);
    co_return attempts;
  };
  EXPECT_EQ(sim.run(both.run({.idempotent = true}, third_time)).value(), 3);
  EXPECT_EQ(extra.info().counters, (std::vector<policy_counter>{{"calls", 1}, {"spent", 2}, {"refused", 0}}));
}

TEST(RetryBudget, RefusesNonsense) {
  EXPECT_THROW(retry_budget({.share = -0.1}), std::invalid_argument);
  EXPECT_THROW(retry_budget({.share = 1.1}), std::invalid_argument);
  EXPECT_THROW(retry_budget({.share = NAN}), std::invalid_argument);
  EXPECT_THROW(retry_budget({.per_second = -1}), std::invalid_argument);
  EXPECT_THROW(retry_budget({.most = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace tandem::resilience
