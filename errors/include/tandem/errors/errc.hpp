// The closed set of error codes. Each names the caller's next move; the first sixteen are gRPC's status codes.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace tandem {

/// Why an operation did not succeed, chosen for what the caller should do next: each code names one of the four moves
/// of retry_advice.hpp. Whether it is safe to do the operation twice is for the caller to know.
///
/// Values up to `unauthenticated` equal gRPC's numeric status codes; the others are local to tandem and map onto one
/// of those when they cross a wire (grpc_status_of).
enum class errc : std::uint8_t {
  cancelled = 1,            ///< Never retry: the caller's context was cancelled, nobody waits for the outcome.
  unknown = 2,              ///< Never retry: nothing is known about the cause, so report it.
  invalid_argument = 3,     ///< Fix the request: it is wrong whatever the state.
  deadline_exceeded = 4,    ///< Never retry: the context's deadline passed; who set it may start again with a new one.
  not_found = 5,            ///< Fix the request: the thing named does not exist; name another, or create it.
  already_exists = 6,       ///< Fix the request: the thing to create exists; use it, or take another name.
  permission_denied = 7,    ///< Never retry: this caller may not do that.
  resource_exhausted = 8,   ///< Retry after a back-off: a quota or limit is used up; asking for less may help too.
  failed_precondition = 9,  ///< Fix the request: the state forbids it; bring that about first.
  aborted = 10,             ///< Retry now: a race was lost; repeat the transaction from its beginning.
  out_of_range = 11,        ///< Never retry: past the end; stop iterating.
  unimplemented = 12,       ///< Never retry: not supported here.
  internal = 13,            ///< Never retry: a bug on the serving side; report it.
  unavailable = 14,         ///< Retry after a back-off: the service cannot be reached right now.
  data_loss = 15,           ///< Never retry: data is gone or corrupt; report it.
  unauthenticated = 16,     ///< Fix the request: identity missing or not accepted; get new credentials.

  closed = 32,        ///< Never retry: the channel, mailbox or runtime was closed, and stays so.
  would_block = 33,   ///< Retry after a back-off: a try_ operation would have to wait; or use the waiting form.
  timed_out = 34,     ///< Retry after a back-off: the operation's own time limit passed, the context lives on.
  overloaded = 35,    ///< Retry after a back-off: load was shed here.
  circuit_open = 36,  ///< Retry after a back-off, at least the isolation time: a circuit breaker rejected the call.
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
