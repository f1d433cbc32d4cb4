// Whether to try again.
//
//   advice         codes
//   now            aborted
//   after_backoff  resource_exhausted, unavailable, would_block, timed_out, overloaded, circuit_open
//   fix_request    invalid_argument, not_found, already_exists, failed_precondition, unauthenticated
//   never          cancelled, unknown, deadline_exceeded, permission_denied, out_of_range, unimplemented, internal,
//                  data_loss, closed
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string_view>

#include <tandem/errors/errc.hpp>
#include <tandem/errors/error.hpp>

namespace tandem {

/// The caller's next move after a failure. It assumes that doing the operation twice is safe: an error cannot tell
/// whether the first attempt had an effect.
enum class retry : std::uint8_t {
  now,            ///< The same again, at once.
  after_backoff,  ///< The same again, later and with growing, jittered pauses.
  never,          ///< The same again cannot succeed: give up, or report it.
  fix_request,    ///< Another request, or another state, can succeed; the same again cannot.
};

/// The advice of the table above; retry::never for a value outside the set.
[[nodiscard]] retry retry_advice(errc code) noexcept;

/// The advice for the error's code(); retry::never for no error, which leaves nothing to retry.
[[nodiscard]] retry retry_advice(const error& e) noexcept;

/// The advice's name as written in the source, e.g. "after_backoff"; a value outside the set is named "never".
[[nodiscard]] std::string_view to_string(retry advice) noexcept;

/// Writes to_string(advice).
std::ostream& operator<<(std::ostream& out, retry advice);

}  // namespace tandem
