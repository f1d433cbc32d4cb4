// The closed set of error codes. Each names the caller's next move; the first sixteen are gRPC's status codes.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace tandem {

/// Why an operation did not succeed, chosen for what the caller should do next.
///
/// Values up to `unauthenticated` equal gRPC's numeric status codes; the others are local to tandem and map onto one
/// of those when they cross a wire (grpc_status_of).
enum class errc : std::uint8_t {
  cancelled = 1,            ///< The caller's context was cancelled: stop, do not retry.
  unknown = 2,              ///< Nothing is known about the cause: report it.
  invalid_argument = 3,     ///< The request is wrong whatever the state: fix the request.
  deadline_exceeded = 4,    ///< The context's deadline passed: retry only with a new deadline.
  not_found = 5,            ///< The thing named does not exist: fix the request, or create it.
  already_exists = 6,       ///< The thing to create exists: use it.
  permission_denied = 7,    ///< The caller may not do this: give up.
  resource_exhausted = 8,   ///< A quota or limit is used up: retry after a back-off, or ask for less.
  failed_precondition = 9,  ///< The state forbids it: fix the state first.
  aborted = 10,             ///< Lost a race: retry the whole transaction.
  out_of_range = 11,        ///< Past the end: stop iterating.
  unimplemented = 12,       ///< Not supported here: give up.
  internal = 13,            ///< A bug on the serving side: report it.
  unavailable = 14,         ///< The service cannot be reached right now: retry after a back-off.
  data_loss = 15,           ///< Data is gone or corrupt: report it.
  unauthenticated = 16,     ///< Identity missing or not accepted: fix the credentials.

  closed = 32,        ///< The channel, mailbox or runtime was closed: stop using it.
  would_block = 33,   ///< A try_ operation would have to wait: retry later, or use the waiting form.
  timed_out = 34,     ///< The operation's own time limit passed, the context lives on: retry if that makes sense.
  overloaded = 35,    ///< Load was shed here: retry after a back-off.
  circuit_open = 36,  ///< A circuit breaker rejected the call without trying: retry after its isolation time.
};

/// The code's name as written in the source, e.g. "deadline_exceeded"; a value outside the set is named "unknown".
[[nodiscard]] std::string_view to_string(errc code) noexcept;

/// The numeric gRPC status code (1…16) that stands for `code` on a wire; 2, unknown, for a value outside the set.
[[nodiscard]] int grpc_status_of(errc code) noexcept;

/// The errc for a number received from elsewhere, gRPC status codes included; errc::unknown for one outside the set.
[[nodiscard]] errc errc_from_number(int value) noexcept;

/// Writes to_string(code).
std::ostream& operator<<(std::ostream& out, errc code);

}  // namespace tandem
