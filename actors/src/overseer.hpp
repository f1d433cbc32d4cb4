// What a supervisor is to an actor it restarts in place.
#pragma once
#include <cstdint>

#include <tandem/errors/error.hpp>

namespace tandem::actors::detail {

/// Shared between the supervisor and the cell.
class overseer {
 public:
  overseer() = default;
  overseer(const overseer&) = delete;
  overseer& operator=(const overseer&) = delete;
  virtual ~overseer() = default;

  /// A life of the actor is over: its object is destroyed. No reason: it ended by itself. `for_good`: the actor has
  /// ended, it cannot be restarted. Otherwise it waits for cell::restart() or cell::end().
  /// Threads: a worker of the system's runtime; must not block or throw.
  virtual void stopped(const error& reason, bool for_good) noexcept = 0;
};

}  // namespace tandem::actors::detail
