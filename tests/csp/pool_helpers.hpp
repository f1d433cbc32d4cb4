// What the tests of worker pools share.
#pragma once
#include <tandem/csp/worker_pool_options.hpp>

namespace tandem::csp {

/// Every job that was taken is somewhere.
[[nodiscard]] inline bool adds_up(const worker_pool_stats& s) {
  return s.submitted == s.queued + s.running + s.done + s.failed + s.expired + s.lost;
}

}  // namespace tandem::csp
