#include <tandem/sync/once.hpp>

namespace tandem::sync::detail {

bool says_context_over(const error& outcome) noexcept {
  return this_task::cancelled() && (outcome == errc::cancelled || outcome == errc::deadline_exceeded);
}

}  // namespace tandem::sync::detail
