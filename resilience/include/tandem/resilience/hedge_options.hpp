// What a hedge is told. The policy is in hedge.hpp.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <tandem/resilience/retry_budget.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct hedge_options {
  /// After how long the next copy is sent. More than zero. Default: as long as the share `quantile` of the calls takes.
  std::optional<duration> delay = {};
  double quantile = 0.95;                        ///< Between 0 and 1.
  duration floor = std::chrono::milliseconds(1); ///< The live delay is at least that. More than zero.
  std::uint32_t warm_up = 100;  ///< Without a fixed delay, nothing is hedged before so many latencies are known.
  /// The live delay and the failure rate are those of the last one to two windows. From 1 ms to a day.
  duration window = std::chrono::seconds(30);
  std::uint32_t copies = 2;               ///< At once, the first one included. From 2 to 8.
  std::vector<std::string> targets = {};  ///< Whom to ask. None: all copies go to the call's own target.
  /// What may be sent in addition to the calls, often shared with retry. Default: one of its own, 5 % of the calls.
  std::optional<retry_budget> budget = {};
  /// No hedges while more than that share of the copies fail as is_failure_of_target() has it (or throw), counted once
  /// there were 20. From 0 to 1.
  double max_failure_rate = 0.1;
  /// No hedges while more copies than that are in flight. Default: no limit.
  std::size_t max_inflight = std::numeric_limits<std::size_t>::max();
  std::string name = {};
};

}  // namespace tandem::resilience
