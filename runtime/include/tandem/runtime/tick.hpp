// What a timer or ticker tells the task that waits for it.
#pragma once
#include <cstdint>

#include <tandem/runtime/time.hpp>

namespace tandem {

struct tick {
  time_point when;           ///< When it was due, on the runtime's clock.
  std::uint64_t missed = 0;  ///< Ticks that were due before it and that nobody received in time. Always 0 for a timer.

  bool operator==(const tick&) const = default;
};

}  // namespace tandem
