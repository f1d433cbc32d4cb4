#include <tandem/runtime/wall_clock.hpp>

#include <tandem/runtime/sleep.hpp>

#include "recheck.hpp"
#include "scheduler.hpp"

namespace tandem {

wall_time wall_now() noexcept {
  const detail::scheduler* const s = detail::current_scheduler();
  return s ? s->wall_now() : wall_time(std::chrono::system_clock::now());
}

task<result<void>> at(wall_time when) {
  do {
    const wall_time now = wall_now();
    const duration left = when > now ? detail::until_recheck(now, when) : duration::zero();
    TANDEM_CO_TRY(co_await sleep_for(left));
  } while (wall_now() < when);
  co_return result<void>();
}

}  // namespace tandem
