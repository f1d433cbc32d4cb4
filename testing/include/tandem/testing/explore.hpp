// Runs a program under many schedules, to find the one that breaks it.
#pragma once
#include <cstdint>
#include <functional>

#include <tandem/errors/result.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::testing {

/// Runs `program` once for each seed from 1 to `seeds`, each time in a fresh simulation whose seed decides which ready
/// task runs next, and stops at the first failure. A run fails if `program` gives an error, throws or fails the test;
/// or if tasks are left that wait for ever once it has returned and every timer has fired.
///
/// ```
/// const auto explored = explore(10'000, [](sim_runtime& sim) { return sim.run(transfer_between_accounts()); });
/// ASSERT_TRUE(explored) << explored.error();
/// ```
/// With TANDEM_SEED set only that seed runs: the run that failed, again.
/// Errors: that of the run that failed, with its seed. Throws std::invalid_argument as sim_runtime does.
[[nodiscard]] result<void> explore(std::uint32_t seeds, const std::function<result<void>(sim_runtime&)>& program);

}  // namespace tandem::testing
