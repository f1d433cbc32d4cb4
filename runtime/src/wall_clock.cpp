#include <tandem/runtime/wall_clock.hpp>

#include <algorithm>

#include <tandem/runtime/sleep.hpp>

#include "scheduler.hpp"

namespace tandem {

wall_time wall_now() noexcept {
  const detail::scheduler* const s = detail::current_scheduler();
  return s ? s->wall_now() : wall_time(std::chrono::system_clock::now());
}

task<result<void>> at(wall_time when) {
  do {
    // Compared before it is subtracted, which could overflow.
    const wall_time now = wall_now();
    duration left{};
    if (when > now) left = now + wall_clock_recheck < when ? wall_clock_recheck : when - now;
    TANDEM_CO_TRY(co_await sleep_for(left));
  } while (wall_now() < when);
  co_return result<void>();
}

}  // namespace tandem
