#include <tandem/errors/errc.hpp>

#include <ostream>

namespace tandem {

std::string_view to_string(errc code) noexcept {
  // No default: the compiler then tells when a new code was forgotten here.
  switch (code) {
    case errc::cancelled: return "cancelled";
    case errc::unknown: return "unknown";
    case errc::invalid_argument: return "invalid_argument";
    case errc::deadline_exceeded: return "deadline_exceeded";
    case errc::not_found: return "not_found";
    case errc::already_exists: return "already_exists";
    case errc::permission_denied: return "permission_denied";
    case errc::resource_exhausted: return "resource_exhausted";
    case errc::failed_precondition: return "failed_precondition";
    case errc::aborted: return "aborted";
    case errc::out_of_range: return "out_of_range";
    case errc::unimplemented: return "unimplemented";
    case errc::internal: return "internal";
    case errc::unavailable: return "unavailable";
    case errc::data_loss: return "data_loss";
    case errc::unauthenticated: return "unauthenticated";
    case errc::closed: return "closed";
    case errc::would_block: return "would_block";
    case errc::timed_out: return "timed_out";
    case errc::overloaded: return "overloaded";
    case errc::circuit_open: return "circuit_open";
  }
  return "unknown";
}

errc errc_from_number(int value) noexcept {
  const bool known = (value >= static_cast<int>(errc::cancelled) && value <= static_cast<int>(errc::unauthenticated)) ||
                     (value >= static_cast<int>(errc::closed) && value <= static_cast<int>(errc::circuit_open));
  return known ? static_cast<errc>(value) : errc::unknown;
}

int grpc_status_of(errc code) noexcept {
  switch (code) {
    // A peer that closed, or opened its circuit, may be replaced by another: what gRPC clients retry.
    case errc::closed:
    case errc::circuit_open: return static_cast<int>(errc::unavailable);
    case errc::would_block:
    case errc::overloaded: return static_cast<int>(errc::resource_exhausted);
    case errc::timed_out: return static_cast<int>(errc::deadline_exceeded);
    default: return static_cast<int>(errc_from_number(static_cast<int>(code)));
  }
}

std::ostream& operator<<(std::ostream& out, errc code) { return out << to_string(code); }

}  // namespace tandem
