#include <tandem/sync/detail/waitable.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <tandem/sync/guard.hpp>

namespace tandem::sync::detail {

void waitable::destroyed_with_waiters() const noexcept {
  const task_record& first = task_of(*waiters_.first());
  const tandem::detail::wait_kind* const kind = first.waits_for.load(std::memory_order_relaxed);  // it stays suspended
  std::fprintf(stderr,
               "tandem: what task '%s' waits for was destroyed: %s. It would wait for ever; let what is waited for "
               "outlive the tasks that use it: join them first.\n",
               first.name(), kind ? kind->name : "something unknown");
  std::abort();
}

void not_locked(const char* what) {
  throw std::logic_error(std::string("tandem: unlock of a ") + what + " that is not locked");
}

}  // namespace tandem::sync::detail
