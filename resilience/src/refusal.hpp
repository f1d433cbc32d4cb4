// How policies reject a call.
#pragma once
#include <string_view>

#include <tandem/errors/error.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// Says which policy, and why, and that it makes no sense to come back before `wait`, and a millisecond at least, has
/// passed. Without a stack: rejecting is meant to be cheap.
[[nodiscard]] error refusal(errc code, const policy_state& by, std::string_view why, duration wait);

}  // namespace tandem::resilience::detail
