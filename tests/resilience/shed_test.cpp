#include <tandem/resilience/shed.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/resilience/adaptive_limit.hpp>

#include "helpers.hpp"

namespace tandem::resilience {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

TEST(Shed, RejectsWhatMattersLeastFirst) {
  sim_runtime sim;
  const shed s({.limit = 20});
  const auto all = with(s);
  std::vector<join_handle<result<int>>> calls;
  // Of each level as many as get in, the least first: the room that is left to those above.
  std::vector<std::uint64_t> let_in;
  for (const auto level :
       {criticality::sheddable, criticality::sheddable_plus, criticality::critical, criticality::critical_plus}) {
    for (int i = 0; i < 20; ++i)
      calls.push_back(sim.spawn(all.run({.matters = level}, [] { return play(works(1s)); })));
    sim.run_until_idle();
    let_in.push_back(counter(s, "let_in"));
    EXPECT_FALSE(s.admits({.matters = level}));
  }
  EXPECT_EQ(let_in, (std::vector<std::uint64_t>{10, 15, 18, 20}));
  EXPECT_EQ(s.info().state, "20 of 20 inside");
  EXPECT_EQ(counter(s, "rejected_sheddable"), 10U);
  EXPECT_EQ(counter(s, "rejected_critical_plus"), 18U);
  sim.run_to_end();
  for (auto& one : calls) (void)sim.get(one);
  EXPECT_EQ(s.info().state, "0 of 20 inside");
}

TEST(Shed, SaysWhenToComeBack) {
  sim_runtime sim;
  const shed s({.limit = 1, .name = "s"});
  (void)call_through(sim, s, {}, works(300ms));
  auto inside = sim.spawn(with(s).run([] { return play(works(1s)); }));
  sim.run_until_idle();
  const auto got = call_through(sim, s, {}, works());
  EXPECT_EQ(got.error().code(), errc::overloaded);
  EXPECT_EQ(got.error().message(), "s: too many calls inside: overloaded");
  EXPECT_EQ(retry_after_of(got.error()), 300ms);
  EXPECT_TRUE(sim.wait(inside).has_value());
}

TEST(Shed, AnExceptionGivesThePlaceBack) {
  sim_runtime sim;
  const shed s({.limit = 1});
  for (int i = 0; i < 3; ++i) {
    const auto got = sim.run(with(s).run([] -> task<result<int>> {
      throw std::runtime_error("no");
      co_return 1;
    }));
    EXPECT_NE(got.error().message().find("no"), std::string::npos);
  }
}

// A number that came from a peer of another version.
TEST(Shed, WhatMattersAsNobodyKnowsHowMuchIsCritical) {
  sim_runtime sim;
  const shed policy({.limit = 1, .shares = {0, 0, 0, 1}});
  const call unknown{.matters = static_cast<criticality>(200)};
  EXPECT_EQ(call_through(sim, policy, unknown, works()).error().code(), errc::overloaded);
  EXPECT_EQ(counter(policy, "rejected_critical"), 1U);
  const adaptive_limit adaptive({.initial = 1, .shares = {0, 0, 0, 1}});
  EXPECT_EQ(call_through(sim, adaptive, unknown, works()).error().code(), errc::overloaded);
}

TEST(Shed, RefusesNonsense) {
  EXPECT_THROW(shed({.limit = 0}), std::invalid_argument);
  EXPECT_THROW(shed({.shares = {0.5, 0.4, 0.9, 1}}), std::invalid_argument);
  EXPECT_THROW(shed({.shares = {0.5, 0.6, 0.7, 0.8}}), std::invalid_argument);
  EXPECT_THROW(shed({.shares = {-1, 0.6, 0.7, 1}}), std::invalid_argument);
  EXPECT_THROW(shed({.shares = {NAN, 0.6, 0.7, 1}}), std::invalid_argument);
  EXPECT_EQ(shed().info().settings, "100 at once; 50/75/90/100% by criticality");
}

}  // namespace
}  // namespace tandem::resilience
