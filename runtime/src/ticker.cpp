#include <tandem/runtime/ticker.hpp>

#include <stdexcept>

namespace tandem {

bool ticker::reset(duration period) {
  if (period <= duration::zero()) throw std::invalid_argument("tandem: a ticker's period must be more than zero");
  return source_.restart(deadline_after(source_.clock_now(), period), period);
}

}  // namespace tandem
