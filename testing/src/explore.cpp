#include <tandem/testing/explore.hpp>

#include <exception>

#include <fmt/format.h>

#include <tandem/testing/test_framework.hpp>

#include "seed.hpp"

namespace tandem::testing {
namespace {

result<void> run_once(std::uint32_t seed, const std::function<result<void>(sim_runtime&)>& program) {
  const bool failed_before = test_framework_in_use().has_failed();
  sim_runtime sim({.seed = seed, .order = task_order::shuffled});
  try {
    if (auto outcome = program(sim); !outcome) return outcome;
    if (!failed_before && test_framework_in_use().has_failed()) return fail(errc::aborted, "the test failed");
    sim.run_to_end();
  } catch (...) {
    return fail(from_exception(std::current_exception()));
  }
  if (sim.live_tasks() != 0) return fail(sim.stuck());
  return {};
}

}  // namespace

result<void> explore(std::uint32_t seeds, const std::function<result<void>(sim_runtime&)>& program) {
  const auto replayed = seed_of_environment();
  const std::uint32_t first = replayed.value_or(1);
  const std::uint32_t last = replayed.value_or(seeds);
  for (std::uint32_t seed = first; seed <= last; ++seed) {
    if (auto outcome = run_once(seed, program); !outcome)
      return fail(wrap(std::move(outcome).error(), fmt::format("seed {} (TANDEM_SEED={} replays it)", seed, seed)));
    if (seed == last) break;  // last may be the largest number
  }
  return {};
}

}  // namespace tandem::testing
