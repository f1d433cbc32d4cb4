#include <tandem/resilience/detail/guarded.hpp>

#include <exception>

#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/context.hpp>

namespace tandem::resilience::detail {

verdict verdict_of(const error* e, const failure_test& test) {
  if (!e) [[likely]]
    return verdict::success;
  if (e->code() == errc::cancelled) return verdict::neither;
  if (e->code() == errc::deadline_exceeded && this_task::context().is_over()) return verdict::neither;
  return (test ? test(*e) : is_failure_of_target(*e)) ? verdict::failure : verdict::success;
}

verdict verdict_without_outcome() noexcept {
  return std::uncaught_exceptions() > 0 ? verdict::failure : verdict::neither;
}

}  // namespace tandem::resilience::detail
